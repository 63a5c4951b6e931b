"""JSON of a reply, read by attribute as a client library's models are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class View(SimpleNamespace):
    """A JSON object; what is not there is None. Keys that are no names are kept as they are."""

    def __getattr__(self, name: str) -> None:
        return None


def ready() -> None:
    """Import now what the others do: a start does without, and a call finds it there."""
    import json  # noqa: F401, PLC0415


def view(content: str | bytes | bytearray) -> Any:
    """What ``content`` holds, its objects as views. Raises ``ValueError`` for what is no JSON."""
    from json import loads  # noqa: PLC0415 - as in ``ready``

    return loads(content, object_hook=_viewed)


def _viewed(fields: dict[str, Any]) -> View:
    node = View()
    node.__dict__.update(fields)
    return node


def loaded(content: str | bytes | bytearray) -> Any:
    """What ``content`` holds, with its objects as dictionaries. Raises ``ValueError`` for what is no JSON."""
    from json import loads  # noqa: PLC0415

    return loads(content)


def written(value: Any) -> str:
    """``value`` as JSON, the same for what is equal."""
    from json import dumps  # noqa: PLC0415

    return dumps(value, sort_keys=True, default=repr)


def parsed(content: Any) -> Any:
    """What ``content`` holds, with its objects as dictionaries; None for what is no JSON, as a server may send."""
    try:
        return loaded(content)
    except (TypeError, ValueError, RecursionError):
        return None
