"""vLLM's own spans: what the server did, without a provider's name and often without a model."""

from __future__ import annotations

from otel_llm.gateway.span import Span

from .table import Dialect, Kind

_LATENCY = "gen_ai.latency."


def _knows(span: Span) -> bool:
    if span.scope.startswith("vllm"):
        return True
    return span.name == "llm_request" and any(name.startswith(_LATENCY) for name in span.attributes)


def _kind(span: Span) -> Kind:
    return "inference" if span.name == "llm_request" else "other"


VLLM = Dialect(
    "vllm",
    _knows,
    _kind,
    lambda _: "chat",
    request_model=("gen_ai.request.model", "gen_ai.response.model"),
    input=("gen_ai.usage.prompt_tokens", "gen_ai.usage.input_tokens"),
    output=("gen_ai.usage.completion_tokens", "gen_ai.usage.output_tokens"),
    first_chunk=(("gen_ai.latency.time_to_first_token", 1.0),),
    response_id=("gen_ai.request.id",),
    owner=lambda _: "vllm",
)
