"""Langfuse's SDKs: usage and cost are JSON, and the answer's model is all that is known of the model."""

from __future__ import annotations

from datetime import datetime

from otel_llm.gateway import providers
from otel_llm.gateway.span import Span, Tokens
from otel_llm.gateway.values import count, numbers, text

from .table import Dialect, Kind

TYPE = "langfuse.observation.type"
_CALLS = {"generation": "chat", "embedding": "embeddings"}
_MODEL = ("langfuse.observation.model.name",)


def _kind(span: Span) -> Kind:
    return "inference" if span.attributes[TYPE] in _CALLS else "other"


def _operation(span: Span) -> str:
    return _CALLS[span.attributes[TYPE]]


def _tokens(span: Span) -> Tokens:
    """Of OpenAI's own document, or of the application's names for it."""
    usage = numbers(span.attributes.get("langfuse.observation.usage_details"))

    def of(*names: str) -> int | None:
        return next((count(usage[name]) for name in names if name in usage), None)

    return Tokens(
        of("prompt_tokens", "input_tokens", "input"),
        of("completion_tokens", "output_tokens", "output"),
        of("cached_tokens", "cache_read_input_tokens", "input_cached_tokens", "cache_read"),
        of("cache_creation_input_tokens", "cache_write"),
        of("reasoning_tokens", "output_reasoning_tokens"),
    )


def _owner(span: Span) -> str:
    """Langfuse names no provider. Its wrapper of the openai package names its spans so; else a model's own name says whose it is."""
    if span.name == "OpenAI-generation":
        return "openai"
    return providers.maker_of(text(span.attributes.get(_MODEL[0])))


def _error(span: Span) -> str:
    return "Error" if span.attributes.get("langfuse.observation.level") == "ERROR" else ""


def _chunk(span: Span) -> float | None:
    """A time in quotes, of the first piece of an answer."""
    written = span.attributes.get("langfuse.observation.completion_start_time")
    if not isinstance(written, str) or len(written) > 40:  # noqa: PLR2004 - of an ISO time
        return None
    try:
        at = datetime.fromisoformat(written.strip('"').replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None
    seconds = at - span.start / 1e9
    return seconds if 0 <= seconds <= (span.end - span.start) / 1e9 else None


LANGFUSE = Dialect(
    "langfuse",
    lambda span: TYPE in span.attributes,
    _kind,
    _operation,
    provider=(),
    request_model=_MODEL,
    response_model=_MODEL,
    finish=("langfuse.observation.metadata.finish_reason",),
    stream=(),
    response_id=(),
    cost=(),
    tokens=_tokens,
    owner=_owner,
    bill=lambda span: numbers(span.attributes.get("langfuse.observation.cost_details")).get("total"),
    error=_error,
    streams=lambda span: "langfuse.observation.completion_start_time" in span.attributes,
    chunk=_chunk,
)
