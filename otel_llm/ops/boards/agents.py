"""Agents and tools: what the calls are for, which agent spends it, which tool fails, what a run costs, what MCP servers answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .model import NEUTRAL, WARN, Board, Panel, Query, Row
from .parts import COUNT, FAILED, RATE, SECONDS, SHARE, TOKEN_RATE, USD, lines, stat, warn_above
from .queries import RATE as RATES
from .queries import Queries, most, share

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_llm.core.objectives import Objectives

# A panel is a paragraph: what it is, what it asks, what it says.
# fmt: off

DESCRIPTION = (
    "Runs of agents and workflows, calls of tools, requests over MCP and retrievals: how many, how long, how many fail, what a run "
    "costs, and whether one repeats itself. Its numbers come from the recording rules, or from the metrics where there are none."
)
AGENT, TOOL, METHOD = ("gen_ai_agent_name",), ("gen_ai_tool_name",), ("mcp_method_name",)
RUNS, TOOLS = "gen_ai_invoke_agent_duration_seconds", "gen_ai_execute_tool_duration_seconds"
MODEL_CALLS, TOOL_CALLS = "gen_ai_invoke_agent_inference_calls", "gen_ai_invoke_agent_tool_calls"
RUN_COST, REPEATS = "otel_llm_run_cost_usd", "otel_llm_tool_repeats_total"
BY_AGENT, BY_TOOL, BY_METHOD = "{{gen_ai_agent_name}}", "{{gen_ai_tool_name}}", "{{mcp_method_name}}"
NO_RUNS = "No run of an agent in this time range"
NO_TOOLS = "No call of a tool in this time range"
NO_MCP = "No request over MCP in this time range"


def board(q: Queries, o: Objectives) -> Board:
    rows = (
        Row("Do agents get their work done?", (*_now(q, o), *_agents(q, o))),
        Row("Which agent spends it?", _money(q, o)),
        Row("Which tool fails, which is slow?", _tools(q, o)),
        Row("How do workflows go?", _workflows(q), folded=True),
        Row("What do MCP servers answer?", _mcp(q), folded=True),
        Row("What do retrievals find?", _retrieval(q), folded=True),
    )
    return Board("otel-llm-agents", "LLM / Agents and tools", DESCRIPTION, rows)


def _now(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    return (
        stat(
            "runs", "Runs", RATE, Query(q.rate(RUNS), "runs"), "Runs of agents per second, those inside of others included.",
            width=8, base=NEUTRAL, empty=NO_RUNS,
        ),
        stat(
            "failed", "Failed runs", SHARE, Query(share(q.rate(RUNS, **FAILED), q.rate(RUNS)), "failed"),
            "Share of runs that failed. A run that its caller cancelled or left has not failed.", steps=warn_above(o.agent_failures),
            decimals=1, empty=NO_RUNS,
        ),
        stat(
            "steps", "Model calls per run", COUNT, Query(q.mean(MODEL_CALLS), "model calls"),
            "Mean number of model calls of a run, failed ones included.", base=NEUTRAL, decimals=1, empty=NO_RUNS,
        ),
        stat(
            "tools_per_run", "Tool calls per run", COUNT, Query(q.mean(TOOL_CALLS), "tool calls"),
            "Mean number of tool calls of a run, failed ones included.", base=NEUTRAL, decimals=1, empty=NO_RUNS,
        ),
        stat(
            "run_cost_now", "Cost of a run", USD, Query(q.mean(RUN_COST), "cost"),
            "Mean cost of an outermost run, with all that runs inside of it.", steps=warn_above(o.run_cost), empty=NO_RUNS,
        ),
    )


def _agents(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    failed = most(share(q.rate(RUNS, AGENT, **FAILED), q.rate(RUNS, AGENT)))
    return (
        lines(
            "runs_by_agent", "Runs by agent", RATE, [Query(most(q.rate(RUNS, AGENT)), BY_AGENT)], "Runs per second, ten most.",
            low=0, stack="normal", empty=NO_RUNS,
        ),
        lines(
            "failed_by_agent", "Failed runs by agent", SHARE, [Query(failed, BY_AGENT)],
            f"Share of an agent's runs that failed. The alert fires above {o.agent_failures:.0%}.", low=0,
            steps=((o.agent_failures, WARN),), empty=NO_RUNS,
        ),
        lines(
            "duration_by_agent", "Duration by agent", SECONDS, [Query(most(q.quantile(0.95, RUNS, AGENT)), BY_AGENT)],
            "95th percentile of a run's duration, ten slowest.", low=0, empty=NO_RUNS,
        ),
    )


def _money(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    spent = f"{q.rate('otel_llm_agent_cost_usd_total', AGENT)} * 3600"
    return (
        lines(
            "cost_by_agent", "Spend by agent", "suffix: $/h", [Query(most(spent), BY_AGENT)],
            "US dollars per hour by the innermost agent; _none is spent outside of any agent's run, so the lines add up to all.", low=0,
            stack="normal", width=6, empty=NO_RUNS,
        ),
        lines(
            "tokens_by_agent", "Tokens by agent", TOKEN_RATE, [Query(most(q.rate("otel_llm_agent_tokens_total", AGENT)), BY_AGENT)],
            "Input and output tokens per second.", low=0, stack="normal", width=6, empty=NO_RUNS,
        ),
        lines(
            "run_cost", "Cost of a run", USD, [Query(most(q.quantile(0.95, RUN_COST, AGENT)), BY_AGENT)],
            f"95th percentile of what an outermost run costs. The alert fires above ${o.run_cost:g}.", low=0, width=6,
            steps=((o.run_cost, WARN),), empty=NO_RUNS,
        ),
        lines(
            "steps_by_agent", "Model calls per run", COUNT, [Query(most(q.mean(MODEL_CALLS, AGENT)), BY_AGENT)],
            "Mean number of model calls of an agent's own run, without those of agents inside of it.", low=0, width=6, empty=NO_RUNS,
        ),
    )


def _tools(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    failed = most(share(q.rate(TOOLS, TOOL, **FAILED), q.rate(TOOLS, TOOL)))
    return (
        lines(
            "tools_failed", "Failed calls by tool", SHARE, [Query(failed, BY_TOOL)],
            f"Share of a tool's calls that failed. The alert fires above {o.tool_failures:.0%}.", low=0,
            steps=((o.tool_failures, WARN),), empty=NO_TOOLS,
        ),
        lines(
            "tools_slow", "Duration by tool", SECONDS, [Query(most(q.quantile(0.95, TOOLS, TOOL)), BY_TOOL)],
            "95th percentile of a tool call's duration, ten slowest.", low=0, empty=NO_TOOLS,
        ),
        lines(
            "repeats", "Repeated calls by tool", COUNT, [Query(most(q.increase(REPEATS, TOOL, RATES)), BY_TOOL)],
            f"The same call with the same result again within one run. The alert fires above {o.tool_repeats} in 15 minutes.", low=0,
            empty="No call was repeated",
        ),
    )


def _workflows(q: Queries) -> tuple[Panel, ...]:
    name, which = "gen_ai_invoke_workflow_duration_seconds", ("gen_ai_workflow_name",)
    slow = most(q.quantile(0.95, name, which))
    return (
        lines(
            "workflows_slow", "Duration by workflow", SECONDS, [Query(slow, "{{gen_ai_workflow_name}}")],
            "95th percentile of a workflow's duration: a run of several agents or steps.", width=24, low=0,
            empty="No run of a workflow in this time range",
        ),
    )


def _mcp(q: Queries) -> tuple[Panel, ...]:
    sides = {side: f"mcp_{side}_operation_duration_seconds" for side in ("server", "client")}

    def of_both(expr: Callable[[str], str]) -> list[Query]:
        return [Query(most(expr(name), 5), f"{BY_METHOD} · {side}") for side, name in sides.items()]

    return (
        lines(
            "mcp", "Requests by method", RATE, of_both(lambda name: q.rate(name, METHOD)),
            "Requests per second, as servers and as clients in these processes see them.", low=0, empty=NO_MCP,
        ),
        lines(
            "mcp_failed", "Failed requests", SHARE,
            of_both(lambda name: share(q.rate(name, METHOD, error_type="!="), q.rate(name, METHOD))),
            "Share of requests that ended with an error; a tool that answers with an error counts, by the type tool_error.", low=0,
            empty=NO_MCP,
        ),
        lines(
            "mcp_slow", "Duration by method", SECONDS, of_both(lambda name: q.quantile(0.95, name, METHOD)),
            "95th percentile of a request's duration.",
            low=0, empty=NO_MCP,
        ),
    )


def _retrieval(q: Queries) -> tuple[Panel, ...]:
    name, source = "otel_llm_retrieval_duration_seconds", ("gen_ai_data_source_id",)
    legend, none = "{{gen_ai_data_source_id}}", "No retrieval in this time range"
    return (
        lines(
            "retrieval_slow", "Duration", SECONDS, [Query(most(q.quantile(0.95, name, source)), legend)],
            "95th percentile of a look-up in a vector store.", width=12, low=0, empty=none,
        ),
        lines(
            "retrieval_documents", "Documents", COUNT, [Query(most(q.mean("otel_llm_retrieval_documents", source)), legend)],
            "Mean number of documents that a look-up returned; 0 is a question without an answer.", width=12, low=0, empty=none,
        ),
    )
