"""Chat completions and the older text completions, plain and streamed, in OpenAI's format and its dialects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .call import REFUSAL, THOUGHTS, Call, Route
from .exchange import JSON, Reply, sse
from .openai import CREATED, FALLBACK_MODEL, FAMILY, dialect
from .openai_usage import chat_usage

if TYPE_CHECKING:
    from collections.abc import Iterator

_DONE = b"data: [DONE]\n\n"
_MOST_CHOICES = 8
_FINISH = {"stop": "stop", "length": "length", "filter": "content_filter", "refusal": "stop", "tools": "tool_calls"}
_FILTERS = {"hate": {"filtered": False, "severity": "safe"}, "violence": {"filtered": False, "severity": "safe"}}
_THOUGHT_FIELD = {
    "cerebras": "reasoning",
    "deepseek": "reasoning_content",
    "fireworks": "reasoning_content",
    "groq": "reasoning",
    "openrouter": "reasoning",
    "together": "reasoning",
    "xai": "reasoning_content",
}
# Where a stream reports its usage: unasked on the chunk that finishes it, or always in a chunk of its own. All others
# send it in a chunk of its own if ``stream_options.include_usage`` asks for it.
_USAGE_AT_FINISH = frozenset({"cerebras", "deepseek", "mistral", "perplexity", "together", "xai"})
_USAGE_ALWAYS = frozenset({"openrouter"})


def chat(call: Call) -> Reply:
    return Reply.of_events(_chunks(call)) if call.stream else Reply.of_json(_completion(call))


def _completion(call: Call) -> JSON:
    choices = [_choice(call, index) for index in range(_choice_count(call))]
    body = {**_base(call, "chat.completion"), "choices": choices}
    if call.usage:
        body["usage"] = _usage(call)
    if dialect(call.request) == "azure":
        body["prompt_filter_results"] = [{"prompt_index": 0, "content_filter_results": _FILTERS}]
    return body


def _choice(call: Call, index: int) -> JSON:
    choice = {"index": index, "message": _message(call), "logprobs": None, "finish_reason": _FINISH[_ending(call)]}
    if dialect(call.request) == "azure":
        choice["content_filter_results"] = _FILTERS
    if dialect(call.request) == "openrouter":
        choice["native_finish_reason"] = _FINISH[_ending(call)]
    return choice


def _message(call: Call) -> JSON:
    message: JSON = {"role": "assistant", "content": "".join(_pieces(call)), "refusal": None, "annotations": []}
    kind = _ending(call)
    if kind == "refusal":
        message |= {"content": None, "refusal": REFUSAL}
    if kind == "tools":
        message |= {"content": None, "tool_calls": [call.function_call()]}
    if "audio" in call:
        sound = {"id": call.id("audio_"), "data": "AAAA", "expires_at": CREATED + 3600, "transcript": "Hello"}
        message["audio"] = sound
    if "thinking" in call:
        message |= _thought(call, "".join(THOUGHTS))
    return message


def _thought(call: Call, text: str) -> JSON:
    """Reasoning as the dialect shows it, if it does; Mistral's takes the place of the content."""
    name = dialect(call.request)
    if name == "mistral":
        thinking: list[JSON] = [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]
        return {"content": thinking if call.stream else [*thinking, {"type": "text", "text": "".join(_pieces(call))}]}
    return {_THOUGHT_FIELD[name]: text} if name in _THOUGHT_FIELD else {}


def _chunks(call: Call) -> Iterator[bytes]:
    """A stream: role, thoughts, text, tool calls or a refusal, the finish, usage as the dialect and the caller want it."""
    name = dialect(call.request)
    base = _base(call, "chat.completion.chunk")
    if name == "openrouter":
        yield b": OPENROUTER PROCESSING\n\n"
    if name == "azure":
        filters = [{"prompt_index": 0, "content_filter_results": _FILTERS}]
        yield sse({**base, "object": "", "choices": [], "prompt_filter_results": filters})
    nothing = {"usage": None} if _wants_usage(call) and name == "openai" else {}
    for index in range(_choice_count(call)):
        for delta in _deltas(call):
            choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
            yield sse({**base, "choices": [choice], **nothing})
        choice = {"index": index, "delta": {}, "logprobs": None, "finish_reason": _FINISH[_ending(call)]}
        yield sse({**base, "choices": [choice], **nothing, **_usage_at_finish(call)})
    if _usage_after_finish(call):
        yield sse({**base, "choices": [], "usage": _usage(call)})
    yield _DONE


