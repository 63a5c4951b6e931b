"""What a service tells of by hand, and what the clients themselves tell: retries, waits, rate limits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import anthropic
import groq
import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_llm
from otel_llm.core.config import Config
from otel_llm.testing import Captured, capture
from otel_llm.testing.loopback import Loopback

MESSAGES: Any = [{"role": "user", "content": "hi"}]
FALLBACKS, LOOKUPS = "otel_llm_fallbacks_total", "otel_llm_cache_requests_total"


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as server:
        yield server


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def captured(spans: InMemorySpanExporter) -> Iterator[Captured]:
    traces = TracerProvider()
    traces.add_span_processor(SimpleSpanProcessor(spans))
    config = Config(metric_labels=("tenant",))
    with capture("openai", "anthropic", "groq", tracer=traces.get_tracer("signals"), config=config) as captured:
        yield captured


@pytest.fixture
def client(server: Loopback) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="test-key") as client:
        yield client


def ask(client: openai.OpenAI, model: str) -> Any:
    return client.chat.completions.create(model=model, messages=MESSAGES)


def labels(captured: Captured, metric: str) -> list[tuple[str, ...]]:
    return [event.labels for event in captured.events if event.metric == metric]


def test_a_fallback_is_carried_by_the_call_that_serves(captured: Captured, client: Any, spans: Any) -> None:
    with otel_llm.labels(tenant="acme"), otel_llm.fallback("gpt-big", "gpt-small", "rate_limit"):
        ask(client, "gpt-small")
        ask(client, "gpt-small")
    assert labels(captured, FALLBACKS) == [
        ("openai", "gpt-small", "chat", "gpt-big", "gpt-small", "rate_limit", "acme")
    ]
    carried = [span.attributes.get("otel_llm.fallback.from") for span in spans.get_finished_spans()]
    assert carried == ["gpt-big", None]


def test_a_fallback_that_calls_nothing_we_see(captured: Captured) -> None:
    with otel_llm.fallback("gpt-big", "home-grown"):
        pass
    assert labels(captured, FALLBACKS) == [("", "home-grown", "chat", "gpt-big", "home-grown", "", "")]


async def test_a_decorated_fallback(captured: Captured) -> None:
    @otel_llm.fallback("one", "two")
    def plain() -> str:
        return "served"

    @otel_llm.fallback("one", "two")
    async def awaited() -> str:
        return "served"

    assert (plain(), await awaited(), plain()) == ("served",) * 3
    assert len(labels(captured, FALLBACKS)) == 3


def test_a_fallback_is_claimed_once_by_threads(captured: Captured, client: Any) -> None:
    import contextvars

    with otel_llm.fallback("gpt-big", "gpt-small"):
        threads = [
            threading.Thread(target=contextvars.copy_context().run, args=(ask, client, "gpt-small")) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (len(captured.calls), len(labels(captured, FALLBACKS))) == (4, 1)


def test_a_fallback_told_afterwards(captured: Captured) -> None:
    otel_llm.record_fallback(from_model="a", to_model="b", reason="refusal", provider="openai")
    assert labels(captured, FALLBACKS) == [("openai", "b", "chat", "a", "b", "refusal", "")]


def test_a_cache(captured: Captured) -> None:
    with otel_llm.labels(tenant="acme"):
        otel_llm.record_cache(hit=True, cache="redis", model="gpt-x")
        otel_llm.record_cache(hit=False, cache="redis", model="gpt-x")
    assert labels(captured, LOOKUPS) == [
        ("", "gpt-x", "chat", "redis", "hit", "acme"), ("", "gpt-x", "chat", "redis", "miss", "acme"),
    ]  # fmt: skip
    assert captured.calls == []


def test_a_refusal_twice_and_then_an_answer(captured: Captured, client: Any, spans: Any) -> None:
    ask(client, "gpt-x-fail-429-2")
    assert (captured.call.error_type, captured.call.input_tokens) == ("", 100)
    assert captured.count("otel_llm_retries_total", "rate_limit") == 2
    assert captured.count("otel_llm_retry_wait_seconds_total", "rate_limit") > 0
    (span,) = spans.get_finished_spans()
    assert span.attributes["http.request.resend_count"] == 2


def kinds(captured: Captured) -> dict[str, float]:
    """Kind of limit -> what is left of it."""
    return {
        event.labels[3]: event.value for event in captured.events if event.metric == "otel_llm_rate_limit_remaining"
    }


def test_rate_limits_of_openai(captured: Captured, client: Any) -> None:
    ask(client, "gpt-x")
    assert set(kinds(captured)) == {"requests", "tokens"}
    assert all(value > 0 for value in kinds(captured).values())


def test_rate_limits_of_anthropic(captured: Captured, server: Loopback) -> None:
    with anthropic.Anthropic(base_url=server.url, api_key="test-key") as client:
        client.messages.create(model="claude-x", max_tokens=50, messages=MESSAGES)
    assert set(kinds(captured)) == {"requests", "tokens", "input_tokens", "output_tokens"}


def test_rate_limits_of_groq_and_of_a_refusal(captured: Captured, server: Loopback) -> None:
    with (
        groq.Groq(base_url=server.url, api_key="test-key", max_retries=0) as client,
        pytest.raises(groq.RateLimitError),
    ):
        client.chat.completions.create(model="llama-x-fail-429", messages=MESSAGES)
    assert set(kinds(captured)) == {"requests", "tokens"}
