"""A whole answer of InvokeModel's, in each vendor's own shape, as the caller reads it. Bedrock's headers have had the word before."""

from __future__ import annotations

from typing import Any

from otel_llm.core.jsonview import parsed, view
from otel_llm.core.model import Response, Usage

from . import anthropic
from ._bedrock_converse import read_converse
from ._openai_usage import read_usage
from ._read import attr, count, items, text

_INPUT = ("prompt_token_count", "inputTextTokenCount")  # Llama's, Titan's
_REASONS = ("stop_reason", "stopReason", "finish_reason", "completionReason")
_CHOICES = ("results", "outputs", "choices", "generations")
_COUNTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")


def read_body(content: bytes, into: Response) -> None:
    """Why it ended, how long what was cached lives, and what was used where the headers do not say."""
    answer = parsed(content)
    if not isinstance(answer, dict):
        return
    before = into.usage
    into.usage = None
    if answer.get("type") == "message":
        anthropic.read_message(view(content), into)
        into.model = None  # the vendor's name of it, which AWS's prices do not use
    elif attr(answer, "usage", "inputTokens") is not None:
        read_converse(answer, into)
    else:
        _read_plain(answer, into)
    if before is not None:
        _keep(before, into)


def _keep(reported: Usage, into: Response) -> None:
    """Bedrock's own counts go before the vendor's."""
    usage = into.usage = into.usage or reported
    for name in _COUNTS:
        if (tokens := getattr(reported, name)) is not None:
            setattr(usage, name, tokens)


def _read_plain(answer: dict[str, Any], into: Response) -> None:
    choices = next((listed for name in _CHOICES if (listed := items(answer.get(name)))), [])
    reasons = (text(attr(place, name)) for place in (*choices[:1], answer) for name in _REASONS)
    if (reason := next((word for word in reasons if word is not None), None)) is not None:
        into.finish_reasons = [reason]
    if answer.get("usage") is not None:
        read_usage(answer["usage"], into)
        return
    input_tokens = next((tokens for name in _INPUT if (tokens := count(answer.get(name))) is not None), None)
    output = count(answer.get("generation_token_count"))
    if output is None and choices:
        output = count(attr(choices[0], "tokenCount"))
    usage = Usage(input_tokens, output)
    if usage.known:
        into.usage = usage
