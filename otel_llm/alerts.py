"""In-process alerts: who is told of an anomaly, off the caller's path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """Something unusual. ``type`` is latency_spike, output_length_anomaly, cost_spike, budget_exceeded or breaker_open."""

    type: str
    severity: str  # warning or critical
    value: float
    baseline: float | None = None
    z_score: float | None = None
    direction: str = "high"
    provider: str = ""
    model: str = ""
    trace_id: str = ""
    detail: str = ""  # the budget's or the breaker's name


Handler = Callable[[Anomaly], Awaitable[None] | None]


def on_anomaly(handler: Handler, severity: str | None = None, signal: str | None = None) -> Callable[[], None]:
    """Call ``handler`` for each anomaly of ``severity`` or worse and of ``signal``; returns what takes it off again."""
    return lambda: None


def deliver(anomaly: Anomaly) -> None:
    """Hand ``anomaly`` to those who listen. Never blocks, never raises."""
