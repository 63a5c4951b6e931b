"""Recording rules: rates, quantiles, costs, baselines, bands and error budgets, ready for alerts and panels.

Only the records of five minutes read what pods expose. Everything about longer windows adds up those, so that its cost goes
with the number of models and not with that of pods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .anomaly import anomaly, baselines, seasonal
from .made import Context, Recording, ratio
from .money import cost, fleet
from .objective import slo, slo_long, slo_period
from .own import own, processes
from .quality import quality
from .surroundings import surroundings
from .traffic import FILTERED, TRUNCATED, by_part, calls, latency, tokens
from .work import work, work_parts

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FILTERED", "TRUNCATED", "Context", "Recording", "ratio", "recording_groups"]


def recording_groups(it: Context) -> dict[str, list[dict[str, Any]]]:
    """All recording rules: groups of Prometheus by the file that they stand in."""
    return {
        "otel-llm-recording.yml": [
            _group(it, "aggregate", 30, [*calls(it), *latency(it), *tokens(it)]),
            _group(it, "around", 30, surroundings(it)),
            _group(it, "cost", 60, cost(it)),
            _group(it, "work", 60, [*work(it), *quality(it)]),
        ],
        "otel-llm-parts.yml": [
            _group(it, "parts", 60, by_part(it)),
            _group(it, "processes", 60, processes(it)),
            _group(it, "work_parts", 60, work_parts(it)),
            _group(it, "period", 300, fleet(it)),
        ],
        "otel-llm-anomaly.yml": [
            _group(it, "anomaly", 60, [*anomaly(it), *baselines(it)]),
            _group(it, "own", 60, own(it)),
            _group(it, "seasonal", 300, seasonal(it)),
        ],
        "otel-llm-slo.yml": [
            _group(it, "slo", 30, slo(it)),
            _group(it, "slo_long", 120, slo_long(it)),
            _group(it, "slo_period", 300, slo_period(it)),
        ],
    }


def _group(it: Context, name: str, interval: float, rules: Iterable[Recording]) -> dict[str, Any]:
    return {"name": f"otel_llm.{name}", "interval": it.over(interval), "rules": [one.rule() for one in rules]}
