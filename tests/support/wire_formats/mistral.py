"""Mistral beside chat: conversations, documents read by OCR, classifiers. Fields: https://docs.mistral.ai/api.

Chat, fill-in-the-middle, agents' completions and embeddings are OpenAI's format in Mistral's dialect.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from otel_llm.testing.loopback import openai
from otel_llm.testing.loopback.call import Call, Failure, Family, Route
from otel_llm.testing.loopback.exchange import JSON, Reply, sse
from otel_llm.testing.loopback.openai_embeddings import input_count

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT = "2026-01-01T00:00:00Z"


def stream_error(failure: Failure) -> bytes:
    told = {"type": "conversation.response.error", "message": "the loopback fails", "code": failure.status}
    return sse(told, "conversation.response.error")


FAMILY = Family("mistral", openai.error, stream_error, openai.headers)


def conversations(call: Call) -> Reply:
    """A conversation started, continued or restarted."""
    if call.stream:
        return Reply.of_events((sse(event, event["type"]) for event in _events(call)), "text/event-stream")
    entry: JSON = {"object": "entry", "created_at": _AT, "completed_at": _AT, "id": call.id("msg_")}
    if _ending(call) == "tools":
        name, arguments = call.tool()
        entry |= {"type": "function.call", "tool_call_id": call.id("call_"), "name": name}
        entry["arguments"] = json.dumps(arguments)
    else:
        entry |= {"type": "message.output", "model": call.answers_model, "role": "assistant"}
        entry["content"] = "".join(call.text())
    body = {"object": "conversation.response", "conversation_id": call.id("conv_"), "outputs": [entry]}
    return Reply.of_json({**body, "usage": _usage(call)})


def _ending(call: Call) -> str:
    asked = call.body.get("inputs")
    items = [item for item in asked if isinstance(item, dict)] if isinstance(asked, list) else []
    return call.ending(answered=any(item.get("type") == "function.result" for item in items))


def _usage(call: Call) -> JSON:
    """The SDK insists on a usage; without one it is empty."""
    tokens = call.tokens
    if not call.usage:
        return {}
    counts = {"prompt_tokens": tokens.input, "completion_tokens": tokens.output, "total_tokens": tokens.total}
    return {**counts, "connector_tokens": 0} if tokens.searches else counts


def _events(call: Call) -> Iterator[JSON]:
    yield {"type": "conversation.response.started", "created_at": _AT, "conversation_id": call.id("conv_")}
    base: JSON = {"created_at": _AT, "output_index": 0, "id": call.id("msg_"), "model": call.answers_model}
    if _ending(call) == "tools":
        name, arguments = call.tool()
        told = {"tool_call_id": call.id("call_"), "name": name, "arguments": json.dumps(arguments)}
        yield {"type": "function.call.delta", **base, **told}
    else:
        for piece in call.text():
            yield {"type": "message.output.delta", **base, "content_index": 0, "role": "assistant", "content": piece}
    yield {"type": "conversation.response.done", "created_at": _AT, "usage": _usage(call)}


def ocr(call: Call) -> Reply:
    page = {"index": 0, "markdown": "# Hello", "images": [], "dimensions": {"dpi": 200, "height": 2200, "width": 1700}}
    usage = {"pages_processed": 2, "doc_size_bytes": 1234}
    return Reply.of_json({"pages": [page, {**page, "index": 1}], "model": call.answers_model, "usage_info": usage})


def moderations(call: Call) -> Reply:
    flagged = "filter" in call
    result = {"categories": {"violence": flagged}, "category_scores": {"violence": 0.9 if flagged else 0.01}}
    count = input_count(call.body.get("input"))
    return Reply.of_json({"id": call.id("mod-"), "model": call.model, "results": [result] * count})


def classifications(call: Call) -> Reply:
    result = {"topic": {"scores": {"greeting": 0.9, "other": 0.1}}}
    count = input_count(call.body.get("input"))
    return Reply.of_json({"id": call.id("cls-"), "model": call.model, "results": [result] * count})


ROUTES = (
    Route("POST", re.compile(r"/v1/conversations(/[^/]+(/restart)?)?$"), conversations, FAMILY),
    Route("POST", re.compile(r"/v1/ocr$"), ocr, FAMILY),
    Route("POST", re.compile(r"/v1/chat/moderations$"), moderations, FAMILY),
    Route("POST", re.compile(r"/v1(/chat)?/classifications$"), classifications, FAMILY),
)
