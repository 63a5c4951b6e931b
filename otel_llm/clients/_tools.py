"""Tools that a model is offered, in the conventions' JSON form. Used only while content capture is on."""

from __future__ import annotations

from typing import Any

from ._read import attr, items, text

Definition = dict[str, Any]


def offered(tools: Any) -> list[Definition]:
    """The definitions of a request of OpenAI's shapes: those of chat have a function inside, those of responses are one."""
    return [_offered(found) for found in items(tools)]


def _offered(found: Any) -> Definition:
    inner = attr(found, "function") or found
    schema = attr(inner, "parameters") or attr(inner, "input_schema")
    return defined(attr(found, "type"), attr(inner, "name"), attr(inner, "description"), schema)


def defined(kind: Any, name: Any, description: Any, schema: Any) -> Definition:
    """A tool's definition, without what is not said of it."""
    told = {
        "type": text(kind) or "function",
        "name": text(name),
        "description": text(description),
        "parameters": schema,
    }
    return {key: value for key, value in told.items() if value is not None}
