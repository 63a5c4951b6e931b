"""LangSmith's OpenTelemetry export: details of usage are Python's notation of a dictionary, with a JSON twin in the metadata."""

from __future__ import annotations

from otel_llm.gateway.span import Span, Tokens
from otel_llm.gateway.values import count, numbers

from .table import Dialect, Kind, operation, tokens

KIND = "langsmith.span.kind"
_CALLS = ("llm", "embedding")


def _kind(span: Span) -> Kind:
    return "inference" if span.attributes[KIND] in _CALLS else "other"


def _operation(span: Span) -> str:
    return "embeddings" if span.attributes[KIND] == "embedding" else operation(span)


def _tokens(span: Span) -> Tokens:
    attributes = span.attributes
    details = {
        **numbers(attributes.get("langsmith.metadata.usage_metadata")),
        **numbers(attributes.get("gen_ai.usage.input_token_details")),
        **numbers(attributes.get("gen_ai.usage.output_token_details")),
    }
    return tokens(LANGSMITH, attributes)._replace(
        cache_read=count(details.get("cache_read")),
        cache_write=count(details.get("cache_creation")),
        thinking=count(details.get("reasoning")),
    )


LANGSMITH = Dialect(
    "langsmith",
    lambda span: KIND in span.attributes,
    _kind,
    _operation,
    stream=("langsmith.request.streaming",),
    tokens=_tokens,
)
