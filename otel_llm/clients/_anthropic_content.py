"""Messages of Anthropic's shape in the conventions' JSON form, used only while content capture is on; and what form is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_llm.core.model import AttributeValue

from ._read import attr, items, text
from ._tools import defined

Message = dict[str, Any]


def asked(body: Mapping[str, Any]) -> dict[str, Any]:
    """``gen_ai.input.messages`` and ``gen_ai.system_instructions`` of a request."""
    content: dict[str, Any] = {"gen_ai.input.messages": [_message(message) for message in items(body.get("messages"))]}
    if parts := _parts(body.get("system")):
        content["gen_ai.system_instructions"] = parts
    if tools := [_tool(tool) for tool in items(body.get("tools"))]:
        content["gen_ai.tool.definitions"] = tools
    return content


def _tool(tool: Any) -> Message:
    kind = text(attr(tool, "type"))
    described, schema = attr(tool, "description"), attr(tool, "input_schema")
    return defined("function" if kind == "custom" else kind, attr(tool, "name"), described, schema)


def read_output(config: Any, into: dict[str, AttributeValue]) -> None:
    """How much the model may think, and in what form it is to answer."""
    if (effort := text(attr(config, "effort"))) is not None:
        into["gen_ai.request.reasoning.level"] = effort
    if attr(config, "format", "type") == "json_schema":
        into["gen_ai.output.type"] = "json"


def _message(message: Any) -> Message:
    return {"role": text(attr(message, "role")) or "user", "parts": _parts(attr(message, "content"))}


def _parts(content: Any) -> list[Message]:
    if isinstance(content, str):
        return [{"type": "text", "content": content}] if content else []
    return [_part(block) for block in items(content)]


def _part(block: Any) -> Message:
    kind = text(attr(block, "type")) or "unknown"
    if kind == "text":
        return {"type": "text", "content": text(attr(block, "text")) or ""}
    if kind == "thinking":
        return {"type": "reasoning", "content": text(attr(block, "thinking")) or ""}
    if kind == "tool_use":
        return {
            "type": "tool_call",
            "id": attr(block, "id"),
            "name": attr(block, "name"),
            "arguments": attr(block, "input"),
        }
    if kind == "tool_result":
        return {
            "type": "tool_call_response",
            "id": attr(block, "tool_use_id"),
            "response": _plain(attr(block, "content")),
        }
    return {"type": kind}  # images and documents are named, not kept


def _plain(content: Any) -> Any:
    if isinstance(content, str) or content is None:
        return content
    return " ".join(words for block in items(content) if (words := text(attr(block, "text"))) is not None)


def keep_message(messages: list[Any], message: Any) -> None:
    """Keep a message; in a stream this is the empty one that its blocks will fill."""
    reason = text(attr(message, "stop_reason")) or ""
    messages.append({"role": "assistant", "parts": _parts(attr(message, "content")), "finish_reason": reason})


def keep_block(messages: list[Any], block: Any) -> None:
    """A content block opens."""
    if messages:
        part = _part(block)
        if part["type"] == "tool_call":
            part["arguments"] = ""
        messages[-1]["parts"].append(part)


def keep_delta(messages: list[Any], event: Any) -> None:
    """A piece of the content block that is open."""
    if not messages or not messages[-1]["parts"]:
        return
    part, delta = messages[-1]["parts"][-1], attr(event, "delta")
    if isinstance(part.get("arguments"), str):
        part["arguments"] += text(attr(delta, "partial_json")) or ""
    elif "content" in part:
        part["content"] += text(attr(delta, "text")) or text(attr(delta, "thinking")) or ""
