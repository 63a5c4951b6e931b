"""Spans and instruments of agents, tools, workflows, MCP and retrievals say what the conventions say, in either vocabulary."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import conformance
import openai
import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_llm
from otel_llm.calls.declarations import modules
from otel_llm.core.config import Config
from otel_llm.core.semconv.instruments import INSTRUMENTS
from otel_llm.frameworks import MODULES, load, steps
from otel_llm.frameworks._stores import argument, length, lookups
from otel_llm.outputs.instruments import Instruments
from otel_llm.testing import capture
from otel_llm.testing.loopback import Loopback

OURS = ("gen_ai.invoke_agent.", "gen_ai.invoke_workflow.", "gen_ai.execute_tool.", "mcp.", "otel_llm.retrieval_")
STORE = lookups("store", ("Store.search",), "store", argument("name"), length)


def test_a_run_is_part_of_the_conversation_that_labels_name(spans: InMemorySpanExporter) -> None:
    """A framework's own word comes first."""
    with capture(), otel_llm.labels(conversation="c-1"):
        steps.begin("agent", "support", "x").end()
        steps.begin("agent", "support", "x", gen_ai__conversation__id="c-2").end()
        steps.begin("tool", "look", "x").end()
    talks = [(span.attributes or {}).get("gen_ai.conversation.id") for span in spans.get_finished_spans()]
    assert talks == ["c-1", "c-2", None]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_with_a_hook_puts_it_in(name: str) -> None:
    assert set(MODULES[name]) == set(modules(load(name)))


@pytest.fixture(params=["released", "latest", "both"])
def switch(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield exporter
    provider.shutdown()


def everything(url: str) -> None:
    """Each kind of step that hooks open, as it goes well and as it fails."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
        workflow = steps.begin("workflow", "crew", "crewai")
        agent = steps.begin("agent", "support", "agno", gen_ai__conversation__id="c-1")
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
        steps.begin("tool", "search", "agno").end(tool_type="function", arguments={}, result="x")
        steps.begin("tool", "", "agno").end(ValueError("secret"), tool_type="function")
        opened = STORE.began(SimpleNamespace(), ("docs",), {"limit": 3})
        STORE.ended(None, opened, [1, 2], None)
        opened = STORE.began(SimpleNamespace(), (), {})
        STORE.ended(None, opened, None, TimeoutError())
        agent.end()
        workflow.end()
        steps.begin("agent", "", "langchain").end(TimeoutError())  # one without a name, which asks nobody
        steps.begin("workflow", "", "llama_index").end("cancelled")
        for side in ("mcp_client", "mcp_server"):
            steps.begin(side, "look", "mcp").end("tool_error", method="tools/call", tool="look")  # type: ignore[arg-type]
            steps.begin(side, "", "mcp").end(method="tools/list")  # type: ignore[arg-type]


def test_spans_and_instruments_conform(switch: str, spans: InMemorySpanExporter) -> None:
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader])
    config = Config(semconv=switch)
    with Loopback() as server, capture("openai", config=config) as captured:
        everything(server.url)
        instruments = Instruments(meters.get_meter("words"), config)
        for record in (*captured.calls, *captured.events):
            instruments(record)
    made = spans.get_finished_spans()
    assert {span.name for span in made} == {
        "invoke_agent support", "invoke_agent", "invoke_workflow crew", "invoke_workflow", "execute_tool search",
        "execute_tool _unnamed", "retrieval docs", "retrieval",
    }  # fmt: skip
    assert [f"{span.name}: {fault}" for span in made for fault in conformance.of_step(span, switch)] == []
    told: Any = reader.get_metrics_data()
    assert conformance.of_metrics(told, switch) == []
    seen = {metric.name for metric in told.resource_metrics[0].scope_metrics[0].metrics if metric.name.startswith(OURS)}
    facts = {name for name in INSTRUMENTS if name.startswith(OURS) and "session" not in name}
    assert seen == facts | {"otel_llm.retrieval_duration", "otel_llm.retrieval_documents"}
    meters.shutdown()


def test_whose_model_an_agent_asks(spans: InMemorySpanExporter) -> None:
    with Loopback() as server, capture("openai"):
        everything(server.url)
    providers = {span.name: (span.attributes or {}).get("gen_ai.provider.name") for span in spans.get_finished_spans()}
    assert providers["invoke_agent support"] == "openai"  # of its first call
    assert providers["invoke_agent"] == "langchain"  # which nobody asked anything
    assert providers["execute_tool search"] is None


def test_what_is_asked_of_a_store_has_the_type_of_the_vocabulary(switch: str, spans: InMemorySpanExporter) -> None:
    with capture("openai", config=Config(semconv=switch)):
        STORE.ended(None, STORE.began(SimpleNamespace(), ("docs",), {"limit": 3}), [1], None)
    (span,) = spans.get_finished_spans()
    assert type((span.attributes or {})["gen_ai.request.top_k"]) is (int if switch == "latest" else float)
