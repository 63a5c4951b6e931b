"""OpenAI's Responses API, plain and as its typed events. Fields: https://platform.openai.com/docs/api-reference/responses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from .call import REFUSAL, THOUGHTS, Call, Route
from .exchange import JSON, Reply, sse
from .openai import CREATED, FALLBACK_MODEL, FAMILY, dialect
from .openai_usage import cost

_INCOMPLETE = {"length": "max_output_tokens", "filter": "content_filter"}


def responses(call: Call) -> Reply:
    if call.stream:
        return Reply.of_events(sse(event, event["type"]) for event in typed_events(call))
    return Reply.of_json(_response(call))


def typed_events(call: Call) -> Iterator[JSON]:
    """The events of a streamed response, in order and numbered."""
    for number, event in enumerate(_events(_response(call))):
        yield {"type": event["type"], "sequence_number": number, **event}


def _response(call: Call) -> JSON:
    reason = _INCOMPLETE.get(call.switches.finish)
    status = "failed" if "failed" in call else "incomplete" if reason else "completed"
    failure = {"code": "server_error", "message": "The loopback fails as asked."} if status == "failed" else None
    return {
        "id": call.id("resp_"),
        "object": "response",
        "created_at": CREATED,
        "completed_at": None if failure else CREATED + 1,
        "status": status,
        "background": False,
        "error": failure,
        "incomplete_details": {"reason": reason} if reason else None,
        "model": FALLBACK_MODEL if "fallback" in call else call.answers_model,
        "output": [] if failure else _output(call),
        "usage": _usage(call) if call.usage and not failure else None,
        **_settings(call.body),
    }


def _settings(request: JSON) -> JSON:
    """What a response repeats of its request, with OpenAI's defaults."""
    defaults: JSON = {
        "instructions": None,
        "max_output_tokens": None,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "store": True,
        "temperature": 1.0,
        "top_p": 1.0,
        "frequency_penalty": 0.0,
        "presence_penalty": 0.0,
        "truncation": "disabled",
        "tool_choice": "auto",
        "tools": [],
        "text": {"format": {"type": "text"}},
        "metadata": {},
    }
    echoed = {name: request[name] if request.get(name) is not None else default for name, default in defaults.items()}
    echoed["reasoning"] = {"effort": None, "summary": None, **(request.get("reasoning") or {})}
    echoed["service_tier"] = "default" if request.get("service_tier") in (None, "auto") else request["service_tier"]
    return echoed


def _usage(call: Call) -> JSON:
    """``input_tokens`` includes cached ones, ``output_tokens`` includes reasoning."""
    tokens = call.tokens
    usage: JSON = {
        "input_tokens": tokens.input,
        "input_tokens_details": {"cached_tokens": tokens.cache_read, "cache_write_tokens": tokens.cache_write},
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.thinking},
        "total_tokens": tokens.total,
    }
    if dialect(call.request) == "openrouter":
        usage |= {"cost": cost(tokens), "is_byok": False}
    return usage


def _output(call: Call) -> list[JSON]:
    items: list[JSON] = []
    if "thinking" in call:
        summary = [{"type": "summary_text", "text": "".join(THOUGHTS)}]
        items.append({"id": call.id("rs_"), "type": "reasoning", "summary": summary})
    if "search" in call:
        query = {"type": "search", "query": "loopback"}
        search = {"type": "web_search_call", "status": "completed", "action": query}
        items += [{"id": f"{call.id('ws_')}_{n}", **search} for n in range(call.tokens.searches)]
    items.append(_tool_call(call) if _ending(call) == "tools" else _message(call))
    return items


def _message(call: Call) -> JSON:
    wanted = (call.body.get("text") or {}).get("format") or {}
    pieces = call.text(wanted.get("schema"))
    content: JSON = {"type": "output_text", "text": "".join(pieces), "annotations": [], "logprobs": []}
    if call.switches.finish == "refusal":
        content = {"type": "refusal", "refusal": REFUSAL}
    status = "incomplete" if call.switches.finish in _INCOMPLETE else "completed"
    return {"id": call.id("msg_"), "type": "message", "status": status, "role": "assistant", "content": [content]}


