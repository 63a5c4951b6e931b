"""Live sessions of google-genai over a real WebSocket: a call for each turn, and a host that sees no difference."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Iterator
from typing import Any

import google.genai.live
import pytest
from google import genai
from google.genai import errors, types
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from websockets import ConnectionClosed

from otel_llm.clients import _google_live as live
from otel_llm.core.config import Config
from otel_llm.outputs.messages import Content
from otel_llm.outputs.spans import Spans
from otel_llm.testing import Captured, capture
from otel_llm.testing.loopback import Loopback

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
SAID = "Hello from the loopback server."


class Bench:
    """A loopback, and what was observed with the messages on the spans."""

    def __init__(self, server: Loopback, captured: Captured, exporter: InMemorySpanExporter, tracer: Any) -> None:
        self.server, self.captured, self.exporter, self.tracer = server, captured, exporter, tracer

    def connect(
        self, model: str = "gemini-live-x", config: Any = None, *, vertexai: bool = False, **options: Any
    ) -> Any:
        options = {"base_url": self.server.url, **options}
        self.client = genai.Client(api_key="test-key", vertexai=vertexai, http_options=types.HttpOptions(**options))
        return self.client.aio.live.connect(model=model, config=config)

    @property
    def spans(self) -> list[Any]:
        """Those of calls, in the order in which they ended."""
        gc.collect()
        return [span for span in self.exporter.get_finished_spans() if "gen_ai.operation.name" in span.attributes]

    @property
    def calls(self) -> list[Any]:
        gc.collect()
        assert self.captured.open == 0
        assert len(self.spans) == len(self.captured.calls)
        return self.captured.calls

    @property
    def ends(self) -> list[tuple[str, tuple[str, ...]]]:
        """Error type and finish reasons of each call."""
        return [(call.error_type, call.finish_reasons) for call in self.calls]


@pytest.fixture(autouse=True)
def _without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library insists on ``wss``."""
    connect = google.genai.live.ws_connect

    def plainly(uri: str, **options: Any) -> Any:
        options.pop("ssl", None)
        return connect(uri.replace("wss:", "ws:"), **options)

    monkeypatch.setattr(google.genai.live, "ws_connect", plainly)


@pytest.fixture
def bench() -> Iterator[Bench]:
    exporter, traces = InMemorySpanExporter(), TracerProvider()
    traces.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = traces.get_tracer("live")
    spans = Spans(tracer, Content(Config(content="span_only")))
    with Loopback() as server, capture("google_genai", capture=True, sinks=(spans,)) as captured:
        yield Bench(server, captured, exporter, tracer)
    traces.shutdown()


async def say(session: Any, text: str = "hi") -> None:
    await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text=text)]))


async def heard(session: Any) -> list[Any]:
    """The messages up to the completion of the turn."""

    async def all_of() -> list[Any]:
        return [message async for message in session.receive()]

    return await asyncio.wait_for(all_of(), timeout=20)


async def test_a_turn_is_a_call(bench: Bench) -> None:
    async with bench.connect(config={"temperature": 0.5, "response_modalities": ["TEXT"]}) as session:
        with bench.tracer.start_as_current_span("host") as host:
            await say(session)
            received = await heard(session)
    assert "".join(message.text or "" for message in received) == SAID
    (call,), (span,) = bench.calls, bench.spans
    assert (call.provider, call.operation, call.request_model) == ("gcp.gemini", "chat", "gemini-live-x")
    assert (call.error_type, call.finish_reasons, call.stream) == ("", ("stop",), True)
    assert (call.input_tokens, call.output_tokens, call.server_address) == (100, 20, "127.0.0.1")
    assert 0 < call.first_chunk <= call.duration
    assert sum(count for _, count in call.chunk_gaps) == 4
    assert span.attributes["gen_ai.request.temperature"] == 0.5
    assert span.attributes["gen_ai.output.type"] == "text"
    assert span.parent.span_id == host.get_span_context().span_id


async def test_what_was_said(bench: Bench) -> None:
    async with bench.connect(config={"system_instruction": "be nice"}) as session:
        await say(session)
        await heard(session)
    told = {name: json.loads(bench.spans[0].attributes[f"gen_ai.{name}"])
            for name in ("input.messages", "output.messages", "system_instructions")}  # fmt: skip
    assert told["input.messages"] == [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]
    assert told["output.messages"][0]["parts"] == [{"type": "text", "content": SAID}]
    assert told["system_instructions"] == [{"type": "text", "content": "be nice"}]


