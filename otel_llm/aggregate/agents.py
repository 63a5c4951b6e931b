"""Agents and tools since the start, for the page: runs, how many failed, what they cost, and the same of the last 15 minutes."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, cast

from otel_llm.core.objectives import CALLER_ENDED
from otel_llm.core.series import NO_AGENT

from .situation import Runs

if TYPE_CHECKING:
    from .cells import Histogram, Number
    from .families import Families
    from .situation import Situation

MOST = 50
_LEFT = ("", *CALLER_ENDED)  # ends of runs that have not failed


def agents(families: Families, now: Situation) -> list[dict[str, Any]]:
    """Agents that have runs, the most expensive first; what no agent's run is part of is none."""
    runs, failed, seconds = _ended(families, "gen_ai_invoke_agent_duration_seconds", 1)
    spent: dict[str, float] = defaultdict(float)
    for (name, *_), cell in families.cells("otel_llm_agent_cost_usd_total").items():
        if name != NO_AGENT:
            spent[name] += cast("Number", cell).value
    names = sorted(runs, key=lambda name: (-spent[name], -runs[name], name))[:MOST]
    return [
        {
            "name": name, "runs": runs[name], "failed": failed[name] / runs[name], "cost": spent[name],
            "mean_s": seconds[name] / runs[name], "last": _last(now.agents.get(name)),
        }
        for name in names
    ]  # fmt: skip


def tools(families: Families, now: Situation) -> list[dict[str, Any]]:
    """Tools that were called, the most called first."""
    runs, failed, seconds = _ended(families, "gen_ai_execute_tool_duration_seconds", 3)
    repeats: dict[str, float] = defaultdict(float)
    for (_, tool), count in now.repeats.items():
        repeats[tool] += count
    names = sorted(runs, key=lambda name: (-runs[name], name))[:MOST]
    return [
        {
            "name": name, "runs": runs[name], "failed": failed[name] / runs[name], "mean_s": seconds[name] / runs[name],
            "repeats": repeats[name], "last": _last(now.tools.get(name)),
        }
        for name in names
    ]  # fmt: skip


def _ended(families: Families, metric: str, error: int) -> tuple[dict[str, int], dict[str, int], dict[str, float]]:
    """Runs, failed ones and seconds by name; ``error`` is the place of the label that says how a run ended."""
    runs: dict[str, int] = defaultdict(int)
    failed: dict[str, int] = defaultdict(int)
    seconds: dict[str, float] = defaultdict(float)
    for labels, cell in families.cells(metric).items():
        histogram, name = cast("Histogram", cell), labels[0]
        count = sum(histogram.counts)
        runs[name] += count
        seconds[name] += histogram.sum
        failed[name] += 0 if labels[error] in _LEFT else count
    return runs, failed, seconds


def _last(one: Runs | None) -> dict[str, float | None]:
    """Of the last 15 minutes; null is unknown."""
    one = one or Runs()
    return {
        "runs": one.runs, "failed": one.failed / one.runs if one.runs else None,
        "run_cost": one.cost / one.priced if one.priced else None,
    }  # fmt: skip
