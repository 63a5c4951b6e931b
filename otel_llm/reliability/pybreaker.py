"""pybreaker: each breaker's state, whoever changes it."""

from __future__ import annotations

from otel_llm.calls.declarations import ReliabilityLibrary

from ._states import hooks

signal = ReliabilityLibrary(
    name="pybreaker",
    distribution="pybreaker",
    requires=">=1.0,<2",
    tested=("1.4.1",),
    hooks=hooks("pybreaker", "pybreaker", "pybreaker"),
    notes="Breakers without a name count as one called pybreaker.",
)
