"""Chat completions in OpenAI's shape, which half the industry speaks: whole ones, and their chunks."""

from __future__ import annotations

from typing import Any

from otel_llm.core.model import Response, Usage

from ._openai_content import keep_answer, keep_delta
from ._openai_fees import read_chat_fees
from ._openai_usage import read_head, read_usage
from ._read import LARGEST, attr, count, items, text, told

_new = object.__new__
_SEARCH = "-search-"  # in the names of models that search at each call


def read_chat(reply: Any, into: Response) -> None:
    """A chat completion, or a legacy completion."""
    if not _read_plain_chat(reply, into):
        read_any_chat(reply, into)


def _read_plain_chat(reply: Any, into: Response) -> bool:  # noqa: C901 - in one frame, which is what it is for
    """Read a reply of the shape that nearly all have, in one frame and for a quarter of what ``read_any_chat`` takes. Returns
    whether it was one; ``into`` is as it was if not. A test holds both to the same on all payloads that we have.
    """
    try:
        fields = reply.__dict__
        (choice,) = fields["choices"]
        chosen, usage = choice.__dict__, fields["usage"]
        reason, message = chosen["finish_reason"], chosen["message"]
        beside = message.__pydantic_extra__
        refusal = message.__dict__.get("refusal") or (beside and "refusal" in beside)
        model, name = fields["model"], fields["id"]
        tier, fingerprint = fields["service_tier"], fields["system_fingerprint"]
        counts = usage.__dict__
        prompt, output, total = counts["prompt_tokens"], counts["completion_tokens"], counts["total_tokens"]
        parts, spent = counts["prompt_tokens_details"], counts["completion_tokens_details"]
        if len(counts) != 5 or usage.__pydantic_extra__:  # noqa: PLR2004 - those five and no others
            return False
        cached = thinking = None
        if parts is not None:
            parts, extra = parts.__dict__, parts.__pydantic_extra__
            cached = parts["cached_tokens"]
            if (
                extra
                or parts["audio_tokens"]
                or parts.get("image_tokens")
                or parts.get("cache_write_tokens") is not None
            ):
                return False
        if spent is not None:
            spent, extra = spent.__dict__, spent.__pydantic_extra__
            thinking = spent["reasoning_tokens"]
            if extra or spent["audio_tokens"] or spent.get("image_tokens"):
                return False
    except (AttributeError, KeyError, TypeError, ValueError):
        return False
    if (
        not type(prompt) is type(output) is int
        or not (0 <= prompt < LARGEST and 0 <= output < LARGEST)
        or not type(model) is type(name) is type(reason) is str
        or not (model and name and reason)
        or not (cached is None or (type(cached) is int and 0 <= cached < LARGEST))
        or not (thinking is None or (type(thinking) is int and 0 <= thinking < LARGEST))
        or (thinking and total == prompt + output + thinking)  # some count thinking beside the completion
        or reason == "error"
        or refusal
        or _SEARCH in model
        or into.content is not None
    ):
        return False
    into.model, into.id, into.usage = model, name, (found := _new(Usage))
    found.input_tokens, found.output_tokens = prompt, output
    if cached is not None:
        found.cache_read_tokens = cached
    if thinking is not None:
        found.thinking_tokens = thinking
    into.finish_reasons.append(reason)
    if tier is not None:
        into.service_tier = text(tier)
    if fingerprint is not None and text(fingerprint):
        into.attributes["openai.response.system_fingerprint"] = fingerprint
    return True


def read_any_chat(reply: Any, into: Response) -> None:
    """A chat completion, or a legacy completion, whatever is in it."""
    fields = told(reply)
    read_head(fields, into)
    for choice in items(fields.get("choices")):
        if (reason := text(getattr(choice, "finish_reason", None))) is not None:
            into.finish_reasons.append(reason)
            if reason == "error":  # OpenRouter's and Mistral's failures have status 200
                _failed(choice, into)
        if (message := getattr(choice, "message", None)) is not None and told(message).get("refusal"):
            into.refused = True
        if into.content is not None:
            keep_answer(into.content, choice)
    read_usage(fields.get("usage"), into)
    if _SEARCH in (into.model or ""):
        read_chat_fees(into)
    if not into.finish_reasons and fields.get("error") is not None:
        _failed(fields, into)


def _failed(said: Any, into: Response) -> None:
    """A failure that is told inside of an answer, by its code where there is one."""
    fault = said.get("error") if isinstance(said, dict) else told(said).get("error")
    into.error_code = str(attr(fault, "code") or "server_error")


def read_chat_chunk(chunk: Any, into: Response) -> bool:
    """A chunk of a chat or legacy completion; usage comes in the last one, where it was asked for."""
    if into.id is None:
        read_head(told(chunk), into)
    choices = items(getattr(chunk, "choices", None))
    if (usage := getattr(chunk, "usage", None)) is not None:
        read_usage(usage, into)
        if _SEARCH in (into.model or ""):
            read_chat_fees(into)
        into.done = into.done or not choices
    output = False
    for choice in choices:
        if (reason := text(getattr(choice, "finish_reason", None))) is not None:
            into.ended(count(getattr(choice, "index", None)), reason)
            if reason == "error":
                _failed(choice, into)
        if into.content is not None:
            keep_delta(into.content, choice)
        output = output or _carries_output(choice, into)
    return output


def _carries_output(choice: Any, into: Response) -> bool:
    delta = getattr(choice, "delta", None)
    if delta is None:
        return bool(getattr(choice, "text", None))
    if getattr(delta, "content", None):
        return True
    said = told(delta)
    if (
        said.get("audio") or said.get("reasoning_content") or said.get("reasoning")
    ):  # of compatible servers; the SDK has no field for it
        return True
    if said.get("refusal"):
        into.refused = True
        return True
    return bool(said.get("tool_calls") or said.get("function_call"))
