"""Messages of Bedrock's Converse in the conventions' JSON form. Used only while content capture is on."""

from __future__ import annotations

from typing import Any

from ._read import attr, items, text
from ._tools import defined

Message = dict[str, Any]


def asked(params: Any) -> dict[str, Any]:
    """``gen_ai.input.messages`` and ``gen_ai.system_instructions`` of a Converse request."""
    content: dict[str, Any] = {
        "gen_ai.input.messages": [_message(message) for message in items(attr(params, "messages"))]
    }
    if parts := [_part(block) for block in items(attr(params, "system"))]:
        content["gen_ai.system_instructions"] = parts
    if tools := [attr(tool, "toolSpec") for tool in items(attr(params, "toolConfig", "tools"))]:
        content["gen_ai.tool.definitions"] = [
            defined("", attr(spec, "name"), attr(spec, "description"), attr(spec, "inputSchema", "json"))
            for spec in tools
            if spec is not None
        ]
    return content


def _message(message: Any) -> Message:
    return {
        "role": text(attr(message, "role")) or "user",
        "parts": [_part(block) for block in items(attr(message, "content"))],
    }


def _part(block: Any) -> Message:
    if (words := text(attr(block, "text"))) is not None:
        return {"type": "text", "content": words}
    if (thought := attr(block, "reasoningContent")) is not None:
        return {"type": "reasoning", "content": text(attr(thought, "reasoningText", "text")) or ""}
    if (call := attr(block, "toolUse")) is not None:
        return {
            "type": "tool_call",
            "id": attr(call, "toolUseId"),
            "name": attr(call, "name"),
            "arguments": attr(call, "input"),
        }
    if (result := attr(block, "toolResult")) is not None:
        words = " ".join(text(attr(part, "text")) or "" for part in items(attr(result, "content")))
        return {"type": "tool_call_response", "id": attr(result, "toolUseId"), "response": words}
    return {"type": next(iter(block), "unknown") if isinstance(block, dict) else "unknown"}  # named, not kept


def keep_message(messages: list[Any], message: Any, reason: str | None) -> None:
    """Keep a whole message."""
    messages.append({**_message(message), "finish_reason": reason or ""})


def _open(messages: list[Any]) -> list[Message]:
    if not messages:
        messages.append({"role": "assistant", "parts": [], "finish_reason": ""})
    parts: list[Message] = messages[-1]["parts"]
    return parts


def keep_block(messages: list[Any], event: Any) -> None:
    """A block opens: only those of tools say so."""
    if attr(event, "start", "toolUse") is not None:
        _open(messages).append({**_part(attr(event, "start")), "arguments": ""})


def keep_delta(messages: list[Any], event: Any) -> None:
    """A piece of the block that is open."""
    parts, delta = _open(messages), attr(event, "delta")
    if (piece := text(attr(delta, "toolUse", "input"))) is not None:
        if parts and parts[-1]["type"] == "tool_call":
            parts[-1]["arguments"] += piece
        return
    words, thought = text(attr(delta, "text")), text(attr(delta, "reasoningContent", "text"))
    kind = "text" if words is not None else "reasoning"
    if parts and parts[-1]["type"] == kind:
        parts[-1]["content"] += words or thought or ""
    elif words or thought:
        parts.append({"type": kind, "content": words or thought})
