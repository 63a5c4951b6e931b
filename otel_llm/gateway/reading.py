"""From a span to the call that it reports, by the table of its dialect."""

from __future__ import annotations

from urllib.parse import urlsplit

from otel_llm.core.semconv import finish_reason

from . import failures, providers, sampling
from .dialects.table import Dialect, tokens
from .span import SERVER, Call, Resource, Span, Tokens
from .values import first, number, text, truth, words

_LATEST = 86_400.0
"""Seconds that a call may take: of a longer one the clock was wrong."""


def read(span: Span, dialect: Dialect, resource: Resource) -> Call:
    """The call of an inference span."""
    attributes = span.attributes
    address = _host(text(first(attributes, dialect.address)))
    response_model = text(first(attributes, dialect.response_model))
    model = text(first(attributes, dialect.request_model)) or dialect.model(span) or response_model
    provider, model = _provider(span, dialect, model, address)
    usage = _usage(span, dialect, provider)
    error = failures.of_span(span, dialect.error(span))
    stream = truth(first(attributes, dialect.stream)) or dialect.streams(span)
    cost = number(first(attributes, dialect.cost)) or dialect.bill(span)
    start, end = span.start / 1e9, span.end / 1e9
    return Call(
        span.key, span.parent, resource.labels, resource.instance, span.scope, span.kind == SERVER,
        start, end if start <= end <= start + _LATEST else start,
        provider, model, dialect.operation(span), response_model, address, error, stream,
        _first_chunk(span, dialect) if stream or not dialect.stream else None,
        usage, tuple(map(finish_reason, _finish(span, dialect))), text(first(attributes, dialect.response_id)),
        cost or None,  # senders without a price say 0
        text(first(attributes, dialect.tier)), text(first(attributes, dialect.agent)), sampling.weight(span),
        dialect.part(span, usage, error),
    )  # fmt: skip


def _provider(span: Span, dialect: Dialect, model: str, address: str) -> tuple[str, str]:
    """Provider and model: by the sender's word, by the model's own prefix, by the host."""
    provider = providers.named(text(first(span.attributes, dialect.provider)))
    if provider == providers.UNKNOWN:
        provider = dialect.owner(span) or provider
    if provider == providers.UNKNOWN:
        provider, model = providers.of_model(model)
    if provider == providers.UNKNOWN:
        provider = providers.at_host(address)
    return provider, model


def _usage(span: Span, dialect: Dialect, provider: str) -> Tokens | None:
    """The tokens of a call, cached ones included in the input; None where the sender does not know them."""
    usage = dialect.tokens(span) if dialect.tokens is not None else tokens(dialect, span.attributes)
    if usage.input is None and usage.output is None:
        return None
    if not usage.input and not usage.output:
        return None  # a sender that saw no usage may write zeros
    cached = (usage.cache_read or 0) + (usage.cache_write or 0)
    if cached and usage.input is not None and (usage.input < cached or dialect.apart(span, provider)):
        usage = usage._replace(input=usage.input + cached)
    return usage


def _first_chunk(span: Span, dialect: Dialect) -> float | None:
    if dialect.chunk is not None:
        return dialect.chunk(span)
    for name, parts in dialect.first_chunk:
        value = number(span.attributes.get(name))
        if value is not None and value >= 0:
            return value / parts
    return None


def _finish(span: Span, dialect: Dialect) -> tuple[str, ...]:
    reasons = words(first(span.attributes, dialect.finish))
    if not reasons:
        reasons = next(
            (words(event.get("finish_reason")) for name, _, event in span.events if name == "gen_ai.choice"), ()
        )
    return tuple(word.rpartition(".")[2].replace("-", "_") for word in reasons)


def _host(address: str) -> str:
    """A host; some senders write a whole URL."""
    if "://" not in address:
        return address
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
