"""Ollama's own API: newline-delimited JSON, streamed unless told not to. Fields: https://docs.ollama.com/api."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from otel_llm.testing.loopback.call import THOUGHTS, VECTOR, Call, Failure, Family, Route
from otel_llm.testing.loopback.exchange import JSON, Reply, Request, line

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT = "2026-01-01T00:00:00.000000Z"
_NDJSON = "application/x-ndjson"


def error(failure: Failure) -> Reply:
    return Reply.of_json({"error": _told(failure)}, failure.status, failure.headers())


def stream_error(failure: Failure) -> bytes:
    return line({"error": _told(failure)})


def _told(failure: Failure) -> str:
    if failure.status == 404:
        return f"model '{failure.request.model}' not found"
    return "the loopback refuses"


def headers(request: Request) -> dict[str, str]:
    del request
    return {}


FAMILY = Family("ollama", error, stream_error, headers)


def chat(call: Call) -> Reply:
    return _reply(call, _chat_parts(call))


def generate(call: Call) -> Reply:
    return _reply(call, _generate_parts(call))


def _reply(call: Call, parts: list[JSON]) -> Reply:
    """The parts one by one, or merged into one; the last line carries durations in nanoseconds and the counts."""
    if call.body.get("stream", True):
        return Reply.of_events(_lines(call, parts), _NDJSON)
    whole: JSON = {}
    for part in parts:
        whole = _merged(whole, part)
    return Reply.of_json({**_base(call), **whole, **_end(call)})


def _lines(call: Call, parts: list[JSON]) -> Iterator[bytes]:
    for part in parts:
        yield line({**_base(call), **part, "done": False})
    last = {"message": {"role": "assistant", "content": ""}} if "message" in parts[0] else {"response": ""}
    yield line({**_base(call), **last, **_end(call)})


def _merged(whole: JSON, part: JSON) -> JSON:
    merged = dict(whole)
    for name, value in part.items():
        old = merged.get(name)
        if isinstance(value, dict):
            merged[name] = _merged(old or {}, value)
        elif isinstance(value, str) and name != "role":
            merged[name] = (old or "") + value
        else:
            merged[name] = value
    return merged


def _base(call: Call) -> JSON:
    return {"model": call.answers_model, "created_at": _AT}


def _end(call: Call) -> JSON:
    tokens = call.tokens
    end: JSON = {"done": True, "done_reason": "length" if call.switches.finish == "length" else "stop"}
    end |= {"total_duration": 5_000_000, "load_duration": 1_000_000}
    if call.usage:
        end |= {"prompt_eval_count": tokens.input, "prompt_eval_duration": 2_000_000}
        end |= {"eval_count": tokens.output, "eval_duration": 2_000_000}
    return end


def _chat_parts(call: Call) -> list[JSON]:
    said: list[JSON] = []
    if "thinking" in call:
        said += [{"content": "", "thinking": piece} for piece in THOUGHTS]
    if call.ending(answered=call.tool_answered) == "tools":
        offered = (call.body.get("tools") or [{}])[0].get("function") or {}
        name, arguments = call.tool(offered.get("name"), offered.get("parameters"))
        said.append({"content": "", "tool_calls": [{"function": {"name": name, "arguments": arguments}}]})
    else:
        said += [{"content": piece} for piece in call.text(_schema(call))]
    return [{"message": {"role": "assistant", **part}} for part in said]


def _generate_parts(call: Call) -> list[JSON]:
    thoughts: list[JSON] = [{"response": "", "thinking": piece} for piece in THOUGHTS] if "thinking" in call else []
    return [*thoughts, *({"response": piece} for piece in call.text(_schema(call)))]


def _schema(call: Call) -> JSON | None:
    wanted = call.body.get("format")
    return wanted if isinstance(wanted, dict) else None


def embed(call: Call) -> Reply:
    asked = call.body.get("input")
    count = len(asked) if isinstance(asked, list) else 1
    body: JSON = {"model": call.answers_model, "embeddings": [VECTOR] * count}
    body |= {"total_duration": 5_000_000, "load_duration": 1_000_000}
    return Reply.of_json({**body, "prompt_eval_count": call.embedded} if call.usage else body)


def embeddings(call: Call) -> Reply:
    """The older endpoint, which counts nothing."""
    del call
    return Reply.of_json({"embedding": VECTOR})


def tags(call: Call) -> Reply:
    return Reply.of_json({"models": [{"name": call.model, "model": call.model, "modified_at": _AT, "size": 1}]})


ROUTES = (
    Route("POST", re.compile(r"^/api/chat$"), chat, FAMILY),
    Route("POST", re.compile(r"^/api/generate$"), generate, FAMILY),
    Route("POST", re.compile(r"^/api/embed$"), embed, FAMILY),
    Route("POST", re.compile(r"^/api/embeddings$"), embeddings, FAMILY),
    Route("GET", re.compile(r"^/api/tags$"), tags, FAMILY),
)
