"""What calls are for: runs of agents and tools, how many fail, and tools that are called again for nothing."""

from __future__ import annotations

from otel_llm.core import objectives as normal
from otel_llm.core.catalogue import BY_NAME
from otel_llm.ops import recorded
from otel_llm.ops.promql import FAILED, born

from .made import Context, Recording

_AGENT, _TOOL = "gen_ai_agent_name", "gen_ai_tool_name"


def work(it: Context) -> list[Recording]:
    """Runs and failed runs of five minutes; a run that its caller cancelled has not failed."""

    def risen(name: str, *labels: str, **where: str) -> str:
        return born(BY_NAME[name], it.over(normal.SHORT), it.by(*labels), **where)

    agents, tools = "gen_ai_invoke_agent_duration_seconds", "gen_ai_execute_tool_duration_seconds"
    return [
        Recording(recorded.AGENT_RUNS, risen(agents, _AGENT)),
        Recording(recorded.FAILED_AGENT_RUNS, risen(agents, _AGENT, error_type=FAILED)),
        Recording(recorded.TOOL_RUNS, risen(tools, _TOOL)),
        Recording(recorded.FAILED_TOOL_RUNS, risen(tools, _TOOL, error_type=FAILED)),
        Recording(recorded.TOOL_REPEATS, risen("otel_llm_tool_repeats_total", _AGENT, _TOOL)),
    ]
