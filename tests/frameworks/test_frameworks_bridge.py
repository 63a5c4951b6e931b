"""The bridge: what any library reports by spans of the conventions becomes our metrics, each call once."""

from __future__ import annotations

import asyncio
import os
import queue
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from frameworks_world import World, mcp, run, world
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import otel_llm
from otel_llm.frameworks import duplicates, reading
from otel_llm.frameworks.bridge import client_library
from otel_llm.outputs.alerts import Anomaly, on_anomaly
from otel_llm.testing import capture
from otel_llm.testing.loopback import Loopback

AGENT = "gen_ai_invoke_agent_duration_seconds"
CALLS = "gen_ai_invoke_agent_inference_calls"
TOOLS = "gen_ai_invoke_agent_tool_calls"
TOOL = "gen_ai_execute_tool_duration_seconds"
REPEATED: Any = {
    "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "gen_ai.response.model": "gpt-4o",
    "gen_ai.provider.name": "openai", "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20,
}  # fmt: skip


@pytest.fixture(params=["on", "off", "none"])
def recording(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["patched", "unpatched"])
def libraries(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return ("openai",) if request.param == "patched" else ("ollama",)


@pytest.mark.parametrize("late", [False, True])
def test_a_run_in_every_world(recording: str, libraries: tuple[str, ...], late: bool) -> None:
    with world(recording, *libraries) as here:
        run(here, "strands.telemetry.tracer", late=late)
        calls = [(call.provider, call.input_tokens, call.output_tokens, call.agent) for call in here.captured.calls]
    assert calls == [("openai", 100, 20, "weather")] * 2
    assert here.labels(AGENT) == [("weather", "")]
    assert (here.values(CALLS), here.values(TOOLS)) == ([(("weather",), 2)], [(("weather",), 1)])
    assert here.labels(TOOL) == [("look", "", "weather", "")]
    inference = [span for span in here.spans.get_finished_spans() if span.name.startswith("chat")]
    assert len(inference) == (2 if recording == "on" else 0)
    assert sum(span.attributes["gen_ai.usage.input_tokens"] for span in inference) == (200 if recording == "on" else 0)
    assert here.values("otel_llm_duplicate_spans_total") == []


def test_a_foreign_span_of_the_same_call_is_enriched() -> None:
    with world("on", "openai") as here:
        run(here, "pydantic-ai")
    first = next(span for span in here.spans.get_finished_spans() if span.name == "chat gpt-4o")
    assert first.instrumentation_scope.name == "pydantic-ai"
    assert first.attributes["gen_ai.provider.name"] == "openai"
    assert first.attributes["gen_ai.response.model"] == "gpt-4o"
    assert first.attributes["gen_ai.response.finish_reasons"] == ("stop",)


@pytest.mark.parametrize("late", [False, True])
def test_a_run_is_part_of_the_conversation_that_labels_name(late: bool) -> None:
    """Also where its span says what it is only at its end, as long as its name does; the framework's own word comes first."""
    with world("on", "openai") as here:
        with otel_llm.labels(conversation="c-1"):
            run(here, "pydantic-ai", late=late)
            own = {"gen_ai.operation.name": "invoke_agent", "gen_ai.conversation.id": "c-2"}
            with here.tracer("x").start_as_current_span("invoke_agent b", attributes=own):
                pass
        run(here, "pydantic-ai", late=late)
    spans = here.spans.get_finished_spans()
    talks = [span.attributes.get("gen_ai.conversation.id") for span in spans if span.name.startswith("invoke_agent")]
    assert talks == ["c-1", "c-2", None]


def test_two_tries_in_one_foreign_span_add_up() -> None:
    with world("on", "openai") as here, here.tracer("agent_framework").start_as_current_span("chat gpt-4o") as span:
        here.ask()
        here.ask()
        assert (span.attributes["gen_ai.usage.input_tokens"], span.attributes["gen_ai.usage.output_tokens"]) == (
            200,
            40,
        )


def test_a_span_that_cannot_be_known_in_time_is_counted_once_and_named(caplog: pytest.LogCaptureFixture) -> None:
    duplicates._named.clear()
    with world("on", "openai") as here:
        for _ in range(2):
            with here.tracer("opentelemetry.instrumentation.mystery").start_as_current_span("request") as span:
                here.ask()
                span.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 100})
        assert len(here.captured.calls) == 2
    assert here.values("otel_llm_duplicate_spans_total") == [(("opentelemetry.instrumentation.mystery",), 1)] * 2
    assert len(caplog.records) == 1
    assert "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=mystery" in caplog.text


