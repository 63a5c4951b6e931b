"""A process with a bridge, and a framework in it that makes spans, for ``test_frameworks_bridge.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import openai
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from otel_llm.testing import Captured, capture
from otel_llm.testing.loopback import Loopback


class World:
    """A process that records spans, drops them, or has no provider; and a framework in it that makes spans."""

    def __init__(self, captured: Captured, server: Loopback, tracer: Callable[[str], Any], spans: InMemorySpanExporter):
        self.captured, self.server, self.tracer, self.spans = captured, server, tracer, spans
        self.client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="k", max_retries=0)

    def ask(self, model: str = "gpt-4o") -> None:
        self.client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}])

    def values(self, metric: str) -> list[tuple[tuple[str, ...], float]]:
        return [(event.labels, event.value) for event in self.captured.events if event.metric == metric]

    def labels(self, metric: str) -> list[tuple[str, ...]]:
        return [labels for labels, _ in self.values(metric)]


@contextmanager
def world(sampler: str, *libraries: str) -> Iterator[World]:
    spans, provider = InMemorySpanExporter(), None
    if sampler != "none":
        provider = TracerProvider(sampler=sampling.ALWAYS_OFF if sampler == "off" else sampling.ALWAYS_ON)
        provider.add_span_processor(SimpleSpanProcessor(spans))

    def make(scope: str) -> Any:
        return trace.ProxyTracer(scope) if provider is None else provider.get_tracer(scope)

    ours = provider.get_tracer("otel_llm") if provider is not None else None
    with Loopback() as server, capture(*libraries, tracer=ours) as captured:
        made = World(captured, server, make, spans)
        yield made
        made.client.close()
    if provider is not None:
        provider.shutdown()


def turn(here: World, tracer: Any, *, late: bool) -> None:
    """One inference as a framework makes it; ``late`` sets everything at the end, as Strands does."""
    told = {
        "gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20,
    }  # fmt: skip
    start = {} if late else {key: told[key] for key in ("gen_ai.operation.name", "gen_ai.request.model")}
    with tracer.start_as_current_span("chat gpt-4o", kind=SpanKind.CLIENT, attributes=start) as span:
        here.ask()
        span.set_attributes(told)


def run(here: World, scope: str, *, late: bool = False) -> None:
    """An agent's run of two model calls and one tool call, with a span of the host's between."""
    tracer, host = here.tracer(scope), here.tracer("host")
    with tracer.start_as_current_span("invoke_agent weather") as agent:
        if not late:
            agent.set_attributes({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "weather"})
        turn(here, tracer, late=late)
        with (
            host.start_as_current_span("GET /cache"),
            tracer.start_as_current_span(
                "execute_tool look", attributes={"gen_ai.operation.name": "execute_tool"}
            ) as tool,
        ):
            tool.set_attribute("gen_ai.tool.name", "look")
        turn(here, tracer, late=late)
        agent.set_attributes({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "weather"})


def mcp(here: World, scope: str, name: str, kind: SpanKind, method: str = "tools/call", **more: Any) -> Any:
    attributes = {"mcp.method.name": method, **{key.replace("__", "."): value for key, value in more.items()}}
    return here.tracer(scope).start_as_current_span(name, kind=kind, attributes=attributes)
