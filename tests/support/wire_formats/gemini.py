"""Google's Gemini API and its paths on Vertex AI: content, streams, embeddings, images and token counts.

Fields: https://ai.google.dev/api/generate-content. ``promptTokenCount`` includes what was cached,
``candidatesTokenCount`` excludes ``thoughtsTokenCount``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from otel_llm.testing.loopback.call import THOUGHTS, VECTOR, Call, Failure, Family, Route
from otel_llm.testing.loopback.exchange import JSON, Reply, Request, compact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FALLBACK_MODEL = "gemini-2.5-flash"
_FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "filter": "SAFETY", "refusal": "PROHIBITED_CONTENT", "tools": "STOP"}
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}
_PIXEL = "iVBORw0KGgo="
_GOOGLE = "type.googleapis.com/google.rpc"


def error(failure: Failure) -> Reply:
    return Reply.of_json(_error_body(failure), failure.status, failure.headers())


def stream_error(failure: Failure) -> bytes:
    return _event(_error_body(failure))


def _error_body(failure: Failure) -> JSON:
    status = _STATUS.get(failure.status, "INTERNAL")
    body: JSON = {"code": failure.status, "message": f"The loopback refuses: {status}.", "status": status}
    if status == "RESOURCE_EXHAUSTED":
        body["details"] = [{"@type": f"{_GOOGLE}.RetryInfo", "retryDelay": f"{failure.retry_after or 0}s"}]
    return {"error": body}


def headers(request: Request) -> dict[str, str]:
    return {"server-timing": "gfet4t7; dur=42", "x-goog-request-id": f"req-{request.number:08d}"}


FAMILY = Family("gemini", error, stream_error, headers)


def _event(value: JSON) -> bytes:
    """A server-sent event with Google's line ends."""
    return b"data: " + compact(value) + b"\r\n\r\n"


def generate(call: Call) -> Reply:
    """An answer whole, or streamed as events (``alt=sse``), or streamed as the items of one JSON array."""
    if "stream" not in call.request.path.rsplit(":", 1)[1]:
        return Reply.of_json(_whole(call), headers={"content-type": "application/json; charset=UTF-8"})
    if "alt=sse" in call.request.query:
        return Reply.of_events((_event(part) for part in _parts(call)), "text/event-stream")
    return Reply.of_events(_array(_parts(call)), "application/json; charset=UTF-8")


def _array(values: Iterable[JSON]) -> Iterator[bytes]:
    before = b"["
    for value in values:
        yield before + compact(value)
        before = b",\r\n"
    yield b"]"


def _whole(call: Call) -> JSON:
    return _answer(call, content_of(call), _FINISH[_ending(call)], usage_of(call))


def _parts(call: Call) -> Iterator[JSON]:
    """A stream: the prompt's count on every part, the rest of the usage on the last one."""
    begun = {name: value for name, value in usage_of(call).items() if name.startswith("prompt")}
    if "promptTokenCount" in begun:
        begun["totalTokenCount"] = begun["promptTokenCount"]
    content = content_of(call)
    if _ending(call) != "refusal":
        for part in content[:-1]:
            yield _answer(call, [part], None, begun)
    yield _answer(call, content[-1:], _FINISH[_ending(call)], usage_of(call))


