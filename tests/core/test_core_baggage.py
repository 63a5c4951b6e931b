"""Labels that travel as W3C baggage: set here, read by the service that is called, and only where it allows them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from opentelemetry import baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import attach, detach
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_llm
from otel_llm.core.config import Config
from otel_llm.testing import capture
from otel_llm.testing.loopback import Loopback

SPEAK = W3CBaggagePropagator()


def sent() -> dict[str, str]:
    """The headers of a request that would be sent here."""
    headers: dict[str, str] = {}
    SPEAK.inject(headers)
    return headers


@contextmanager
def served(headers: dict[str, str]) -> Iterator[None]:
    """As another service that has received ``headers``."""
    token = attach(SPEAK.extract(headers))
    yield
    detach(token)


def called(config: Config, headers: dict[str, str], **own: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The metric labels and the span's labels of a call that is made for a request with ``headers``."""
    exporter, traces = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    traces.add_span_processor(SimpleSpanProcessor(exporter))
    with Loopback() as server, capture("openai", tracer=traces.get_tracer("baggage"), config=config) as captured:
        with (
            served(headers),
            otel_llm.labels(**own),
            openai.OpenAI(base_url=f"{server.url}/v1", api_key="test-key") as client,
        ):
            client.embeddings.create(model="small", input="hi")
        (span,) = exporter.get_finished_spans()
        marked = {
            key: value for key, value in (span.attributes or {}).items() if "label" in key or "conversation" in key
        }
        return captured.call.labels, marked


def test_labels_travel_to_a_service_that_allows_them() -> None:
    with otel_llm.labels(tenant="acme", group="gold", propagate=True):
        headers = sent()
    config = Config(baggage_labels=("tenant",), metric_labels=("tenant", "group"))
    assert called(config, headers) == (("acme", ""), {"otel_llm.label.tenant": "acme"})
    assert called(Config(metric_labels=("tenant",)), headers) == (("",), {})


def test_labels_stay_here_unless_they_are_to_travel() -> None:
    with otel_llm.labels(tenant="acme"):
        assert sent() == {}


def test_a_label_of_the_service_s_own_comes_before_one_that_came() -> None:
    with otel_llm.labels(tenant="acme", propagate=True):
        headers = sent()
    config = Config(baggage_labels=("tenant",), metric_labels=("tenant",))
    assert called(config, headers, tenant="own") == (("own",), {"otel_llm.label.tenant": "own"})


def test_a_conversation_travels_too() -> None:
    with otel_llm.labels(conversation="c-1", propagate=True):
        headers = sent()
    labels, marked = called(Config(baggage_labels=("tenant",)), headers, conversation="c-2")
    assert (labels, marked) == ((), {"gen_ai.conversation.id": "c-2"})


def test_a_value_that_came_is_shortened() -> None:
    with otel_llm.labels(tenant="a" * 1000, propagate=True):
        headers = sent()
    (label,), _ = called(Config(baggage_labels=("tenant",), metric_labels=("tenant",)), headers)
    assert label == "a" * 256


def test_baggage_is_as_before_when_the_labels_end() -> None:
    with otel_llm.labels(tenant="acme", propagate=True):
        with otel_llm.labels(tenant=None, group="gold", propagate=True):
            assert dict(baggage.get_all()) == {"group": "gold"}
        assert dict(baggage.get_all()) == {"tenant": "acme"}
    assert dict(baggage.get_all()) == {}


@pytest.mark.parametrize("asynchronous", [False, True])
def test_as_a_decorator(asynchronous: bool) -> None:
    there = otel_llm.labels(tenant="acme", propagate=True)
    if asynchronous:

        @there
        async def awaited() -> dict[str, str]:
            return sent()

        assert asyncio.run(awaited()) == {"baggage": "tenant=acme"}
    else:

        @there
        def plain() -> dict[str, str]:
            return sent()

        assert plain() == {"baggage": "tenant=acme"}
    assert sent() == {}


def test_a_conversation_is_no_metric_label() -> None:
    (problem,) = Config.from_env({"OTEL_LLM_METRIC_LABELS": "tenant,conversation"}).problems
    assert "'conversation' is on spans only" in problem