@pytest.mark.parametrize("libraries", [("openai",), ()], ids=["patched", "unpatched"])
def test_a_span_beside_our_call_is_the_same_call(libraries: tuple[str, ...]) -> None:
    """OpenLLMetry starts a span for a call and does not make it current: ours is no part of it."""
    duplicates._named.clear()
    with world("on", *(libraries or ("cohere",))) as here:
        span = here.tracer("opentelemetry.instrumentation.openai").start_span("openai.chat")
        here.ask()
        span.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 100})
        span.end()
        other = here.tracer("opentelemetry.instrumentation.mystery").start_span("chat")
        other.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 7})
        other.end()
        assert len(here.captured.calls) == 2
        assert [call.input_tokens for call in here.captured.calls] == [100, 7]
    assert len(here.values("otel_llm_duplicate_spans_total")) == (1 if libraries else 0)


def test_a_span_beside_our_call_that_names_its_model_is_enriched() -> None:
    with world("on", "openai") as here:
        span = here.tracer("opentelemetry.instrumentation.openai.v1").start_span("openai.chat")
        span.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"})
        here.ask()
        here.ask()  # another call of the same model, which has a span of its own
        span.end()
        (first, second) = sorted(here.spans.get_finished_spans(), key=lambda made: made.start_time)
    assert (first.name, first.attributes["gen_ai.usage.input_tokens"]) == ("openai.chat", 100)
    assert (second.name, second.attributes["gen_ai.usage.input_tokens"]) == ("chat gpt-4o", 100)
    assert len(here.captured.calls) == 2
    assert here.values("otel_llm_duplicate_spans_total") == []


@pytest.mark.parametrize("early", [False, True], ids=["at the start of the stream", "at its last event"])
def test_a_foreign_span_that_ends_before_the_stream_does(early: bool) -> None:
    """Its owner reads the stream above us, or does not wait for it: its tokens are in the trace, once."""
    with world("on", "openai") as here:
        with here.tracer("strands.x").start_as_current_span("chat gpt-4o", end_on_exit=False) as span:
            stream = here.client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "hi"}], stream=True,
                stream_options={"include_usage": True},
            )  # fmt: skip
        if early:
            seen = [next(stream)]
            while not seen[-1].usage:
                seen.append(next(stream))
            span.end()
            list(stream)
        else:
            span.end()
            list(stream)
        made = here.spans.get_finished_spans()
    told = [one.attributes.get("gen_ai.usage.input_tokens") for one in made]
    assert told == [100]
    assert {one.context.trace_id for one in made} == {span.context.trace_id}
    assert [(call.input_tokens, call.error_type) for call in here.captured.calls] == [(100, "")]


@pytest.mark.parametrize("stream", [False, True], ids=["when the answer is there", "when the stream is"])
def test_a_span_that_is_made_of_a_call_that_has_one(stream: bool) -> None:
    """OpenLLMetry's spans of Responses: begun in the past, when the call has gone or its stream is handed over."""
    with world("on", "openai") as here:
        began = time.time_ns()
        answer: Any = here.client.responses.create(model="gpt-4o", input="hi", stream=stream)
        span = here.tracer("opentelemetry.instrumentation.openai.v1").start_span("openai.response", start_time=began)
        if stream:
            list(answer)
        span.set_attributes({**REPEATED, "gen_ai.output.messages": "[]"})
        span.end()
        theirs, ours = sorted(here.spans.get_finished_spans(), key=lambda made: made.start_time)
    assert dict(theirs.attributes) == {"gen_ai.output.messages": "[]"}
    assert (ours.name, ours.attributes["gen_ai.usage.input_tokens"]) == ("chat gpt-4o", 100)
    assert [call.input_tokens for call in here.captured.calls] == [100]
    assert here.values("otel_llm_duplicate_spans_total") == [(("opentelemetry.instrumentation.openai.v1",), 1)]


def test_a_record_of_a_stream_whose_call_is_on_another_span() -> None:
    """Logfire's: a span of no duration at the end of the stream, beside the one that the call is on."""
    with world("on", "openai") as here:
        tracer = here.tracer("logfire.openai")
        with tracer.start_as_current_span("Chat with", attributes={"gen_ai.operation.name": "chat"}):
            stream = here.client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "hi"}], stream=True,
                stream_options={"include_usage": True},
            )  # fmt: skip
        seen = [next(stream)]
        with trace.use_span(trace.INVALID_SPAN):
            for answer in (seen[0].id, "chatcmpl-of-somebody-else"):
                tracer.start_span("took", attributes={**REPEATED, "gen_ai.response.id": answer}).end()
        list(stream)
        made = [span.attributes.get("gen_ai.usage.input_tokens") for span in here.spans.get_finished_spans()]
    assert made == [None, 100, 100]  # the record, that of a call that nobody saw, the span of the call


