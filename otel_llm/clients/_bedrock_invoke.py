"""Bedrock's InvokeModel: every vendor's own shapes. What a whole answer used stands in its headers, so that its body stays unread."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from otel_llm.core.jsonview import parsed
from otel_llm.core.model import Reader, Response, Usage

from . import _anthropic_content, _bedrock_content, anthropic
from ._bedrock_converse import read_exception, read_part, tier
from ._read import attr, count, items, text

_HEADER = "x-amzn-bedrock-"
_METRICS = "amazon-bedrock-invocationMetrics"
_ACTION = "amazon-bedrock-guardrailAction"
_COUNTS = ("inputTokenCount", "outputTokenCount", "cacheReadInputTokenCount", "cacheWriteInputTokenCount")
_STREAMED = ("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata")
_REASONS = ("stop_reason", "stopReason", "finish_reason", "completionReason")
_PROMPTS = ("prompt", "inputText", "message")
_OUTPUT = ("generation", "outputText", "text")


def asked(params: Mapping[str, Any]) -> dict[str, Any]:
    """The messages or the prompt in a body, which may also be a file that only the request may read."""
    given = params.get("body")
    if not isinstance(given, (bytes, bytearray, str)):
        return {}
    body = parsed(given)
    if attr(body, "messages") is not None:
        return _bedrock_content.asked(body) if "inferenceConfig" in body else _anthropic_content.asked(body)
    prompt = next((word for name in _PROMPTS if (word := text(attr(body, name))) is not None), "")
    return {"gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": prompt}]}]}


def read_headers(reply: Any, into: Response) -> None:
    """Tokens of a whole answer, from the headers that Bedrock adds: input excludes what the cache held."""
    headers = attr(reply, "ResponseMetadata", "HTTPHeaders")
    names = ("input", "output", "cache-read-input", "cache-write-input")
    fresh, output, read, written = (_number(attr(headers, f"{_HEADER}{name}-token-count")) for name in names)
    _settle(fresh, output, read, written, into)
    named, latency = (attr(headers, f"{_HEADER}{name}") for name in ("service-tier", "performanceconfig-latency"))
    into.service_tier = tier(named, latency) or into.service_tier


def _number(value: Any) -> int | None:
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 16 else None  # noqa: PLR2004


def _settle(fresh: int | None, output: int | None, read: int | None, written: int | None, into: Response) -> None:
    """What Bedrock counted, without taking away what the vendor's own words split further."""
    if fresh is None and output is None:
        return
    usage = into.usage = into.usage or Usage()
    if fresh is not None:
        usage.input_tokens = fresh + (read or 0) + (written or 0)
    usage.output_tokens = usage.output_tokens if output is None else output
    usage.cache_read_tokens = usage.cache_read_tokens if read is None else read
    usage.cache_write_tokens = usage.cache_write_tokens if written is None else written


def read_event(event: Any, into: Response) -> bool:
    """An event of a stream as it came over the wire: a chunk that holds a JSON value of the vendor's."""
    headers: Mapping[str, Any] = getattr(event, "headers", {})
    if headers.get(":event-type") is None:
        read_exception(headers, into)
        return False
    inner = text(attr(parsed(event.payload), "bytes"))
    chunk = parsed(_decoded(inner)) if inner is not None else None
    if not isinstance(chunk, dict):
        return inner is not None  # a custom model may send what is no JSON: it is output all the same
    return read_chunk(chunk, into)


def _decoded(encoded: str) -> bytes | None:
    try:
        return base64.b64decode(encoded)
    except ValueError:
        return None


def read_chunk(chunk: dict[str, Any], into: Response) -> bool:
    """A chunk of any vendor's, and whether it carries output. The last one has Bedrock's own counts beside it."""
    if isinstance(chunk.get("type"), str):
        output = anthropic.MESSAGES.chunk is not None and anthropic.MESSAGES.chunk(_view(chunk), into)
    elif (kind := next((name for name in _STREAMED if name in chunk), None)) is not None:
        output = read_part(kind, chunk[kind], into)
    else:
        output = _read_plain(chunk, into)
    if chunk.get(_ACTION) == "INTERVENED":
        into.checked("", "blocked")
    if (metrics := chunk.get(_METRICS)) is not None:
        counts = [count(attr(metrics, name)) for name in _COUNTS]
        _settle(counts[0], counts[1], counts[2], counts[3], into)
        into.done = True
    return output


def _view(value: Any) -> Any:
    """A JSON value read by attribute, as the anthropic client's models are."""
    if isinstance(value, dict):
        return SimpleNamespace(**{key: _view(part) for key, part in value.items()})
    return [_view(part) for part in value] if isinstance(value, list) else value


def _read_plain(body: dict[str, Any], into: Response) -> bool:
    """A value of Titan's, Llama's, Mistral's, Cohere's or of OpenAI's likes: its reason, and whether it has text."""
    inner = next(iter(items(body.get("results")) or items(body.get("outputs")) or items(body.get("choices"))), body)
    for value in (body, inner):
        if (reason := next((word for name in _REASONS if (word := text(attr(value, name)))), None)) is not None:
            into.finish_reasons = [reason]
    if body.get("event_type") == "stream-end":
        return False
    answer = attr(inner, "delta") or attr(inner, "message")
    return bool(answer) or any(attr(inner, name) for name in _OUTPUT)


INVOKE = Reader(read_headers, read_event)
