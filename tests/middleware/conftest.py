"""Applications whose endpoints call an LLM: the real openai client against a loopback server."""

from __future__ import annotations

import openai
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_llm.core.config import Config
from otel_llm.testing import capture
from otel_llm.testing.loopback import Loopback


def price(request, response, usage, at):
    return (usage.input_tokens * 2.5 + usage.output_tokens * 10) / 1e6, "prices", 0.0, ()


@pytest.fixture(scope="session")
def server():
    with Loopback() as server:
        yield server


@pytest.fixture
def watched():
    with capture("openai", price=price, config=Config(metric_labels=("tenant", "route"))) as captured:
        yield captured


@pytest.fixture
def ask(server, watched):
    """Make one LLM call."""
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="test-key", max_retries=0)
    with client:
        yield lambda: client.chat.completions.create(model="gpt-4o", messages=[])


@pytest.fixture
def ask_async(server, watched):
    async def ask():
        async with openai.AsyncOpenAI(base_url=server.url + "/v1", api_key="test-key", max_retries=0) as client:
            return await client.chat.completions.create(model="gpt-4o", messages=[])

    return ask


@pytest.fixture
def costs(watched):
    """What requests cost, as recorded: (labels, US dollars)."""

    def costs():
        return [
            (event.labels, event.value) for event in watched.events if event.metric == "otel_llm_http_request_cost_usd"
        ]

    return costs


@pytest.fixture
def exporter(monkeypatch):
    """The host's own tracing."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    yield exporter
    provider.shutdown()


@pytest.fixture
def tracer(exporter):
    return trace.get_tracer_provider().get_tracer("host")
