"""Anthropic's Messages API: plain and streamed, token counts and batches, on its own paths and behind Vertex.

Fields: https://docs.claude.com/en/api/messages and .../messages-streaming. ``input_tokens`` excludes what was read from and
written to the cache; the usage of ``message_delta`` is cumulative and replaces that of ``message_start``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from .call import REFUSAL, THOUGHTS, Call, Failure, Family, Route
from .exchange import JSON, Reply, Request, compact, sse

FALLBACK_MODEL = "claude-haiku-4-5"
_STOP = {"stop": "end_turn", "length": "max_tokens", "filter": "refusal", "refusal": "refusal", "tools": "tool_use"}
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_MESSAGES = {
    "overloaded_error": "Overloaded",
    "context": "prompt is too long: 210000 tokens > 200000 maximum",
    "quota": "Your credit balance is too low to access the Anthropic API.",
}


def error(failure: Failure) -> Reply:
    headers = {"x-should-retry": "true" if failure.retriable else "false", **failure.headers()}
    return Reply.of_json(_error_body(failure), failure.status, headers)


def stream_error(failure: Failure) -> bytes:
    return sse(_error_body(failure), "error")


def _error_body(failure: Failure) -> JSON:
    kind = _TYPES.get(failure.status, "api_error")
    message = _MESSAGES.get(failure.kind) or _MESSAGES.get(kind, f"The loopback refuses: {kind}.")
    body = {"type": "error", "error": {"type": kind, "message": message}}
    return {**body, "request_id": f"req_{failure.request.number:08d}"}


def headers(request: Request) -> dict[str, str]:
    reset = "2026-01-01T00:00:01Z"
    return {
        "request-id": f"req_{request.number:08d}",
        "anthropic-organization-id": "org-loopback",
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": reset,
        "anthropic-ratelimit-tokens-limit": "48000",
        "anthropic-ratelimit-tokens-remaining": "46900",
        "anthropic-ratelimit-tokens-reset": reset,
        "anthropic-ratelimit-input-tokens-limit": "40000",
        "anthropic-ratelimit-input-tokens-remaining": "39000",
        "anthropic-ratelimit-input-tokens-reset": reset,
        "anthropic-ratelimit-output-tokens-limit": "8000",
        "anthropic-ratelimit-output-tokens-remaining": "7900",
        "anthropic-ratelimit-output-tokens-reset": reset,
    }


FAMILY = Family("anthropic", error, stream_error, headers)


def messages(call: Call) -> Reply:
    if call.stream or "streamRawPredict" in call.request.path:
        return Reply.of_events(sse(event, event["type"]) for event in events(call))
    return Reply.of_json(message(call))


def message(call: Call) -> JSON:
    body: JSON = {
        "model": _fallback(call) if "fallback" in call else call.answers_model,
        "id": call.id("msg_"),
        "type": "message",
        "role": "assistant",
        "content": _content(call),
        "stop_reason": stop_reason(call),
        "stop_sequence": None,
        **_stop_details(call),
    }
    return {**body, "usage": _usage(call)} if call.usage else body


def stop_reason(call: Call) -> str:
    return _STOP[_kind(call)]


def _stop_details(call: Call) -> JSON:
    """Why it refused, where it did."""
    if stop_reason(call) != "refusal":
        return {}
    return {"stop_details": {"type": "refusal", "category": "general_harms", "explanation": None}}


def _kind(call: Call) -> str:
    last = (call.body.get("messages") or [None])[-1]
    content = last.get("content") if isinstance(last, dict) else None
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return call.ending(
        forced=(call.body.get("tool_choice") or {}).get("type") in ("any", "tool"),
        answered=any(part.get("type") == "tool_result" for part in parts),
    )


def _content(call: Call) -> list[JSON]:
    blocks: list[JSON] = []
    if "fallback" in call:
        names = {"from": {"model": call.model}, "to": {"model": _fallback(call)}}
        blocks.append({"type": "fallback", **names, "trigger": {"type": "refusal", "category": "cyber"}})
    if "thinking" in call:
        blocks.append({"type": "thinking", "thinking": "".join(THOUGHTS), "signature": "c2lnbmF0dXJl"})
    if "search" in call:
        query = {"type": "server_tool_use", "name": "web_search", "input": {"query": "loopback"}}
        blocks += [{**query, "id": f"{call.id('srvtoolu_')}_{n}"} for n in range(call.tokens.searches)]
    if _kind(call) == "tools":
        return [*blocks, _tool_use(call)]
    wanted = (call.body.get("output_config") or {}).get("format") or call.body.get("output_format") or {}
    pieces = (REFUSAL,) if _kind(call) == "refusal" else call.text(wanted.get("schema"))
    return [*blocks, {"type": "text", "text": "".join(pieces)}]


def _tool_use(call: Call) -> JSON:
    offered = (call.body.get("tools") or [{}])[0]
    name, arguments = call.tool(offered.get("name"), offered.get("input_schema"))
    return {"type": "tool_use", "id": call.id("toolu_"), "name": name, "input": arguments}


def _fallback(call: Call) -> str:
    """The model that takes over: the caller's own choice if it names one."""
    named = call.body.get("fallbacks") or [{}]
    return str((named[-1] if isinstance(named[-1], dict) else {}).get("model") or FALLBACK_MODEL)


