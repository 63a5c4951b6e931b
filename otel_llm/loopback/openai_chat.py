"""Chat completions and the older text completions, plain and streamed, in OpenAI's format and its dialects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from otel_llm.loopback.call import REFUSAL, THOUGHTS, Call, Route
from otel_llm.loopback.exchange import JSON, Reply, sse
from otel_llm.loopback.openai import CREATED, FALLBACK_MODEL, FAMILY, chat_usage, dialect

_DONE = b"data: [DONE]\n\n"
_FINISH = {"stop": "stop", "length": "length", "filter": "content_filter", "refusal": "stop", "tools": "tool_calls"}
_THOUGHT_FIELD = {
    "deepseek": "reasoning_content",
    "xai": "reasoning_content",
    "groq": "reasoning",
    "openrouter": "reasoning",
}
_FILTERS = {"hate": {"filtered": False, "severity": "safe"}, "violence": {"filtered": False, "severity": "safe"}}
_COST_PER_TOKEN = 0.00001


def chat(call: Call) -> Reply:
    return Reply.of_events(_chunks(call)) if call.stream else Reply.of_json(_completion(call))


def _completion(call: Call) -> JSON:
    choices = [_choice(call, index) for index in range(_choice_count(call))]
    body = {**_base(call, "chat.completion"), "choices": choices}
    if call.usage:
        body["usage"] = usage(call)
    if dialect(call.request) == "azure":
        body["prompt_filter_results"] = [{"prompt_index": 0, "content_filter_results": _FILTERS}]
    return body


def _choice(call: Call, index: int) -> JSON:
    choice = {"index": index, "message": _message(call), "logprobs": None, "finish_reason": finish(call)}
    if dialect(call.request) == "azure":
        choice["content_filter_results"] = _FILTERS
    if dialect(call.request) == "openrouter":
        choice["native_finish_reason"] = finish(call)
    return choice


def _message(call: Call) -> JSON:
    message: JSON = {"role": "assistant", "content": "".join(_pieces(call)), "refusal": None, "annotations": []}
    kind = _finish_kind(call)
    if kind == "refusal":
        message |= {"content": None, "refusal": REFUSAL}
    if kind == "tools":
        message |= {"content": None, "tool_calls": [_tool_call(call)]}
    if "audio" in call:
        message["audio"] = {
            "id": call.id("audio_"),
            "data": "AAAA",
            "expires_at": CREATED + 3600,
            "transcript": "Hello",
        }
    if (thought := _THOUGHT_FIELD.get(dialect(call.request))) and "thinking" in call:
        message[thought] = "".join(THOUGHTS)
    return message


def _chunks(call: Call) -> Iterator[bytes]:
    """A stream: role, thoughts, text, tool calls or a refusal, the finish, usage where the dialect or the caller wants it."""
    if dialect(call.request) == "openrouter":
        yield b": OPENROUTER PROCESSING\n\n"
    if dialect(call.request) == "azure":
        filters = [{"prompt_index": 0, "content_filter_results": _FILTERS}]
        yield sse({**_base(call, ""), "choices": [], "prompt_filter_results": filters})
    for index in range(_choice_count(call)):
        for delta in _deltas(call):
            yield _chunk(call, {"index": index, "delta": delta, "logprobs": None, "finish_reason": None})
        yield _last_chunk(call, index)
    if _usage_in_own_chunk(call):
        yield sse({**_base(call, "chat.completion.chunk"), "choices": [], "usage": usage(call)})
    yield _DONE


def _deltas(call: Call) -> Iterator[JSON]:
    yield {"role": "assistant", "content": "", "refusal": None}
    thought = _THOUGHT_FIELD.get(dialect(call.request))
    if thought and "thinking" in call:
        yield from ({thought: piece} for piece in THOUGHTS)
    kind = _finish_kind(call)
    if kind == "tools":
        yield from _tool_deltas(call)
    elif kind == "refusal":
        yield {"refusal": REFUSAL}
    else:
        yield from ({"content": piece} for piece in _pieces(call))


def _tool_deltas(call: Call) -> Iterator[JSON]:
    whole = _tool_call(call)
    arguments = whole["function"]["arguments"]
    opening = {**whole, "index": 0, "function": {**whole["function"], "arguments": ""}}
    yield {"tool_calls": [opening]}
    for part in (arguments[:5], arguments[5:]):
        yield {"tool_calls": [{"index": 0, "function": {"arguments": part}}]}


def _chunk(call: Call, choice: JSON) -> bytes:
    body = {**_base(call, "chat.completion.chunk"), "choices": [choice]}
    if _wants_usage(call) and dialect(call.request) == "openai":
        body["usage"] = None
    return sse(body)


def _last_chunk(call: Call, index: int) -> bytes:
    """The chunk with the finish reason; Groq and Mistral put the usage on it, unasked."""
    body = {
        **_base(call, "chat.completion.chunk"),
        "choices": [{"index": index, "delta": {}, "logprobs": None, "finish_reason": finish(call)}],
    }
    if call.usage and dialect(call.request) == "groq":
        body["x_groq"] = {"id": call.id("req_"), "usage": usage(call)}
    elif call.usage and dialect(call.request) in ("mistral", "cerebras", "together", "perplexity", "xai"):
        body["usage"] = usage(call)
    elif _wants_usage(call) and dialect(call.request) == "openai":
        body["usage"] = None
    return sse(body)


def _wants_usage(call: Call) -> bool:
    return bool((call.body.get("stream_options") or {}).get("include_usage"))


def _usage_in_own_chunk(call: Call) -> bool:
    name = dialect(call.request)
    if not call.usage or name in ("mistral", "cerebras", "together", "perplexity", "xai"):
        return False
    return _wants_usage(call) or name == "openrouter"


def usage(call: Call) -> JSON:
    """Usage as the dialect words it; OpenRouter's ``cost`` is 0.00001 US dollars a token."""
    name, tokens = dialect(call.request), call.tokens
    told = chat_usage(tokens)
    if name == "openrouter":
        cost = round(tokens.total * _COST_PER_TOKEN, 8)
        told |= {"cost": cost, "is_byok": False, "cost_details": {"upstream_inference_cost": None}}
    if name == "groq":
        told |= {"queue_time": 0.01, "prompt_time": 0.02, "completion_time": 0.03, "total_time": 0.05}
    if name == "deepseek":
        told |= {
            "prompt_cache_hit_tokens": tokens.cache_read,
            "prompt_cache_miss_tokens": tokens.input - tokens.cache_read,
        }
    return told


