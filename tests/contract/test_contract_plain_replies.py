"""A reply of the common shape is read in one frame; the careful reader, which takes anything, says the same of every one."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from otel_llm.clients import _openai_chat as shape
from otel_llm.core.jsonview import view
from otel_llm.core.model import Response

RECORDS = Path(__file__).parents[1] / "wire"
PLAIN: dict[str, Any] = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4.1", "system_fingerprint": "fp_1",
    "service_tier": "default",
    "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None, "message": {"content": "Yes.", "refusal": None}}],
    "usage": {
        "prompt_tokens": 812, "completion_tokens": 233, "total_tokens": 1045,
        "prompt_tokens_details": {"cached_tokens": 512, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 64, "audio_tokens": 0},
    },
}  # fmt: skip
ODD = (None, 0, -1, 7, 2**60, 1.5, "", "error", "-search-preview", True, [], {}, [{}], {"code": 3}, ["stop"])
MORE = {
    (): ("error", "provider", "citations"),
    ("choices", 0): ("error", "stop_reason", "content_filter_results"),
    ("choices", 0, "message"): ("refusal", "reasoning_content", "tool_calls"),
    ("usage",): (
        "cost", "cost_in_usd_ticks", "is_byok", "cached_tokens", "prompt_cache_hit_tokens", "input_tokens", "prompt_token_details",
    ),
    ("usage", "prompt_tokens_details"): ("cache_write_tokens", "image_tokens", "text_tokens", "cache_write_tokens_details"),
    ("usage", "completion_tokens_details"): ("image_tokens", "text_tokens", "accepted_prediction_tokens"),
}  # fmt: skip


def paths(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*here, key)
        if isinstance(inner, (dict, list)):
            yield from paths(inner, (*here, key))


def at(payload: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        payload = payload[key]
    return payload


def changed() -> Iterator[dict[str, Any]]:
    """The common reply with one thing changed: another value, left out, or something beside it."""
    for path in paths(PLAIN):
        for odd in ODD:
            made = copy.deepcopy(PLAIN)
            at(made, path[:-1])[path[-1]] = odd
            yield made
        made = copy.deepcopy(PLAIN)
        del at(made, path[:-1])[path[-1]]
        yield made
    for path, names in MORE.items():
        for name in names:
            for odd in ODD:
                made = copy.deepcopy(PLAIN)
                at(made, path)[name] = odd
                yield made
    yield {**PLAIN, "choices": PLAIN["choices"] * 2}
    beside = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 20,
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    yield {**PLAIN, "usage": beside}


def on_record() -> Iterator[Any]:
    for path in sorted(RECORDS.glob("*/*.http")):
        _, _, body = path.read_bytes().partition(b"\r\n\r\n" if b"\r\n\r\n" in path.read_bytes() else b"\n\n")
        if body.lstrip().startswith(b"{"):
            yield json.loads(body)


def replies(payload: Any) -> Iterator[Any]:
    """``payload`` as clients hand it out: a model, an object that has each key as an attribute, a dictionary."""
    yield ChatCompletion.construct(**payload)
    yield view(json.dumps(payload))
    yield payload


def read(how: Any, reply: Any, content: list[Any] | None) -> Response | str:
    into = Response.to(content)
    try:
        how(reply, into)
    except Exception as error:  # the guard's matter: both fail alike
        return repr(error)
    return into


@pytest.mark.parametrize("payloads", [changed, on_record])
def test_both_readers_say_the_same(payloads: Any) -> None:
    plain = seen = 0
    for payload in payloads():
        for reply in replies(payload):
            for content in (None, []):
                assert read(shape.read_chat, reply, copy.copy(content)) == read(
                    shape.read_any_chat, reply, copy.copy(content)
                ), payload
            plain += shape.read_plain_chat(reply, Response.to(None))
            seen += 1
    assert 5 < plain < seen  # some are plain, and some are not


def test_the_common_reply_is_read_in_one_frame() -> None:
    into = Response.to(None)
    assert shape.read_plain_chat(ChatCompletion.construct(**PLAIN), into)
    assert (into.model, into.id, into.finish_reasons, into.service_tier) == (
        "gpt-4.1",
        "chatcmpl-1",
        ["stop"],
        "default",
    )
    assert into.attributes == {"openai.response.system_fingerprint": "fp_1"}
    assert into.usage is not None
    assert (into.usage.input_tokens, into.usage.output_tokens) == (812, 233)
    assert (into.usage.cache_read_tokens, into.usage.thinking_tokens) == (512, 64)


def test_what_is_not_plain_leaves_no_trace() -> None:
    for payload in changed():
        into = Response.to(None)
        if not shape.read_plain_chat(ChatCompletion.construct(**payload), into):
            assert into == Response.to(None)


HEAD = {name: PLAIN[name] for name in ("id", "created", "model", "system_fingerprint", "service_tier")} | {
    "object": "chat.completion.chunk"
}
PIECE = {"content": "Yes.", "role": None, "tool_calls": None, "function_call": None, "refusal": None}


def piece(reason: str | None = None, **delta: Any) -> dict[str, Any]:
    return {**HEAD, "choices": [{"index": 0, "finish_reason": reason, "delta": {**PIECE, **delta}}], "usage": None}


STREAM = (piece(role="assistant", content=""), piece(), piece(content="No."), piece("stop", content=None),
          {**HEAD, "choices": [], "usage": PLAIN["usage"]})  # fmt: skip


def changed_streams() -> Iterator[tuple[dict[str, Any], ...]]:
    """The common stream with one thing in one of its chunks changed."""
    for place, chunk in enumerate(STREAM):
        for path in paths(chunk):
            for odd in ODD:
                made = copy.deepcopy(chunk)
                at(made, path[:-1])[path[-1]] = odd
                yield (*STREAM[:place], made, *STREAM[place + 1 :])
            made = copy.deepcopy(chunk)
            del at(made, path[:-1])[path[-1]]
            yield (*STREAM[:place], made, *STREAM[place + 1 :])
        for odd in ODD if chunk["choices"] else ():
            for name in ("audio", "reasoning", "reasoning_content", "anything"):
                yield (*STREAM[:place], piece(content=None, **{name: odd}), *STREAM[place + 1 :])
    yield (STREAM[0], {**HEAD, "choices": STREAM[1]["choices"] * 2, "usage": None}, *STREAM[2:])
    yield tuple({**chunk, "model": "gpt-4o-search-preview"} for chunk in STREAM)


def read_stream(how: Any, chunks: Any, content: list[Any] | None) -> list[Any]:
    """What is known after each chunk, and what each is said to be."""
    into, seen = Response.to(content), []
    for chunk in chunks:
        try:
            output = how(chunk, into)
        except Exception as error:
            output = repr(error)
        seen.append((output, copy.deepcopy(into)))
    return seen


def test_both_readers_say_the_same_of_streams() -> None:
    plain = seen = 0
    for stream in (STREAM, *changed_streams()):
        for forms in zip(*map(replies_of_chunk, stream), strict=True):
            short, long = (read_stream(how, forms, None) for how in (shape.read_chat_chunk, shape.read_any_chunk))
            assert short == long, stream
            plain += sum(shape.read_plain_chunk(chunk, Response.to(None)) is not None for chunk in forms)
            seen += len(forms)
    short, long = (read_stream(how, map(chunk_of, STREAM), []) for how in (shape.read_chat_chunk, shape.read_any_chunk))
    assert short == long  # with content
    assert 100 < plain < seen


def chunk_of(payload: Any) -> ChatCompletionChunk:
    return ChatCompletionChunk.construct(**payload)


def replies_of_chunk(payload: Any) -> Iterator[Any]:
    yield chunk_of(payload)
    yield view(json.dumps(payload))


def test_the_common_chunks_are_read_in_one_frame() -> None:
    into = Response.to(None)
    assert [shape.read_plain_chunk(chunk_of(chunk), into) for chunk in STREAM] == [False, True, True, False, False]
    assert (into.model, into.id, into.finish_reasons, into.done) == ("gpt-4.1", "chatcmpl-1", ["stop"], True)
    assert into.usage is not None
    assert (into.usage.input_tokens, into.usage.output_tokens) == (812, 233)
