"""xai-sdk under us: gRPC is no matter for the loopback, so the scenarios that hold for it are here, at a server of its own."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import xai_sdk
from fake_xai import TICKS, FakeXAI
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel
from xai_sdk.chat import user

from otel_llm.testing import capture

SECRET = "a prompt of the caller's"


class Word(BaseModel):
    word: str


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A server, the calls, and every span of the process, the SDK's own too."""
    exporter = InMemorySpanExporter()
    traces = TracerProvider()
    traces.add_span_processor(SimpleSpanProcessor(exporter))
    for module in (xai_sdk.sync.chat, xai_sdk.aio.chat):
        monkeypatch.setattr(module, "tracer", traces.get_tracer(module.__name__))
    with FakeXAI() as server, capture("xai", tracer=traces.get_tracer("ours")) as captured:
        yield server, captured, exporter
    traces.shutdown()


def asked(kind: Any, server: Any, model: str) -> Any:
    client = kind(api_key="test-key", api_host=server.host, use_insecure_channel=True)
    return client, client.chat.create(model=model, messages=[user(SECRET)], temperature=0.5)


async def used(kind: Any, server: Any, model: str, method: str, *args: Any) -> Any:
    client, chat = asked(kind, server, model)
    try:
        result = getattr(chat, method)(*args)
        if inspect.isasyncgen(result):
            return [item async for item in result]
        result = await result if inspect.isawaitable(result) else result
        return list(result) if method == "stream" else result
    finally:
        closed = client.close()
        if inspect.isawaitable(closed):
            await closed


CLIENTS = pytest.mark.parametrize("kind", [xai_sdk.Client, xai_sdk.AsyncClient])


@CLIENTS
@pytest.mark.parametrize(("method", "args"), [("sample", ()), ("stream", ()), ("parse", (Word,))])
async def test_once(bench: Any, kind: Any, method: str, args: Any) -> None:
    server, captured, exporter = bench
    captured.observer.price = lambda _, __, usage, ___: (usage.cost_usd, "provider", 0.0, None)
    result = await used(kind, server, "grok-x", method, *args)
    call = captured.call
    assert result
    assert (call.provider, call.operation, call.request_model, call.error_type) == ("x_ai", "chat", "grok-x", "")
    assert (call.input_tokens, call.cache_read_tokens, call.output_tokens, call.thinking_tokens) == (100, 40, 25, 5)
    assert (call.stream, call.finish_reasons) == (method == "stream", ("stop",))
    assert call.cost == pytest.approx(TICKS * 1e-10)
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.attributes["gen_ai.request.temperature"]) == ("chat grok-x", 0.5)
    assert SECRET not in span.to_json()


@CLIENTS
@pytest.mark.parametrize(
    ("code", "kind_of_error"), [("RESOURCE_EXHAUSTED", "rate_limit"), ("UNAUTHENTICATED", "authentication")]
)
async def test_refused(bench: Any, kind: Any, code: str, kind_of_error: str) -> None:
    server, captured, exporter = bench
    for method in ("sample", "stream"):
        with pytest.raises(xai_sdk.client.grpc.RpcError):
            await used(kind, server, f"fail-{code}", method)
        assert captured.call.error_type == kind_of_error
        (span,) = exporter.get_finished_spans()
        assert SECRET not in span.to_json()
        captured.clear()
        exporter.clear()


def test_left_early(bench: Any) -> None:
    server, captured, _ = bench
    client, chat = asked(xai_sdk.Client, server, "grok-x")
    stream = chat.stream()
    assert not captured.open
    next(stream)
    stream.close()
    client.close()
    assert captured.call.error_type == "abandoned"


def test_the_callers_span_stays_current(bench: Any) -> None:
    server, captured, exporter = bench
    client, chat = asked(xai_sdk.Client, server, "grok-x")
    with trace.use_span(
        trace.NonRecordingSpan(trace.SpanContext(1, 2, is_remote=False, trace_flags=trace.TraceFlags(1)))
    ) as caller:
        for _ in chat.stream():
            assert trace.get_current_span() is caller
    client.close()
    assert captured.call.error_type == ""
    assert len(exporter.get_finished_spans()) == 1


def test_uninstrumenting_restores_the_very_same() -> None:
    chat = xai_sdk.sync.chat
    before = chat.tracer, vars(chat.Chat)["sample"], vars(chat.Chat)["stream"]
    with capture("xai") as captured:
        assert not captured.installed[0].missing
        assert chat.tracer is not before[0]
    assert (chat.tracer, vars(chat.Chat)["sample"], vars(chat.Chat)["stream"]) == before
