"""Bedrock's InvokeModel: each vendor's own body, whole or in the chunks of an event stream.

Fields: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html. Token counts stand in response headers, and in a
stream in the last chunk's ``amazon-bedrock-invocationMetrics``.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from otel_llm.testing.loopback import anthropic
from otel_llm.testing.loopback.call import VECTOR, Call, Route
from otel_llm.testing.loopback.exchange import JSON, Reply, compact
from otel_llm.testing.loopback.openai_usage import chat_usage

from . import bedrock, eventstream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_FIRST_BYTE_MS = 5


def _titan(call: Call) -> JSON:
    result = {
        "tokenCount": call.tokens.output,
        "outputText": _text(call),
        "completionReason": _reason(call, "FINISH", "LENGTH"),
    }
    return {"inputTextTokenCount": call.tokens.input, "results": [result]}


def _titan_parts(call: Call) -> Iterator[JSON]:
    pieces = call.text()
    for index, piece in enumerate(pieces):
        last = index == len(pieces) - 1
        yield {
            "outputText": piece,
            "index": 0,
            "totalOutputTextTokenCount": call.tokens.output if last else None,
            "completionReason": _reason(call, "FINISH", "LENGTH") if last else None,
            "inputTextTokenCount": call.tokens.input if index == 0 else None,
        }


def _llama(call: Call) -> JSON:
    counts = {"prompt_token_count": call.tokens.input, "generation_token_count": call.tokens.output}
    return {"generation": _text(call), **counts, "stop_reason": _reason(call, "stop", "length")}


def _llama_parts(call: Call) -> Iterator[JSON]:
    for index, piece in enumerate(call.text()):
        prompt = call.tokens.input if index == 0 else None
        yield {
            "generation": piece,
            "prompt_token_count": prompt,
            "generation_token_count": index + 1,
            "stop_reason": None,
        }
    yield {**_llama(call), "generation": "", "prompt_token_count": None}


def _mistral(call: Call) -> JSON:
    return {"outputs": [{"text": _text(call), "stop_reason": _reason(call, "stop", "length")}]}


def _mistral_parts(call: Call) -> Iterator[JSON]:
    for piece in call.text():
        yield {"outputs": [{"text": piece, "stop_reason": None}]}
    yield {"outputs": [{"text": "", "stop_reason": _reason(call, "stop", "length")}]}


def _cohere(call: Call) -> JSON:
    ids = {"response_id": call.id("resp-"), "generation_id": call.id("gen-")}
    return {"text": _text(call), **ids, "finish_reason": _reason(call, "COMPLETE", "MAX_TOKENS")}


def _cohere_parts(call: Call) -> Iterator[JSON]:
    for piece in call.text():
        yield {"is_finished": False, "event_type": "text-generation", "text": piece}
    end = {"finish_reason": _reason(call, "COMPLETE", "MAX_TOKENS"), "response": _cohere(call)}
    yield {"is_finished": True, "event_type": "stream-end", **end}


def _nova(call: Call) -> JSON:
    message = {"role": "assistant", "content": bedrock.content(call)}
    return {"output": {"message": message}, "stopReason": bedrock.stop_reason(call), "usage": bedrock.usage(call)}


def _nova_parts(call: Call) -> Iterator[JSON]:
    for kind, payload in bedrock.stream_parts(call):
        yield {kind: payload}


def _chat(call: Call) -> JSON:
    """What AI21's, OpenAI's and DeepSeek's models answer."""
    message = {"role": "assistant", "content": _text(call)}
    choice = {"index": 0, "message": message, "finish_reason": _reason(call, "stop", "length")}
    return {"id": call.id("chatcmpl-"), "model": call.model, "choices": [choice], "usage": chat_usage(call.tokens)}


