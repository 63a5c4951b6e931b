"""aiobreaker: each breaker's state, as of the library it was forked from."""

from __future__ import annotations

from otel_llm.calls.declarations import ReliabilityLibrary

from ._states import hooks

signal = ReliabilityLibrary(
    name="aiobreaker",
    distribution="aiobreaker",
    requires=">=1.1,<2",
    tested=("1.2.0",),
    hooks=hooks("aiobreaker.circuitbreaker", "aiobreaker.state", "aiobreaker"),
    notes="Breakers without a name count as one called aiobreaker.",
)
