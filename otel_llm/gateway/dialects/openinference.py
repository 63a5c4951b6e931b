"""OpenInference (Arize): the kind of a span is in one attribute, whatever else it carries."""

from __future__ import annotations

from otel_llm.gateway.span import Span
from otel_llm.gateway.values import document, text

from .table import Dialect, Kind

KIND = "openinference.span.kind"
_CALLS = {"LLM": "chat", "EMBEDDING": "embeddings"}
_FIRST = "First Token Stream Event"


def _kind(span: Span) -> Kind:
    return "inference" if str(span.attributes[KIND]).upper() in _CALLS else "other"


def _operation(span: Span) -> str:
    return _CALLS[str(span.attributes[KIND]).upper()]


def _model(span: Span) -> str:
    """A failed call has its model only among the parameters, and a good one may have the answer's in its own attribute."""
    return text(document(span.attributes.get("llm.invocation_parameters")).get("model"))


def _streams(span: Span) -> bool:
    return _chunk(span) is not None or document(span.attributes.get("llm.invocation_parameters")).get("stream") is True


def _chunk(span: Span) -> float | None:
    at = next((at for name, at, _ in span.events if name == _FIRST), None)
    return None if at is None else max(0.0, (at - span.start) / 1e9)


OPENINFERENCE = Dialect(
    "openinference",
    lambda span: KIND in span.attributes,
    _kind,
    _operation,
    provider=("llm.provider", "llm.system"),
    request_model=("llm.request.model_name",),
    response_model=("llm.response.model_name", "llm.model_name", "embedding.model_name"),
    input=("llm.token_count.prompt",),
    output=("llm.token_count.completion",),
    cache_read=("llm.token_count.prompt_details.cache_read", "llm.token_count.prompt_details.cache_input"),
    cache_write=("llm.token_count.prompt_details.cache_write",),
    thinking=("llm.token_count.completion_details.reasoning",),
    finish=("llm.finish_reason",),
    stream=(),
    response_id=(),
    cost=("llm.cost.total",),
    address=("server.address",),
    model=_model,
    streams=_streams,
    chunk=_chunk,
)
