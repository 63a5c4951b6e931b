"""Answers of Google's models: whole, in chunks, and as one of the requests that a call makes by itself."""

from __future__ import annotations

from typing import Any

from otel_llm.core.model import Response

from ._google_content import keep
from ._google_fees import add_grounding
from ._google_usage import read_usage, word
from ._read import Fields, attr, count, fields_of, items, text


def read_content(reply: Any, into: Response) -> None:
    """A whole answer, whose requests have been read one by one, where it took more than one."""
    _read_answer(fields_of(reply), into)
    if into.usage is None:
        read_usage(attr(reply, "usage_metadata"), into)
    if into.requests == 0:
        add_grounding(reply, into)


def read_part(reply: Any, into: Response) -> None:
    """The answer to one of the requests."""
    read_usage(attr(reply, "usage_metadata"), into)
    into.model = text(attr(reply, "model_version")) or into.model
    into.earlier_fees = into.fees
    add_grounding(reply, into)


def read_chunk(chunk: Any, into: Response) -> bool:
    """A chunk of an answer. Another answer's chunk after one that was finished begins another request of the same call."""
    fields = fields_of(chunk)
    answer = text(fields.get("response_id"))
    if into.requests == 0 or (answer != into.id and into.finish_reasons):
        into.requests += 1
        into.earlier, into.finish_reasons, into.ends = into.usage, [], None
        into.earlier_fees = into.fees
    output = _read_answer(fields, into)
    if (usage := fields.get("usage_metadata")) is not None:
        read_usage(usage, into)
    add_grounding(fields, into)
    return output


def _read_answer(reply: Fields, into: Response) -> bool:
    into.model = text(reply.get("model_version")) or into.model
    into.id = text(reply.get("response_id")) or into.id
    output = False
    for candidate in items(reply.get("candidates")):
        fields = fields_of(candidate)
        if (reason := word(fields.get("finish_reason"))) is not None:
            into.ended(count(fields.get("index")), reason)
        output = output or bool(attr(fields.get("content"), "parts"))
        if into.content is not None:
            keep(into.content, candidate)
    if (blocked := word(attr(reply.get("prompt_feedback"), "block_reason"))) is not None:
        into.ended(-1, blocked)
    served = attr(reply.get("sdk_http_response"), "headers", "x-gemini-service-tier")  # may be less than was asked for
    into.service_tier = text(served) or into.service_tier
    return output
