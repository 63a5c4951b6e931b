"""Tools that a model is offered, in the conventions' JSON form. Used only while content capture is on."""

from __future__ import annotations

from typing import Any

from ._read import attr, items, text

Definition = dict[str, Any]


def offered(tools: Any) -> list[Definition]:
    """The definitions of a request of OpenAI's shapes: those of chat have a function inside, those of responses are one."""
    return [_offered(tool) for tool in items(tools)]


def _offered(tool: Any) -> Definition:
    inner = attr(tool, "function") or tool
    schema = attr(inner, "parameters") or attr(inner, "input_schema")
    return defined(attr(tool, "type"), attr(inner, "name"), attr(inner, "description"), schema)


def defined(kind: Any, name: Any, description: Any, schema: Any) -> Definition:
    """A tool's definition, without the fields that are unknown."""
    definition = {
        "type": text(kind) or "function",
        "name": text(name),
        "description": text(description),
        "parameters": schema,
    }
    return {key: value for key, value in definition.items() if value is not None}
