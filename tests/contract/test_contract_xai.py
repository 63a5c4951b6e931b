"""xai-sdk under the contract, at a gRPC server of its own, and what is its own: its tracing, its images and videos, its bills."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import fake_xai
import pytest
import xai_sdk
from contract import Contract, Kit
from contract_content import CONVERSATION
from fake_xai import TICKS, FakeXAI
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel
from xai_sdk.chat import chat_pb2, user

from otel_llm.testing import capture

SECRET = "a prompt of the caller's"
COST = pytest.approx(TICKS * 1e-10) if fake_xai.BILLS else None


class Word(BaseModel):
    word: str


def make(url: str) -> Any:
    return xai_sdk.Client(api_key="test-key", api_host=url, use_insecure_channel=True)


def make_async(url: str) -> Any:
    return xai_sdk.AsyncClient(api_key="test-key", api_host=url, use_insecure_channel=True)


def chat(client: Any, model: str, **more: Any) -> Any:
    return client.chat.create(model=model, messages=[user("hi")], **more)


def talk(client: Any, model: str) -> Any:
    """The conversation in xAI's own messages."""
    messages = []
    for told in CONVERSATION:
        role = getattr(chat_pb2.MessageRole, f"ROLE_{told['role'].upper()}")
        message = chat_pb2.Message(
            role=role, content=[chat_pb2.Content(text=said) for said in (told["content"],) if said]
        )
        for call in told.get("tool_calls", ()):
            message.tool_calls.append(
                chat_pb2.ToolCall(id=call["id"], function=chat_pb2.FunctionCall(**call["function"]))
            )
        if "tool_call_id" in told:
            message.tool_call_id = told["tool_call_id"]
        messages.append(message)
    return client.chat.create(model=model, messages=messages).sample()


class TestXAI(Contract):
    kit = Kit(
        library="xai",
        switches=False,  # the model belongs to the chat, which is there before the call
        provider="x_ai",
        model="grok-x",
        serve=FakeXAI,
        address="",  # the client does not keep its host
        make=make,
        make_async=make_async,
        plain=lambda client, model: chat(client, model).sample(),
        plain_async=lambda client, model: chat(client, model).sample(),
        stream=lambda client, model: chat(client, model).stream(),
        stream_async=lambda client, model: chat(client, model).stream(),
        usage=(100, 25),
        stream_usage=(100, 25),
        thinking=(25, 5),
        cached=(100, 30, 0),
        retried=None,  # inside gRPC, which tells nobody
        cut_error=("overloaded",),  # gRPC's UNAVAILABLE
        faults=("cut-3",),  # the others are those of HTTP
        talk=talk if "tool_call_id" in chat_pb2.Message.DESCRIPTOR.fields_by_name else None,  # 1.4 has no ids
    )


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A server, the calls, and every span of the process, the SDK's own too."""
    exporter = InMemorySpanExporter()
    traces = TracerProvider()
    traces.add_span_processor(SimpleSpanProcessor(exporter))
    names = ["chat", "image", *(["video"] if fake_xai.video_pb2 is not None else [])]
    for module in [getattr(kind, name) for kind in (xai_sdk.sync, xai_sdk.aio) for name in names]:
        monkeypatch.setattr(module, "tracer", traces.get_tracer(module.__name__))
    with FakeXAI() as server, capture("xai", tracer=traces.get_tracer("ours")) as captured:
        captured.observer.price = lambda _, __, usage, ___: (usage.cost_usd, "provider", 0.0, None)
        yield server, captured, exporter
    traces.shutdown()


async def used(kind: Any, server: Any, ask: Any) -> Any:
    client = kind(api_key="test-key", api_host=server.url, use_insecure_channel=True)
    try:
        result = ask(client)
        if inspect.isasyncgen(result):
            return [item async for item in result]
        result = await result if inspect.isawaitable(result) else result
        return list(result) if inspect.isgenerator(result) else result
    finally:
        closed = client.close()
        if inspect.isawaitable(closed):
            await closed


CLIENTS = pytest.mark.parametrize("kind", [xai_sdk.Client, xai_sdk.AsyncClient])


@CLIENTS
@pytest.mark.parametrize(("method", "args"), [("sample", ()), ("stream", ()), ("parse", (Word,))])
async def test_its_own_tracing_sends_no_prompts_beside_ours(bench: Any, kind: Any, method: str, args: Any) -> None:
    server, captured, exporter = bench
    ask = lambda client: getattr(client.chat.create(model="grok-x", messages=[user(SECRET)], temperature=0.5), method)(
        *args
    )
    assert await used(kind, server, ask)
    call = captured.call
    assert (call.finish_reasons, call.cost, call.cache_read_tokens) == (("stop",), COST, 40)
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.attributes["gen_ai.request.temperature"]) == ("chat grok-x", 0.5)
    assert SECRET not in span.to_json()


@CLIENTS
async def test_too_many_requests(bench: Any, kind: Any) -> None:
    server, captured, exporter = bench
    for method in ("sample", "stream"):
        with pytest.raises(xai_sdk.client.grpc.RpcError):
            await used(kind, server, lambda client, method=method: getattr(chat(client, "grok-x-fail-429"), method)())
        assert captured.call.error_type == "rate_limit"
        (span,) = exporter.get_finished_spans()
        assert SECRET not in span.to_json()
        captured.clear()
        exporter.clear()


IMAGES = [
    ("image_generation", lambda client, model: client.image.sample(SECRET, model)),
    ("image_generation", lambda client, model: client.image.sample_batch(SECRET, model, 2)),
]
VIDEOS = [
    ("video_generation", lambda client, model: client.video.generate(prompt=SECRET, model=model)),
    ("video_generation", lambda client, model: client.video.extend(SECRET, model, "https://vid.example/0")),
]
MEDIA = pytest.mark.parametrize(("operation", "ask"), [*IMAGES, *(VIDEOS if fake_xai.video_pb2 is not None else [])])


@CLIENTS
@MEDIA
async def test_images_and_videos(bench: Any, kind: Any, operation: str, ask: Any) -> None:
    server, captured, exporter = bench
    assert await used(kind, server, lambda client: ask(client, "grok-imagine-x"))
    call = captured.call
    assert (call.provider, call.operation, call.request_model, call.error_type) == (
        "x_ai",
        operation,
        "grok-imagine-x",
        "",
    )
    assert (call.response_model, call.cost) == ("grok-imagine-x", COST)
    assert (call.input_tokens, call.output_tokens, call.usage_unknown) == (None, None, "")
    (span,) = exporter.get_finished_spans()
    assert span.name == f"{operation} grok-imagine-x"
    assert SECRET not in span.to_json()


@CLIENTS
@MEDIA
async def test_an_image_or_a_video_that_is_refused(bench: Any, kind: Any, operation: str, ask: Any) -> None:
    server, captured, _ = bench
    with pytest.raises(xai_sdk.client.grpc.RpcError):
        await used(kind, server, lambda client: ask(client, "grok-imagine-x-fail-400"))
    assert (captured.call.operation, captured.call.error_type) == (operation, "invalid_request")


def test_a_stream_asks_when_it_is_iterated(bench: Any) -> None:
    server, captured, _ = bench
    with make(server.url) as client:
        stream = chat(client, "grok-x").stream()
        assert not captured.open
        next(stream)
        assert captured.open == 1
        stream.close()
    assert captured.call.error_type == "abandoned"