def _tool_call(call: Call) -> JSON:
    offered: JSON = next((t for t in call.body.get("tools") or [] if t.get("type") == "function"), {})
    name, arguments = call.tool(offered.get("name"), offered.get("parameters"))
    return {
        "id": call.id("fc_"),
        "type": "function_call",
        "status": "completed",
        "call_id": call.id("call_"),
        "name": name,
        "arguments": json.dumps(arguments),
    }


def _ending(call: Call) -> str:
    choice, given = call.body.get("tool_choice"), call.body.get("input")
    items = [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []
    return call.ending(
        forced=choice == "required" or isinstance(choice, dict),
        answered=any(item.get("type") == "function_call_output" for item in items),
    )


def _events(whole: JSON) -> Iterator[JSON]:
    begun = {**whole, "status": "in_progress", "output": [], "usage": None, "error": None, "incomplete_details": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(whole["output"]):
        for event in _item_events(item):
            yield {"output_index": index, **event}
    yield {"type": f"response.{whole['status']}", "response": whole}


def _item_events(item: JSON) -> Iterator[JSON]:
    opened = {**item, "status": "in_progress"} if "status" in item else dict(item)
    for grown in ("content", "summary"):
        if grown in item:
            opened[grown] = []
    if "arguments" in item:
        opened["arguments"] = ""
    yield {"type": "response.output_item.added", "item": opened}
    yield from _PART_EVENTS[item["type"]](item)
    yield {"type": "response.output_item.done", "item": item}


def _message_events(item: JSON) -> Iterator[JSON]:
    part = item["content"][0]
    field, kind = ("refusal", "refusal") if part["type"] == "refusal" else ("text", "output_text")
    place = {"item_id": item["id"], "content_index": 0}
    logprobs: JSON = {"logprobs": []} if field == "text" else {}
    yield {"type": "response.content_part.added", **place, "part": {**part, field: ""}}
    for piece in _words(part[field]):
        yield {"type": f"response.{kind}.delta", **place, "delta": piece, **logprobs}
    yield {"type": f"response.{kind}.done", **place, field: part[field], **logprobs}
    yield {"type": "response.content_part.done", **place, "part": part}


def _reasoning_events(item: JSON) -> Iterator[JSON]:
    part = item["summary"][0]
    place = {"item_id": item["id"], "summary_index": 0}
    yield {"type": "response.reasoning_summary_part.added", **place, "part": {**part, "text": ""}}
    for piece in THOUGHTS:
        yield {"type": "response.reasoning_summary_text.delta", **place, "delta": piece}
    yield {"type": "response.reasoning_summary_text.done", **place, "text": part["text"]}
    yield {"type": "response.reasoning_summary_part.done", **place, "part": part}


def _function_events(item: JSON) -> Iterator[JSON]:
    place, arguments = {"item_id": item["id"]}, item["arguments"]
    for piece in (arguments[:5], arguments[5:]):
        yield {"type": "response.function_call_arguments.delta", **place, "delta": piece}
    yield {"type": "response.function_call_arguments.done", **place, "name": item["name"], "arguments": arguments}


def _search_events(item: JSON) -> Iterator[JSON]:
    for step in ("in_progress", "searching", "completed"):
        yield {"type": f"response.web_search_call.{step}", "item_id": item["id"]}


_PART_EVENTS = {
    "message": _message_events,
    "reasoning": _reasoning_events,
    "function_call": _function_events,
    "web_search_call": _search_events,
}


def _words(text: str) -> list[str]:
    """The text in pieces that begin at a space, as tokens do."""
    return re.findall(r" ?[^ ]+", text)


def retrieve(call: Call) -> Reply:
    """A response that is stored, by its id."""
    name = call.request.path.rsplit("/", 1)[1]
    return Reply.of_json({**_response(call), "id": name})


def input_tokens(call: Call) -> Reply:
    return Reply.of_json({"object": "response.input_tokens", "input_tokens": call.tokens.input})


ROUTES = (
    Route("POST", re.compile(r"/responses$"), responses, FAMILY),
    Route("POST", re.compile(r"/responses/input_tokens$"), input_tokens, FAMILY),
    Route("GET", re.compile(r"/responses/[^/]+$"), retrieve, FAMILY),
)
