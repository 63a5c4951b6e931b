"""Alerts on what calls are for: agents and tools that fail, runs that cost too much, and agents that repeat themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_llm.ops import recorded

from .alert import COUNT, SHARE, Alert, judged

if TYPE_CHECKING:
    from otel_llm.ops.rules import Context


def failing(it: Context) -> list[Alert]:
    """An agent or a tool whose runs fail more often than the objective allows."""
    o = it.objectives
    return [
        _failing(it, "agent", recorded.FAILED_AGENT_RUNS, recorded.AGENT_RUNS, o.agent_failures),
        _failing(it, "tool", recorded.FAILED_TOOL_RUNS, recorded.TOOL_RUNS, o.tool_failures),
    ]


def _failing(it: Context, kind: str, failed: str, every: str, limit: float) -> Alert:
    name = f"gen_ai_{kind}_name"
    on = f"on ({', '.join(it.by(name))})"
    runs = _in_window(it, every)
    expr = f"{_in_window(it, failed)}\n/ {on}\n({runs} >= {it.objectives.min_runs})\n> {limit:g}"
    return judged(
        kind, "warning", "agents", expr, f"{kind} fails in {SHARE}", SHARE, about=(name,), variables={}
    )  # fmt: skip


def expensive(it: Context) -> list[Alert]:
    """An agent whose outermost runs cost more than the objective allows, on average."""
    on = f"on ({', '.join(it.by('gen_ai_agent_name'))})"
    runs = f"({_in_window(it, recorded.PRICED_RUNS)} >= {it.objectives.min_runs})"
    expr = f"{_in_window(it, recorded.RUN_COST)}\n/ {on}\n{runs}\n> {it.objectives.run_cost:g}"
    value = '${{ $value | printf "%.2f" }}'
    return [
        judged(
            "run_cost",
            "warning",
            "agents",
            expr,
            f"a run costs {value}",
            value,
            about=("gen_ai_agent_name",),
            variables={},
        )
    ]


def circles(it: Context) -> list[Alert]:
    """The same call of a tool again and again. A warning ends where the critical alert begins, so one of them fires."""
    o, repeats = it.objectives, _in_window(it, recorded.TOOL_REPEATS)
    limits = {
        "warning": f"{repeats} > {o.tool_repeats}\n<= {o.runaway_repeats}",
        "critical": f"{repeats} > {o.runaway_repeats}",
    }
    return [
        judged(
            "runaway", "critical" if severity == "critical" else "warning", "agents", expr, f"{COUNT} repeated tool calls",
            COUNT, about=("gen_ai_agent_name", "gen_ai_tool_name"), variables={},
        )
        for severity, expr in limits.items()
    ]  # fmt: skip


def _in_window(it: Context, record: str) -> str:
    return it.parts(record)
