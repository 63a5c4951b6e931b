"""Answers that come another way than their requests: made in the background and polled, and out of batches."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import conformance
import httpx2
import openai
import pytest
from google import genai
from mistralai.client import Mistral
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_llm.calls import background, batches
from otel_llm.core.model import BATCH
from otel_llm.testing import capture
from otel_llm.testing.loopback import Loopback, Reply

USAGE = {
    "input_tokens": 5000, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 9000,
    "output_tokens_details": {"reasoning_tokens": 8000}, "total_tokens": 14000,
}  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


@pytest.fixture(autouse=True)
def _anew(server: Loopback) -> Iterator[None]:
    background._waiting.clear()
    batches.forget()
    yield
    server.script = None


def state(status: str, name: str = "resp_1", usage: Any = None) -> dict[str, Any]:
    return {
        "id": name, "object": "response", "created_at": 1, "model": "gpt-5", "status": status, "background": True, "output": [],
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "usage": usage,
    }  # fmt: skip


def openai_at(server: Loopback) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.url + "/v1", api_key="k", max_retries=0)


def test_a_background_response_is_one_call_until_its_end_is_polled(server: Loopback) -> None:
    polled = iter(("queued", "in_progress", "completed", "completed"))

    def script(request: Any) -> Reply:
        status = "queued" if request.method == "POST" else next(polled)
        return Reply.of_json(state(status, usage=USAGE if status == "completed" else None))

    server.script = script
    with capture("openai") as captured, openai_at(server) as client:
        client.responses.create(model="gpt-5", input="x", background=True)
        for left in (1, 1, 0, 0):
            client.responses.retrieve("resp_1")
            assert captured.open == left
        call = captured.call
    assert (call.error_type, call.input_tokens, call.output_tokens, call.thinking_tokens) == ("", 5000, 9000, 8000)
    assert (call.operation, call.finish_reasons, call.usage_unknown) == ("chat", ("stop",), "")


async def test_a_background_response_that_is_polled_raw_and_async_and_fails(server: Loopback) -> None:
    failed = {**state("failed"), "error": {"code": "rate_limit_exceeded", "message": "x"}}
    server.script = lambda request: Reply.of_json(state("queued") if request.method == "POST" else failed)
    async with openai.AsyncOpenAI(base_url=server.url + "/v1", api_key="k") as client:
        with capture("openai") as captured:
            await client.responses.create(model="gpt-5", input="x", background=True)
            (await client.responses.with_raw_response.retrieve("resp_1")).parse()
            assert captured.call.error_type == "rate_limit"


def test_a_background_response_that_is_cancelled(server: Loopback) -> None:
    server.script = lambda request: Reply.of_json(state("cancelled" if "cancel" in request.path else "queued"))
    with capture("openai") as captured, openai_at(server) as client:
        client.responses.create(model="gpt-5", input="x", background=True)
        client.responses.cancel("resp_1")
        assert captured.call.error_type == "cancelled"


def test_a_background_stream_that_is_dropped_and_resumed(server: Loopback) -> None:
    def event(number: int, kind: str, **more: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, 'sequence_number': number, **more})}\n\n".encode()

    first = (
        event(0, "response.created", response=state("queued")),
        event(1, "response.in_progress", response=state("in_progress")),
    )
    delta = event(2, "response.output_text.delta", item_id="m", output_index=0, content_index=0, delta="x", logprobs=[])
    rest = (delta, event(3, "response.completed", response=state("completed", usage=USAGE)))
    server.script = lambda request: Reply.of_events((*first, delta) if request.method == "POST" else rest)
    with capture("openai") as captured, openai_at(server) as client:
        stream = client.responses.create(model="gpt-5", input="x", background=True, stream=True)
        next(iter(stream))
        stream.close()
        assert (captured.calls, captured.open) == ([], 1)
        list(client.responses.retrieve("resp_1", stream=True, starting_after=0))
        call = captured.call
    assert (call.error_type, call.input_tokens, call.output_tokens) == ("", 5000, 9000)


def test_an_answer_that_never_comes_is_counted_as_unknown(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter(range(9))
    server.script = lambda _: Reply.of_json(state("queued", f"resp_{next(numbers)}"))
    monkeypatch.setattr(background, "MOST", 2)
    with capture("openai") as captured, openai_at(server) as client:
        for _ in range(3):
            client.responses.create(model="gpt-5", input="x", background=True)
        assert [(call.error_type, call.usage_unknown) for call in captured.calls] == [("", "background")]
        background.expire(0.0)
        assert [(call.error_type, call.usage_unknown) for call in captured.calls] == [("", "background")] * 3
        assert captured.open == 0


CHAT = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x"}}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
}  # fmt: skip


def tier(request: Any, response: Any, _: Any, __: float) -> Any:
    assert (request.operation, response.service_tier) == (BATCH, "batch")
    return 0.5, "prices", 0.0, ()


def test_results_of_a_batch_of_openais_count_once_each(server: Loopback) -> None:
    refused = {
        "id": "batch_req_3",
        "custom_id": "3",
        "response": {"status_code": 400, "body": {"error": {}}},
        "error": None,
    }
    lines = [
        {"id": f"batch_req_{n}", "custom_id": str(n), "response": {"status_code": 200, "body": CHAT}, "error": None}
        for n in (1, 2)
    ]
    content = "\n".join(json.dumps(line) for line in (*lines, refused)) + "\n"
    server.script = lambda _: Reply.of_bytes(content.encode(), "application/octet-stream")
    with capture("openai", price=tier) as captured, openai_at(server) as client:
        for _ in range(2):
            assert client.files.content("file-1").text == content
        calls = captured.calls
    assert [
        (call.operation, call.request_model, call.input_tokens, call.output_tokens, call.cost) for call in calls
    ] == [("batch", "gpt-4o-mini-2024-07-18", 100, 20, 0.5)] * 2


def test_another_file_is_no_batch(server: Loopback) -> None:
    server.script = lambda _: Reply.of_bytes(b'{"prompt": "x"}\n', "application/octet-stream")
    with capture("openai") as captured, openai_at(server) as client:
        client.files.content("file-2")
        assert captured.calls == []


def test_results_of_a_batch_of_anthropics_count_once_each() -> None:
    message = {
        "id": "m", "type": "message", "role": "assistant", "model": "claude-x", "content": [{"type": "text", "text": "x"}],
        "stop_reason": "end_turn", "usage": {"input_tokens": 100, "output_tokens": 50},
    }  # fmt: skip
    lines = [
        {"custom_id": "a", "result": {"type": "succeeded", "message": message}},
        {"custom_id": "b", "result": {"type": "errored", "error": {"type": "error", "error": {"type": "api_error", "message": "x"}}}},
    ]  # fmt: skip
    batch = {
        "id": "b1",
        "type": "message_batch",
        "processing_status": "ended",
        "results_url": "https://api.anthropic.com/v1/messages/batches/b1/results",
    }

    def handle(request: Any) -> httpx2.Response:
        if request.url.path.endswith("/results"):
            return httpx2.Response(200, content="\n".join(map(json.dumps, lines)).encode())
        return httpx2.Response(200, json=batch)

    client = anthropic.Anthropic(api_key="k", http_client=httpx2.Client(transport=httpx2.MockTransport(handle)))
    with capture("anthropic", price=tier) as captured:
        for _ in range(2):
            assert [item.custom_id for item in client.messages.batches.results("b1")] == ["a", "b"]
        (call,) = captured.calls
    assert (call.operation, call.request_model, call.input_tokens, call.cost) == ("batch", "claude-x", 100, 0.5)


def test_results_of_a_batch_of_geminis_count_once_each(server: Loopback) -> None:
    reply = {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "x"}]}, "finishReason": "STOP"}],
        "modelVersion": "gemini-2.5-flash", "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 10},
    }  # fmt: skip
    job = {
        "name": "batches/1", "metadata": {"state": "BATCH_STATE_SUCCEEDED", "model": "models/gemini-2.5-flash"},
        "response": {"inlinedResponses": {"inlinedResponses": [{"response": reply}]}},
    }  # fmt: skip
    job["metadata"]["output"] = job["response"]  # type: ignore[index]
    server.script = lambda _: Reply.of_json(job)
    client = genai.Client(api_key="k", http_options={"base_url": server.url})
    with capture("google_genai", price=tier) as captured:
        for _ in range(2):
            assert client.batches.get(name="batches/1").dest.inlined_responses
        (call,) = captured.calls
    assert (call.operation, call.request_model, call.input_tokens, call.output_tokens) == (
        "batch",
        "gemini-2.5-flash",
        7,
        3,
    )


def test_results_of_a_batch_of_mistrals_count_once_each(server: Loopback) -> None:
    job = {
        "id": "j", "object": "batch", "input_files": [], "endpoint": "/v1/chat/completions", "errors": [], "status": "SUCCESS",
        "created_at": 1, "total_requests": 1, "completed_requests": 1, "succeeded_requests": 1, "failed_requests": 0,
        "outputs": [{"id": "o", "custom_id": "1", "response": {"status_code": 200, "body": {**CHAT, "model": "mistral-small"}}}],
    }  # fmt: skip
    server.script = lambda _: Reply.of_json(job)
    with Mistral(api_key="k", server_url=server.url) as client, capture("mistral", price=tier) as captured:
        for _ in range(2):
            client.batch.jobs.get(job_id="j")
        (call,) = captured.calls
    assert (call.provider, call.request_model, call.input_tokens) == ("mistral_ai", "mistral-small", 100)


def test_a_look_at_a_response_is_a_span_and_no_call(server: Loopback) -> None:
    exporter, traces = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    traces.add_span_processor(SimpleSpanProcessor(exporter))
    with capture("openai", tracer=traces.get_tracer("fetch")) as captured, openai_at(server) as client:
        assert client.responses.retrieve("resp_7").id == "resp_7"
        with contextlib.suppress(openai.APIError):
            server.script = lambda _: Reply.of_json({"error": {"code": "not_found"}}, 404)
            client.responses.retrieve("resp_8")
        assert (captured.calls, captured.open) == ([], 0)
    found, missing = exporter.get_finished_spans()
    assert conformance.of_span(found) == conformance.of_span(missing) == []
    assert (found.name, (found.attributes or {})["gen_ai.response.id"]) == ("fetch_response", "resp_7")
    assert not any("usage" in name or "cost" in name for name in found.attributes or {})
    assert (missing.attributes or {})["error.type"] == "not_found"
