"""The sliding window: rates, percentiles, baselines, anomalies and spend, pure and mergeable.

Nothing in here reads a clock, a file or the environment: times come in as seconds since the epoch.
"""

from .engine import Engine
from .facts import Check, Facts, Judgement, Key, Severity, Signal, Stats
from .spend import Budget, Crossing, Spend

__all__ = ["Budget", "Check", "Crossing", "Engine", "Facts", "Judgement", "Key", "Severity", "Signal", "Spend", "Stats"]
