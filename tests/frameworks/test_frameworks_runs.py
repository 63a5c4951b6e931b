"""Each framework as it is: a run of two model calls and one tool call is just that, in every outlet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import conformance
import pytest
from frameworks_common import installed, recorded
from frameworks_runs import ALL, Tool
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from otel_llm.testing import Captured, capture
from otel_llm.testing.loopback import Loopback


class Switch(sampling.Sampler):
    """A process has one TracerProvider for good: its sampler changes from test to test."""

    inner: sampling.Sampler = sampling.ALWAYS_ON

    def should_sample(self, *args: Any, **kwargs: Any) -> Any:
        return self.inner.should_sample(*args, **kwargs)

    def get_description(self) -> str:
        return "Switch"


SAMPLER, SPANS = Switch(), InMemorySpanExporter()
PROVIDER = TracerProvider(sampler=SAMPLER)
PROVIDER.add_span_processor(SimpleSpanProcessor(SPANS))
trace.set_tracer_provider(PROVIDER)


FRAMEWORKS = installed(ALL)
UNSEEN = ("llama_index",)  # whose streams nobody reports where its client library is not watched
NAMED = {"haystack": "agent", "claude_agent_sdk": "claude"}  # runs of agents that have no names of their own


class World:
    """What one run came to."""

    def __init__(self, captured: Captured, server: Loopback) -> None:
        self.captured, self.server = captured, server
        self.answer: Callable[[], str] = lambda: "sunny"

    def tool(self) -> Tool:
        def get_weather(city: str = "x") -> str:
            """The weather of a city."""
            return self.answer()

        return get_weather

    def events(self, metric: str) -> list[tuple[tuple[str, ...], float]]:
        return recorded(self.captured, metric)


@pytest.fixture(params=["patched", "unpatched"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    libraries = () if request.param == "patched" else ("ollama",)
    SPANS.clear()
    with Loopback() as server, capture(*libraries, tracer=trace.get_tracer("otel_llm")) as captured:
        yield World(captured, server)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("sampler", [sampling.ALWAYS_ON, sampling.ALWAYS_OFF], ids=["on", "off"])
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_two_calls_and_a_tool(
    name: str, sampler: Any, stream: bool, world: World, request: pytest.FixtureRequest
) -> None:
    patched = "unpatched" not in request.node.name
    if name in UNSEEN and stream and not patched:
        return
    SAMPLER.inner = sampler
    FRAMEWORKS[name](world.server.url, world.tool(), stream=stream)
    calls = world.captured.calls
    agent = NAMED.get(name, "weather_agent")
    assert len(calls) == 2
    assert len(world.server.requests) == (0 if name == "claude_agent_sdk" else 2)
    assert [call.agent for call in calls] == [agent] * 2
    assert [call.error_type for call in calls] == ["", ""]
    assert (sum(call.input_tokens or 0 for call in calls), sum(call.output_tokens or 0 for call in calls)) == (200, 40)
    (run,) = world.events("gen_ai_invoke_agent_duration_seconds")
    assert run[0][:2] == (agent, "")
    assert world.events("gen_ai_invoke_agent_inference_calls") == [((agent,), 2)]
    assert world.events("gen_ai_invoke_agent_tool_calls") == [((agent,), 1)]
    ((labels, _),) = world.events("gen_ai_execute_tool_duration_seconds")
    assert labels[0].endswith("get_weather")
    assert labels[2:] == (agent, "")
    assert world.events("otel_llm_duplicate_spans_total") == []
    ours = [span for span in SPANS.get_finished_spans() if span.instrumentation_scope.name == "otel_llm"]
    steps = [span for span in ours if span.kind is not SpanKind.CLIENT]
    assert [f"{span.name}: {fault}" for span in steps for fault in conformance.of_step(span)] == []
    spans = [
        span
        for span in SPANS.get_finished_spans()
        if span.attributes.get("gen_ai.operation.name") in ("chat", "generate_content")
    ]
    assert len(spans) == (2 if sampler is sampling.ALWAYS_ON else 0)
    tokens = [
        sum(span.attributes.get(f"gen_ai.usage.{kind}_tokens", 0) for span in spans) for kind in ("input", "output")
    ]
    assert tokens == ([200, 40] if spans else [0, 0])  # what the provider billed, in the trace as in the metrics


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_tool_that_fails(name: str, world: World) -> None:
    SAMPLER.inner = sampling.ALWAYS_ON

    def fails() -> str:
        raise ValueError("secret")

    world.answer = fails
    try:
        FRAMEWORKS[name](world.server.url, world.tool(), stream=False)
    except ValueError:
        assert name in ("pydantic_ai", "google_adk", "langchain")  # the others tell the model
    failed = [labels for labels, _ in world.events("gen_ai_execute_tool_duration_seconds")]
    assert failed
    assert {labels[3] for labels in failed} == {"tool_error" if name == "claude_agent_sdk" else "_OTHER"}
