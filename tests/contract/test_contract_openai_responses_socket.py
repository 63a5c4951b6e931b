"""Responses over a WebSocket of the openai client: one call after the other on one connection."""

from __future__ import annotations

import gc
import json
from typing import Any

import openai
import pytest
import sockets
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sockets import both, client_of, next_outcome, outcome, scripted

from otel_llm.core.guard import Guard
from otel_llm.testing import Captured, capture
from otel_llm.testing.loopback import Loopback

ENDS = ("response.completed", "response.incomplete", "response.failed", "error")


def wish(model: str, **body: Any) -> dict[str, Any]:
    return {"type": "response.create", "model": model, "input": "hi", **body}


def play(server: Loopback, kind: Any, *wishes: Any) -> list[Any]:
    """Each wish is sent when the one before is answered."""
    steps = [step for asked in wishes for step in (asked, ENDS)]
    return sockets.play(server, kind, lambda client: client.responses.connect(), steps)


@pytest.fixture(scope="module")
def server() -> Any:
    with Loopback() as server:
        yield server
        server.script = None


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def captured(exporter: InMemorySpanExporter) -> Any:
    traces = TracerProvider()
    traces.add_span_processor(SimpleSpanProcessor(exporter))
    with capture("openai", tracer=traces.get_tracer("contract")) as captured:
        yield captured
        gc.collect()
        assert captured.open == 0
    traces.shutdown()


@both
def test_each_response_is_a_call(captured: Captured, exporter: Any, server: Loopback, kind: Any) -> None:
    events = play(server, kind, wish("gpt-x-dated", temperature=0.5), wish("gpt-x-thinking-cached"))
    first, second = captured.calls
    assert (first.provider, first.operation, first.request_model, first.response_model) == (
        "openai", "chat", "gpt-x-dated", "gpt-x-dated-2026-01-15",
    )  # fmt: skip
    assert (first.input_tokens, first.output_tokens, first.finish_reasons) == (100, 20, ("stop",))
    assert (second.output_tokens, second.thinking_tokens, second.cache_read_tokens) == (84, 64, 30)
    assert 0 < first.first_chunk <= first.duration
    attributes = dict(exporter.get_finished_spans()[0].attributes)
    assert attributes["gen_ai.response.id"] == events[0].response.id
    assert (attributes["gen_ai.request.temperature"], attributes["openai.api.type"]) == (0.5, "responses")
    assert (attributes["server.address"], attributes["gen_ai.usage.input_tokens"]) == ("127.0.0.1", 100)


@both
@pytest.mark.parametrize(
    ("model", "error", "finish"),
    [("gpt-x-tools", "", ("tool_calls",)), ("gpt-x-length", "", ("length",)), ("gpt-x-failed", "server_error", ())],
)
def test_how_it_ends(
    captured: Captured, server: Loopback, kind: Any, model: str, error: str, finish: tuple[str, ...]
) -> None:
    play(server, kind, wish(model))
    assert (captured.call.error_type, captured.call.finish_reasons) == (error, finish)


def test_what_is_asked_for_too_early_begins_when_it_is_its_turn(
    captured: Captured, exporter: Any, server: Loopback
) -> None:
    tracer = captured.observer.sinks[0]._tracer
    asking = []
    with client_of(server, openai.OpenAI) as client, client.responses.connect() as connection:
        for model in ("a", "b", "c"):
            with tracer.start_as_current_span(model) as current:
                asking.append(current.get_span_context().span_id)
                connection.send_raw(json.dumps(wish(model)))
        assert captured.open == 1
        for _ in range(3):
            next(event for event in connection if event.type in ENDS)
    assert [call.request_model for call in captured.calls] == ["a", "b", "c"]
    spans = [span for span in exporter.get_finished_spans() if span.parent is not None]
    assert [span.parent.span_id for span in spans] == asking


def test_an_error_instead_of_a_response_and_after_it(captured: Captured, server: Loopback) -> None:
    fault = {
        "type": "error",
        "status": 400,
        "error": {"type": "invalid_request_error", "code": "previous_response_not_found"},
    }
    made = {"type": "response.created", "response": {"id": "r", "model": "x"}}
    flat = {"type": "error", "code": "rate_limit_exceeded", "message": "slow down"}
    scripted(server, (), [fault], [made, flat], [made])
    with client_of(server, openai.OpenAI) as client, client.responses.connect() as connection:
        for model in ("a", "b", "c"):
            connection.send(wish(model))
            connection.recv()
        connection.recv()
    server.script = None
    told = [(call.request_model, call.error_type) for call in captured.calls]
    assert told == [("a", "invalid_request"), ("b", "rate_limit"), ("c", "abandoned")]


ODD: list[Any] = [
    None, 1, [], {}, {"type": 3}, {"type": "response.created"}, {"type": "response.created", "response": []}, {"type": "x.delta"},
    {"type": "response.completed"}, {"type": "response.completed", "response": 3}, {"type": "error", "error": []},
    {"type": "response.failed", "response": {"status": "failed", "error": 3, "output": 1}},
]  # fmt: skip


def outcomes(server: Loopback, kind: Any) -> list[str]:
    server.clear()
    seen = []
    for odd in ODD:
        scripted(server, (), [odd, {"type": "response.incomplete"}])
        with client_of(server, openai.OpenAI) as client, client.responses.connect() as connection:
            connection.send(wish("m"))
            seen += [next_outcome(connection), next_outcome(connection)]
    server.script = None
    models = ("gpt-x", "gpt-x-cut-3", "fail-401", "gpt-x-tools")
    return seen + [outcome(found) for model in models for found in play(server, kind, wish(model), wish(model))]


@both
def test_the_host_sees_the_same(server: Loopback, kind: Any) -> None:
    bare = outcomes(server, kind)
    errors = dict(Guard.errors)
    with capture("openai", capture=True) as captured:
        seen = outcomes(server, kind)
        gc.collect()
        assert captured.open == 0
    assert seen == bare
    assert Guard.errors == errors


def test_content_is_kept_where_it_is_asked_for(server: Loopback) -> None:
    kept: list[Any] = []

    class Sink:
        def opened(self, call: Any) -> None: ...

        def closed(self, call: Any, _: Any) -> None:
            kept.append((call.request.content(), call.response.content))

    with capture("openai", sinks=(Sink(),), capture=True):
        play(server, openai.OpenAI, wish("gpt-x"))
    ((asked, said),) = kept
    assert asked["gen_ai.input.messages"] == [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]
    assert said[0]["parts"] == [{"type": "text", "content": "Hello from the loopback server."}]