def test_tokens_that_the_owner_of_a_span_adds_up_otherwise() -> None:
    with world("on", "openai") as here:
        for scope in ("opentelemetry.instrumentation.openai", "pydantic-ai"):
            with here.tracer(scope).start_as_current_span("chat gpt-4o") as span:
                span.set_attribute("gen_ai.operation.name", "chat")
                here.ask()
                span.set_attributes({"gen_ai.usage.output_tokens": 21, "gen_ai.usage.total_tokens": 121})
        made = [span.attributes for span in here.spans.get_finished_spans()]
    told = [(one["gen_ai.usage.output_tokens"], one["gen_ai.usage.total_tokens"]) for one in made]
    assert told == [(20, 120), (21, 121)]  # a framework's span may stand for more than one call


@pytest.mark.parametrize(
    ("scope", "library"),
    [
        ("opentelemetry.instrumentation.openai.v1", "openai"), ("opentelemetry.instrumentation.openai_v2", "openai"),
        ("opentelemetry.instrumentation.genai.anthropic", "anthropic"), ("logfire.openai", "openai"),
        ("openlit.instrumentation.mistral", "mistral"), ("com.anthropic.sdk.python", "anthropic"),
        ("opentelemetry.instrumentation.botocore.bedrock-runtime", "bedrock"), ("strands.openai", ""), ("mystery", ""),
    ],
)  # fmt: skip
def test_the_client_library_of_a_scope(scope: str, library: str) -> None:
    assert client_library(scope) == library


def test_a_tool_that_fails_without_an_error_type() -> None:
    with world("on") as here:
        tracer = here.tracer("x")
        with tracer.start_as_current_span(
            "t", attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "t"}
        ) as span:
            span.set_status(StatusCode.ERROR)
        for error in (TimeoutError("secret"), ValueError("secret")):
            with (
                pytest.raises(type(error)),
                tracer.start_as_current_span("t", attributes={"gen_ai.operation.name": "execute_tool"}),
            ):
                raise error
    assert [labels[3] for labels in here.labels(TOOL)] == ["_OTHER", "timeout", "_OTHER"]


async def test_cancelled_and_left(recording: str) -> None:
    def agent() -> Any:
        attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "a"}
        return here.tracer("x").start_as_current_span("invoke_agent a", attributes=attributes)

    async def waits(started: asyncio.Event) -> None:
        with agent():
            started.set()
            await asyncio.Event().wait()

    def streams() -> Iterator[int]:
        with agent():
            yield 1

    with world(recording) as here:
        started = asyncio.Event()
        task = asyncio.create_task(waits(started))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        stream = streams()
        next(stream)
        stream.close()
        try:
            await task
        except asyncio.CancelledError:  # somebody else's: the run inside of its handler is fine
            with agent():
                pass
    assert [labels[1] for labels in here.labels(AGENT)] == ["cancelled", "abandoned", ""]


def test_an_agent_inside_a_tool_of_another() -> None:
    with world("none", "openai") as here:
        tracer = here.tracer("x")

        def agent(name: str) -> Any:
            attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name}
            return tracer.start_as_current_span(f"invoke_agent {name}", attributes=attributes)

        with agent("outer"):
            here.ask()
            with (
                tracer.start_as_current_span("execute_tool t", attributes={"gen_ai.operation.name": "execute_tool"}),
                agent("inner"),
            ):
                here.ask()
        here.ask()
    assert [call.agent for call in here.captured.calls] == ["outer", "inner", ""]
    assert here.values(CALLS) == [(("inner",), 1), (("outer",), 1)]
    assert here.values(TOOLS) == [(("inner",), 0), (("outer",), 1)]


def test_the_cost_of_a_run_is_that_of_all_agents_in_it() -> None:
    spans = InMemorySpanExporter()
    with Loopback() as server, capture("openai", price=lambda *_: (0.5, "prices", 0.0, ())) as captured:
        here = World(captured, server, trace.ProxyTracer, spans)
        run(here, "x")
        here.client.close()
    assert here.values("otel_llm_run_cost_usd") == [(("weather",), 1.0)]


