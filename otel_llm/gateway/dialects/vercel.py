"""Vercel's AI SDK 5 and 6 (``ai.*``): only the innermost ids are calls, one span for each HTTP attempt."""

from __future__ import annotations

from otel_llm.gateway.span import Span

from .table import Dialect, Kind

ID = "ai.operationId"
_CALLS = (".doGenerate", ".doStream", ".doEmbed")


def _kind(span: Span) -> Kind:
    return "inference" if str(span.attributes[ID]).endswith(_CALLS) else "other"


def _operation(span: Span) -> str:
    return "embeddings" if str(span.attributes[ID]).endswith(".doEmbed") else "chat"


VERCEL = Dialect(
    "vercel",
    lambda span: ID in span.attributes,
    _kind,
    _operation,
    provider=("gen_ai.system", "ai.model.provider"),
    request_model=("gen_ai.request.model", "ai.model.id"),
    response_model=("gen_ai.response.model", "ai.response.model"),
    input=("ai.usage.inputTokens", "ai.usage.promptTokens", "gen_ai.usage.input_tokens", "ai.usage.tokens"),
    output=("ai.usage.outputTokens", "ai.usage.completionTokens", "gen_ai.usage.output_tokens"),
    cache_read=("ai.usage.inputTokenDetails.cacheReadTokens", "ai.usage.cachedInputTokens"),
    cache_write=("ai.usage.inputTokenDetails.cacheWriteTokens",),
    thinking=("ai.usage.outputTokenDetails.reasoningTokens", "ai.usage.reasoningTokens"),
    finish=("gen_ai.response.finish_reasons", "ai.response.finishReason"),
    stream=(),
    first_chunk=(("ai.response.msToFirstChunk", 1000.0),),
    response_id=("gen_ai.response.id", "ai.response.id"),
    streams=lambda span: str(span.attributes[ID]).endswith(".doStream"),
    part=lambda span, _usage, _error: "attempt" if span.parent else "",
)
