"""Cases of the seasonal bands: the mean of the last minutes, and where it should be at this time of the day.

How bands come from the days before is tested by their values, in ``recording.bands``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_llm.ops import recorded
from tools.generate.promtests import Case, aggregated, anomaly

if TYPE_CHECKING:
    from tools.generate.promtests import Series

_MINUTES = 20
_NIGHT, _NOON = (0.32, 4.68), (3.9, 8.1)


def cases() -> list[Case]:
    """A service with a daily rhythm, 2 s by night and 6 s at noon."""
    says = "is at 5, outside of what is usual at this time"
    odd = anomaly("season", "warning", "latency", "high", says)
    name = "LLMAnomaly"
    return [
        Case(name, "5 s by night", (*_at(5), *_band(*_NIGHT)), 15, (odd,), (8,)),
        Case(name, "4.6 s by night", (*_at(4.6), *_band(*_NIGHT)), 15),
        Case(name, "5 s by night, in the second day", _at(5), 15),
        Case(name, "6 s at noon, as every day, five deviations from the day's mean", (*_noon(), *_band(*_NOON)), 15),
    ]


def _at(seconds: float) -> tuple[Series, ...]:
    return _still(recorded.SIGNAL, seconds, signal="latency"), _still(recorded.CALLS, 1)


def _band(low: float, high: float) -> tuple[Series, ...]:
    severity = "warning"
    return (
        _still(recorded.LOWER, low, signal="latency", severity=severity),
        _still(recorded.UPPER, high, signal="latency", severity=severity),
    )


def _noon() -> tuple[Series, ...]:
    mean, far = (
        _still(one, value, signal="latency") for one, value in ((recorded.BASELINE_MEAN, 2.3), (recorded.ZSCORE, 5))
    )
    return (*_at(6), mean, far)


def _still(name: str, value: float, **labels: str) -> Series:
    return aggregated(name, f"{value:g}x{_MINUTES}", **labels)
