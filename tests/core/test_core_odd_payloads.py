"""Odd payloads: every field of the wire formats missing, null and wrongly typed. The host sees what it sees without us."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest
from contract import Contract, Seen

from otel_llm.testing import capture
from otel_llm.testing.loopback import Loopback, Reply, Request

MESSAGES: Any = [{"role": "user", "content": "hi"}]
WRONG = [None, "7", 7, -1, 1e300, 10**40, True, [], {}, [None], [[]], {"odd": []}, "\x00\ud7ff"]
MISSING = object()
Path = tuple[str | int, ...]

CHAT = {
    "id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-x", "service_tier": "default", "system_fingerprint": "fp",
    "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None, "message": {"role": "assistant", "content": "hi", "tool_calls": [
        {"id": "t1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8, "prompt_tokens_details": {"cached_tokens": 1},
              "completion_tokens_details": {"reasoning_tokens": 1}},
}  # fmt: skip
RESPONSE = {
    "id": "r1", "object": "response", "created_at": 1, "model": "gpt-x", "status": "completed", "error": None, "incomplete_details": None,
    "output": [{"id": "m1", "type": "message", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": "hi", "annotations": []}]}],
    "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "service_tier": "default",
    "usage": {"input_tokens": 5, "input_tokens_details": {"cached_tokens": 1}, "output_tokens": 3,
              "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 8},
}  # fmt: skip
MESSAGE = {
    "id": "m1", "type": "message", "role": "assistant", "model": "claude-x", "stop_reason": "end_turn", "stop_sequence": None,
    "content": [{"type": "text", "text": "hi"}, {"type": "tool_use", "id": "t1", "name": "f", "input": {}}],
    "usage": {"input_tokens": 5, "output_tokens": 3, "cache_read_input_tokens": 1, "cache_creation_input_tokens": 1,
              "cache_creation": {"ephemeral_1h_input_tokens": 1}, "output_tokens_details": {"thinking_tokens": 1},
              "service_tier": "standard"},
}  # fmt: skip
CHUNKS: list[Any] = [
    {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-x", "choices": [
        {"index": 0, "delta": {"role": "assistant", "content": "hi", "tool_calls": [
            {"index": 0, "id": "t", "type": "function", "function": {"name": "f", "arguments": "{"}}]}, "finish_reason": None}]},
    {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-x",
     "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
     "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8, "prompt_tokens_details": {"cached_tokens": 1}}},
]  # fmt: skip
EVENTS: list[Any] = [
    {"type": "response.created", "sequence_number": 0, "response": {**RESPONSE, "status": "in_progress", "usage": None}},
    {"type": "response.output_text.delta", "sequence_number": 1, "item_id": "m1", "output_index": 0, "content_index": 0, "delta": "hi",
     "logprobs": []},
    {"type": "response.completed", "sequence_number": 2, "response": RESPONSE},
]  # fmt: skip
MESSAGE_EVENTS: list[Any] = [
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 3}},
    {"type": "message_stop"},
]  # fmt: skip


def paths(payload: Any, at: Path = ()) -> Iterator[Path]:
    """Every field of a payload, however deep."""
    pairs = payload.items() if isinstance(payload, dict) else enumerate(payload) if isinstance(payload, list) else ()
    for key, value in pairs:
        yield (*at, key)
        yield from paths(value, (*at, key))


def oddly(payload: Any) -> Iterator[Any]:
    """``payload`` with one field missing or wrong, for each field and each way."""
    for path in paths(payload):
        for wrong in (MISSING, *WRONG):
            odd = copy.deepcopy(payload)
            parent = odd
            for key in path[:-1]:
                parent = parent[key]
            if wrong is not MISSING:
                parent[path[-1]] = wrong
            elif isinstance(parent, dict):
                del parent[path[-1]]
            else:
                parent.pop(path[-1])
            yield odd


def odd_events(events: list[Any]) -> Iterator[list[Any]]:
    for index, event in enumerate(events):
        for odd in oddly(event):
            yield [*events[:index], odd, *events[index + 1 :]]
    for stray in ([], {}, {"type": "surprise"}, {"type": None}, "text", 7, None, {"choices": None}, {"usage": []}):
        yield [stray, *events]


def served(payload: Any) -> Reply:
    """``payload`` as a JSON reply, or, where it is a list of events, as a stream of them."""
    if not isinstance(payload, list):
        return Reply(200, {"content-type": "application/json"}, body=json.dumps(payload).encode())
    lines = b"".join(
        (f"event: {event['type']}\n".encode() if isinstance(event, dict) and isinstance(event.get("type"), str) else b"")
        + b"data: " + json.dumps(event).encode() + b"\n\n"
        for event in payload
    )  # fmt: skip
    return Reply(200, {"content-type": "text/event-stream"}, body=lines + b"data: [DONE]\n\n")


def openai_client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="test-key", max_retries=0)


def anthropic_client(url: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=url, api_key="test-key", max_retries=0)


ASKED: Any = {"model": "claude-x", "max_tokens": 9, "messages": MESSAGES}
CASES: dict[str, tuple[Callable[[str], Any], Callable[[Any, str], Any], list[Any]]] = {
    "chat": (openai_client, lambda c, m: c.chat.completions.create(model=m, messages=MESSAGES), list(oddly(CHAT))),
    "chat stream": (openai_client, lambda c, m: list(c.chat.completions.create(model=m, messages=MESSAGES, stream=True)),
                    list(odd_events(CHUNKS))),
    "responses": (openai_client, lambda c, m: c.responses.create(model=m, input="hi"), list(oddly(RESPONSE))),
    "responses stream": (openai_client, lambda c, m: list(c.responses.create(model=m, input="hi", stream=True)),
                         list(odd_events(EVENTS))[::5]),
    "messages": (anthropic_client, lambda c, _: c.messages.create(**ASKED), list(oddly(MESSAGE))),
    "messages stream": (anthropic_client, lambda c, _: list(c.messages.create(**ASKED, stream=True)),
                        list(odd_events(MESSAGE_EVENTS))[::2]),
    "messages helper": (anthropic_client, lambda c, _: _helped(c), list(odd_events(MESSAGE_EVENTS))[::9]),
}  # fmt: skip


def _helped(client: anthropic.Anthropic) -> Any:
    with client.messages.stream(**ASKED) as stream:
        return stream.get_final_message()


@pytest.mark.parametrize("capturing", [False, True], ids=["content off", "content on"])
@pytest.mark.parametrize("case", CASES)
def test_the_host_sees_what_it_sees_without_us(case: str, capturing: bool) -> None:
    make, ask, payloads = CASES[case]
    payloads = payloads[::7] if capturing else payloads
    assert len(payloads) >= 5
    current: list[Any] = []

    def script(_: Request) -> Reply:
        return served(current[0])

    with Loopback(script=script) as server, make(server.url) as client:

        def outcomes() -> list[Any]:
            found = []
            for payload in payloads:
                current[:] = [payload]
                found.append(Contract.outcome(ask, client, "gpt-x"))
            return found

        bare = outcomes()
        with capture("openai", "anthropic", capture=capturing) as captured:
            watched = outcomes()
            assert len(captured.calls) == len(payloads)
            assert captured.open == 0
            for call in captured.calls:
                for tokens in (call.input_tokens, call.output_tokens, call.thinking_tokens, call.cache_read_tokens):
                    assert tokens is None or (type(tokens) is int and 0 <= tokens < 2**53)
                assert all(isinstance(reason, str) for reason in call.finish_reasons)
    assert len(bare) == len(watched)
    for payload, theirs, ours in zip(payloads, bare, watched, strict=True):
        assert ours == theirs, payload


def test_there_are_enough_of_them() -> None:
    assert sum(len(payloads) for _, _, payloads in CASES.values()) >= 1000
    assert Seen.of(None) == ("NoneType", None)
