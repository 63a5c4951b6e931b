"""The sliding window: rates, percentiles, baselines, anomalies and spend, pure and mergeable.

Nothing in here reads a clock, a file or the environment: times come in as seconds since the epoch.
"""

from typing import TYPE_CHECKING, Any

from .facts import Check, Facts, Judgement, Key, Severity, Signal, Stats
from .spend import Budget, Crossing, Spend

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["Budget", "Check", "Crossing", "Engine", "Facts", "Judgement", "Key", "Severity", "Signal", "Spend", "Stats"]


def __getattr__(name: str) -> Any:
    """The engine, which only what leads needs."""
    if name != "Engine":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .engine import Engine  # noqa: PLC0415

    globals()[name] = Engine
    return Engine