def _chat_parts(call: Call) -> Iterator[JSON]:
    base = {"id": call.id("chatcmpl-"), "object": "chat.completion.chunk", "model": call.model}
    for piece in call.text():
        yield {**base, "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}
    last = {"index": 0, "delta": {}, "finish_reason": _reason(call, "stop", "length")}
    yield {**base, "choices": [last], "usage": chat_usage(call.tokens)}


_VENDORS: tuple[tuple[str, Callable[[Call], JSON], Callable[[Call], Iterable[JSON]]], ...] = (
    ("anthropic.", anthropic.message, anthropic.events),
    ("amazon.titan", _titan, _titan_parts),
    ("amazon.nova", _nova, _nova_parts),
    ("meta.", _llama, _llama_parts),
    ("mistral.", _mistral, _mistral_parts),
    ("cohere.", _cohere, _cohere_parts),
    ("ai21.", _chat, _chat_parts),
    ("openai.", _chat, _chat_parts),
    ("deepseek.", _chat, _chat_parts),
)


def _vendor(call: Call) -> tuple[Callable[[Call], JSON], Callable[[Call], Iterable[JSON]]]:
    """Whose format it is: told by the model's id, which an inference profile or an ARN may wrap; Anthropic's if unknown."""
    found = next((vendor for vendor in _VENDORS if vendor[0] in call.model), _VENDORS[0])
    return found[1], found[2]


def invoke(call: Call) -> Reply:
    if "embed" in call.model:
        return _embedding(call)
    return Reply.of_json(_vendor(call)[0](call), headers=_counts(call))


def _embedding(call: Call) -> Reply:
    headers = {"x-amzn-bedrock-input-token-count": str(call.embedded)} if call.usage else {}
    if "cohere." in call.model:
        vectors = [VECTOR for _ in call.body.get("texts") or [""]]
        body: JSON = {"id": call.id("emb-"), "response_type": "embeddings_floats", "embeddings": vectors}
        return Reply.of_json(body, headers=headers)
    return Reply.of_json({"embedding": VECTOR, "inputTextTokenCount": call.embedded}, headers=headers)


def _counts(call: Call) -> dict[str, str]:
    """What was used, in the response's headers."""
    told = {"x-amzn-bedrock-invocation-latency": str(bedrock.LATENCY_MS)}
    if call.usage:
        told |= {
            "x-amzn-bedrock-input-token-count": str(call.tokens.fresh),
            "x-amzn-bedrock-output-token-count": str(call.tokens.output),
        }
    if call.usage and call.tokens.cache_read:
        told |= {
            "x-amzn-bedrock-cache-read-input-token-count": str(call.tokens.cache_read),
            "x-amzn-bedrock-cache-write-input-token-count": str(call.tokens.cache_write),
        }
    return told


def invoke_stream(call: Call) -> Reply:
    headers = {"x-amzn-bedrock-content-type": "application/json"}
    return Reply.of_events(_chunks(call), eventstream.CONTENT_TYPE, headers)


def _chunks(call: Call) -> Iterator[bytes]:
    parts = list(_vendor(call)[1](call))
    if call.usage:
        parts[-1] = {**parts[-1], "amazon-bedrock-invocationMetrics": _metrics(call)}
    for part in parts:
        written = compact(part)
        yield eventstream.event("chunk", {"bytes": base64.b64encode(written).decode(), "p": "abcdefgh"})


def _metrics(call: Call) -> JSON:
    tokens = call.tokens
    told: JSON = {
        "inputTokenCount": tokens.fresh,
        "outputTokenCount": tokens.output,
        "invocationLatency": bedrock.LATENCY_MS,
        "firstByteLatency": _FIRST_BYTE_MS,
    }
    if tokens.cache_read:
        told |= {"cacheReadInputTokenCount": tokens.cache_read, "cacheWriteInputTokenCount": tokens.cache_write}
    return told


def _text(call: Call) -> str:
    return "".join(call.text())


def _reason(call: Call, stop: str, length: str) -> str:
    return length if call.switches.finish == "length" else stop


ROUTES = (
    Route("POST", re.compile(r"^/model/.+/invoke$"), invoke, bedrock.FAMILY),
    Route("POST", re.compile(r"^/model/.+/invoke-with-response-stream$"), invoke_stream, bedrock.FAMILY),
)
