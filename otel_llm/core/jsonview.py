"""JSON of a reply, read by attribute as a client library's models are."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any


class View(SimpleNamespace):
    """A JSON object; what is not there is None. Keys that are no names are kept as they are."""

    def __getattr__(self, name: str) -> None:
        return None


def view(content: str | bytes | bytearray) -> Any:
    """What ``content`` holds, its objects as views. Raises ``ValueError`` for what is no JSON."""
    return json.loads(content, object_hook=_viewed)


def _viewed(fields: dict[str, Any]) -> View:
    node = View()
    node.__dict__.update(fields)
    return node


def parsed(content: Any) -> Any:
    """What ``content`` holds, with its objects as dictionaries; None for what is no JSON, as a server may send."""
    try:
        return json.loads(content)
    except (TypeError, ValueError, RecursionError):
        return None
