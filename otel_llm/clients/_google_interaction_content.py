"""What interactions say, in the conventions' JSON form. Used only while content capture is on."""

from __future__ import annotations

from typing import Any

from ._google_content import Message, join
from ._google_usage import word
from ._read import attr, items, text


def keep_steps(messages: list[Any], interaction: Any) -> None:
    """A whole interaction: its steps, or its outputs, as the first versions called them."""
    parts = _open(messages)
    for step in items(attr(interaction, "steps")) or items(attr(interaction, "outputs")):
        for part in _parts(step):
            join(parts, part)
    messages[-1]["finish_reason"] = word(attr(interaction, "status")) or ""


def keep_start(messages: list[Any], step: Any) -> None:
    """A step of a stream begins: only the call of a function says more than its kind."""
    if word(attr(step, "type")) == "function_call":
        _open(messages).append(_call(step, ""))


def keep_delta(messages: list[Any], delta: Any) -> None:
    """A piece of the step that is open."""
    parts = _open(messages)
    if (piece := text(attr(delta, "arguments"))) is not None:
        if parts and parts[-1]["type"] == "tool_call":
            parts[-1]["arguments"] += piece
    elif word(attr(delta, "type")) == "thought_summary":
        join(parts, {"type": "reasoning", "content": _text(attr(delta, "content"))})
    elif word(attr(delta, "type")) == "text":
        join(parts, {"type": "text", "content": _text(delta)})


def _open(messages: list[Any]) -> list[Message]:
    if not messages:
        messages.append({"role": "assistant", "parts": [], "finish_reason": ""})
    parts: list[Message] = messages[-1]["parts"]
    return parts


def _parts(step: Any) -> list[Message]:
    kind = word(attr(step, "type"))
    if kind == "function_call":
        return [_call(step, attr(step, "arguments"))]
    if kind == "thought":
        return [{"type": "reasoning", "content": _text(part)} for part in items(attr(step, "summary"))]
    if kind == "model_output":
        return [part for each in items(attr(step, "content")) for part in _parts(each)]
    return [{"type": "text", "content": _text(step)} if kind == "text" else {"type": kind or "unknown"}]


def _call(step: Any, arguments: Any) -> Message:
    return {"type": "tool_call", "id": attr(step, "id"), "name": attr(step, "name"), "arguments": arguments}


def _text(part: Any) -> str:
    return text(attr(part, "text")) or ""
