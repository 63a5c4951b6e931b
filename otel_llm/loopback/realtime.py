"""OpenAI over a WebSocket: Realtime sessions, and Responses one after the other on one connection.

Fields: https://platform.openai.com/docs/api-reference/realtime-server-events. Usage stands in ``response.done``.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING

from . import openai_responses, websocket
from .call import Call, Route
from .exchange import JSON, Reply, Session
from .openai import FAMILY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BEFORE_ERROR = 3
_STATUS = {"length": "incomplete", "filter": "incomplete"}
_FAILURE = {"type": "server_error", "code": None, "message": "The server had an error while processing your request."}


def realtime(call: Call) -> Reply:
    turns = itertools.count(1)

    def session(said: JSON | None) -> Iterable[JSON]:
        events = _opening(call) if said is None else _answer(call, said, turns)
        return ({"event_id": f"event_{number}", **event} for number, event in enumerate(events))

    return _upgraded(call, session)


def responses(call: Call) -> Reply:
    def session(said: JSON | None) -> Iterable[JSON]:
        if said is None or said.get("type") != "response.create":
            return ()
        return openai_responses.typed_events(Call.of(call.request.saying(said)))

    return _upgraded(call, session)


def _upgraded(call: Call, session: Session) -> Reply:
    key = call.request.headers.get("sec-websocket-key")
    if key is None:
        return Reply.of_json({"error": {"message": "this endpoint speaks WebSocket"}}, 426, {"upgrade": "websocket"})
    headers = {"upgrade": "websocket", "sec-websocket-accept": websocket.accept(key)}
    return Reply(101, headers, session=session)


def _opening(call: Call) -> Iterator[JSON]:
    session = {"type": "realtime", "object": "realtime.session", "id": call.id("sess_"), "model": call.answers_model}
    yield {"type": "session.created", "session": session}


def _answer(call: Call, said: JSON, turns: Iterator[int]) -> Iterable[JSON]:
    """What the server says to one event of the client's."""
    kind = said.get("type")
    if kind == "session.update":
        return [{"type": "session.updated", "session": {**said.get("session", {}), "id": call.id("sess_")}}]
    if kind == "conversation.item.create":
        return [
            {
                "type": "conversation.item.done",
                "previous_item_id": None,
                "item": {"id": "item_0", **said.get("item", {})},
            }
        ]
    if kind != "response.create":
        return []
    events = _response_events(call, next(turns))
    if not call.switches.stream_error:
        return events
    return [*itertools.islice(events, _BEFORE_ERROR), {"type": "error", "error": _FAILURE}]


def _response_events(call: Call, turn: int) -> Iterator[JSON]:
    whole = _response(call, turn)
    yield {"type": "response.created", "response": {**whole, "status": "in_progress", "output": [], "usage": None}}
    for index, item in enumerate(whole["output"]):
        place = {"response_id": whole["id"], "output_index": index}
        yield {"type": "response.output_item.added", **place, "item": {**item, "status": "in_progress"}}
        for event in _deltas(call, item):
            yield {**event, **place, "item_id": item["id"]}
        yield {"type": "response.output_item.done", **place, "item": item}
    yield {"type": "response.done", "response": whole}
    limit = {"name": "tokens", "limit": 200_000, "remaining": 199_900, "reset_seconds": 0.03}
    yield {"type": "rate_limits.updated", "rate_limits": [limit]}


def _deltas(call: Call, item: JSON) -> Iterator[JSON]:
    if item["type"] == "function_call":
        yield {"type": "response.function_call_arguments.delta", "call_id": item["call_id"], "delta": item["arguments"]}
        yield {
            "type": "response.function_call_arguments.done",
            "call_id": item["call_id"],
            "arguments": item["arguments"],
        }
        return
    for piece in call.text():
        yield {"type": "response.output_text.delta", "content_index": 0, "delta": piece}
    yield {"type": "response.output_text.done", "content_index": 0, "text": "".join(call.text())}


def _response(call: Call, turn: int) -> JSON:
    status = "failed" if "failed" in call else _STATUS.get(call.switches.finish, "completed")
    body: JSON = {
        "id": f"{call.id('resp_')}_{turn}",
        "object": "realtime.response",
        "status": status,
        "status_details": {"type": status, "error": _FAILURE} if status == "failed" else None,
        "output_modalities": ["text"],
        "output": [] if status == "failed" else [_item(call, turn)],
    }
    return {**body, "usage": _usage(call)} if call.usage else body


def _item(call: Call, turn: int) -> JSON:
    base = {"id": f"item_{turn}", "object": "realtime.item", "status": "completed"}
    if call.switches.finish == "tools":
        name, arguments = call.tool()
        return {
            **base,
            "type": "function_call",
            "call_id": call.id("call_"),
            "name": name,
            "arguments": json.dumps(arguments),
        }
    content = [{"type": "output_text", "text": "".join(call.text())}]
    return {**base, "type": "message", "role": "assistant", "content": content}


def _usage(call: Call) -> JSON:
    tokens = call.tokens
    heard, spoken = tokens.input_audio, tokens.output_audio
    cached = {
        "cached_tokens": tokens.cache_read,
        "cached_tokens_details": {"text_tokens": tokens.cache_read, "audio_tokens": 0},
    }
    return {
        "total_tokens": tokens.total,
        "input_tokens": tokens.input,
        "output_tokens": tokens.output,
        "input_token_details": {"text_tokens": tokens.input - heard, "audio_tokens": heard, **cached},
        "output_token_details": {"text_tokens": tokens.output - spoken, "audio_tokens": spoken},
    }


ROUTES = (
    Route("GET", re.compile(r"/realtime$"), realtime, FAMILY),
    Route("GET", re.compile(r"/v1/responses$"), responses, FAMILY),
)