def _answer(call: Call, parts: list[JSON], finish: str | None, usage: JSON) -> JSON:
    candidate: JSON = {"content": {"parts": _joined(parts) if finish else parts, "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    if finish == "SAFETY":
        candidate["safetyRatings"] = [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH", "blocked": True}]
    if finish and "search" in call:
        queries = [f"loopback {number}" for number in range(call.tokens.searches)]
        candidate["groundingMetadata"] = {"webSearchQueries": queries}
    body: JSON = {"candidates": [candidate]}
    if _ending(call) == "refusal":
        body = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
    if call.usage:
        body["usageMetadata"] = usage
    model = FALLBACK_MODEL if "fallback" in call else call.answers_model
    return {**body, "modelVersion": model, "responseId": call.id("resp-")}


def _joined(parts: list[JSON]) -> list[JSON]:
    """Texts of the same kind that follow each other, as one."""
    joined: list[JSON] = []
    for part in parts:
        same = joined and "text" in part and "text" in joined[-1] and part.get("thought") == joined[-1].get("thought")
        if same:
            joined[-1] = {**joined[-1], "text": joined[-1]["text"] + part["text"]}
        else:
            joined.append(part)
    return joined


def content_of(call: Call) -> list[JSON]:
    thoughts: list[JSON] = [{"text": piece, "thought": True} for piece in THOUGHTS] if "thinking" in call else []
    if _ending(call) == "tools":
        declared = ((call.body.get("tools") or [{}])[0].get("functionDeclarations") or [{}])[0]
        schema = declared.get("parameters") or declared.get("parametersJsonSchema")
        name, arguments = call.tool(declared.get("name"), schema)
        return [*thoughts, {"functionCall": {"name": name, "args": arguments}}]
    wanted = call.body.get("generationConfig") or {}
    pieces = call.text(wanted.get("responseSchema") or wanted.get("responseJsonSchema"))
    return [*thoughts, *({"text": piece} for piece in pieces)]


def _ending(call: Call) -> str:
    mode = ((call.body.get("toolConfig") or {}).get("functionCallingConfig") or {}).get("mode")
    last = (call.body.get("contents") or [None])[-1]
    said = last.get("parts") if isinstance(last, dict) else None
    return call.ending(forced=mode == "ANY", answered=any("functionResponse" in part for part in said or []))


def usage_of(call: Call) -> JSON:
    if not call.usage:
        return {}
    tokens = call.tokens
    text = tokens.input - tokens.input_audio - tokens.input_image
    split = {"TEXT": text, "AUDIO": tokens.input_audio, "IMAGE": tokens.input_image}
    usage: JSON = {
        "promptTokenCount": tokens.input,
        "promptTokensDetails": _modalities(split),
        "candidatesTokenCount": tokens.answer,
        "candidatesTokensDetails": _modalities(
            {"TEXT": tokens.answer - tokens.output_audio, "AUDIO": tokens.output_audio}
        ),
        "totalTokenCount": tokens.total,
    }
    if tokens.thinking:
        usage["thoughtsTokenCount"] = tokens.thinking
    if tokens.cache_read:
        usage["cachedContentTokenCount"] = tokens.cache_read
        usage["cacheTokensDetails"] = _modalities({"TEXT": tokens.cache_read})
    return usage


def _modalities(split: dict[str, int]) -> list[JSON]:
    return [{"modality": name, "tokenCount": count} for name, count in split.items() if count]


def embed(call: Call) -> Reply:
    """``embedContent`` and ``batchEmbedContents``."""
    asked = call.body.get("requests")
    usage = (
        {"usageMetadata": {"promptTokenCount": call.embedded, "totalTokenCount": call.embedded}} if call.usage else {}
    )
    if asked is None:
        return Reply.of_json({"embedding": {"values": VECTOR}, **usage})
    return Reply.of_json({"embeddings": [{"values": VECTOR} for _ in asked], **usage})


def predict(call: Call) -> Reply:
    """Vertex's older ``predict``: embeddings where the instances have content, images else."""
    asked = call.body.get("instances") or [{}]
    if "content" not in asked[0]:
        return Reply.of_json({"predictions": [{"mimeType": "image/png", "bytesBase64Encoded": _PIXEL}]})
    statistics = {"token_count": 4, "truncated": False}
    predictions = [{"embeddings": {"values": VECTOR, "statistics": statistics}} for _ in asked]
    return Reply.of_json({"predictions": predictions, "metadata": {"billableCharacterCount": 20}})


def count_tokens(call: Call) -> Reply:
    return Reply.of_json({"totalTokens": call.tokens.input})


ROUTES = (
    Route("POST", re.compile(r"/models/[^/]+:(stream)?[gG]enerateContent$"), generate, FAMILY),
    Route("POST", re.compile(r"/models/[^/]+:(batchEmbedContents|embedContent)$"), embed, FAMILY),
    Route("POST", re.compile(r"/models/[^/]+:predict$"), predict, FAMILY),
    Route("POST", re.compile(r"/models/[^/]+:countTokens$"), count_tokens, FAMILY),
)
