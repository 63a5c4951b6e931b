"""What labels of metrics are called as attributes, over OTLP."""

from __future__ import annotations

from collections.abc import Mapping

ATTRIBUTES: Mapping[str, str] = {
    "gen_ai_provider_name": "gen_ai.provider.name",
    "gen_ai_request_model": "gen_ai.request.model",
    "gen_ai_response_model": "gen_ai.response.model",
    "gen_ai_operation_name": "gen_ai.operation.name",
    "gen_ai_token_type": "gen_ai.token.type",
    "gen_ai_token_modality": "gen_ai.token.modality",
    "server_address": "server.address",
    "error_type": "error.type",
    "http_route": "http.route",
    "gen_ai_agent_name": "gen_ai.agent.name",
    "gen_ai_tool_name": "gen_ai.tool.name",
    "gen_ai_tool_type": "gen_ai.tool.type",
    "gen_ai_workflow_name": "gen_ai.workflow.name",
    "gen_ai_data_source_id": "gen_ai.data_source.id",
    "mcp_method_name": "mcp.method.name",
    "gen_ai_evaluation_name": "gen_ai.evaluation.name",
    "gen_ai_evaluation_score_label": "gen_ai.evaluation.score.label",
}  # label -> OpenTelemetry attribute


def attribute(label: str) -> str:
    """What one of our labels is called over OTLP: the conventions' attribute, or one in our own namespace."""
    return ATTRIBUTES.get(label, f"otel_llm.{label}")
