"""Chat completions in OpenAI's shape, whatever servers put into them: the careful way, which ``_openai_chat`` goes where it must."""

from __future__ import annotations

from typing import Any

from otel_llm.core.model import Response

from ._guardrails import read_filters, read_llama_guard
from ._openai_content import keep_answer, keep_delta
from ._openai_fees import read_chat_fees
from ._openai_usage import read_head, read_usage
from ._read import attr, count, fields_of, items, text

SEARCH = "-search-"  # in the names of models that search at each call


def read_any_chat(reply: Any, into: Response) -> None:
    """A chat completion, or a legacy completion, whatever is in it."""
    fields = fields_of(reply)
    read_head(fields, into)
    for choice in items(fields.get("choices")):
        if (reason := text(getattr(choice, "finish_reason", None))) is not None:
            into.finish_reasons.append(reason)
            if reason == "error":  # OpenRouter's and Mistral's failures have status 200
                _failed(choice, into)
        if (message := getattr(choice, "message", None)) is not None:
            if fields_of(message).get("refusal"):
                into.refused = True
            read_llama_guard(into.model, getattr(message, "content", None), into)
        if into.content is not None:
            keep_answer(into.content, choice)
    read_usage(fields.get("usage"), into)
    if (filters := fields.get("prompt_filter_results")) is not None:
        read_filters(filters, items(fields.get("choices")), into)
    if SEARCH in (into.model or ""):
        read_chat_fees(into)
    if not into.finish_reasons and fields.get("error") is not None:
        _failed(fields, into)


def _failed(answer: Any, into: Response) -> None:
    """A failure that an answer reports in its body, by its code where there is one."""
    fault = answer.get("error") if isinstance(answer, dict) else fields_of(answer).get("error")
    into.error_code = str(attr(fault, "code") or "server_error")


def read_any_chunk(chunk: Any, into: Response) -> bool:
    """A chunk of a chat or legacy completion, whatever is in it; usage comes in the last one, where it was asked for."""
    if into.id is None:
        head = fields_of(chunk)
        read_head(head, into)
        if (filters := head.get("prompt_filter_results")) is not None:
            read_filters(filters, (), into)
    choices = items(getattr(chunk, "choices", None))
    if (usage := getattr(chunk, "usage", None)) is not None:
        read_usage(usage, into)
        if SEARCH in (into.model or ""):
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
    fields = fields_of(delta)
    if (
        fields.get("audio") or fields.get("reasoning_content") or fields.get("reasoning")
    ):  # of compatible servers; the SDK has no field for it
        return True
    if fields.get("refusal"):
        into.refused = True
        return True
    return bool(fields.get("tool_calls") or fields.get("function_call"))
