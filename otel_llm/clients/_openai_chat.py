"""Chat completions in OpenAI's shape, which half the industry speaks: whole ones, and their chunks.

The shape that nearly all have is read in one frame, for a third of the instructions; any other by ``_openai_any_chat``, before
anything is changed. A test holds both to the same on all payloads that we have.
"""

from __future__ import annotations

from typing import Any

from otel_llm.core.model import Response, Usage

from ._openai_any_chat import SEARCH, read_any_chat, read_any_chunk
from ._read import LARGEST

_OTHER = (  # output that is no content
    "tool_calls", "function_call", "refusal", "audio", "reasoning_content", "reasoning",
)  # fmt: skip
_ODD = (AttributeError, KeyError, TypeError, ValueError, IndexError)


def read_chat(reply: Any, into: Response) -> None:
    """A chat completion, or a legacy completion."""
    if not read_plain_chat(reply, into):
        read_any_chat(reply, into)


def read_chat_chunk(chunk: Any, into: Response) -> bool:
    """A chunk of a chat or legacy completion; usage comes in the last one, where it was asked for. Text is seen in this frame."""
    try:
        fields = chunk.__dict__
        if fields["usage"] is into.content is None:
            (choice,) = fields["choices"]
            chosen = choice.__dict__
            plain = chosen["finish_reason"] is None and chosen["delta"].__dict__["content"]
            if plain and (into.id is not None or (not chunk.__pydantic_extra__ and _read_head(fields, into))):
                return True
    except _ODD:
        pass
    output = read_plain_chunk(chunk, into)
    return read_any_chunk(chunk, into) if output is None else output


def read_plain_chat(reply: Any, into: Response) -> bool:
    """Read a reply of one choice that came to its end. Returns whether it was one."""
    try:
        fields = reply.__dict__
        (choice,) = fields["choices"]
        chosen = choice.__dict__
        reason, message = chosen["finish_reason"], chosen["message"]
        if message.__dict__.get("refusal") or ((beside := message.__pydantic_extra__) and "refusal" in beside):
            return False
        if into.content is not None or ((around := reply.__pydantic_extra__) and "prompt_filter_results" in around):
            return False
        usage = _plain_usage(fields["usage"])
        if usage is None or type(reason) is not str or reason in ("", "error") or not _read_head(fields, into):
            return False
    except _ODD:
        return False
    into.usage = usage
    into.finish_reasons.append(reason)
    return True


def read_plain_chunk(chunk: Any, into: Response) -> bool | None:  # noqa: C901, PLR0911 - in one frame, as each chunk passes it
    """Read a chunk of one choice, or the last one. Returns whether it carries output; None where it is of another shape."""
    try:
        fields = chunk.__dict__
        choices, usage = fields["choices"], fields["usage"]
        if type(choices) is not list or len(choices) > 1 or into.content is not None:
            return None
        reason, content, index = None, "", 0
        if choices:
            chosen = choices[0].__dict__
            reason, delta, index = chosen["finish_reason"], chosen["delta"], chosen["index"]
            values = delta.__dict__
            content = values["content"]
            if not content and (delta.__pydantic_extra__ or any(map(values.get, _OTHER))):
                return None
            if reason is not None and not (
                type(reason) is str and reason and reason != "error" and type(index) is int and 0 <= index < LARGEST
            ):
                return None
        if usage is not None and (usage := _plain_usage(usage)) is None:
            return None
        if into.id is None:
            around = chunk.__pydantic_extra__
            if (around and "prompt_filter_results" in around) or not _read_head(fields, into):
                return None
    except _ODD:
        return None
    if usage is not None:
        if SEARCH in (into.model or ""):
            return None
        into.usage = usage
        into.done = into.done or not choices
    if reason is not None:
        into.ended(index, reason)
    return bool(content)


def _read_head(fields: dict[str, Any], into: Response) -> bool:
    """Model, id and what else a plain reply opens with. Returns whether it does."""
    model, name, tier, fingerprint = fields["model"], fields["id"], fields["service_tier"], fields["system_fingerprint"]
    if not type(model) is type(name) is str or not (model and name) or SEARCH in model or "uard" in model:
        return False  # Llama Guard, in any spelling, among them
    if not (tier is None or (type(tier) is str and tier)):
        return False
    if not (fingerprint is None or (type(fingerprint) is str and fingerprint)):
        return False
    into.model, into.id = model, name
    if tier is not None:
        into.service_tier = tier
    if fingerprint is not None:
        into.attributes["openai.response.system_fingerprint"] = fingerprint
    return True


def _plain_usage(usage: Any) -> Usage | None:  # noqa: C901, PLR0911 - likewise
    """A usage of text alone, with its cached and its reasoning part; None for any other."""
    counts = usage.__dict__
    prompt, output, total = counts["prompt_tokens"], counts["completion_tokens"], counts["total_tokens"]
    parts, spent = counts["prompt_tokens_details"], counts["completion_tokens_details"]
    if len(counts) != 5 or usage.__pydantic_extra__:  # noqa: PLR2004 - those five and no others
        return None
    if not type(prompt) is type(output) is int or not (0 <= prompt < LARGEST and 0 <= output < LARGEST):
        return None
    counted = Usage.of(prompt, output)
    if parts is not None:
        given, extra = parts.__dict__, parts.__pydantic_extra__
        cached = given["cached_tokens"]
        if extra or given["audio_tokens"] or given.get("image_tokens") or given.get("cache_write_tokens") is not None:
            return None
        if cached is not None:
            if type(cached) is not int or not 0 <= cached < LARGEST:
                return None
            counted.cache_read_tokens = cached
    if spent is not None:
        given, extra = spent.__dict__, spent.__pydantic_extra__
        thinking = given["reasoning_tokens"]
        if extra or given["audio_tokens"] or given.get("image_tokens"):
            return None
        if thinking is not None:  # some count it beside the completion, which the total shows
            if type(thinking) is not int or not 0 <= thinking < LARGEST:
                return None
            if thinking and total == prompt + output + thinking:
                return None
            counted.thinking_tokens = thinking
    return counted
