"""Frameworks pin their clients, so each has an environment of its own: ``python tests/matrix.py`` runs what is here.

Elsewhere only the files are collected whose framework is installed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_llm.core.model import Event
from otel_llm.reliability import breakers
from otel_llm.testing import Captured, capture
from otel_llm.testing.loopback import Loopback

_NEEDS = {
    "voyage": "voyageai",
    "evaluators": "deepeval",
    "guardrails_ai": "guardrails",
    "nemo_guardrails": "nemoguardrails",
    "watsonx": "ibm_watsonx_ai",
    "vertexai": "vertexai",
    "litellm": "litellm",
    "langchain": "langchain",
    "pydantic_ai": "pydantic_ai",
    "agents": "agents",
    "llama_index": "llama_index",
    "examples": "langchain_openai",
    "pgvector": "pgserver",
    "mcp": "fastmcp",
}
collect_ignore = [
    f"test_frameworks_{name}.py" for name, module in _NEEDS.items() if importlib.util.find_spec(module) is None
]
_RUNS = (
    "pydantic_ai",
    "agents",
    "langchain",
    "strands",
    "agent_framework",
    "google.adk",
    "semantic_kernel",
    "crewai",
    "smolagents",
    "llama_index",
    "autogen_agentchat",
    "agno",
    "dspy",
    "haystack",
    "claude_agent_sdk",
)


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # the package above it
        return False


if not any(map(_installed, ("chromadb", "qdrant_client", "pymilvus", "pinecone", "weaviate"))):
    collect_ignore.append("test_frameworks_stores.py")
if not any(map(_installed, _RUNS)):
    collect_ignore += [
        f"test_frameworks_{name}.py" for name in ("runs", "endings", "handover", "loops", "numbers", "outlets")
    ]


@dataclass
class Lab:
    """A loopback, and what was seen."""

    server: Loopback
    captured: Captured
    spans: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)

    @property
    def url(self) -> str:
        return f"{self.server.url}/v1"

    @property
    def models(self) -> list[tuple[str, str]]:
        """Model and error type of each call, in order."""
        return [(call.request_model, call.error_type) for call in self.captured.calls]

    def events(self, metric: str) -> list[Event]:
        return [event for event in self.captured.events if event.metric == metric and event.value]

    @property
    def fallbacks(self) -> list[tuple[str, ...]]:
        """From, to and reason of each fallback, in order."""
        return [event.labels[3:6] for event in self.events("otel_llm_fallbacks_total")]

    @property
    def lookups(self) -> list[tuple[str, ...]]:
        """Model, cache and result of each look-up, in order."""
        return [(event.labels[1], *event.labels[3:5]) for event in self.events("otel_llm_cache_requests_total")]

    def span(self, model: str) -> Any:
        return next(span for span in self.spans.get_finished_spans() if span.name == f"chat {model}")


@pytest.fixture
def lab() -> Iterator[Lab]:
    breakers._breakers.clear()
    exporter = InMemorySpanExporter()
    traces = TracerProvider()
    traces.add_span_processor(SimpleSpanProcessor(exporter))
    with Loopback() as server, capture(tracer=traces.get_tracer("frameworks")) as captured:
        yield Lab(server, captured, exporter)
    traces.shutdown()
