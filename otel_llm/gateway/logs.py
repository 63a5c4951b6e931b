"""Calls that a sender reports as log records: coding agents, and senders of the conventions' event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import NamedTuple

from otel_llm.core import model
from otel_llm.core.semconv import finish_reason
from otel_llm.reliability import evaluations

from . import failures, providers
from .records import Record
from .span import ERROR, NONE, UNSET, Call, Span, Tokens
from .values import count, first, number, text, words


def _is_claude(record: Record) -> bool:
    return record.name.startswith("claude_code.") or "claude" in record.scope or "claude" in record.resource.labels[0]


class Event(NamedTuple):
    """One kind of record: how it is recognised, and where it has each fact. ``disjoint`` input tokens lack those of the cache."""

    names: tuple[str, ...]
    owner: str
    failed: bool = False
    model: tuple[str, ...] = ("model",)
    input: tuple[str, ...] = ("input_tokens",)
    output: tuple[str, ...] = ("output_tokens",)
    cache_read: tuple[str, ...] = ("cache_read_tokens",)
    cache_write: tuple[str, ...] = ("cache_creation_tokens",)
    thinking: tuple[str, ...] = ()
    cost: tuple[str, ...] = ("cost_usd",)
    milliseconds: tuple[str, ...] = ("duration_ms",)
    answer: tuple[str, ...] = ("request_id",)
    disjoint: bool = True
    holds: Callable[[Record], bool] = lambda _: True


EVENTS = (
    Event(("claude_code.api_request", "api_request"), "anthropic", holds=_is_claude),
    Event(("claude_code.api_error", "api_error"), "anthropic", failed=True, holds=_is_claude),
    Event(
        ("codex.sse_event",), "openai", model=("model", "slug"), input=("input_token_count",), output=("output_token_count",),
        cache_read=("cached_token_count",), cache_write=(), thinking=("reasoning_token_count",), cost=(), answer=(), disjoint=False,
        holds=lambda record: record.attributes.get("event.kind") == "response.completed",
    ),
    Event(
        ("gen_ai.client.inference.operation.details",), "", model=("gen_ai.request.model", "gen_ai.response.model"),
        input=("gen_ai.usage.input_tokens",), output=("gen_ai.usage.output_tokens",),
        cache_read=("gen_ai.usage.cache_read.input_tokens",),
        cache_write=("gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens"),
        thinking=("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens"), cost=(), milliseconds=(),
        answer=("gen_ai.response.id",), disjoint=False,
    ),
)  # fmt: skip
"""Claude Code, Codex, and the conventions' event (Copilot). Of Codex a record for each piece of a stream comes: only the last counts."""


def call(record: Record) -> Call | None:
    """The call that a record reports; None for one that reports none."""
    event = next((event for event in EVENTS if record.name in event.names and event.holds(record)), None)
    if event is None:
        return None
    attributes = record.attributes
    seconds = (number(first(attributes, event.milliseconds)) or 0.0) / 1000
    end = record.at / 1e9
    provider = event.owner or providers.named(text(first(attributes, ("gen_ai.provider.name", "gen_ai.system"))))
    model = text(first(attributes, event.model))
    return Call(
        key=_key(record, model), parent=record.trace + record.span if record.trace and record.span else b"",
        labels=record.resource.labels, instance=record.resource.instance, scope=record.scope or record.name, server=False,
        start=end - seconds, end=end, provider=provider, model=model, operation=str(attributes.get("gen_ai.operation.name") or "chat"),
        response_model=text(attributes.get("gen_ai.response.model")), address=text(attributes.get("server.address")),
        error=_error(record, failed=event.failed), stream=False, first_chunk=None, tokens=_tokens(record, event),
        finish=tuple(map(finish_reason, words(attributes.get("gen_ai.response.finish_reasons")))),
        response_id=text(first(attributes, event.answer)), cost=number(first(attributes, event.cost)) or None, tier="",
        agent=text(attributes.get("gen_ai.agent.name")), weight=1.0, part="record",
    )  # fmt: skip


def evaluation(record: Record) -> Iterator[model.Event]:
    """The counts of a record that is an evaluation's result, whoever evaluated; none for any other."""
    result = evaluations.result_of(record.attributes) if record.name == evaluations.EVENT else None
    if result is None:
        return
    name, score, label = result
    attributes = record.attributes
    of = (
        providers.named(text(first(attributes, ("gen_ai.provider.name", "gen_ai.system")))),
        text(first(attributes, ("gen_ai.request.model", "gen_ai.response.model"))),
    )
    at, labels, trace = record.at / 1e9, record.resource.labels, record.trace.hex()
    yield model.Event(evaluations.COUNTS, at, (*of, name, label, *labels), 1.0, trace)
    if score is not None:
        yield model.Event(evaluations.SCORES, at, (*of, name, *labels), score, trace)


def _tokens(record: Record, event: Event) -> Tokens | None:
    attributes = record.attributes
    counted = Tokens(
        count(first(attributes, event.input)), count(first(attributes, event.output)), count(first(attributes, event.cache_read)),
        count(first(attributes, event.cache_write)), count(first(attributes, event.thinking)),
    )  # fmt: skip
    if not counted.input and not counted.output:
        return None
    if event.disjoint and counted.input is not None:
        return counted._replace(input=counted.input + (counted.cache_read or 0) + (counted.cache_write or 0))
    return counted


def _error(record: Record, *, failed: bool) -> str:
    """As of a span: a record that fails says it by its name, or by an error beside it."""
    attributes = record.attributes
    message = text(first(attributes, ("error", "error.message")))
    wrong = failed or bool(message) or "error.type" in attributes
    span = Span(b"", b"", "", "", 0, 0, 0, attributes or NONE, ERROR if wrong else UNSET, message)
    return failures.of_span(span)


def _key(record: Record, model: str) -> bytes:
    """A key of a span's length for a record, the same whenever it is sent again: records have no id of their own."""
    attributes = sorted(record.attributes.items(), key=lambda pair: pair[0])
    identity = repr((record.resource.instance, record.scope, record.name, model, record.at, attributes)).encode(
        "utf-8", "replace"
    )
    return blake2b(identity + record.trace + record.span).digest()[:24]
