"""circuitbreaker: it has no listeners, so its state is read whenever it is used."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import Args, Around, Kwargs, ReliabilityLibrary

from ._states import report


def _entered(breaker: Any, _: Args, __: Kwargs) -> None:
    """It is half open by time alone: seen when the trial call comes."""
    report(breaker.name or "circuitbreaker", breaker.state)


def _left(breaker: Any, _: Any, __: Any, ___: BaseException | None) -> None:
    report(breaker.name or "circuitbreaker", breaker.state)


signal = ReliabilityLibrary(
    name="circuitbreaker",
    distribution="circuitbreaker",
    requires=">=1.3,<3",
    tested=("2.1.3",),
    hooks=(
        Around("circuitbreaker", ("CircuitBreaker.__enter__",), lambda *_: None, _entered),
        Around("circuitbreaker", ("CircuitBreaker.decorate", "CircuitBreaker.__exit__", "CircuitBreaker.reset"), _left),
    ),
    notes="Breakers without a name count as one called circuitbreaker.",
)
