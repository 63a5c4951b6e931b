"""Messages of xAI's protocol in the conventions' JSON form. Used only while content capture is on."""

from __future__ import annotations

from typing import Any

from otel_llm.core.model import Response

from ._openai_content import Message, asked, keep_answer, keep_delta
from ._read import attr, text


def _sent(message: Any) -> Message:
    """A message that was sent, in OpenAI's words; its role is a number whose name the protocol knows."""
    roles = message.DESCRIPTOR.fields_by_name["role"].enum_type.values_by_number
    role = roles[message.role].name.removeprefix("ROLE_").lower() if message.role in roles else "user"
    fields = {"role": role, "content": list(message.content), "tool_calls": list(message.tool_calls)}
    return {**fields, "tool_call_id": text(attr(message, "tool_call_id"))}


def asked_of(chat: Any) -> dict[str, Any]:
    """The messages of a chat up to now."""
    return asked({"messages": [_sent(message) for message in chat.proto.messages]})


def _message(message: Any) -> Message:
    return {"content": attr(message, "content"), "tool_calls": list(attr(message, "tool_calls") or ())}


def keep_outputs(proto: Any, into: Response) -> None:
    """Keep the answers of a response."""
    reason = into.finish_reasons[-1] if into.finish_reasons else ""
    for output in attr(proto, "outputs") or ():
        if into.content is not None:
            keep_answer(into.content, {"message": _message(attr(output, "message")), "finish_reason": reason})


def keep_pieces(proto: Any, into: Response) -> None:
    """Keep what a chunk adds to the answers."""
    for output in attr(proto, "outputs") or ():
        if into.content is not None:
            keep_delta(into.content, {"index": attr(output, "index"), "delta": _message(attr(output, "delta"))})
            if into.finish_reasons:
                into.content[-1]["finish_reason"] = into.finish_reasons[-1]
