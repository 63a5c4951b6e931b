"""Messages of OpenAI's shapes in the conventions' JSON form. Used only while content capture is on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._read import attr, items, text
from ._tools import offered

Message = dict[str, Any]


def asked(body: Mapping[str, Any]) -> dict[str, Any]:
    """``gen_ai.input.messages`` and ``gen_ai.system_instructions`` of a chat, completion or responses request."""
    messages = body.get("messages")
    if messages is None:
        given = body.get("input", body.get("prompt"))
        messages = given if isinstance(given, list) or given is None else [{"role": "user", "content": given}]
    content: dict[str, Any] = {
        "gen_ai.input.messages": [_message(message) for message in items(messages) if message is not None]
    }
    if (instructions := text(body.get("instructions"))) is not None:
        content["gen_ai.system_instructions"] = [{"type": "text", "content": instructions}]
    if tools := offered(body.get("tools")):
        content["gen_ai.tool.definitions"] = tools
    return content


def _message(message: Any) -> Message:
    if isinstance(message, str):
        return {"role": "user", "parts": [{"type": "text", "content": message}]}
    role = text(attr(message, "role")) or "user"
    if role == "tool":
        part = {
            "type": "tool_call_response",
            "id": attr(message, "tool_call_id"),
            "response": _plain(attr(message, "content")),
        }
        return {"role": role, "parts": [part]}
    calls = [_tool_call(call) for call in items(attr(message, "tool_calls"))]
    return {"role": role, "parts": [*_parts(attr(message, "content")), *calls]}


def _parts(content: Any) -> list[Message]:
    if isinstance(content, str):
        return [{"type": "text", "content": content}] if content else []
    return [_part(part) for part in items(content)]


def _part(part: Any) -> Message:
    words = text(attr(part, "text")) or text(attr(part, "transcript"))
    if words is not None:
        return {"type": "text", "content": words}
    return {"type": text(attr(part, "type")) or "unknown"}  # images, audio and files are named, not kept


def _tool_call(call: Any) -> Message:
    function = attr(call, "function")
    return {
        "type": "tool_call",
        "id": attr(call, "id"),
        "name": attr(function, "name"),
        "arguments": attr(function, "arguments"),
    }


def _plain(content: Any) -> Any:
    if isinstance(content, str) or content is None:
        return content
    return " ".join(words for part in items(content) if (words := text(attr(part, "text"))) is not None)


def keep_answer(messages: list[Any], choice: Any) -> None:
    """Keep a whole choice of a chat completion or completion."""
    message = attr(choice, "message")
    content = attr(message, "content") if message is not None else attr(choice, "text")
    calls = [_tool_call(call) for call in items(attr(message, "tool_calls"))]
    messages.append(
        {
            "role": "assistant",
            "parts": [*_parts(content), *calls],
            "finish_reason": text(attr(choice, "finish_reason")) or "",
        }
    )


def keep_delta(messages: list[Any], choice: Any) -> None:
    """Add a chunk's choice to what was kept of it before."""
    index = attr(choice, "index")
    message = opened(messages, index if type(index) is int and 0 <= index < 16 else 0)  # noqa: PLR2004
    words = text(attr(choice, "delta", "content")) or text(attr(choice, "text"))
    if words is not None:
        append(message["parts"], words)
    for call in items(attr(choice, "delta", "tool_calls")):
        _append_call(message["parts"], call)
    message["finish_reason"] = text(attr(choice, "finish_reason")) or message["finish_reason"]


def opened(messages: list[Any], index: int = 0) -> Message:
    """The answer at ``index``, begun where it was not."""
    while len(messages) <= index:
        messages.append({"role": "assistant", "parts": [], "finish_reason": ""})
    message: Message = messages[index]
    return message


def keep_text(messages: list[Any], value: Any, finish_reason: str | None = None) -> None:
    """Add a text, or a piece of one, to the one answer there is."""
    message = opened(messages)
    if (words := text(value)) is not None:
        append(message["parts"], words)
    message["finish_reason"] = finish_reason or message["finish_reason"]


def append(parts: list[Message], words: str) -> None:
    """Add a piece of text to the one it goes on from, or begin one."""
    if parts and parts[-1]["type"] == "text":
        parts[-1]["content"] += words
    else:
        parts.append({"type": "text", "content": words})


def _append_call(parts: list[Message], call: Any) -> None:
    begun = _tool_call(call)
    if begun["id"] is None and parts and parts[-1]["type"] == "tool_call":
        parts[-1]["arguments"] = (text(parts[-1]["arguments"]) or "") + (text(begun["arguments"]) or "")
    else:
        parts.append(begun)


def keep_output(messages: list[Any], reply: Any) -> None:
    """Keep the output items of a response."""
    parts: list[Message] = []
    for item in items(attr(reply, "output")):
        if attr(item, "type") == "function_call":
            parts.append(
                {
                    "type": "tool_call",
                    "id": attr(item, "call_id"),
                    "name": attr(item, "name"),
                    "arguments": attr(item, "arguments"),
                }
            )
        else:
            parts += _parts(attr(item, "content"))
    messages.append({"role": "assistant", "parts": parts, "finish_reason": text(attr(reply, "status")) or ""})