def test_each_mcp_request_once_on_each_side(recording: str) -> None:
    with world(recording) as here:
        with (
            mcp(
                here,
                "fastmcp",
                "tools/call t",
                SpanKind.CLIENT,
                gen_ai__tool__name="t",
                gen_ai__operation__name="execute_tool",
            ),
            mcp(here, "mcp-python-sdk", "MCP send tools/call t", SpanKind.CLIENT),
            mcp(here, "fastmcp", "tools/call", SpanKind.SERVER, gen_ai__tool__name="t") as server,
        ):
            server.set_attribute("error.type", "tool_error")
        with mcp(here, "mcp-python-sdk", "tools/call", SpanKind.SERVER, error__type="-32602"):
            pass
    assert here.labels("mcp_client_operation_duration_seconds") == [("tools/call", "t", "")]
    assert here.labels("mcp_server_operation_duration_seconds") == [
        ("tools/call", "t", "tool_error"), ("tools/call", "", "invalid_request"),
    ]  # fmt: skip
    assert here.labels(TOOL) == []


def test_what_fastmcp_tells_of_a_request_in_a_span_inside(recording: str) -> None:
    with world(recording) as here:
        with (
            mcp(here, "fastmcp", "tools/call", SpanKind.SERVER),
            mcp(here, "fastmcp", "tools/call t", SpanKind.SERVER, gen_ai__tool__name="t", error__type="tool_error"),
        ):
            pass
        with (
            mcp(here, "fastmcp", "tools/call", SpanKind.CLIENT, gen_ai__tool__name="t"),
            mcp(here, "mcp-python-sdk", "MCP send tools/list", SpanKind.CLIENT, "tools/list"),
        ):
            pass
    assert here.labels("mcp_server_operation_duration_seconds") == [("tools/call", "t", "tool_error")]
    assert here.labels("mcp_client_operation_duration_seconds") == [("tools/list", "", ""), ("tools/call", "t", "")]


@pytest.mark.parametrize(("answer", "repeats"), [(lambda _: "same", 19), (str, 0)], ids=["loop", "polling"])
def test_a_loop_is_counted_and_polling_is_not(answer: Callable[[int], str], repeats: int) -> None:
    named: queue.Queue[Anomaly] = queue.Queue()
    remove = on_anomaly(named.put, signal="runaway_run")
    with world("on") as here:
        tracer = here.tracer("x")
        attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "a"}
        with tracer.start_as_current_span("invoke_agent a", attributes=attributes):
            for number in range(20):
                asked = {"gen_ai.tool.call.arguments": '{"id": 7}', "gen_ai.tool.call.result": answer(number)}
                told = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "t", **asked}
                with tracer.start_as_current_span("execute_tool t", attributes=told):
                    pass
    assert here.values("otel_llm_tool_repeats_total") == [(("a", "t"), 1)] * repeats
    if repeats:
        assert str(named.get(timeout=30)) == "[CRITICAL] runaway_run: value=5, detail=agent a, tool t"
    remove()
    assert named.empty()


def test_a_fork_inside_of_a_run_counts_it_once() -> None:
    with world("on", "openai") as here, here.tracer("x").start_as_current_span("invoke_agent a") as span:
        span.set_attribute("gen_ai.operation.name", "invoke_agent")
        child = os.fork()
        if not child:
            here.captured.observer.disown()
            span.end()
            os._exit(len(here.labels(AGENT)))
        assert os.waitpid(child, 0)[1] == 0
    assert len(here.labels(AGENT)) == 1


def test_all_is_taken_out_again() -> None:
    provider = TracerProvider(sampler=sampling.ALWAYS_OFF)
    early = provider.get_tracer("early")
    shadowed = trace.ProxyTracer.__dict__["_tracer"]
    with capture():
        tracer = provider.get_tracer("late")
        for each in (early, tracer):
            with each.start_as_current_span("chat m", attributes={"gen_ai.operation.name": "chat"}) as span:
                assert span.is_recording()
            with each.start_as_current_span("GET /") as span:
                assert not span.is_recording()
    assert provider.sampler is tracer.sampler is early.sampler is sampling.ALWAYS_OFF
    assert provider._active_span_processor._span_processors == ()
    assert trace.ProxyTracer.__dict__["_tracer"] is shadowed
    provider.shutdown()


@pytest.mark.parametrize(
    ("name", "named", "operation"),
    [
        ("chat gpt-4o", ("inference", "gpt-4o"), "chat"),
        ("execute_tool look it up", ("tool", "look it up"), "execute_tool"),
        ("invoke_agent", ("agent", ""), "invoke_agent"),
        ("invoke_agent ", ("", ""), "chat"),
        ("chatter gpt-4o", ("", ""), "chat"),
        ("", ("", ""), "chat"),
    ],
)
def test_the_name_of_a_span_says_what_it_is(name: str, named: tuple[str, str], operation: str) -> None:
    assert reading.named_by_form(name) == named
    assert reading.operation_of(name) == operation
