"""Readers for OpenAI's Responses API and its event streams: responses, images, transcriptions."""

from __future__ import annotations

from typing import Any

from otel_llm.core.model import Response

from ._openai_content import keep_output
from ._openai_fees import read_response_fees
from ._openai_usage import read_head, read_image_usage, read_response_usage
from ._read import attr, count, fields_of, items, text


def read_response(reply: Any, into: Response) -> None:
    """A response of the Responses API; a 200 may report a failure (``status`` failed)."""
    fields = fields_of(reply)
    read_head(fields, into)
    status = text(fields.get("status"))
    into.pending = (into.id or "") if status in ("queued", "in_progress") else ""
    if status == "failed":
        into.error_code = text(fields_of(fields.get("error")).get("code")) or "server_error"
    elif status == "incomplete":
        reason = text(fields_of(fields.get("incomplete_details")).get("reason"))
        into.finish_reasons = ["length" if reason == "max_output_tokens" else reason or "incomplete"]
    elif status == "cancelled":
        into.error_code = "cancelled"
    elif status == "completed":
        kinds = [fields_of(item).get("type") for item in items(fields.get("output"))]
        into.finish_reasons = ["tool_calls" if "function_call" in kinds else "stop"]
        into.refused = _refuses(fields.get("output"))
    if into.content is not None:
        keep_output(into.content, reply)
    read_response_usage(fields.get("usage"), into)
    read_response_fees(fields, into)
    _read_cache_diagnostics(fields.get("prompt_cache_diagnostics"), into)
    if (conversation := text(attr(fields.get("conversation"), "id"))) is not None:
        into.attributes["gen_ai.conversation.id"] = conversation


def _refuses(output: Any) -> bool:
    parts = [part for item in items(output) for part in items(attr(item, "content"))]
    return any(attr(part, "type") == "refusal" for part in parts)


def _read_cache_diagnostics(diagnostics: Any, into: Response) -> None:
    """Why the prompt cache was missed, where the request asked for a comparison."""
    if attr(diagnostics, "type") == "cache_miss" and (reason := text(attr(diagnostics, "reason"))) is not None:
        into.cache_miss, into.cache_missed_tokens = reason, count(attr(diagnostics, "cache_missed_tokens"))


def read_response_event(event: Any, into: Response) -> bool:
    """An event of a Responses stream; the last one carries the whole response."""
    fields = fields_of(event)
    kind = fields.get("type")
    if not isinstance(kind, str):
        return False
    if kind.endswith(".delta"):
        return True
    if kind in ("response.completed", "response.incomplete", "response.failed"):
        read_response(fields.get("response"), into)
        into.done = True
    elif kind in ("response.created", "response.queued"):
        response = fields_of(fields.get("response"))
        read_head(response, into)
        into.pending = into.id or ""
    elif kind == "error":
        into.error_code = text(fields.get("code")) or "server_error"
    return False


def read_fetched(reply: Any, into: Response) -> None:
    """A response that was made before: which one it is. Its usage and its failure are those of the call that made it."""
    into.id = text(fields_of(reply).get("id"))


def read_fetched_event(event: Any, into: Response) -> bool:
    """An event of a response that was made before."""
    fields = fields_of(event)
    if fields.get("type") in ("response.created", "response.completed"):
        read_fetched(fields.get("response"), into)
        into.done = fields.get("type") == "response.completed"
    return False


def read_image_event(event: Any, into: Response) -> bool:
    """An event of an image stream: partial images, then the completed one with usage."""
    kind = getattr(event, "type", None)
    if isinstance(kind, str) and kind.endswith(".completed"):
        read_image_usage(getattr(event, "usage", None), into)
        into.done = True
    return isinstance(kind, str)


def read_transcript_event(event: Any, into: Response) -> bool:
    """An event of a transcription stream: text deltas, then ``transcript.text.done`` with usage."""
    kind = getattr(event, "type", None)
    if kind == "transcript.text.done":
        read_response_usage(getattr(event, "usage", None), into)
        into.done = True
    return kind == "transcript.text.delta"
