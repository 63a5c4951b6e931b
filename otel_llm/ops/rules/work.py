"""What calls are for: runs of agents and tools, how many fail, and tools that are called again for nothing."""

from __future__ import annotations

from collections.abc import Mapping

from otel_llm.core.catalogue import BY_NAME
from otel_llm.ops import recorded
from otel_llm.ops.promql import FAILED

from .made import Context, Recording

_AGENT, _TOOL = "gen_ai_agent_name", "gen_ai_tool_name"


def work(it: Context) -> list[Recording]:
    """Runs and failed runs of five minutes; a run that its caller cancelled has not failed."""

    def risen(name: str, *labels: str, **where: str) -> str:
        return it.born(it.by(*labels), BY_NAME[name], **where)

    def grown(suffix: str) -> str:
        return it.added(it.by(_AGENT), BY_NAME["otel_llm_run_cost_usd"], suffix, "increase")

    agents, tools = "gen_ai_invoke_agent_duration_seconds", "gen_ai_execute_tool_duration_seconds"
    return [
        Recording(recorded.AGENT_RUNS, risen(agents, _AGENT)),
        Recording(recorded.FAILED_AGENT_RUNS, risen(agents, _AGENT, error_type=FAILED)),
        Recording(recorded.RUN_COST, grown("_sum")),
        Recording(recorded.PRICED_RUNS, grown("_count")),
        Recording(recorded.TOOL_RUNS, risen(tools, _TOOL)),
        Recording(recorded.FAILED_TOOL_RUNS, risen(tools, _TOOL, error_type=FAILED)),
        Recording(recorded.TOOL_REPEATS, risen("otel_llm_tool_repeats_total", _AGENT, _TOOL)),
    ]


_PARTS: Mapping[str, tuple[str, str]] = {
    recorded.AGENT_ENDS: ("gen_ai_invoke_agent_duration_seconds", "_count"),
    recorded.AGENT_BUCKETS: ("gen_ai_invoke_agent_duration_seconds", "_bucket"),
    recorded.MODEL_CALLS_SUM: ("gen_ai_invoke_agent_inference_calls", "_sum"),
    recorded.MODEL_CALLS_COUNT: ("gen_ai_invoke_agent_inference_calls", "_count"),
    recorded.TOOL_CALLS_SUM: ("gen_ai_invoke_agent_tool_calls", "_sum"),
    recorded.TOOL_CALLS_COUNT: ("gen_ai_invoke_agent_tool_calls", "_count"),
    recorded.RUN_COST_BUCKETS: ("otel_llm_run_cost_usd", "_bucket"),
    recorded.AGENT_COST: ("otel_llm_agent_cost_usd_total", ""),
    recorded.AGENT_TOKENS: ("otel_llm_agent_tokens_total", ""),
    recorded.TOOL_ENDS: ("gen_ai_execute_tool_duration_seconds", "_count"),
    recorded.TOOL_BUCKETS: ("gen_ai_execute_tool_duration_seconds", "_bucket"),
    recorded.WORKFLOW_BUCKETS: ("gen_ai_invoke_workflow_duration_seconds", "_bucket"),
    recorded.SERVER_ENDS: ("mcp_server_operation_duration_seconds", "_count"),
    recorded.SERVER_BUCKETS: ("mcp_server_operation_duration_seconds", "_bucket"),
    recorded.CLIENT_ENDS: ("mcp_client_operation_duration_seconds", "_count"),
    recorded.CLIENT_BUCKETS: ("mcp_client_operation_duration_seconds", "_bucket"),
    recorded.RETRIEVAL_BUCKETS: ("otel_llm_retrieval_duration_seconds", "_bucket"),
    recorded.RETRIEVED_SUM: ("otel_llm_retrieval_documents", "_sum"),
    recorded.RETRIEVED_COUNT: ("otel_llm_retrieval_documents", "_count"),
}


def work_parts(it: Context) -> list[Recording]:
    """Rates of five minutes for the board of agents: nothing is recorded where there are none."""

    def rate(record: str) -> Recording:
        name, suffix = _PARTS[record]
        labels = [label for label in recorded.LABELS[record] if label not in recorded.SERVICE]
        return Recording(record, it.added(it.by(*labels), BY_NAME[name], suffix))

    return [rate(record) for record in _PARTS]
