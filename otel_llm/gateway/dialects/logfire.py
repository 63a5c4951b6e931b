"""Logfire: a streamed call is two records, a span that ends at once and a log of no length that has usage and end."""

from __future__ import annotations

from otel_llm.gateway.span import Span, Tokens
from otel_llm.gateway.values import count, numbers

from .table import INFERENCE, OPERATION, Dialect, Kind, tokens

TYPE = "logfire.span_type"


def _kind(span: Span) -> Kind:
    attributes = span.attributes
    if attributes.get(OPERATION) not in INFERENCE or attributes.get(TYPE) == "pending_span":
        return "other"
    if attributes.get(TYPE) == "log":
        return "inference" if span.name.startswith("streaming response") else "other"
    return "inference"


def _tokens(span: Span) -> Tokens:
    thinking = numbers(span.attributes.get("gen_ai.usage.raw")).get("reasoning_tokens")
    return tokens(LOGFIRE, span.attributes)._replace(thinking=count(thinking))


def _part(span: Span, usage: Tokens | None, error: str) -> str:
    if span.attributes.get(TYPE) == "log":
        return "tail"
    return "head" if usage is None and not error else ""


LOGFIRE = Dialect(
    "logfire",
    lambda span: span.scope.startswith("logfire."),
    _kind,
    tokens=_tokens,
    streams=lambda span: span.attributes.get(TYPE) == "log",
    part=_part,
)
