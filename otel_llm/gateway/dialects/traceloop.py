"""OpenLLMetry before it spoke the conventions (``llm.*``, ``gen_ai.prompt.*``), and its frames of workflows and tasks."""

from __future__ import annotations

from otel_llm.gateway.span import Span

from .table import Dialect, Kind

TYPE = "llm.request.type"
_CALLS = {"chat": "chat", "completion": "chat", "embedding": "embeddings"}
_FRAME = "traceloop.span.kind"


def _kind(span: Span) -> Kind:
    return "inference" if span.attributes.get(TYPE) in _CALLS or span.attributes.get(TYPE) == "rerank" else "other"


def _operation(span: Span) -> str:
    return _CALLS.get(str(span.attributes[TYPE]), str(span.attributes[TYPE]))


TRACELOOP = Dialect(
    "traceloop",
    lambda span: TYPE in span.attributes or _FRAME in span.attributes,
    _kind,
    _operation,
    finish=("gen_ai.completion.0.finish_reason", "gen_ai.response.finish_reasons", "llm.response.finish_reason"),
    input=("gen_ai.usage.prompt_tokens", "gen_ai.usage.input_tokens", "llm.usage.prompt_tokens"),
    output=("gen_ai.usage.completion_tokens", "gen_ai.usage.output_tokens", "llm.usage.completion_tokens"),
)