def _base(call: Call, kind: str) -> JSON:
    name = dialect(call.request)
    base: JSON = {"id": call.id("chatcmpl-"), "object": kind, "created": CREATED, "model": _model(call)}
    if name in ("openai", "azure", "groq", "cerebras"):
        base["system_fingerprint"] = "fp_loopback"
    if name == "openai":
        base["service_tier"] = _tier(call)
    if name == "openrouter":
        base["provider"] = "Loopback"
    if name == "groq":
        base["x_groq"] = {"id": call.id("req_")}
    if name == "cerebras":
        base["time_info"] = {"queue_time": 0.01, "prompt_time": 0.02, "completion_time": 0.03, "total_time": 0.06}
    return base


def _tier(call: Call) -> str:
    asked = call.body.get("service_tier")
    return asked if asked in ("flex", "priority") else "default"


def _model(call: Call) -> str:
    if "fallback" not in call:
        return call.answers_model
    others = call.body.get("models")
    return str(others[-1]) if others else FALLBACK_MODEL


def _choice_count(call: Call) -> int:
    asked = call.body.get("n")
    return asked if isinstance(asked, int) and 0 < asked <= 8 else 1  # noqa: PLR2004 -- more than anybody asks for


def _finish_kind(call: Call) -> str:
    choice = call.body.get("tool_choice")
    last = (call.body.get("messages") or [None])[-1]
    return call.ending(
        forced=choice in ("required", "any") or isinstance(choice, dict),
        answered=isinstance(last, dict) and last.get("role") == "tool",
    )


def finish(call: Call) -> str:
    return _FINISH[_finish_kind(call)]


def _tool_call(call: Call) -> JSON:
    offered = ((call.body.get("tools") or [{}])[0]).get("function") or {}
    name, arguments = call.tool(offered.get("name"), offered.get("parameters"))
    return {"id": call.id("call_"), "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def _pieces(call: Call) -> tuple[str, ...]:
    wanted = call.body.get("response_format") or {}
    return call.text((wanted.get("json_schema") or {}).get("schema") if isinstance(wanted, dict) else None)


def completions(call: Call) -> Reply:
    """Text completions (POST /v1/completions)."""
    base = {**_base(call, "text_completion"), "id": call.id("cmpl-")}
    whole = {"text": "".join(call.text()), "index": 0, "logprobs": None, "finish_reason": _FINISH[call.switches.finish]}
    counted = {"usage": usage(call)} if call.usage else {}
    if not call.stream:
        return Reply.of_json({**base, "choices": [whole], **counted})
    parts = [{**whole, "text": piece, "finish_reason": None} for piece in call.text()]
    events = [sse({**base, "choices": [part]}) for part in (*parts, {**whole, "text": ""})]
    if _wants_usage(call) and counted:
        events.append(sse({**base, "choices": [], **counted}))
    return Reply.of_events([*events, _DONE])


ROUTES = (
    Route("POST", re.compile(r"/(chat|fim|agents)/completions$"), chat, FAMILY),
    Route("POST", re.compile(r"/completions$"), completions, FAMILY),
)
