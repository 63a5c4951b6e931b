"""Realtime sessions of the openai client over a real WebSocket: a call for each response, and a host that sees no difference."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
from collections.abc import Iterable
from typing import Any

import openai
import pytest
import sockets
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sockets import Step, both, client_of, next_outcome, outcome, scripted, until

import otel_llm
from otel_llm.calls import sessions
from otel_llm.clients._openai_realtime import Conversation
from otel_llm.clients._openai_responses_socket import Turns
from otel_llm.core.config import Config
from otel_llm.core.guard import Guard
from otel_llm.pricing import Prices
from otel_llm.testing import Captured, capture
from otel_llm.testing.loopback import Loopback

CREATE: Step = {"type": "response.create"}
DONE = "response.done"
SAID = "Hello from the loopback server."
RAW = not openai.__version__.startswith("1.")  # whether ``send_raw`` is there


def play(
    server: Loopback, kind: Any, model: str, steps: Iterable[Step], *, beta: bool = False, **options: Any
) -> list[Any]:
    def connect(client: Any) -> Any:
        return (client.beta.realtime if beta else client.realtime).connect(model=model, **options)

    return sockets.play(server, kind, connect, steps)


class Bench:
    """What was observed, with the spans."""

    def __init__(self, captured: Captured, exporter: InMemorySpanExporter, tracer: Any) -> None:
        self.captured, self.exporter, self.tracer = captured, exporter, tracer

    @property
    def calls(self) -> list[Any]:
        gc.collect()
        assert self.captured.open == 0
        return self.captured.calls

    @property
    def spans(self) -> list[Any]:
        """Those of calls, in the order in which they ended."""
        return [span for span in self.exporter.get_finished_spans() if "gen_ai.operation.name" in span.attributes]

    @property
    def one(self) -> tuple[Any, dict[str, Any]]:
        (call,), (span,) = self.calls, self.spans
        assert (span.attributes.get("error.type") or "") == call.error_type
        assert span.attributes.get("gen_ai.usage.input_tokens") == call.input_tokens
        assert span.attributes.get("gen_ai.usage.output_tokens") == call.output_tokens
        assert span.attributes.get("otel_llm.cost.usd") == call.cost
        assert call.trace_id == format(span.context.trace_id, "032x")
        return call, dict(span.attributes)


@pytest.fixture(scope="module")
def server() -> Any:
    with Loopback() as server:
        yield server


@pytest.fixture(autouse=True)
def _unscripted(server: Loopback) -> Any:
    yield
    server.script = None


@pytest.fixture(scope="module")
def price() -> Any:
    prices = Prices(Config())
    yield prices.of_call
    prices.close()


@pytest.fixture
def bench(price: Any) -> Any:
    exporter, traces = InMemorySpanExporter(), TracerProvider()
    traces.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = traces.get_tracer("contract")
    config = Config(metric_labels=("tenant",))
    with capture("openai", tracer=tracer, config=config, price=price) as captured:
        yield Bench(captured, exporter, tracer)
    traces.shutdown()


def made(key: Any, **others: Any) -> dict[str, Any]:
    return {"type": "response.created", "response": {"id": key, "status": "in_progress", **others}}


def delta(key: Any) -> dict[str, Any]:
    return {"type": "response.output_text.delta", "response_id": key, "delta": "."}


def done(key: Any, tokens: int = 0, **others: Any) -> dict[str, Any]:
    usage = {"input_tokens": tokens, "output_tokens": 1, "total_tokens": tokens + 1}
    return {"type": DONE, "response": {"id": key, "status": "completed", "output": [], "usage": usage, **others}}


# one response


@both
@pytest.mark.parametrize("beta", [False, True])
def test_a_response_is_a_call(bench: Bench, server: Loopback, kind: Any, beta: bool) -> None:
    events = play(server, kind, "gpt-realtime", ["session.created", CREATE, DONE], beta=beta)
    assert events[-1].response.status == "completed"
    call, attributes = bench.one
    assert (call.provider, call.operation, call.request_model, call.response_model) == (
        "openai", "chat", "gpt-realtime", "gpt-realtime",
    )  # fmt: skip
    assert (call.input_tokens, call.output_tokens, call.cache_read_tokens) == (100, 20, 0)
    assert (call.error_type, call.finish_reasons, call.usage_unknown) == ("", ("stop",), "")
    assert call.stream
    assert 0 < call.first_chunk <= call.duration
    assert sum(count for _, count in call.chunk_gaps) == 4
    assert (call.cost, call.cost_source) == (pytest.approx((100 * 4 + 20 * 16) / 1e6), "prices")
    assert (attributes["server.address"], attributes["server.port"]) == ("127.0.0.1", int(server.url.split(":")[-1]))
    assert attributes["openai.api.type"] == "realtime"
    assert attributes["gen_ai.output.type"] == "text"
    assert attributes["gen_ai.response.id"] == events[-1].response.id
    assert attributes["gen_ai.conversation.id"].startswith("conv_")


@both
def test_speech_and_cached_speech_have_prices_of_their_own(bench: Bench, server: Loopback, kind: Any) -> None:
    wishes = {"x-loopback": "audio-cached"}
    play(server, kind, "gpt-realtime", ["session.created", CREATE, DONE], extra_headers=wishes)
    call, attributes = bench.one
    assert (call.input_tokens, call.output_tokens, call.cache_read_tokens) == (100, 20, 30)
    assert call.modalities == (
        ("input", "text", 60),
        ("input", "audio", 40),
        ("output", "text", 5),
        ("output", "audio", 15),
    )
    text, audio = 40 * 4 + 20 * 0.4 + 5 * 16, 30 * 32 + 10 * 0.4 + 15 * 64
    assert call.cost == pytest.approx((text + audio) / 1e6)
    assert attributes["gen_ai.output.type"] == "speech"
    assert attributes["gen_ai.usage.cache_read.input_tokens"] == 30


@both
@pytest.mark.parametrize(
    ("model", "error", "finish", "tokens"),
    [
        ("gpt-realtime-tools", "", ("tool_calls",), 100),
        ("gpt-realtime-length", "", ("length",), 100),
        ("gpt-realtime-filter", "", ("content_filter",), 100),
        ("gpt-realtime-failed", "server_error", (), 100),
        ("gpt-realtime-nousage", "", ("stop",), None),
    ],
)
def test_how_it_ends(
    bench: Bench, server: Loopback, kind: Any, model: str, error: str, finish: tuple[str, ...], tokens: int | None
) -> None:
    play(server, kind, model, ["session.created", CREATE, DONE])
    call, _ = bench.one
    assert (call.error_type, call.finish_reasons, call.input_tokens) == (error, finish, tokens)
    assert call.usage_unknown == ("" if tokens else "stream_without_usage")


@both
def test_a_cancelled_response_is_paid_for_and_no_failure(bench: Bench, server: Loopback, kind: Any) -> None:
    cancel = {"type": "response.cancel"}
    play(server, kind, "gpt-realtime-hold", ["session.created", CREATE, "response.output_text.delta", cancel, DONE])
    call, _ = bench.one
    assert (call.error_type, call.input_tokens, call.output_tokens) == ("cancelled", 100, 20)
    assert bench.spans[0].status.status_code.name == "UNSET"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"type": "insufficient_quota", "code": "insufficient_quota"}, "quota"),
        ({"type": "requests", "code": "rate_limit_exceeded"}, "rate_limit"),
        ({"type": "invalid_request_error", "code": None}, "invalid_request"),
        (None, "server_error"),
    ],
)
def test_why_it_failed(bench: Bench, server: Loopback, fault: Any, error: str) -> None:
    scripted(server, (), [made("r"), done("r", status="failed", status_details={"type": "failed", "error": fault})])
    play(server, openai.OpenAI, "m", [CREATE, DONE])
    assert bench.one[0].error_type == error
    assert bench.spans[0].status.status_code.name == "ERROR"


# several on one connection


@both
def test_each_response_of_a_session_is_a_call(bench: Bench, server: Loopback, kind: Any) -> None:
    said = {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": []}}
    turn = [said, CREATE, DONE]
    events = play(server, kind, "gpt-realtime-cached", ["session.created", *turn, *turn])
    assert [call.cache_read_tokens for call in bench.calls] == [30, 30]
    told = [event.response.id for event in events if event.type == DONE]
    assert [span.attributes["gen_ai.response.id"] for span in bench.spans] == told
    assert len(set(told)) == 2


@both
def test_responses_at_the_same_time_are_kept_apart(bench: Bench, server: Loopback, kind: Any) -> None:
    events = [made("a"), made("b"), delta("b"), done("b", 2), delta("a"), delta("a"), done("a", 1), done("a", 9)]
    scripted(server, events)
    play(server, kind, "m", [DONE, DONE, DONE])
    assert [(call.input_tokens, sum(dict(call.chunk_gaps).values())) for call in bench.calls] == [(2, 0), (1, 1)]


@both
def test_what_the_user_says_is_answered_and_written_down(bench: Bench, server: Loopback, kind: Any) -> None:
    """The server makes the response by itself; the transcription is paid for by the model that does it."""
    heard = {"audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}}
    update = {"type": "session.update", "session": {"type": "realtime", **heard}}
    audio = {"type": "input_audio_buffer.append", "audio": "AAAA"}
    play(server, kind, "gpt-realtime", ["session.created", update, "session.updated", audio, DONE])
    written, answered = bench.calls
    assert (written.operation, written.request_model, written.response_model) == (
        "transcription", "gpt-4o-transcribe", "gpt-4o-transcribe",
    )  # fmt: skip
    assert (written.input_tokens, written.output_tokens, written.error_type) == (30, 7, "")
    assert written.modalities == (("input", "audio", 30),)
    assert written.cost == pytest.approx((30 * 6 + 7 * 10) / 1e6)
    assert (answered.operation, answered.input_tokens) == ("chat", 100)


@pytest.mark.parametrize("beta", [False, True])
def test_a_transcription_may_be_paid_for_by_time_and_may_fail(bench: Bench, server: Loopback, beta: bool) -> None:
    def listen(model: str) -> Step:
        heard = {"transcription": {"model": model}, "turn_detection": None}
        flat = {f"input_audio_{name}" if name == "transcription" else name: value for name, value in heard.items()}
        session = flat if beta else {"type": "realtime", "audio": {"input": heard}}
        return {"type": "session.update", "session": session}

    commit, told = {"type": "input_audio_buffer.commit"}, "conversation.item.input_audio_transcription."
    steps = ["session.created", listen("whisper-1"), "session.updated", commit, f"{told}completed"]
    play(
        server,
        openai.OpenAI,
        "gpt-realtime",
        [*steps, listen("failed"), "session.updated", commit, f"{told}failed"],
        beta=beta,
    )
    heard, failed = bench.calls
    assert (heard.error_type, heard.input_tokens) == ("", None)
    assert heard.cost == pytest.approx(2.5 * 0.36 / 3600)
    assert (failed.operation, failed.error_type) == ("transcription", "server_error")


@both
def test_interrupted_by_the_user(bench: Bench, server: Loopback, kind: Any) -> None:
    audio = {"type": "input_audio_buffer.append", "audio": "AAAA"}
    steps = ["session.created", CREATE, "response.output_text.delta", audio, "response.created"]
    play(server, kind, "gpt-realtime-hold", steps)
    assert [call.error_type for call in bench.calls] == ["cancelled", "abandoned"]


# where a call belongs


def test_a_span_is_under_what_was_current_where_it_was_asked_for(bench: Bench, server: Loopback) -> None:
    with (
        client_of(server, openai.OpenAI) as client,
        bench.tracer.start_as_current_span("connect") as outer,
        client.realtime.connect(model="gpt-realtime") as connection,
    ):
        with bench.tracer.start_as_current_span("ask") as asking, otel_llm.labels(tenant="acme"):
            connection.response.create()
        until(connection, DONE)
        connection.input_audio_buffer.append(audio="AAAA")
        until(connection, DONE)
    parents = [span.parent.span_id for span in bench.spans]
    assert parents == [asking.get_span_context().span_id, outer.get_span_context().span_id]
    assert [call.labels for call in bench.calls] == [("acme",), ("",)]


async def test_one_task_sends_while_another_receives(bench: Bench, server: Loopback) -> None:
    async with (
        client_of(server, openai.AsyncOpenAI) as client,
        client.realtime.connect(model="gpt-realtime") as connection,
    ):

        async def listen() -> None:
            for _ in range(3):
                await _until_async(connection, DONE)

        listening = asyncio.create_task(listen())
        with bench.tracer.start_as_current_span("ask") as asking:
            await asyncio.gather(*[connection.response.create() for _ in range(3)])
        await listening
    assert {span.parent.span_id for span in bench.spans} == {asking.get_span_context().span_id}
    assert len(bench.calls) == 3


async def test_waiting_may_be_given_up_and_taken_up_again(bench: Bench, server: Loopback) -> None:
    async with (
        client_of(server, openai.AsyncOpenAI) as client,
        client.realtime.connect(model="gpt-realtime-hold-chunks-1") as connection,
    ):
        await connection.response.create()
        await _until_async(connection, "response.output_text.delta")  # the last before it is held
        for _ in range(3):
            waiting = asyncio.create_task(connection.recv())
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert bench.captured.open == 1
        assert bench.captured.observer.in_flight() == {("openai", "gpt-realtime-hold-chunks-1", "chat"): 1}
        await connection.response.cancel()
        await _until_async(connection, DONE)
    assert bench.one[0].error_type == "cancelled"


def test_events_may_be_read_and_written_raw(bench: Bench, server: Loopback) -> None:
    with client_of(server, openai.OpenAI) as client, client.realtime.connect(model="gpt-realtime") as connection:
        with bench.tracer.start_as_current_span("ask") as asking:
            connection.send_raw(json.dumps(CREATE)) if RAW else connection.send(CREATE)
        while json.loads(connection.recv_bytes())["type"] != DONE:
            pass
    assert bench.one[0].input_tokens == 100
    assert bench.spans[0].parent.span_id == asking.get_span_context().span_id


def test_azure_is_told_by_its_addresses(bench: Bench, server: Loopback) -> None:
    client = openai.AzureOpenAI(
        azure_endpoint=server.url, api_key="test-key", api_version="2026-01-01",
        websocket_base_url=f"ws{server.url[4:]}/openai",
    )  # fmt: skip
    with client, client.realtime.connect(model="my-deployment-dated") as connection:
        connection.response.create()
        until(connection, DONE)
    call, _ = bench.one
    assert (call.provider, call.request_model) == ("azure.ai.openai", "my-deployment-dated")
    assert call.response_model == "my-deployment-dated-2026-01-15"


async def _until_async(connection: Any, kind: str) -> Any:
    async for event in connection:
        if event.type == kind:
            return event
    return None


# calls whose end nobody tells


@both
def test_a_connection_that_is_cut(bench: Bench, server: Loopback, kind: Any) -> None:
    events = play(server, kind, "gpt-realtime-cut-8", ["session.created", CREATE, DONE])
    assert type(events[-1]).__name__ == "ConnectionClosedError"
    call, attributes = bench.one
    assert call.error_type == "connection"
    assert call.first_chunk is not None
    assert attributes["exception.type"].endswith("ConnectionClosedError")


@both
def test_a_connection_that_is_cut_before_the_response_begins(bench: Bench, server: Loopback, kind: Any) -> None:
    play(server, kind, "gpt-realtime-cut-0", ["session.created", CREATE, DONE])
    assert bench.one[0].error_type == "connection"


@both
def test_the_host_leaves_in_the_middle(bench: Bench, server: Loopback, kind: Any) -> None:
    play(server, kind, "gpt-realtime-hold", ["session.created", CREATE, "response.output_text.delta"])
    assert bench.one[0].error_type == "abandoned"


async def test_the_host_leaves_while_it_waits(bench: Bench, server: Loopback) -> None:
    async with client_of(server, openai.AsyncOpenAI) as client:
        connection = await client.realtime.connect(model="gpt-realtime-hold-chunks-1").enter()
        await connection.response.create()
        await _until_async(connection, "response.output_text.delta")
        waiting = asyncio.create_task(connection.recv())
        await asyncio.sleep(0)
        await connection.close()
        with pytest.raises(Exception, match="1000"):
            await waiting
    assert bench.one[0].error_type == "abandoned"


@both
def test_an_announced_failure_is_what_a_call_that_never_ends_failed_of(
    bench: Bench, server: Loopback, kind: Any
) -> None:
    events = play(server, kind, "gpt-realtime-sse-error", ["session.created", CREATE, "error"])
    assert events[-1].error.type == "server_error"
    assert bench.one[0].error_type == "server_error"


def test_a_connection_that_is_dropped_takes_its_calls_along(bench: Bench, server: Loopback) -> None:
    with client_of(server, openai.OpenAI) as client:
        manager = client.realtime.connect(model="gpt-realtime-hold")
        connection = manager.enter()
        wire = connection._connection
        connection.response.create()
        until(connection, "response.created")
        assert bench.captured.open == 1
        del connection, manager
        gc.collect()
        assert bench.captured.open == 0
        wire.close()
    assert bench.one[0].error_type == "abandoned"
    assert len(sessions._LINES) == 0


def test_what_is_never_answered_does_not_pile_up(bench: Bench, server: Loopback) -> None:
    scripted(server, [made(f"r{number}") for number in range(100)] + [{"type": "last"}])
    with client_of(server, openai.OpenAI) as client, client.realtime.connect(model="m") as connection:
        for _ in range(100):
            connection.response.create()
        until(connection, "last")
        assert bench.captured.open == 64
    assert [call.error_type for call in bench.calls] == ["abandoned"] * 100


if RAW:  # of 2.x on

    def test_the_client_connects_again_by_itself(bench: Bench, server: Loopback) -> None:
        """What was open on the connection that broke has failed; the session goes on with the next."""
        options: Any = {"on_reconnecting": lambda _: {"extra_query": {"model": "gpt-realtime"}}, "initial_delay": 0.0}
        with (
            client_of(server, openai.OpenAI) as client,
            client.realtime.connect(model="gpt-realtime-cut-2", **options) as connection,
        ):
            for _ in range(2):
                until(connection, "session.created")
                connection.response.create()
            until(connection, DONE)
        assert [(call.response_model, call.error_type) for call in bench.calls] == [
            ("", "connection"), ("gpt-realtime", ""),
        ]  # fmt: skip

    def test_what_was_asked_for_before_there_was_a_connection(bench: Bench, server: Loopback) -> None:
        with client_of(server, openai.OpenAI) as client:
            manager = client.realtime.connect(model="gpt-realtime")
            manager.send(CREATE)
            with bench.tracer.start_as_current_span("connect") as outer, manager as connection:
                until(connection, DONE)
        assert bench.one[0].input_tokens == 100
        assert bench.spans[0].parent.span_id == outer.get_span_context().span_id


# refusals


@both
def test_a_response_that_is_refused(bench: Bench, server: Loopback, kind: Any) -> None:
    steps = [
        "session.created",
        CREATE,
        "response.output_text.delta",
        CREATE,
        "error",
        {"type": "response.cancel"},
        DONE,
    ]
    play(server, kind, "gpt-realtime-hold", steps)
    assert [call.error_type for call in bench.calls] == ["conflict", "cancelled"]


@both
def test_an_error_is_that_of_the_event_it_names(bench: Bench, server: Loopback, kind: Any) -> None:
    steps: list[Step] = [{"type": "nonsense", "event_id": "a"}, "error", {**CREATE, "event_id": "b"}, DONE]
    play(server, kind, "gpt-realtime", ["session.created", *steps])
    assert bench.one[0].error_type == ""
    bench.captured.clear()
    bad = {**CREATE, "event_id": "c", "response": {"max_output_tokens": 0}}
    play(server, kind, "gpt-realtime", ["session.created", bad, "error", CREATE, DONE])
    assert [call.error_type for call in bench.calls] == ["invalid_request", ""]


def test_what_could_not_be_sent_was_not_asked_for(bench: Bench, server: Loopback) -> None:
    scripted(server, [], [made("r"), done("r", 5)])
    with client_of(server, openai.OpenAI) as client, client.realtime.connect(model="m") as connection:
        with bench.tracer.start_as_current_span("wrong"), pytest.raises(TypeError):
            connection.send({**CREATE, "response": object()})
        with bench.tracer.start_as_current_span("right") as asking:
            connection.send(CREATE)
        until(connection, DONE)
    assert bench.spans[0].parent.span_id == asking.get_span_context().span_id


# the host


SCENARIOS: list[tuple[str, list[Step]]] = [
    ("gpt-realtime-audio", ["session.created", CREATE, DONE, CREATE, DONE]),
    ("gpt-realtime-tools", [CREATE, DONE]),
    ("gpt-realtime-failed", [CREATE, DONE]),
    ("gpt-realtime-cut-4", [CREATE, DONE]),
    ("gpt-realtime-sse-error", [CREATE, "error"]),
    ("gpt-realtime-hold", [CREATE, "response.created", CREATE, "error", {"type": "response.cancel"}, DONE]),
    ("gpt-realtime-fail-401", [CREATE]),
    ("gpt-realtime", [{"type": "nonsense"}, "error"]),
]


def outcomes(server: Loopback, kind: Any) -> list[Any]:
    server.clear()
    return [outcome(found) for model, steps in SCENARIOS for found in play(server, kind, model, steps)]


@both
def test_the_host_sees_the_same(server: Loopback, kind: Any) -> None:
    bare = outcomes(server, kind)
    with capture("openai"):
        seen = outcomes(server, kind)
    assert seen == bare
    assert len(seen) > 60


ODD = [
    None, 1, "text", [], [1], {}, {"type": None}, {"type": 1}, {"type": ["x"]}, {"type": "error"}, {"type": "error", "error": None},
    {"type": "error", "error": {"event_id": 1, "code": [], "type": {}, "param": 3}}, {"type": "session.created", "session": 1},
    {"type": "session.updated", "session": {"model": 3, "audio": {"input": {"transcription": "x"}}}},
    {"type": "session.updated", "session": {"audio": [], "input_audio_transcription": []}},
    {"type": "input_audio_buffer.committed"}, {"type": "input_audio_buffer.committed", "item_id": {"a": 1}},
    {"type": "conversation.item.input_audio_transcription.completed", "item_id": [], "usage": "x"},
    {"type": "response.created"}, {"type": "response.created", "response": None}, {"type": "response.created", "response": []},
    made(None), made(3, max_output_tokens="inf", output_modalities=3, conversation_id={}), made("r", output_modalities=[None]),
    {"type": "response.output_text.delta"}, delta(None), delta([]), {"type": "response."}, {"type": DONE}, {"type": DONE, "response": 1},
    done({}), done("r", usage=3), made("s"), done("s", status=3, status_details="x", output={}, usage={"input_tokens": "x"}),
    made("t"), done("t", status="failed", status_details=[], usage={"input_tokens": 1, "input_token_details": [1]}),
    made("u"), done("u", output=[None, 1, {"type": []}], usage={"input_tokens": 2**70, "output_tokens": -1}),
]  # fmt: skip


def _odd_outcomes(server: Loopback) -> list[Any]:
    seen = []
    for odd in ODD:
        scripted(server, (), [odd, {"type": "last"}])
        with client_of(server, openai.OpenAI) as client, client.realtime.connect(model="m") as connection:
            connection.response.create()
            seen += [next_outcome(connection), next_outcome(connection)]
    return seen


def test_odd_events_are_the_hosts_alone(server: Loopback) -> None:
    bare = _odd_outcomes(server)
    errors = dict(Guard.errors)
    with capture("openai", capture=True) as captured:
        seen = _odd_outcomes(server)
        gc.collect()
        assert captured.open == 0
    assert seen == bare
    assert Guard.errors == errors


@pytest.mark.parametrize("talk", [Conversation, Turns])
def test_what_is_no_event_is_nothing(talk: Any) -> None:
    reads = talk(object())
    for odd in (b"no json", "[" * 100_000, None, b"\xff"):
        assert reads.received(odd) is None
    for odd in ("response.create {", b"\xff response.create", None, {"type": "input_audio_buffer.clear"}, object()):
        assert reads.sent(odd) is None


def test_odd_events_in_one_session_leave_nothing_open(bench: Bench, server: Loopback) -> None:
    scripted(server, [*ODD, *ODD, {"type": "last"}])
    with client_of(server, openai.OpenAI) as client, client.realtime.connect(model="m") as connection:
        while b'"last"' not in connection.recv_bytes():
            pass
    assert [call.provider for call in bench.calls] == ["openai"] * len(bench.calls)


def test_our_bugs_hurt_nobody(server: Loopback) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a bug of ours")

    bare = outcomes(server, openai.OpenAI)
    with pytest.MonkeyPatch.context() as patch, capture("openai", price=broken) as captured:
        Guard.strict = False
        patch.setattr(Conversation, "received", broken)
        assert outcomes(server, openai.OpenAI) == bare
        patch.setattr(Conversation, "__init__", broken)
        patch.setattr(Conversation, "sent", broken)
        assert outcomes(server, openai.OpenAI) == bare
        assert captured.open == 0


def test_unwatched_again_nothing_is_seen(server: Loopback) -> None:
    with capture("openai") as captured:
        pass
    play(server, openai.OpenAI, "gpt-realtime", [CREATE, DONE])
    assert captured.calls == []


# content


def test_content_is_kept_where_it_is_asked_for(server: Loopback) -> None:
    kept: list[Any] = []

    class Sink:
        def opened(self, call: Any) -> None: ...

        def closed(self, call: Any, _: Any) -> None:
            kept.append(call.response.content)

    for capturing, model in itertools.product((True, False), ("r", "r-audio", "r-tools")):
        with capture("openai", sinks=(Sink(),), capture=capturing):
            play(server, openai.OpenAI, model, [CREATE, DONE])
    text, speech, tool, *nothing = kept
    said = [{"role": "assistant", "parts": [{"type": "text", "content": SAID}], "finish_reason": "completed"}]
    assert text == speech == said
    assert tool[0]["parts"][0]["name"] == "get_weather"
    assert nothing == [None, None, None]
