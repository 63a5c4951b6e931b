"""Cohere's chat, embed and rerank, version 2 and 1. Fields: https://docs.cohere.com/reference/chat.

``tokens`` are what the model saw, ``billed_units`` what is paid for (ten fewer here); a streamed answer reports both at its end.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from otel_llm.testing.loopback.call import THOUGHTS, VECTOR, Call, Failure, Family, Route
from otel_llm.testing.loopback.exchange import JSON, Reply, Request, line, sse

if TYPE_CHECKING:
    from collections.abc import Iterator

UNBILLED_TOKENS = 10
_FINISH = {"stop": "COMPLETE", "length": "MAX_TOKENS", "filter": "ERROR", "refusal": "COMPLETE", "tools": "TOOL_CALL"}
_VERSION: JSON = {"api_version": {"version": "2"}}


def error(failure: Failure) -> Reply:
    told = {"id": f"err-{failure.request.number:08d}", "message": f"the loopback refuses: {failure.status}"}
    return Reply.of_json(told, failure.status, failure.headers())


def stream_error(failure: Failure) -> bytes:
    """Cohere ends a stream that fails with an event like any other, whose finish reason is ERROR."""
    delta = {"finish_reason": "ERROR", "error": f"the loopback fails: {failure.status}"}
    return sse({"type": "message-end", "delta": delta}, "message-end")


def headers(request: Request) -> dict[str, str]:
    number = f"{request.number:08d}"
    return {
        "x-debug-trace-id": number,
        "x-endpoint-monthly-call-limit": "1000",
        "x-trial-endpoint-call-limit": "20",
        "x-trial-endpoint-call-remaining": "19",
    }


FAMILY = Family("cohere", error, stream_error, headers)


def chat(call: Call) -> Reply:
    if call.stream:
        return Reply.of_events((sse(event, event["type"]) for event in _events(call)), "text/event-stream")
    body: JSON = {"id": call.id("c-"), "finish_reason": _FINISH[_ending(call)], "message": _message(call)}
    return Reply.of_json({**body, "usage": _usage(call)} if call.usage else body)


def _ending(call: Call) -> str:
    return call.ending(forced=call.body.get("tool_choice") == "REQUIRED", answered=call.tool_answered)


def _usage(call: Call) -> JSON:
    tokens = call.tokens
    billed = {"input_tokens": tokens.input - UNBILLED_TOKENS, "output_tokens": tokens.output}
    usage: JSON = {"billed_units": billed, "tokens": {"input_tokens": tokens.input, "output_tokens": tokens.output}}
    return {**usage, "cached_tokens": tokens.cache_read} if tokens.cache_read else usage


def _message(call: Call) -> JSON:
    content: list[JSON] = []
    if "thinking" in call:
        content.append({"type": "thinking", "thinking": "".join(THOUGHTS)})
    if _ending(call) == "tools":
        return {
            "role": "assistant",
            "tool_plan": "I will look.",
            "tool_calls": [call.function_call()],
            "content": content,
        }
    wanted = call.body.get("response_format") or {}
    content.append({"type": "text", "text": "".join(call.text(wanted.get("json_schema")))})
    return {"role": "assistant", "content": content}


def _events(call: Call) -> Iterator[JSON]:
    empty = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield {"type": "message-start", "id": call.id("c-"), "delta": {"message": empty}}
    message = _message(call)
    for index, block in enumerate(message["content"]):
        yield from _block_events(call, index, block)
    for index, tool in enumerate(message.get("tool_calls", [])):
        yield from _tool_events(index, tool)
    delta: JSON = {"finish_reason": _FINISH[_ending(call)]}
    yield {
        "type": "message-end",
        "id": call.id("c-"),
        "delta": {**delta, "usage": _usage(call)} if call.usage else delta,
    }


def _block_events(call: Call, index: int, block: JSON) -> Iterator[JSON]:
    kind: str = block["type"]
    pieces = THOUGHTS if kind == "thinking" else call.text()
    if kind == "text" and block["text"] != "".join(pieces):
        pieces = (block["text"],)
    yield {"type": "content-start", "index": index, "delta": {"message": {"content": {"type": kind, kind: ""}}}}
    for piece in pieces:
        yield {"type": "content-delta", "index": index, "delta": {"message": {"content": {kind: piece}}}}
    yield {"type": "content-end", "index": index}


def _tool_events(index: int, tool: JSON) -> Iterator[JSON]:
    arguments = tool["function"]["arguments"]
    opened = {**tool, "function": {**tool["function"], "arguments": ""}}
    yield {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I will look."}}}
    yield {"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": opened}}}
    for part in (arguments[:5], arguments[5:]):
        delta = {"message": {"tool_calls": {"function": {"arguments": part}}}}
        yield {"type": "tool-call-delta", "index": index, "delta": delta}
    yield {"type": "tool-call-end", "index": index}


def chat_v1(call: Call) -> Reply:
    """Version 1 answers with a text, streamed as newline-delimited JSON."""
    whole: JSON = {
        "text": "".join(call.text()),
        "generation_id": call.id("gen-"),
        "response_id": call.id("resp-"),
        "finish_reason": _FINISH[call.switches.finish],
    }
    if call.usage:
        whole["meta"] = {"api_version": {"version": "1"}, **_usage(call)}
    if not call.stream:
        return Reply.of_json(whole)
    events: list[JSON] = [{"is_finished": False, "event_type": "stream-start", "generation_id": whole["generation_id"]}]
    events += [{"is_finished": False, "event_type": "text-generation", "text": piece} for piece in call.text()]
    end = {"is_finished": True, "event_type": "stream-end", "finish_reason": whole["finish_reason"], "response": whole}
    return Reply.of_events([line(event) for event in (*events, end)], "application/stream+json")


def embed(call: Call) -> Reply:
    texts = call.body.get("texts") or [""]
    vectors: object = [VECTOR for _ in texts]
    by_type = call.request.path.endswith("/v2/embed") or bool(call.body.get("embedding_types"))
    body: JSON = {
        "id": call.id("emb-"),
        "response_type": "embeddings_by_type" if by_type else "embeddings_floats",
        "embeddings": {"float": vectors} if by_type else vectors,
        "texts": texts,
    }
    billed: JSON = {"billed_units": {"input_tokens": call.embedded}} if call.usage else {}
    return Reply.of_json({**body, "meta": _VERSION | billed})


def rerank(call: Call) -> Reply:
    documents = call.body.get("documents") or [""]
    results = [{"index": index, "relevance_score": 1 / (index + 2)} for index in range(len(documents))]
    billed: JSON = {"billed_units": {"search_units": 1}} if call.usage else {}
    return Reply.of_json({"id": call.id("rr-"), "results": results, "meta": _VERSION | billed})


ROUTES = (
    Route("POST", re.compile(r"/v2/chat$"), chat, FAMILY),
    Route("POST", re.compile(r"/v[12]/embed$"), embed, FAMILY),
    Route("POST", re.compile(r"/v2/rerank$"), rerank, FAMILY),
)
