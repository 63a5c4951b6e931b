"""A call in the conventions' words: what was asked and told is there, what nobody said is not."""

from __future__ import annotations

from dataclasses import fields
from itertools import combinations
from typing import Any

import pytest

from otel_llm.core.catalogue import METRICS
from otel_llm.core.model import Observation, Reader, Request, Response, Usage
from otel_llm.core.semconv import end_attributes, finish_reason, span_name, start_attributes
from otel_llm.core.semconv.instruments import INSTRUMENTS
from otel_llm.core.semconv.labels import attribute
from otel_llm.core.semconv.table import REQUIRED
from otel_llm.core.semconv.vocabulary import of, typed, words

READER = Reader(lambda _, __: None)


def asked(**more: Any) -> Request:
    return Request(**{"provider": "openai", "operation": "chat", "model": "gpt-5", "reader": READER, **more})


def seen(**more: Any) -> Observation:
    plain = (1_763_711_000.0, "openai", "gpt-5", "chat", "gpt-5-2026", "api.openai.com", "", 0.5)
    return Observation(*plain)._replace(**more)


def test_a_span_is_called_by_operation_and_model() -> None:
    assert span_name(asked()) == "chat gpt-5"
    assert span_name(asked(model=None)) == "chat"


def test_what_a_sampler_sees() -> None:
    request = asked(server_address="llm.example", server_port=8443, attributes={"gen_ai.request.top_p": 0.5})
    assert start_attributes(request, {"tenant": "acme"}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "server.address": "llm.example",
        "server.port": 8443,
        "otel_llm.label.tenant": "acme",
    }


