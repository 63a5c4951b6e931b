"""Google's Interactions API, whole and as its typed events. Fields: https://ai.google.dev/api/interactions-api."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from otel_llm.testing.loopback.call import THOUGHTS, Call, Failure, Family, Route
from otel_llm.testing.loopback.exchange import JSON, Reply, sse

from .gemini import error, headers

if TYPE_CHECKING:
    from collections.abc import Iterator

_STATUS = {
    "stop": "completed",
    "length": "incomplete",
    "filter": "failed",
    "refusal": "failed",
    "tools": "requires_action",
}
_AT = "2026-01-01T00:00:00Z"


def stream_error(failure: Failure) -> bytes:
    told = {"code": "unavailable", "message": f"The loopback fails: {failure.status}."}
    return sse({"event_type": "error", "error": told}, "error")


FAMILY = Family("gemini", error, stream_error, headers)


def interactions(call: Call) -> Reply:
    if call.stream:
        return Reply.of_events((sse(event, event["event_type"]) for event in _events(call)), "text/event-stream")
    return Reply.of_json(_interaction(call))


def _interaction(call: Call) -> JSON:
    whole: JSON = {
        "id": call.id("v1_"),
        "object": "interaction",
        "model": call.answers_model,
        "role": "model",
        "status": _STATUS[_ending(call)],
        "created": _AT,
        "updated": _AT,
        "steps": _steps(call),
    }
    return {**whole, "usage": _usage(call)} if call.usage else whole


def _ending(call: Call) -> str:
    asked = call.body.get("input")
    items = [item for item in asked if isinstance(item, dict)] if isinstance(asked, list) else []
    return call.ending(answered=any(item.get("type") == "function_result" for item in items))


def _usage(call: Call) -> JSON:
    tokens = call.tokens
    return {
        "total_input_tokens": tokens.input,
        "total_output_tokens": tokens.answer,
        "total_thought_tokens": tokens.thinking,
        "total_cached_tokens": tokens.cache_read,
        "total_tool_use_tokens": 0,
        "total_tokens": tokens.total,
    }


def _steps(call: Call) -> list[JSON]:
    steps: list[JSON] = []
    if "thinking" in call:
        summary = [{"type": "text", "text": "".join(THOUGHTS)}]
        steps.append({"type": "thought", "signature": "c2lnbmF0dXJl", "summary": summary})
    if _ending(call) == "tools":
        offered = (call.body.get("tools") or [{}])[0]
        name, arguments = call.tool(offered.get("name"), offered.get("parameters"))
        return [*steps, {"type": "function_call", "id": call.id("call_"), "name": name, "arguments": arguments}]
    return [*steps, {"type": "model_output", "content": [{"type": "text", "text": "".join(call.text())}]}]


def _events(call: Call) -> Iterator[JSON]:
    whole = _interaction(call)
    begun = {**whole, "status": "in_progress", "steps": []}
    begun.pop("usage", None)
    yield {"event_type": "interaction.created", "interaction": begun}
    yield {"event_type": "interaction.status_update", "interaction_id": whole["id"], "status": "in_progress"}
    for index, step in enumerate(whole["steps"]):
        opened, deltas = _grown(call, step)
        yield {"event_type": "step.start", "index": index, "step": opened}
        for delta in deltas:
            yield {"event_type": "step.delta", "index": index, "delta": delta}
        yield {"event_type": "step.stop", "index": index}
    yield {"event_type": "interaction.completed", "interaction": {**whole, "steps": []}}


def _grown(call: Call, step: JSON) -> tuple[JSON, list[JSON]]:
    """A step as it begins, and what makes it whole."""
    kind: str = step["type"]
    if kind == "thought":
        parts = [{"type": "thought_summary", "content": {"type": "text", "text": piece}} for piece in THOUGHTS]
        return {"type": kind}, [*parts, {"type": "thought_signature", "signature": step["signature"]}]
    if kind == "function_call":
        written = json.dumps(step["arguments"])
        parts = [{"type": "arguments_delta", "arguments": part} for part in (written[:5], written[5:])]
        return {**step, "arguments": {}}, parts
    return {"type": kind, "content": []}, [{"type": "text", "text": piece} for piece in call.text()]


ROUTES = (Route("POST", re.compile(r"/interactions$"), interactions, FAMILY),)
