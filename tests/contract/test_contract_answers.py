"""Answers that went wrong without an error, as real clients bring them: by kind, plain and streamed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import boto3
import ollama
import openai
import pytest
from google import genai
from google.genai import types

from otel_llm.calls import answers
from otel_llm.core.measures import WORDS
from otel_llm.core.model import Expected, Reader, Request, Response, Usage
from otel_llm.testing import Captured, capture
from otel_llm.testing.loopback import Loopback, Reply

HELLO: Any = [{"role": "user", "content": "hi"}]
LIBRARIES = ("openai", "anthropic", "google_genai", "bedrock", "ollama")


def offering(name: str) -> Any:
    return [{"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}]


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as loopback:
        yield loopback


@pytest.fixture
def seen() -> Iterator[Captured]:
    with capture(*LIBRARIES, answers="all") as captured:
        yield captured


@pytest.fixture
def client(server: Loopback) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.url + "/v1", api_key="test-key", max_retries=0) as made:
        yield made


JSON = {"response_format": {"type": "json_object"}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "more", "kinds"),
    [
        ("gpt-x", {}, ()),
        ("gpt-x-refusal", {}, ("refusal",)),
        ("gpt-x-length", {}, ("truncation",)),
        ("gpt-x-filter", {}, ("content_filter",)),
        ("gpt-x", JSON, ("invalid_json",)),
        ("gpt-x-length", JSON, ("truncation",)),
        ("gpt-x-tools", {"tools": offering("get_weather")}, ()),
    ],
)
def test_chat(
    client: openai.OpenAI, seen: Captured, model: str, more: Any, kinds: tuple[str, ...], *, stream: bool
) -> None:
    reply = client.chat.completions.create(model=model, messages=HELLO, stream=stream, **more)
    if stream:
        list(reply)
    assert seen.call.problems == kinds


@pytest.mark.parametrize(
    ("model", "kinds"), [("gpt-x", ()), ("gpt-x-refusal", ("refusal",)), ("gpt-x-length", ("truncation",))]
)
def test_responses(client: openai.OpenAI, seen: Captured, model: str, kinds: tuple[str, ...]) -> None:
    client.responses.create(model=model, input="hi")
    list(client.responses.create(model=model, input="hi", stream=True))
    assert [call.problems for call in seen.calls] == [kinds, kinds]


def test_responses_that_are_no_json(client: openai.OpenAI, seen: Captured) -> None:
    client.responses.create(model="gpt-x", input="hi", text={"format": {"type": "json_object"}})
    assert seen.call.problems == ("invalid_json",)


@pytest.mark.parametrize("stream", [False, True])
def test_messages(server: Loopback, seen: Captured, *, stream: bool) -> None:
    found = {}
    with anthropic.Anthropic(base_url=server.url, api_key="test-key", max_retries=0) as client:
        for word in ("", "-refusal", "-length", "-tools"):
            seen.clear()
            tools = [{"name": "other", "input_schema": {"type": "object"}}] if word == "-tools" else []
            reply = client.messages.create(
                model=f"claude-x{word}", max_tokens=9, messages=HELLO, stream=stream, tools=tools
            )
            if stream:
                list(reply)
            found[word] = seen.call.problems
    assert found == {"": (), "-refusal": ("refusal",), "-length": ("truncation",), "-tools": ()}


def test_gemini(server: Loopback, seen: Captured) -> None:
    client = genai.Client(api_key="test-key", http_options=types.HttpOptions(base_url=server.url))
    asks = types.GenerateContentConfig(response_mime_type="application/json")
    client.models.generate_content(model="gemini-x", contents="hi", config=asks)
    client.models.generate_content(model="gemini-x-filter", contents="hi")
    client.models.generate_content(model="gemini-x-length", contents="hi")
    client.close()
    assert [call.problems for call in seen.calls] == [("invalid_json",), ("content_filter",), ("truncation",)]


def test_converse(server: Loopback, seen: Captured) -> None:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test-key", "region_name": "us-east-1"}
    client = boto3.client("bedrock-runtime", endpoint_url=server.url, **keys)
    said = [{"role": "user", "content": [{"text": "hi"}]}]
    tool = {"toolSpec": {"name": "get_weather", "inputSchema": {"json": {}}}}
    client.converse(modelId="m-filter", messages=said)
    client.converse(modelId="m-tools", messages=said, toolConfig={"tools": [tool]})
    client.close()
    assert [call.problems for call in seen.calls] == [("content_filter",), ()]


def test_ollama(server: Loopback, seen: Captured) -> None:
    client = ollama.Client(host=server.url)
    client.chat(model="m", messages=HELLO, format="json")
    client.chat(model="m-length", messages=HELLO)
    client.close()
    assert [call.problems for call in seen.calls] == [("invalid_json",), ("truncation",)]


def chat_reply(**message: Any) -> Reply:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    body = {"id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-x", "choices": [choice],
            "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}}  # fmt: skip
    return Reply.of_json(body)


def calling(name: str, arguments: str) -> Any:
    return [{"id": "t1", "type": "function", "function": {"name": name, "arguments": arguments}}]


@pytest.mark.parametrize(
    ("message", "kinds"),
    [
        ({"content": ""}, ("empty",)),
        ({"content": None, "tool_calls": calling("search", '{"q": "a"}')}, ()),
        ({"content": None, "tool_calls": calling("search", '{"q": ')}, ("invalid_tool_call",)),
        ({"content": None, "tool_calls": calling("seek", "{}")}, ("unknown_tool",)),
        ({"content": '{"a": 1}'}, ()),
    ],
)
def test_what_is_in_an_answer(client: openai.OpenAI, server: Loopback, message: Any, kinds: tuple[str, ...]) -> None:
    server.script = lambda _request: chat_reply(**message)
    with capture("openai") as seen:
        client.chat.completions.create(model="gpt-x", messages=HELLO, tools=offering("search"), **JSON)
        assert seen.call.problems == kinds
        assert "search" not in json.dumps(seen.call)  # nothing of the request or the answer is in the record


def test_answers_that_repeat(client: openai.OpenAI, server: Loopback, seen: Captured) -> None:
    said = iter(
        (
            "The same long answer, whatever it was that was asked.",
            "short",
            "another long answer that nobody has seen yet",
        )
    )
    texts = [next(said)] * 2 + [next(said)] * 2 + [next(said)]
    answers_in_turn = iter(texts)
    server.script = lambda _request: chat_reply(content=next(answers_in_turn))
    for _ in texts:
        client.chat.completions.create(model="gpt-x", messages=HELLO)
    assert [call.problems for call in seen.calls] == [(), ("repeated",), (), (), ()]


def test_by_default_only_what_was_asked_for_is_looked_into(client: openai.OpenAI) -> None:
    for checks, kinds in (("asked", ("invalid_json",)), ("ends", ())):
        with capture("openai", answers=checks) as seen:
            client.chat.completions.create(model="gpt-x", messages=HELLO, **JSON)
            client.chat.completions.create(model="gpt-x-length", messages=HELLO)
            assert [call.problems for call in seen.calls] == [kinds, ("truncation",)]


def problems(
    content: list[Any] | None, expected: Expected | None = None, usage: Usage | None = None
) -> tuple[str, ...]:
    request = Request("p", "chat", "m", Reader(lambda *_: None))
    request.expects = None if expected is None else lambda: expected
    response = Response(content=content)
    return answers.problems(request, response, usage or Usage())


def test_edges() -> None:
    text = [{"role": "assistant", "parts": [{"type": "text", "content": "x" * (answers.LONGEST + 1)}]}]
    assert problems(text, Expected(json=True, tools=None)) == ()  # too long to be parsed
    deep = [{"role": "assistant", "parts": [{"type": "text", "content": "[" * 100_000}]}]
    assert problems(deep, Expected(json=True, tools=None)) == ("invalid_json",)
    picture = [{"role": "assistant", "parts": [{"type": "image"}, {"type": "reasoning", "content": "hm"}]}]
    assert problems(picture) == ()
    assert problems(None, usage=Usage.of(5, 0)) == ("empty",)
    assert problems(None, usage=Usage.of(5, None)) == ()
    assert set(answers.PROBLEMS) >= {"empty", "invalid_json"}
    assert "otel_llm_answer_problems_total" in {measure.metric for measure in WORDS}


def test_memory_is_bounded() -> None:
    remembered: answers.Remembered = {}
    for number in range(answers.MOST_MODELS + 1):
        request = Request("p", "chat", f"m{number}", Reader(lambda *_: None))
        content = [{"role": "assistant", "parts": [{"type": "text", "content": "y" * 50}]}]
        assert answers.problems(request, Response(content=content), Usage(), remembered) == ()
    assert len(remembered) == 1
