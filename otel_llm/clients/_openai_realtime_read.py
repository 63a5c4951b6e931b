"""Readers of what OpenAI's realtime server says of a response or a transcription, as dictionaries.

Fields: https://platform.openai.com/docs/api-reference/realtime-server-events/response/done and its neighbours.
"""

from __future__ import annotations

from typing import Any

from otel_llm.core.model import Response

from ._openai_content import keep_output
from ._openai_usage import read_response_usage
from ._read import attr, count, items, text

BUSY = "conversation_already_has_active_response"


def read_part(event: Any, into: Response) -> bool:
    """Deltas are output. A failure of the server may be the end of what is open, as the refusal of a request is not."""
    fault = attr(event, "error")
    if attr(fault, "type") == "server_error":
        into.error_code = text(attr(fault, "code")) or "server_error"
    return (text(attr(event, "type")) or "").endswith(".delta")


def read_done(event: Any, into: Response) -> None:
    """``response.done``, or the error that came instead of a response."""
    into.error_code = None
    if (fault := attr(event, "error")) is not None:
        code = text(attr(fault, "code"))
        into.error_code = code if code == BUSY else text(attr(fault, "type")) or "server_error"
        return
    reply = attr(event, "response")
    into.id = text(attr(reply, "id"))
    _read_status(reply, into)
    if into.content is not None:
        keep_output(into.content, reply)
    _read_usage(attr(reply, "usage"), into)


def _read_status(reply: Any, into: Response) -> None:
    status, details = attr(reply, "status"), attr(reply, "status_details")
    if status == "completed":
        called = any(attr(item, "type") == "function_call" for item in items(attr(reply, "output")))
        into.finish_reasons = ["tool_calls" if called else "stop"]
    elif status == "incomplete":
        into.finish_reasons = [text(attr(details, "reason")) or "incomplete"]
    elif status == "cancelled":  # by the host, or because the user spoke; the answer up to there is paid for
        into.error_code = "cancelled"
    elif status == "failed":
        into.error_code = _cause(attr(details, "error"))


def _read_usage(usage: Any, into: Response) -> None:
    """Input includes cached; text, audio and images are parts of both."""
    read_response_usage(usage, into)
    counted = into.usage
    if counted is None:
        return
    incoming, spoken = attr(usage, "input_token_details"), attr(usage, "output_token_details")
    counted.cache_audio_read_tokens = count(attr(incoming, "cached_tokens_details", "audio_tokens")) or None
    counted.output_audio_tokens = count(attr(spoken, "audio_tokens")) or None
    counted.input_text_tokens = count(attr(incoming, "text_tokens"))
    counted.output_text_tokens = count(attr(spoken, "text_tokens"))


def read_transcript(event: Any, into: Response) -> None:
    """The end of a transcription, which is paid for by tokens or by the length of the audio."""
    into.error_code = _cause(attr(event, "error")) if attr(event, "error") is not None else None
    read_response_usage(attr(event, "usage"), into)


def _cause(fault: Any) -> str:
    return text(attr(fault, "code")) or text(attr(fault, "type")) or "server_error"