def _deltas(call: Call) -> Iterator[JSON]:
    yield {"role": "assistant", "content": "", "refusal": None}
    if "thinking" in call:
        yield from filter(None, (_thought(call, piece) for piece in THOUGHTS))
    kind = _ending(call)
    if kind == "tools":
        yield from _tool_deltas(call)
    elif kind == "refusal":
        yield {"refusal": REFUSAL}
    else:
        yield from ({"content": piece} for piece in _pieces(call))


def _tool_deltas(call: Call) -> Iterator[JSON]:
    whole = call.function_call()
    # sends each call whole: https://docs.mistral.ai/capabilities/function_calling
    if dialect(call.request) == "mistral":
        yield {"tool_calls": [{**whole, "index": 0}]}
        return
    arguments = whole["function"]["arguments"]
    opening = {**whole, "index": 0, "function": {**whole["function"], "arguments": ""}}
    yield {"tool_calls": [opening]}
    for part in (arguments[:5], arguments[5:]):
        yield {"tool_calls": [{"index": 0, "function": {"arguments": part}}]}


def _wants_usage(call: Call) -> bool:
    return bool((call.body.get("stream_options") or {}).get("include_usage"))


def _usage_at_finish(call: Call) -> JSON:
    """Groq hides it in a field of its own."""
    name = dialect(call.request)
    if call.usage and name == "groq":
        return {"x_groq": {"id": call.id("req_"), "usage": _usage(call)}}
    return {"usage": _usage(call)} if call.usage and name in _USAGE_AT_FINISH else {}


def _usage_after_finish(call: Call) -> bool:
    name = dialect(call.request)
    if not call.usage or name in _USAGE_AT_FINISH:
        return False
    return name in _USAGE_ALWAYS or _wants_usage(call)


def _usage(call: Call) -> JSON:
    return chat_usage(call.tokens, dialect(call.request))


def _base(call: Call, kind: str) -> JSON:
    """What a completion and each of its chunks begin with."""
    name = dialect(call.request)
    base: JSON = {"id": call.id("chatcmpl-"), "object": kind, "created": CREATED, "model": _model(call)}
    if name in ("openai", "azure", "groq", "cerebras", "deepseek", "xai"):
        base["system_fingerprint"] = "fp_loopback"
    if name == "openai":
        tier = call.body.get("service_tier")
        base["service_tier"] = tier if tier in ("flex", "priority") else "default"
    if name == "openrouter":
        base |= {"provider": "Loopback", "system_fingerprint": None, **_routing(call)}
    if name == "groq":
        base["x_groq"] = {"id": call.id("req_")}
    if name == "cerebras":
        base["time_info"] = {"queue_time": 0.01, "prompt_time": 0.02, "completion_time": 0.03, "total_time": 0.06}
    return base


def _routing(call: Call) -> JSON:
    """How OpenRouter came to the model that answers, for those who ask for it."""
    if call.request.headers.get("x-openrouter-metadata") is None:
        return {}
    names = [call.model, _model(call)] if "fallback" in call else [call.model]
    tried = [{"model": name, "provider": "Loopback", "status": 200 if name == names[-1] else 503} for name in names]
    route: JSON = {
        "requested": call.model,
        "strategy": "fallback" if len(names) > 1 else "direct",
        "summary": "loopback",
    }
    route |= {"attempt": len(names), "attempts": tried, "is_byok": False, "region": None}
    return {"openrouter_metadata": {**route, "endpoints": {"total": len(names), "available": []}}}


def _model(call: Call) -> str:
    if "fallback" not in call:
        return call.answers_model
    others = call.body.get("models")
    return str(others[-1]) if others else FALLBACK_MODEL


def _choice_count(call: Call) -> int:
    choices = call.body.get("n")
    return choices if isinstance(choices, int) and 0 < choices <= _MOST_CHOICES else 1


def _ending(call: Call) -> str:
    choice = call.body.get("tool_choice")
    forced = choice in ("required", "any") or isinstance(choice, dict)
    return call.ending(forced=forced, answered=call.tool_answered)


def _pieces(call: Call) -> tuple[str, ...]:
    wanted = call.body.get("response_format") or {}
    return call.text((wanted.get("json_schema") or {}).get("schema") if isinstance(wanted, dict) else None)


def completions(call: Call) -> Reply:
    """Text completions (POST /v1/completions)."""
    base = {**_base(call, "text_completion"), "id": call.id("cmpl-")}
    whole = {"text": "".join(call.text()), "index": 0, "logprobs": None, "finish_reason": _FINISH[call.switches.finish]}
    counted = {"usage": _usage(call)} if call.usage else {}
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
