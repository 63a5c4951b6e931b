"""The sliding window: rates, percentiles, baselines, anomalies and spend, pure and mergeable.

Nothing in here reads a clock, a file or the environment: times come in as seconds since the epoch.
"""

from .engine import Engine
from .facts import Facts, Judgement, Severity, Signal, Stats
from .spend import Budget, Crossing, Spend

__all__ = ["Budget", "Crossing", "Engine", "Facts", "Judgement", "Severity", "Signal", "Spend", "Stats"]
