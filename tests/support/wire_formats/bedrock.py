"""Amazon Bedrock's runtime: errors and headers that all operations share, and Converse with its stream.

Fields: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html. ``inputTokens`` excludes what was read
from and written to the cache, ``totalTokens`` is the sum of all.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from otel_llm.testing.loopback.call import THOUGHTS, Call, Failure, Family, Route
from otel_llm.testing.loopback.exchange import JSON, Reply, Request

from . import eventstream

if TYPE_CHECKING:
    from collections.abc import Iterator

FALLBACK_MODEL = "anthropic.claude-haiku-4-5-20251001-v1:0"
LATENCY_MS = 12
_STOP = {
    "stop": "end_turn",
    "length": "max_tokens",
    "filter": "content_filtered",
    "refusal": "guardrail_intervened",
    "tools": "tool_use",
}
_CODES = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}


def error(failure: Failure) -> Reply:
    code = _CODES.get(failure.status, "InternalServerException")
    if failure.kind == "quota":
        code = "ServiceQuotaExceededException"
    headers = {"x-amzn-errortype": f"{code}:http://internal.amazon.com/coral/com.amazon.bedrock/", **failure.headers()}
    return Reply.of_json({"message": f"The loopback refuses: {code}."}, failure.status, headers)


def stream_error(failure: Failure) -> bytes:
    del failure
    return eventstream.exception("throttlingException", "Too many requests, please wait before trying again.")


def headers(request: Request) -> dict[str, str]:
    return {"x-amzn-requestid": f"aws-{request.number:08d}"}


FAMILY = Family("bedrock", error, stream_error, headers)


def converse(call: Call) -> Reply:
    body: JSON = {
        "output": {"message": {"role": "assistant", "content": content(call)}},
        "stopReason": stop_reason(call),
        "metrics": {"latencyMs": LATENCY_MS},
    }
    return Reply.of_json({**body, **_metadata(call)})


def converse_stream(call: Call) -> Reply:
    return Reply.of_events(_events(call), eventstream.CONTENT_TYPE)


def stop_reason(call: Call) -> str:
    return _STOP[_ending(call)]


def _ending(call: Call) -> str:
    choice = (call.body.get("toolConfig") or {}).get("toolChoice") or {}
    last = (call.body.get("messages") or [None])[-1]
    said = last.get("content") if isinstance(last, dict) else None
    answered = isinstance(said, list) and any("toolResult" in part for part in said)
    return call.ending(forced="any" in choice or "tool" in choice, answered=answered)


def usage(call: Call) -> JSON:
    tokens = call.tokens
    told: JSON = {"inputTokens": tokens.fresh, "outputTokens": tokens.output, "totalTokens": tokens.total}
    if tokens.cache_read or tokens.cache_write:
        told |= {"cacheReadInputTokens": tokens.cache_read, "cacheWriteInputTokens": tokens.cache_write}
        short = {"ttl": "5m", "inputTokens": tokens.cache_write - tokens.cache_write_1h}
        told["cacheDetails"] = [short, {"ttl": "1h", "inputTokens": tokens.cache_write_1h}]
    return told


def _metadata(call: Call) -> JSON:
    told: JSON = {"usage": usage(call)} if call.usage else {}
    if "fallback" in call:
        told["trace"] = {"promptRouter": {"invokedModelId": FALLBACK_MODEL}}
    return told


def content(call: Call) -> list[JSON]:
    """The answer's content blocks, as Converse and Nova word them."""
    blocks: list[JSON] = []
    if "thinking" in call:
        text = {"text": "".join(THOUGHTS), "signature": "c2lnbmF0dXJl"}
        blocks.append({"reasoningContent": {"reasoningText": text}})
    if _ending(call) != "tools":
        return [*blocks, {"text": "".join(call.text())}]
    offered = ((call.body.get("toolConfig") or {}).get("tools") or [{}])[0].get("toolSpec") or {}
    name, arguments = call.tool(offered.get("name"), (offered.get("inputSchema") or {}).get("json"))
    return [*blocks, {"toolUse": {"toolUseId": call.id("tooluse_"), "name": name, "input": arguments}}]


def stream_parts(call: Call) -> Iterator[tuple[str, JSON]]:
    """The kinds and payloads of a streamed answer's events, as Converse and Nova word them."""
    yield "messageStart", {"role": "assistant"}
    for index, block in enumerate(content(call)):
        start, deltas = _grown(call, block)
        if start:
            yield "contentBlockStart", {"contentBlockIndex": index, "start": start}
        for delta in deltas:
            yield "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}
        yield "contentBlockStop", {"contentBlockIndex": index}
    yield "messageStop", {"stopReason": stop_reason(call)}
    yield "metadata", {"metrics": {"latencyMs": LATENCY_MS}, **_metadata(call)}


def _events(call: Call) -> Iterator[bytes]:
    for kind, payload in stream_parts(call):
        yield eventstream.event(kind, payload)


def _grown(call: Call, block: JSON) -> tuple[JSON, list[JSON]]:
    """A block's opening, which texts do without, and what makes it whole."""
    if "toolUse" in block:
        tool = dict(block["toolUse"])
        written = json.dumps(tool.pop("input"))
        return {"toolUse": tool}, [{"toolUse": {"input": part}} for part in (written[:5], written[5:])]
    if "reasoningContent" in block:
        signature = block["reasoningContent"]["reasoningText"]["signature"]
        deltas: list[JSON] = [{"reasoningContent": {"text": piece}} for piece in THOUGHTS]
        return {}, [*deltas, {"reasoningContent": {"signature": signature}}]
    return {}, [{"text": piece} for piece in call.text()]


def count_tokens(call: Call) -> Reply:
    return Reply.of_json({"inputTokens": call.tokens.input})


ROUTES = (
    Route("POST", re.compile(r"^/model/.+/converse$"), converse, FAMILY),
    Route("POST", re.compile(r"^/model/.+/converse-stream$"), converse_stream, FAMILY),
    Route("POST", re.compile(r"^/model/.+/count-tokens$"), count_tokens, FAMILY),
)
