"""Bodies that the caller reads by itself: streams by lines and bytes, whole answers, and Bedrock's, read along as they go by."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from otel_llm.testing import capture
from otel_llm.testing.loopback import Loopback, Reply

MESSAGES: Any = [{"role": "user", "content": "hi"}]
LIBRARIES = {"openai": ("OpenAI", "/v1"), "anthropic": ("Anthropic", "")}
READS = ("iter_lines", "iter_bytes", "iter_text", "iter_raw")


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


def create(client: Any, model: str) -> Any:
    if hasattr(client, "messages"):
        return client.messages.with_streaming_response.create(model=model, messages=MESSAGES, max_tokens=9, stream=True)
    usage = {"include_usage": True}
    completions = client.chat.completions.with_streaming_response
    return completions.create(model=model, messages=MESSAGES, stream=True, stream_options=usage)


def made(library: str, url: str, prefix: str = "") -> Any:
    name, path = LIBRARIES[library]
    return getattr(importlib.import_module(library), prefix + name)(base_url=url + path, api_key="k", max_retries=0)


def pieces(reply: Any, way: str) -> Any:
    return reply.http_response.iter_raw() if way == "iter_raw" else getattr(reply, way)()


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("way", READS)
def test_a_stream_read_to_its_end(server: Loopback, library: str, way: str) -> None:
    def read(client: Any) -> list[Any]:
        with create(client, "m-chunks-9") as reply:
            return list(pieces(reply, way))

    with made(library, server.url) as client:
        bare = read(client)
        with capture(library) as captured:
            seen = read(client)
            call = captured.call
    joined = ("" if isinstance(bare[0], str) else b"").join
    assert len(joined(seen)) == len(joined(bare))  # ids differ
    assert (call.error_type, call.input_tokens, call.output_tokens) == ("", 100, 20)
    assert call.finish_reasons == ("stop",)
    assert call.first_chunk is not None
    assert call.stream


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_stream_read_to_its_end_async(server: Loopback, library: str) -> None:
    async with made(library, server.url, "Async") as client:
        with capture(library) as captured:
            async with create(client, "m") as reply:
                assert [line async for line in reply.iter_lines()]
            call = captured.call
    assert (call.error_type, call.input_tokens, call.output_tokens) == ("", 100, 20)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_stream_that_was_parsed_and_read_by_lines(server: Loopback, library: str) -> None:
    """Other instrumentations parse whatever they see, and leave it to the caller to read."""
    with made(library, server.url) as client, capture(library) as captured:
        with create(client, "m") as reply:
            reply.parse()
            assert list(reply.iter_lines())
        call = captured.call
    assert (call.error_type, call.input_tokens, call.output_tokens) == ("", 100, 20)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_stream_left_halfway(server: Loopback, library: str) -> None:
    with made(library, server.url) as client, capture(library) as captured:
        with create(client, "m-chunks-50") as reply:
            for _ in reply.iter_lines():
                break
        assert captured.call.error_type == "abandoned"


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_stream_that_ends_before_its_end(server: Loopback, library: str) -> None:
    from otel_llm.testing.loopback import answer

    def script(request: Any) -> Reply:
        reply = answer(request)
        reply.events = tuple(reply.events or ())[:4]
        return reply

    server.script = script
    try:
        with made(library, server.url) as client, capture(library) as captured:
            with create(client, "m-chunks-50") as reply:
                list(reply.iter_lines())
            assert captured.call.error_type == "connection"
            captured.clear()
            if library == "openai":
                list(client.chat.completions.create(model="m-chunks-50", messages=MESSAGES, stream=True))
            else:
                list(client.messages.create(model="m-chunks-50", messages=MESSAGES, max_tokens=9, stream=True))
            assert captured.call.error_type == "connection"
    finally:
        server.script = None


def test_left_at_the_finish_though_usage_was_asked_for(server: Loopback) -> None:
    with made("openai", server.url) as client, capture("openai") as captured:
        usage: Any = {"include_usage": True}
        stream = client.chat.completions.create(model="m", messages=MESSAGES, stream=True, stream_options=usage)
        for chunk in stream:
            if chunk.choices[0].finish_reason:
                break
        stream.close()
        call = captured.call
    assert (call.error_type, call.usage_unknown) == ("", "left_early")


CLAUDE = {
    "id": "m", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929", "stop_reason": "end_turn",
    "content": [{"type": "text", "text": "x"}],
    "usage": {
        "input_tokens": 100, "output_tokens": 50, "cache_creation_input_tokens": 1000, "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 700},
    },
}  # fmt: skip
INVOKED: dict[str, tuple[str, Any, tuple[Any, ...]]] = {
    "claude": ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", CLAUDE, (1100, 50, "stop")),
    "llama": (
        "meta.llama3-8b-instruct-v1:0",
        {"generation": "x", "prompt_token_count": 7, "generation_token_count": 3, "stop_reason": "length"},
        (7, 3, "length"),
    ),
    "nova": (
        "amazon.nova-pro-v1:0",
        {"output": {"message": {"role": "assistant", "content": [{"text": "x"}]}}, "stopReason": "end_turn",
         "usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}},
        (5, 2, "stop"),
    ),
    "titan": (
        "amazon.titan-text-express-v1",
        {"inputTextTokenCount": 4, "results": [{"tokenCount": 6, "outputText": "x", "completionReason": "FINISH"}]},
        (4, 6, "stop"),
    ),
    "openai": (
        "openai.gpt-oss-20b-1:0",
        {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x"}}],
         "usage": {"prompt_tokens": 8, "completion_tokens": 9, "total_tokens": 17}},
        (8, 9, "stop"),
    ),
}  # fmt: skip


def _into(body: Any) -> bytes:
    found, piece = b"", bytearray(16)
    while count := body.readinto(piece):
        found += bytes(piece[:count])
    return found


def _within(body: Any) -> bytes:
    with body as raw:
        return raw.read()


BODIES: dict[str, Callable[[Any], Any]] = {
    "read": lambda body: body.read(),
    "pieces": lambda body: b"".join(iter(lambda: body.read(7), b"")),
    "chunks": lambda body: b"".join(body.iter_chunks(16)),
    "lines": lambda body: b"".join(body.iter_lines()),
    "into": _into,
    "with": _within,
    "json": json.load,
}


def bedrock(server: Loopback) -> Any:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    return boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=server.url, **keys)


@pytest.mark.parametrize("model", INVOKED)
@pytest.mark.parametrize("way", BODIES)
def test_what_bedrock_invokes_is_read_along(server: Loopback, model: str, way: str) -> None:
    name, answer, expected = INVOKED[model]
    server.script = lambda _: Reply.of_json(answer)
    usages: list[Any] = []

    def price(_: Any, __: Any, usage: Any, ___: float) -> Any:
        usages.append(usage)
        return None, "unpriced", 0.0, ()

    try:
        with capture("bedrock", price=price) as captured:
            result = bedrock(server).invoke_model(modelId=name, body=b'{"messages": []}')
            assert not captured.calls
            read = BODIES[way](result["body"])
            call = captured.call
    finally:
        server.script = None
    assert (json.loads(read) if isinstance(read, bytes) else read) == answer
    assert (call.input_tokens, call.output_tokens, *call.finish_reasons) == expected
    if model == "claude":
        assert (usages[0].cache_write_tokens, usages[0].cache_write_1h_tokens) == (1000, 700)


def test_an_answer_of_bedrock_that_nobody_reads_is_known_by_its_headers(server: Loopback) -> None:
    with capture("bedrock") as captured:
        bedrock(server).invoke_model(modelId="anthropic.claude-x", body=b'{"messages": [], "max_tokens": 9}')
        call = captured.call
    assert (call.error_type, call.input_tokens, call.output_tokens) == ("", 100, 20)


def test_chunks_of_bedrock_that_are_no_json_are_output(server: Loopback) -> None:
    import base64

    from wire_formats import eventstream

    from otel_llm.testing.loopback import answer

    payload = b'{"bytes":"' + base64.b64encode(b"not json, as a custom model may send") + b'"}'

    def script(request: Any, odd: bytes = payload) -> Reply:
        reply = answer(request)
        reply.events = (eventstream.raw("chunk", odd), *(reply.events or ()))
        return reply

    body = b'{"prompt": "x"}'
    server.script = script
    try:
        with capture("bedrock") as captured:
            reply = bedrock(server).invoke_model_with_response_stream(modelId="meta.llama3", body=body)
            assert list(reply["body"])
            assert captured.call.error_type == ""
            captured.clear()
            server.script = lambda request: script(request, b'{"bytes":"\xed\xa0\x80"}')
            reply = bedrock(server).invoke_model_with_response_stream(modelId="meta.llama3", body=body)
            with pytest.raises(UnicodeDecodeError):
                list(reply["body"])
            assert captured.call.error_type == "parse"
    finally:
        server.script = None


def test_the_pass_through_of_a_whole_answer_tells_its_tokens(server: Loopback) -> None:
    async def read() -> None:
        async with made("openai", server.url, "Async") as client:
            completions = client.chat.completions.with_streaming_response
            async with completions.create(model="m", messages=MESSAGES) as reply:
                assert [piece async for piece in reply.iter_bytes()]

    with capture("openai") as captured:
        asyncio.run(read())
        call = captured.call
    assert (call.error_type, call.input_tokens, call.output_tokens, call.finish_reasons) == ("", 100, 20, ("stop",))
