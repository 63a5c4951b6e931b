"""Claude Code's spans (beta): token counts that do not overlap, under names of its own."""

from __future__ import annotations

from otel_llm.gateway.values import truth

from .table import Dialect

_NAME = "claude_code."

CLAUDE_CODE = Dialect(
    "claude_code",
    lambda span: span.name.startswith(_NAME),
    lambda span: "inference" if span.name == "claude_code.llm_request" else "other",
    lambda _: "chat",
    request_model=("gen_ai.request.model", "model"),
    response_model=("gen_ai.response.model", "model"),
    input=("input_tokens",),
    output=("output_tokens",),
    cache_read=("cache_read_tokens",),
    cache_write=("cache_creation_tokens",),
    finish=("stop_reason",),
    first_chunk=(("ttft_ms", 1000.0),),
    response_id=("request_id",),
    owner=lambda _: "anthropic",
    error=lambda span: (
        str(span.attributes.get("error") or "") or ("Error" if truth(span.attributes.get("success")) is False else "")
    ),
    streams=lambda span: "ttft_ms" in span.attributes,
    apart=lambda _span, _provider: True,
)
