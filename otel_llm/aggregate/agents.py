"""Agents since the start, for the page: runs, how many failed, what their calls cost. The most expensive first."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, cast

from otel_llm.core.catalogue import NO_AGENT

if TYPE_CHECKING:
    from .cells import Histogram, Number
    from .families import Families

MOST = 10
_LEFT = ("", "cancelled", "abandoned")  # ends of runs that have not failed


def agents(families: Families) -> list[dict[str, Any]]:
    """Agents that have runs; what no agent's run is part of is none."""
    runs: dict[str, int] = defaultdict(int)
    failed: dict[str, int] = defaultdict(int)
    spent: dict[str, float] = defaultdict(float)
    for (name, error, *_), cell in families.cells("gen_ai_invoke_agent_duration_seconds").items():
        count = sum(cast("Histogram", cell).counts)
        runs[name] += count
        failed[name] += 0 if error in _LEFT else count
    for (name, *_), cell in families.cells("otel_llm_agent_cost_usd_total").items():
        if name != NO_AGENT:
            spent[name] += cast("Number", cell).value
    names = sorted(runs, key=lambda name: (-spent[name], -runs[name], name))[:MOST]
    return [
        {"name": name, "runs": runs[name], "failed": failed[name] / runs[name], "cost": spent[name]} for name in names
    ]
