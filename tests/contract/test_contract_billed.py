"""Answers that were billed and then failed on this side, and fees beside tokens: read from what came over the wire."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pydantic
import pytest

from otel_llm.clients._google_fees import add_grounding
from otel_llm.core.config import Config
from otel_llm.core.model import Observation, Response
from otel_llm.testing import capture

MESSAGES: Any = [{"role": "user", "content": "x"}]
CHAT_USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
RESPONSE_USAGE = {
    "input_tokens": 1000, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 100,
    "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 1100,
}  # fmt: skip


class Answer(pydantic.BaseModel):
    a: int


def transport(body: Any, headers: dict[str, str] | None = None, sse: str | None = None) -> httpx2.Client:
    kind = "text/event-stream" if sse is not None else "application/json"
    content = (sse if sse is not None else body if isinstance(body, str) else json.dumps(body)).encode()

    def handle(_: Any) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": kind, **(headers or {})}, content=content)

    return httpx2.Client(transport=httpx2.MockTransport(handle))


def client(body: Any = None, base: str | None = None, **more: Any) -> openai.OpenAI:
    return openai.OpenAI(api_key="k", base_url=base, http_client=transport(body, **more), max_retries=0)


def chat(content: str = "x", why: str = "stop", usage: Any = None, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    return {
        "id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o",
        "choices": [{"index": 0, "finish_reason": why, "message": message}], "usage": usage or CHAT_USAGE, **more,
    }  # fmt: skip


def response(*output: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": "r", "object": "response", "created_at": 1, "model": "gpt-5", "status": "completed", "output": list(output),
        "usage": RESPONSE_USAGE, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], **more,
    }  # fmt: skip


def called(make: Callable[[], Any], **settings: Any) -> Observation:
    with capture("openai", "anthropic", **settings) as captured:
        make()
        return captured.call


@pytest.mark.parametrize(
    ("content", "why", "raised", "error", "reasons"),
    [
        ('{"a": 1', "length", openai.LengthFinishReasonError, "parse", ("length",)),
        ('{"a": "no"}', "stop", pydantic.ValidationError, "parse", ("stop",)),
        ("x", "content_filter", openai.ContentFilterFinishReasonError, "content_filter", ("content_filter",)),
    ],
)
def test_a_parsed_chat_that_fails_here(
    content: str, why: str, raised: type[Exception], error: str, reasons: tuple[str, ...]
) -> None:
    def make() -> None:
        with pytest.raises(raised):
            client(chat(content, why)).chat.completions.parse(model="gpt-4o", messages=MESSAGES, response_format=Answer)

    call = called(make)
    assert (call.error_type, call.input_tokens, call.output_tokens) == (error, 100, 20)
    assert (call.response_model, call.finish_reasons) == ("gpt-4o", reasons)


def test_a_parsed_message_that_fails_here() -> None:
    message = {
        "id": "m", "type": "message", "role": "assistant", "model": "claude-x", "stop_reason": "max_tokens",
        "content": [{"type": "text", "text": '{"a": '}], "usage": {"input_tokens": 100, "output_tokens": 50},
    }  # fmt: skip

    def make() -> None:
        asker = anthropic.Anthropic(api_key="k", http_client=transport(message), max_retries=0)
        with pytest.raises(pydantic.ValidationError):
            asker.messages.parse(model="claude-x", max_tokens=9, messages=MESSAGES, output_format=Answer)

    call = called(make)
    assert (call.error_type, call.input_tokens, call.output_tokens) == ("parse", 100, 50)
    assert (call.response_model, call.finish_reasons) == ("claude-x", ("length",))


def test_a_body_that_is_no_json_has_no_tokens() -> None:
    def make() -> None:
        with pytest.raises(json.JSONDecodeError):
            client('{"id": ').chat.completions.create(model="gpt-4o", messages=MESSAGES)

    call = called(make)
    assert (call.error_type, call.input_tokens) == ("parse", None)


SEARCH = {"type": "web_search_call", "id": "w", "status": "completed", "action": {"type": "search", "query": "q"}}
OPEN = {**SEARCH, "action": {"type": "open_page", "url": "u"}}
FILES = {"type": "file_search_call", "id": "f", "status": "completed", "queries": ["q"]}
IMAGE = {"type": "image_generation_call", "id": "i", "status": "completed", "result": "A"}
NO_IMAGES = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}


def code(container: str) -> dict[str, Any]:
    return {
        "type": "code_interpreter_call",
        "id": "c",
        "status": "completed",
        "code": "1",
        "container_id": container,
        "outputs": [],
    }


@pytest.mark.parametrize(
    ("body", "fees"),
    [
        (response(), ()),
        (response(SEARCH, SEARCH, SEARCH), (("web_search", 3),)),
        (response(SEARCH, OPEN, OPEN), (("web_search", 1),)),
        (response(SEARCH, SEARCH, tool_usage={"web_search": {"num_requests": 1}, "image_gen": NO_IMAGES}), (("web_search", 1),)),
        (response(FILES, FILES), (("file_search", 2),)),
        (response(code("one"), code("one"), code("two")), (("code_interpreter", 2),)),
        (response(IMAGE), (("image_generation", 1),)),
    ],
)  # fmt: skip
def test_fees_of_responses(body: Any, fees: tuple[tuple[str, int], ...]) -> None:
    assert called(lambda: client(body).responses.create(model="gpt-5", input="x")).fees == fees


@pytest.mark.parametrize(
    ("model", "tool", "fee"),
    [
        ("gpt-4o", "web_search_preview", "web_search_preview"),
        ("gpt-4.1", "web_search_preview_2025_03_11", "web_search_preview"),
        ("gpt-4o", "web_search", "web_search"),
        ("gpt-5", "web_search_preview", "web_search"),
    ],
)
def test_the_older_search_costs_more_of_models_that_do_not_reason(model: str, tool: str, fee: str) -> None:
    body = response(SEARCH, SEARCH, model=model, tools=[{"type": tool}])
    assert called(lambda: client(body).responses.create(model=model, input="x")).fees == ((fee, 2),)


@pytest.mark.parametrize(
    ("model", "chunks", "fees"),
    [
        ("gemini-2.5-flash", [], {"grounding": 1}),
        ("gemini-3-flash-preview", [], {"grounding": 2}),
        ("gemini-2.5-flash", ["maps"], {"maps_grounding": 1}),
        ("gemini-3-flash-preview", ["maps"], {"maps_grounding": 2}),
        ("gemini-3-flash-preview", ["maps", "web"], {"grounding": 2, "maps_grounding": 1}),
    ],
)
def test_grounding_counts_prompts_before_gemini_3_and_queries_from_there_on(
    model: str, chunks: list[str], fees: dict[str, int]
) -> None:
    metadata = {"web_search_queries": ["a", "b", "a"], "grounding_chunks": [{kind: {"uri": "u"}} for kind in chunks]}
    into = Response(model=model)
    add_grounding({"candidates": [{"grounding_metadata": metadata}]}, into)
    assert dict(into.fees) == fees


def test_an_image_whose_tokens_are_told_is_the_usage_of_another_model() -> None:
    made = {
        "input_tokens": 100, "input_tokens_details": {"text_tokens": 100, "image_tokens": 0}, "output_tokens": 4160,
        "output_tokens_details": {"image_tokens": 4160, "text_tokens": 0}, "total_tokens": 4260,
    }  # fmt: skip
    tool = {"type": "image_generation", "model": "gpt-image-1"}
    body = response(IMAGE, tools=[tool], tool_usage={"web_search": {"num_requests": 0}, "image_gen": made})
    others: list[Any] = []

    def price(_: Any, reply: Any, __: Any, ___: float) -> Any:
        others.extend(reply.others)
        return 0.0, "prices", 0.0, ()

    call = called(lambda: client(body).responses.create(model="gpt-5", input="x"), price=price)
    assert call.fees == ()
    ((model, usage),) = others
    assert (model, usage.input_tokens, usage.output_image_tokens) == ("gpt-image-1", 100, 4160)


def test_a_chat_that_always_searches() -> None:
    body = {**chat(), "model": "gpt-4o-search-preview-2025-03-11"}
    call = called(lambda: client(body).chat.completions.create(model="gpt-4o-search-preview", messages=MESSAGES))
    assert call.fees == (("web_search", 1),)


def test_why_openais_prompt_cache_was_missed() -> None:
    body = response(
        prompt_cache_diagnostics={"type": "cache_miss", "reason": "tools_changed", "cache_missed_tokens": 900}
    )
    call = called(lambda: client(body).responses.create(model="gpt-5", input="x"))
    assert (call.cache_miss, call.cache_missed_tokens) == ("tools_changed", 900)


HOSTS = {
    "http://vllm:8000/v1": "openai_compatible",
    "http://10.1.2.3:8000/v1": "openai_compatible",
    "http://192.168.1.7/v1": "openai_compatible",
    "http://[fd00::1]:8000/v1": "openai_compatible",
    "http://llm.models.svc/v1": "openai_compatible",
    "http://llm.models.svc.cluster.local/v1": "openai_compatible",
    "http://llm.corp.internal/v1": "openai_compatible",
    "http://mac-mini.local:8080/v1": "openai_compatible",
    "https://api.openai.com/v1": "openai",
    "https://eu.api.openai.com/v1": "openai",
    "https://api.z.ai/api/paas/v4": "z_ai",
}


@pytest.mark.parametrize("base", HOSTS)
def test_a_server_of_ones_own_is_not_openai(base: str) -> None:
    asker = client(chat(), base)
    assert called(lambda: asker.chat.completions.create(model="m", messages=MESSAGES)).provider == HOSTS[base]


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"server": "vLLM/0.11"}, "vllm"),
        ({"server": "llama.cpp"}, "llama_cpp"),
        ({"server": "uvicorn"}, "openai_compatible"),
        ({"x-litellm-version": "1.109"}, "litellm"),
        ({"x-portkey-trace-id": "t"}, "portkey"),
    ],
)
def test_what_a_server_says_of_itself(headers: dict[str, str], name: str) -> None:
    asker = client(chat(), "http://models:9000/v1", headers=headers)
    with capture("openai") as captured:
        for _ in range(2):
            asker.chat.completions.create(model="m", messages=MESSAGES)
        assert [call.provider for call in captured.calls] == [name, name]


def test_the_price_that_a_gateway_tells() -> None:
    def price(_: Any, __: Any, usage: Any, ___: float) -> Any:
        return usage.cost_usd, "provider", 0.0, ()

    headers = {"x-litellm-response-cost": "0.0042"}
    asker = client(chat(), "http://gateway:4000", headers=headers)
    assert called(lambda: asker.chat.completions.create(model="m", messages=MESSAGES), price=price).cost == 0.0042


@pytest.mark.parametrize(
    ("alias", "name"),
    [("gemini", "gcp.gemini"), ("az.ai.openai", "azure.ai.openai"), ("aws_bedrock", "aws_bedrock"), ("acme", "acme")],
)
def test_the_names_of_the_setting_are_known_by_their_aliases(alias: str, name: str) -> None:
    asker = client(chat(), "http://gateway:4000")
    config = Config(providers=(("gateway", alias),))
    call = called(lambda: asker.chat.completions.create(model="m", messages=MESSAGES), config=config)
    assert call.provider == {"aws_bedrock": "aws.bedrock"}.get(name, name)


def sse(*chunks: Any, done: bool = True) -> str:
    frames = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return "".join((*frames, "data: [DONE]\n\n" if done else ""))


def piece(delta: dict[str, Any], why: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": why, **more.pop("choice", {})}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


USAGE = {"prompt_tokens": 1336, "completion_tokens": 31, "total_tokens": 1367}
DIALECTS = {
    "moonshot": (
        "https://api.moonshot.ai/v1",
        piece({}, "stop", choice={"usage": {**USAGE, "cached_tokens": 1280}}),
        (1336, 31, 1280, None),
    ),
    "groq": ("https://api.groq.com/openai/v1", piece({}, "stop", x_groq={"usage": USAGE}), (1336, 31, None, None)),
    "deepseek": (
        "https://api.deepseek.com",
        piece({}, "stop", usage={**USAGE, "prompt_cache_hit_tokens": 900, "prompt_cache_miss_tokens": 436}),
        (1336, 31, 900, None),
    ),
    "gcp.gemini": (
        "https://generativelanguage.googleapis.com/v1beta/openai/",
        piece({}, "stop", usage={**USAGE, "total_tokens": 1667}),
        (1336, 331, None, 300),
    ),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_the_dialect_of_a_host(name: str) -> None:
    base, last, expected = DIALECTS[name]
    asker = client(base=base, sse=sse(piece({"content": "a"}), last))
    call = called(lambda: list(asker.chat.completions.create(model="m", messages=MESSAGES, stream=True)))
    assert call.provider == name
    assert (call.input_tokens, call.output_tokens, call.cache_read_tokens, call.thinking_tokens) == expected


def test_audio_stops_the_clock_of_the_first_chunk() -> None:
    text = sse(piece({"role": "assistant"}), piece({"audio": {"data": "AAAA"}}), piece({}, "stop", usage=USAGE))
    asker = client(sse=text)
    call = called(lambda: list(asker.chat.completions.create(model="gpt-audio", messages=MESSAGES, stream=True)))
    assert call.first_chunk is not None


@pytest.fixture
def spans() -> Iterator[Any]:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, traces = InMemorySpanExporter(), TracerProvider()
    traces.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter, traces.get_tracer("billed")
    traces.shutdown()


@pytest.mark.parametrize("conversation", ["conv_1", {"id": "conv_1"}])
def test_the_conversation_is_on_the_span(spans: Any, conversation: Any) -> None:
    exporter, tracer = spans
    called(
        lambda: client(response()).responses.create(model="gpt-5", input="x", conversation=conversation), tracer=tracer
    )
    (span,) = exporter.get_finished_spans()
    assert span.attributes["gen_ai.conversation.id"] == "conv_1"