@pytest.mark.parametrize(("address", "expected"), [(None, {}), ("llm.example", {"server.address": "llm.example"})])
def test_a_port_that_is_the_scheme_s_own_is_not_told(address: str | None, expected: dict[str, Any]) -> None:
    told = start_attributes(asked(model=None, server_address=address), {})
    assert told == {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", **expected}


def test_nothing_told_is_nothing_shown() -> None:
    assert end_attributes(asked(), Response(), seen()) == {}
    assert end_attributes(asked(), Response(usage=Usage()), seen()) == {}


def test_all_that_can_be_told() -> None:
    response = Response(
        model="gpt-5-2026", id="chatcmpl-1", finish_reasons=["stop"], service_tier="flex", requests=3,
        usage=Usage(input_tokens=100, output_tokens=20, cache_read_tokens=30, cache_write_tokens=40, thinking_tokens=5, estimated=True),
        attributes={"openai.response.system_fingerprint": "fp"}, fallback=("gpt-6", "gpt-5", "timeout"),
    )  # fmt: skip
    request = asked(stream=True, attributes={"gen_ai.request.top_p": 0.5})
    assert end_attributes(request, response, seen(first_chunk=0.25, cost=0.01, cost_source="prices")) == {
        "gen_ai.request.top_p": 0.5,
        "gen_ai.request.stream": True,
        "gen_ai.response.model": "gpt-5-2026",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": 0.25,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 30,
        "gen_ai.usage.cache_creation.input_tokens": 40,
        "gen_ai.usage.reasoning.output_tokens": 5,
        "openai.response.service_tier": "flex",
        "openai.response.system_fingerprint": "fp",
        "otel_llm.usage.estimated": True,
        "otel_llm.cost.usd": 0.01,
        "otel_llm.cost.source": "prices",
        "otel_llm.cost.complete": True,
        "otel_llm.fallback.from": "gpt-6",
        "otel_llm.fallback.to": "gpt-5",
        "otel_llm.request.count": 3,
    }


def test_a_service_tier_is_openai_s_word() -> None:
    told = Response(service_tier="flex")
    assert end_attributes(asked(), told, seen(provider="azure.ai.openai")) == {"openai.response.service_tier": "flex"}
    assert end_attributes(asked(), told, seen(provider="anthropic")) == {}


@pytest.mark.parametrize(
    ("told", "word"),
    [
        ("stop", "stop"),
        ("end_turn", "stop"),
        ("FINISH_REASON_STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("tool_use", "tool_calls"),
        ("SAFETY", "content_filter"),
        ("something_of_theirs", "something_of_theirs"),
    ],
)
def test_finish_reasons(told: str, word: str) -> None:
    assert finish_reason(told) == word


def test_usages_add_up_and_the_unknown_stays_unknown() -> None:
    first = Usage(input_tokens=10, output_tokens=1, estimated=True)
    both = first.plus(Usage(input_tokens=5, cache_read_tokens=3))
    assert (both.input_tokens, both.output_tokens, both.cache_read_tokens, both.thinking_tokens) == (15, 1, 3, None)
    assert both.estimated
    assert [Usage(input_tokens=0).known, Usage(output_tokens=1).known, Usage().known] == [True, True, False]


@pytest.mark.parametrize(("switch", "meant"), [
    ("released", ("released",)), ("latest", ("latest",)), ("both", ("released", "latest")), ("proposed", ("released", "proposed")),
    ("Latest, proposed", ("latest", "proposed")), ("", ("released",)),
])  # fmt: skip
def test_the_switch_names_vocabularies(switch: str, meant: tuple[str, ...]) -> None:
    assert words(switch) == meant


def test_a_word_that_is_no_vocabulary_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'newest' is no vocabulary"):
        words("released,newest")


MOST = {
    "gen_ai.request.top_k": 40, "gen_ai.request.reasoning.level": "high", "gen_ai.prompt.name": "greeting", "gen_ai.prompt.version": "2",
    "gen_ai.request.previous_response.id": "resp_1",
}  # fmt: skip
USED = Usage(
    input_tokens=100, output_tokens=20, cache_read_tokens=30, cache_write_tokens=40, thinking_tokens=5, input_audio_tokens=60,
    input_text_tokens=40, output_image_tokens=7, cache_audio_read_tokens=3,
)  # fmt: skip
SPLIT = {
    "gen_ai.usage.audio.input_tokens": 60, "gen_ai.usage.text.input_tokens": 40, "gen_ai.usage.image.output_tokens": 7,
    "gen_ai.usage.audio.cache_read.input_tokens": 3,
}  # fmt: skip
KNOWN = {
    "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20, "gen_ai.usage.cache_read.input_tokens": 30,
    "gen_ai.usage.reasoning.output_tokens": 5,
}  # fmt: skip
CREATION, WRITE = {"gen_ai.usage.cache_creation.input_tokens": 40}, {"gen_ai.usage.cache_write.input_tokens": 40}


@pytest.mark.parametrize(("switch", "expected"), [
    ("released", {"gen_ai.request.top_k": 40.0, "gen_ai.prompt.name": "greeting", **KNOWN, **CREATION}),
    ("latest", {**MOST, **KNOWN, **WRITE, **SPLIT}),
    ("both", {**MOST, "gen_ai.request.top_k": 40.0, **KNOWN, **CREATION, **WRITE, **SPLIT}),
])  # fmt: skip
def test_each_vocabulary_has_its_own_names_and_types(switch: str, expected: dict[str, Any]) -> None:
    told = end_attributes(asked(attributes=dict(MOST)), Response(usage=USED), seen(), of(switch))
    assert told == expected
    assert type(told["gen_ai.request.top_k"]) is type(expected["gen_ai.request.top_k"])


@pytest.mark.parametrize(("source", "named"), [("prices", "local"), ("provider", "provider")])
def test_the_proposed_names_of_a_cost_are_there_on_request_only(source: str, named: str) -> None:
    costs = seen(cost=0.5, cost_source=source)
    proposed = {
        "gen_ai.usage.cost.amount": 0.5,
        "gen_ai.usage.cost.currency": "USD",
        "gen_ai.usage.cost.source": named,
    }
    ours = {"otel_llm.cost.usd": 0.5, "otel_llm.cost.source": source, "otel_llm.cost.complete": True}
    assert end_attributes(asked(), Response(), costs, of("latest")) == ours
    assert end_attributes(asked(), Response(), costs, of("latest,proposed")) == {**ours, **proposed}


@pytest.mark.parametrize(("name", "given", "told"), [
    ("gen_ai.request.temperature", 1, 1.0), ("gen_ai.request.temperature", "hot", None), ("gen_ai.request.temperature", True, None),
    ("gen_ai.request.max_tokens", 50.0, 50), ("gen_ai.request.max_tokens", 50.5, None), ("gen_ai.request.max_tokens", 2**60, None),
    ("gen_ai.request.encoding_formats", "float", ["float"]), ("gen_ai.request.stop_sequences", ("a", "b"), ["a", "b"]),
    ("gen_ai.request.stop_sequences", ["a", 1], None), ("gen_ai.request.stop_sequences", b"a", None), ("gen_ai.request.stream", 1, None),
    ("gen_ai.request.stream", True, True), ("gen_ai.conversation.id", 7, None), ("gen_ai.conversation.id", "c", "c"),
    ("some.other", 7, 7), ("some.other", ["a"], ["a"]), ("some.other", {}, None),
])  # fmt: skip
def test_a_value_has_the_type_of_the_table_or_is_not_there(name: str, given: Any, told: Any) -> None:
    made = typed(name, given)
    assert (made, type(made)) == (told, type(told))


def test_a_conversation_is_the_conventions_attribute() -> None:
    told = start_attributes(asked(), {"conversation": "c-1", "tenant": "acme"})
    assert (told["gen_ai.conversation.id"], told["otel_llm.label.tenant"]) == ("c-1", "acme")
    assert "otel_llm.label.conversation" not in told


def test_the_catalogue_has_the_bounds_units_and_labels_of_the_conventions() -> None:
    ours = {metric.otel: metric for metric in METRICS if not metric.otel.startswith("otel_llm.")}
    assert ours.keys() == INSTRUMENTS.keys()
    for name, fact in INSTRUMENTS.items():
        metric = ours[name]
        assert (metric.unit, metric.kind) == (fact.unit, fact.kind), name
        assert set(fact.bounds) <= set(metric.buckets), name
        attributes = {attribute(label) for label in metric.labels}
        assert attributes <= fact.on.keys(), name
        assert {key for key, level in fact.on.items() if level == REQUIRED} <= attributes, name


COUNTED = [field.name for field in fields(Usage) if field.name != "estimated"]


@pytest.mark.parametrize("told", [(), *combinations(COUNTED, 1), *combinations(COUNTED[:8], 2), tuple(COUNTED)])
def test_the_released_counts_are_those_of_the_table(told: tuple[str, ...]) -> None:
    """They are put down one by one, for a third of what going through the table takes."""
    usage = Usage(**{name: place for place, name in enumerate(told)})
    counts = {
        name: value for name, value in end_attributes(asked(), Response(usage=usage), seen()).items() if "usage" in name
    }
    assert of("released").common
    assert counts == of("released").usage(usage)


def test_attributes_hold_tuples_as_a_span_does() -> None:
    stops = {"gen_ai.request.stop_sequences": ["a", "b"], "gen_ai.request.encoding_formats": ["float"]}
    told = end_attributes(asked(attributes=stops), Response(finish_reasons=["stop"]), seen())
    assert told == {
        "gen_ai.request.stop_sequences": ("a", "b"),
        "gen_ai.request.encoding_formats": ("float",),
        "gen_ai.response.finish_reasons": ("stop",),
    }
    assert stops["gen_ai.request.stop_sequences"] == ["a", "b"]  # the request's own are as they were