async def test_turns_on_one_connection_are_calls_of_their_own(bench: Bench) -> None:
    async with bench.connect("gemini-live-x-cached-thinking", vertexai=True) as session:
        for _ in range(3):
            await say(session)
            await heard(session)
    assert bench.ends == [("", ("stop",))] * 3
    call = bench.calls[-1]
    assert (call.provider, call.input_tokens, call.cache_read_tokens) == ("gcp.vertex_ai", 100, 30)
    assert (call.output_tokens, call.thinking_tokens) == (84, 64)


async def test_what_does_not_end_the_hosts_turn_asks_for_nothing(bench: Bench) -> None:
    async with bench.connect() as session:
        await session.send_client_content(turns={"role": "user", "parts": [{"text": "hi"}]}, turn_complete=False)
        assert bench.captured.open == 0
        await session.send_client_content()
        assert bench.captured.open == 1
        await heard(session)
    assert bench.ends == [("", ("stop",))]


async def test_streamed_audio_is_answered_where_the_server_hears_its_end(bench: Bench) -> None:
    async with bench.connect("gemini-live-x-audio") as session:
        await session.send_realtime_input(audio=types.Blob(data=b"\0\0", mime_type="audio/pcm"))
        assert bench.captured.open == 0
        await heard(session)
        await session.send_realtime_input(text="hi")
        assert bench.captured.open == 1
        await heard(session)
    assert bench.ends == [("", ("stop",))] * 2
    assert {(way, kind): count for way, kind, count in bench.calls[0].modalities}["output", "audio"] == 15


async def test_a_function_is_called_within_a_turn(bench: Bench) -> None:
    async with bench.connect("gemini-live-x-tools") as session:
        await say(session)
        async for message in session.receive():
            if message.tool_call:
                (asked,) = message.tool_call.function_calls
                answer = types.FunctionResponse(id=asked.id, name=asked.name, response={"result": "sunny"})
                await session.send_tool_response(function_responses=[answer])
    (call,), (span,) = bench.calls, bench.spans
    assert (call.input_tokens, call.finish_reasons) == (100, ("stop",))
    parts = json.loads(span.attributes["gen_ai.output.messages"])[0]["parts"]
    assert [part["type"] for part in parts] == ["tool_call", "text"]


async def test_a_turn_that_is_interrupted(bench: Bench) -> None:
    async with bench.connect("gemini-live-x-hold") as session:
        await say(session)
        await session._receive()
        await say(session)
        await heard(session)
        assert bench.captured.open == 0
        await session._receive()
        assert bench.captured.open == 1
    del session
    assert bench.ends == [("cancelled", ("interrupted",)), ("abandoned", ())]


async def test_a_session_that_is_closed_or_dropped(bench: Bench) -> None:
    async with bench.connect("gemini-live-x-hold") as session:
        await say(session)
        await session.close()
    assert bench.ends == [("abandoned", ())]


async def test_a_connection_that_is_lost(bench: Bench) -> None:
    async with bench.connect(headers={"x-loopback": "cut-2"}) as session:
        await say(session)
        with pytest.raises((errors.APIError, ConnectionClosed)):  # at first not the library's own
            await heard(session)
        with pytest.raises(Exception, match="close"):
            await say(session)
    assert bench.ends == [("connection", ()), ("connection", ())]


async def test_the_host_sees_the_same(bench: Bench) -> None:
    async def seen() -> list[Any]:
        async with bench.connect("gemini-live-x-thinking") as session:
            await say(session)
            return [type(session), *[message.model_dump() for message in await heard(session)]]

    watched = await seen()
    for installed in bench.captured.installed:
        installed.uninstall()
    assert watched == await seen()


ODD: list[Any] = [None, 0, "", "x", [], [None], {}, {"x": 1}, b"x"]
NAMES = (
    "server_content",
    "tool_call",
    "usage_metadata",
    "model_turn",
    "turn_complete",
    "output_transcription",
    "input",
)


@pytest.mark.parametrize("odd", ODD)
def test_nothing_is_too_odd(odd: Any) -> None:
    talk = live.Conversation(odd)
    for name in NAMES:
        for message in (odd, {name: odd}, {"server_content": {name: odd, "turn_complete": True}}):
            for turn in (talk.received(message), talk.sent(message if isinstance(message, dict) else {})):
                if turn is not None and turn.request is not None:
                    turn.request.content()
            into = live.Response(content=[])
            live.TURN.value(message, into)
            assert live.TURN.chunk is not None
            live.TURN.chunk(message, into)
