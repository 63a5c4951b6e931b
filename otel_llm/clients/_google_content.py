"""Messages of Google's shapes in the conventions' JSON form. Used only while content capture is on."""

from __future__ import annotations

from typing import Any

from ._google_usage import word
from ._read import attr, count, items, text
from ._tools import defined

Message = dict[str, Any]


def asked(contents: Any, config: Any) -> dict[str, Any]:
    """``gen_ai.input.messages`` and ``gen_ai.system_instructions`` of a request for content."""
    given = contents if isinstance(contents, (list, tuple)) else [contents]
    content: dict[str, Any] = {"gen_ai.input.messages": [_message(message) for message in given if message is not None]}
    if parts := _parts(attr(config, "system_instruction")):
        content["gen_ai.system_instructions"] = parts
    if tools := [tool for offered in items(attr(config, "tools")) for tool in _tools(offered)]:
        content["gen_ai.tool.definitions"] = tools
    return content


def _tools(offered: Any) -> list[Message]:
    """The functions that a tool of Google's declares, or a function of the caller's own, of which the library makes a tool."""
    if callable(offered):
        return [defined("", getattr(offered, "__name__", None), getattr(offered, "__doc__", None), None)]
    return [
        defined("", attr(one, "name"), attr(one, "description"), _schema(one))
        for one in items(attr(offered, "function_declarations"))
    ]


def _schema(declared: Any) -> Any:
    schema = attr(declared, "parameters_json_schema") or attr(declared, "parameters")
    dump = getattr(schema, "model_dump", None)
    return dump(mode="json", exclude_none=True) if callable(dump) else schema


def _message(message: Any) -> Message:
    role = text(attr(message, "role")) if not isinstance(message, str) else None
    return {"role": "assistant" if role == "model" else role or "user", "parts": _parts(message)}


def _parts(content: Any) -> list[Message]:
    """The parts of a text, of a part, of a content, or of a list of those."""
    if isinstance(content, str):
        return [{"type": "text", "content": content}] if content else []
    if isinstance(content, (list, tuple)):
        return [part for each in content for part in _parts(each)]
    if content is None:
        return []
    inner = attr(content, "parts")
    return [_part(part) for part in items(inner)] if inner is not None else [_part(content)]


def _part(part: Any) -> Message:
    if isinstance(part, str):
        return {"type": "text", "content": part}
    if (words := text(attr(part, "text"))) is not None:
        return {"type": "reasoning" if attr(part, "thought") is True else "text", "content": words}
    if (call := attr(part, "function_call")) is not None:
        return {
            "type": "tool_call",
            "id": attr(call, "id"),
            "name": attr(call, "name"),
            "arguments": attr(call, "args"),
        }
    if (answer := attr(part, "function_response")) is not None:
        return {"type": "tool_call_response", "id": attr(answer, "id"), "response": attr(answer, "response")}
    return {"type": "blob" if attr(part, "inline_data") is not None else "file"}  # named, not kept


def keep(messages: list[Any], candidate: Any) -> None:
    """Keep what a candidate says: a whole answer, or the next piece of one."""
    index = count(attr(candidate, "index")) or 0
    if index > len(messages):
        return  # candidates come in order
    if index == len(messages):
        messages.append({"role": "assistant", "parts": [], "finish_reason": ""})
    message = messages[index]
    for part in _parts(attr(candidate, "content")):
        join(message["parts"], part)
    message["finish_reason"] = word(attr(candidate, "finish_reason")) or message["finish_reason"]


def join(parts: list[Message], part: Message) -> None:
    """Add a part, or what it says to the last one, where that is of the same kind."""
    if parts and "content" in part and parts[-1]["type"] == part["type"]:
        parts[-1]["content"] += part["content"]
    else:
        parts.append(part)
