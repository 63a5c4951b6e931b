"""Attributes go onto a span as OpenTelemetry's own method would put them, by a shorter way."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    Sampler,
    StaticSampler,
    TraceIdRatioBased,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, get_tracer

from otel_llm.core.model import Observation, Reader, Request, Response, Usage
from otel_llm.core.semconv import end_attributes, start_attributes
from otel_llm.core.semconv.vocabulary import of
from otel_llm.outputs.attributes import Onlookers, place_for, put

ASKED = {"gen_ai.request.model": "gpt-4o", "server.port": 8080}
TOLD: dict[str, Any] = {
    "gen_ai.request.model": "gpt-4o-mini", "gen_ai.usage.input_tokens": 12, "otel_llm.cost.usd": 0.25,
    "gen_ai.request.stream": True, "gen_ai.response.finish_reasons": ["stop", "length"], "stop": ("a", "b"),
}  # fmt: skip

TUPLES = {**TOLD, "gen_ai.response.finish_reasons": ("stop", "length")}


def span(**limits: Any) -> Any:
    provider = TracerProvider(span_limits=SpanLimits(**limits)) if limits else TracerProvider()
    return provider.get_tracer("test").start_span("chat", attributes=ASKED)


LIMITS: tuple[dict[str, int], ...] = ({}, {"max_span_attributes": 4}, {"max_span_attribute_length": 3})


def straight(one: Any, attributes: dict[str, Any]) -> None:
    """As a call's end does it."""
    into = place_for(one, len(attributes))
    if into is None:
        put(one, attributes)
    else:
        into.update(attributes)


WAYS = ((put, TOLD), (straight, TUPLES))


@pytest.mark.parametrize(("way", "told"), WAYS)
@pytest.mark.parametrize("limits", [*LIMITS, {"max_span_attributes": 1}])
def test_the_outcome_is_that_of_the_sdk(way: Any, told: dict[str, Any], limits: dict[str, int]) -> None:
    ours, theirs = span(**limits), span(**limits)
    way(ours, told)
    theirs.set_attributes(TOLD)
    assert dict(ours.attributes) == dict(theirs.attributes)
    assert ours.dropped_attributes == theirs.dropped_attributes


@pytest.mark.parametrize(("way", "told"), WAYS)
def test_the_short_way_is_taken(way: Any, told: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    one = span()
    monkeypatch.setattr(type(one), "set_attributes", lambda *_: pytest.fail("the long way"))
    way(one, told)
    assert one.attributes["gen_ai.response.finish_reasons"] == ("stop", "length")
    assert one.attributes["server.port"] == 8080


@pytest.mark.parametrize(("way", "told"), WAYS)
def test_what_is_ended_stays_as_it_is(way: Any, told: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    one = span()
    one.end()
    way(one, told)
    assert dict(one.attributes) == ASKED
    assert "ended span" in caplog.text


def test_a_span_of_another_kind_is_asked() -> None:
    told: list[Any] = []
    another = type(
        "Another",
        (),
        {"set_attributes": lambda _, attributes: told.append(attributes)},
    )
    for way in (put, straight):
        way(NonRecordingSpan(SpanContext(1, 2, is_remote=False)), TOLD)  # takes them, and does nothing
        way(another(), TOLD)
    assert told == [TOLD] * 2


def test_a_place_that_has_moved_is_left_to_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    one, moved = span(), BoundedAttributes(None, {}, immutable=False)
    del moved._dict
    monkeypatch.setattr(one, "_attributes", moved)
    assert place_for(one, 1) is None


def test_the_attributes_of_a_call_are_the_same_on_either_way() -> None:
    """Straight into the span, and by a mapping of their own."""
    request = Request("openai", "chat", "gpt-4o", Reader(lambda *_: None), "api.openai.com", 443)
    request.attributes = {"openai.api.type": "chat_completions", "gen_ai.request.temperature": 0.5}
    response = Response(model="gpt-4o-2024", id="c", finish_reasons=["stop"], usage=Usage(8, 3, 4))
    response.attributes = {"openai.response.system_fingerprint": "fp"}
    observation = Observation(1.0, "openai", "gpt-4o", "chat", "gpt-4o-2024", "api.openai.com", "", 0.5, cost=0.25)
    labels = {"tenant": "acme", "conversation": "1"}
    into: dict[str, Any] = {}
    assert of("released").leaves(request.attributes, response.attributes)
    start_attributes(request, labels, into)
    end_attributes(request, response, observation, into=into)
    assert into == {**start_attributes(request, labels), **end_attributes(request, response, observation)}
    assert len(into) == 18
    request.attributes["gen_ai.request.stop_sequences"] = ["a"]
    assert not of("released").leaves(request.attributes, response.attributes)
    assert not of("released").leaves({}, request.attributes)


class Nosy(StaticSampler):
    """A sampler of a host's own: it may look at anything."""


class Eager(SpanProcessor):
    """A processor of a host's own that hears of starts."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.seen.append(dict(span.attributes))


def onlookers(sampler: Sampler, *processors: SpanProcessor, **settings: Any) -> tuple[Onlookers, TracerProvider]:
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False, **settings)
    for processor in processors:
        provider.add_span_processor(processor)
    return Onlookers(provider.get_tracer("test")), provider


@pytest.mark.parametrize(
    "sampler", [ALWAYS_ON, ALWAYS_OFF, TraceIdRatioBased(0.5), ParentBased(TraceIdRatioBased(0.5))]
)
def test_the_sdk_looks_at_no_attributes_when_a_span_starts(sampler: Sampler) -> None:
    exporter = InMemorySpanExporter()
    batch = BatchSpanProcessor(exporter)
    assert not onlookers(sampler, batch, SimpleSpanProcessor(exporter))[0].any()
    batch.shutdown()


@pytest.mark.parametrize("sampler", [Nosy(ALWAYS_ON._decision), ParentBased(Nosy(ALWAYS_ON._decision))])
def test_another_sampler_may_look(sampler: Sampler) -> None:
    assert onlookers(sampler)[0].any()


def test_another_processor_may_look_whenever_it_comes() -> None:
    found, provider = onlookers(ALWAYS_ON)
    assert not found.any()
    provider.add_span_processor(Eager())
    assert found.any()


def test_a_processor_behind_another_may_look() -> None:
    several = ConcurrentMultiSpanProcessor(num_threads=1)
    assert not onlookers(ALWAYS_ON, active_span_processor=several)[0].any()
    several.add_span_processor(Eager())
    assert onlookers(ALWAYS_ON, active_span_processor=several)[0].any()
    several.shutdown()


def test_a_tracer_of_another_kind_may_look() -> None:
    assert Onlookers(get_tracer("not set up")).any()
