"""Cases of the seasonal bands: a service with a daily rhythm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_llm.ops import recorded
from otel_llm.ops.promtests import Case, aggregated, anomaly

if TYPE_CHECKING:
    from otel_llm.ops.promtests import Series


def cases() -> list[Case]:
    """A service with a daily rhythm, 2 s by night and 6 s from 12 to 14 o'clock, in its fifth day."""
    noon, night = (96 + 12) * 60 + 50, (96 + 3) * 60 + 50
    says = "is at 4, outside of what is usual at this time"
    odd = anomaly("season", "warning", "latency", "high", says)
    return [
        Case("LLMAnomaly", "6 s at noon, as every day", _rhythm(), noon, every="2m"),
        Case("LLMAnomaly", "4 s by night", _rhythm(4), night, (odd,), every="2m"),
        Case("LLMAnomaly", "2.1 s by night", _rhythm(2.1), night, every="2m"),
        Case("LLMAnomaly", "4 s by night, in the second day", _rhythm(4, 2), (24 + 3) * 60 + 50, every="2m"),
    ]


def _rhythm(by_night: float = 2, days: int = 5) -> tuple[Series, ...]:
    day = [2.0] * 12 + [6.0] * 2 + [2.0] * 10
    today = [*day[:3], by_night, *day[4:]]
    values = " ".join(f"{value:g}x29" for value in day * (days - 1) + today)
    return aggregated(recorded.SIGNAL, values, signal="latency"), aggregated(recorded.CALLS, f"1x{30 * 24 * days}")
