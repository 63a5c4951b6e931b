"""LiteLLM: cached and thinking tokens are in Python's notation of its usage; an answer of its cache is no call of a provider."""

from __future__ import annotations

from otel_llm.gateway.span import Span, Tokens
from otel_llm.gateway.values import count, numbers, truth

from .table import INFERENCE, OPERATION, Dialect, Kind, tokens

_RAW = "raw_gen_ai_request"
_OLDER = {"completion": "chat", "acompletion": "chat", "embedding": "embeddings", "aembedding": "embeddings"}


def _kind(span: Span) -> Kind:
    attributes = span.attributes
    if span.name == _RAW or truth(attributes.get("litellm.cache_hit")):
        return "other"
    return "inference" if attributes.get(OPERATION) in INFERENCE or span.name == "litellm_request" else "other"


def _operation(span: Span) -> str:
    operation = str(span.attributes.get(OPERATION) or _OLDER.get(str(span.attributes.get("llm.request.type")), "chat"))
    return INFERENCE.get(operation, "chat")


def _tokens(span: Span) -> Tokens:
    usage = numbers(span.attributes.get("metadata.usage_object"))
    read = usage.get("cached_tokens", usage.get("cache_read_input_tokens"))
    return tokens(LITELLM, span.attributes)._replace(
        cache_read=count(read),
        cache_write=count(usage.get("cache_creation_input_tokens")),
        thinking=count(usage.get("reasoning_tokens")),
    )


LITELLM = Dialect(
    "litellm",
    lambda span: span.scope == "litellm",
    _kind,
    _operation,
    cost=("gen_ai.cost.total_cost",),
    tokens=_tokens,
)