def _usage(call: Call) -> JSON:
    tokens = call.tokens
    usage: JSON = {
        "input_tokens": tokens.fresh,
        "cache_creation_input_tokens": tokens.cache_write,
        "cache_read_input_tokens": tokens.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens.cache_write - tokens.cache_write_1h,
            "ephemeral_1h_input_tokens": tokens.cache_write_1h,
        },
        "output_tokens": tokens.output,
        "service_tier": "standard",
    }
    return usage | _details(call)


def _details(call: Call) -> JSON:
    """The parts of usage that stand both in a message and in a ``message_delta``."""
    tokens = call.tokens
    details: JSON = {}
    if tokens.thinking:
        details["output_tokens_details"] = {"thinking_tokens": tokens.thinking}
    if tokens.searches:
        details["server_tool_use"] = {"web_search_requests": tokens.searches, "web_fetch_requests": 0}
    if "fallback" in call:
        counts: JSON = {"input_tokens": tokens.fresh, "output_tokens": tokens.output, "cache_creation": None}
        counts |= {"cache_creation_input_tokens": tokens.cache_write, "cache_read_input_tokens": tokens.cache_read}
        first = {"type": "message", "model": call.model, **counts, "output_tokens": 0}
        details["iterations"] = [first, {"type": "fallback_message", "model": _fallback(call), **counts}]
    return details


def events(call: Call) -> Iterator[JSON]:
    """The events of a streamed message, in order."""
    whole = message(call)
    opening: JSON = {**whole, "content": [], "stop_reason": None}
    opening.pop("stop_details", None)
    if call.usage:
        plain = {name: value for name, value in whole["usage"].items() if name not in _details(call)}
        opening["usage"] = {**plain, "output_tokens": 1}
    yield {"type": "message_start", "message": opening}
    for index, block in enumerate(whole["content"]):
        yield from _block_events(call, index, block)
    ending = {"stop_reason": whole["stop_reason"], "stop_sequence": None, **_stop_details(call)}
    closing: JSON = {"type": "message_delta", "delta": ending}
    if call.usage:
        closing["usage"] = _cumulative(call)
    yield closing
    yield {"type": "message_stop"}


def _cumulative(call: Call) -> JSON:
    tokens = call.tokens
    counts = {"input_tokens": tokens.fresh, "cache_creation_input_tokens": tokens.cache_write}
    counts |= {"cache_read_input_tokens": tokens.cache_read, "output_tokens": tokens.output}
    return {**counts, **_details(call)}


def _block_events(call: Call, index: int, block: JSON) -> Iterator[JSON]:
    empty, deltas = _grown(call, block)
    yield {"type": "content_block_start", "index": index, "content_block": empty}
    if index == 0:
        yield {"type": "ping"}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _grown(call: Call, block: JSON) -> tuple[JSON, list[JSON]]:
    """A block as it begins, and what makes it whole."""
    kind: str = block["type"]
    if kind == "text":
        pieces = call.text() if block["text"] == "".join(call.text()) else (block["text"],)
        return {**block, "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces]
    if kind == "thinking":
        thoughts: list[JSON] = [{"type": "thinking_delta", "thinking": piece} for piece in THOUGHTS]
        signature = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [*thoughts, signature]
    if kind in ("tool_use", "server_tool_use"):
        written = json.dumps(block["input"])
        parts = ("", written[:5], written[5:])
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": part} for part in parts]
    return block, []


def count_tokens(call: Call) -> Reply:
    return Reply.of_json({"input_tokens": call.tokens.input})


def batches(call: Call) -> Reply:
    """A batch that has just been created, or, asked for by its id, one that has ended."""
    ended = call.request.method == "GET"
    path = call.request.path
    name = path.rsplit("/", 1)[1] if ended else call.id("msgbatch_")
    counts = {"processing": 0 if ended else 1, "succeeded": int(ended), "errored": 0, "canceled": 0, "expired": 0}
    url = f"http://{call.request.headers.get('host', '127.0.0.1')}/v1/messages/batches/{name}/results"
    body: dict[str, Any] = {
        "id": name,
        "type": "message_batch",
        "processing_status": "ended" if ended else "in_progress",
        "request_counts": counts,
        "ended_at": "2026-01-01T01:00:00Z" if ended else None,
        "created_at": "2026-01-01T00:00:00Z",
        "expires_at": "2026-01-02T00:00:00Z",
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": url if ended else None,
    }
    return Reply.of_json(body)


def batch_results(call: Call) -> Reply:
    result = {"type": "succeeded", "message": message(call)}
    return Reply.of_bytes(compact({"custom_id": "first", "result": result}) + b"\n", "application/x-jsonl")


ROUTES = (
    Route("POST", re.compile(r"/messages/count_tokens$"), count_tokens, FAMILY),
    Route("POST", re.compile(r"/messages/batches$"), batches, FAMILY),
    Route("GET", re.compile(r"/messages/batches/[^/]+/results$"), batch_results, FAMILY),
    Route("GET", re.compile(r"/messages/batches/[^/]+$"), batches, FAMILY),
    Route("POST", re.compile(r"/v1/messages$"), messages, FAMILY),
    Route("POST", re.compile(r"/publishers/anthropic/models/[^/]+:(rawPredict|streamRawPredict)$"), messages, FAMILY),
)
