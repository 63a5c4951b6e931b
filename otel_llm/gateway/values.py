"""Values as senders write them: numbers as text, booleans as words, lists as JSON or as Python's own notation. Nothing is evaluated."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any

from .span import Attributes

LONGEST = 8192
"""Characters of a text that is parsed; a longer one says nothing."""
_PAIR = re.compile(r"""['"](\w{1,64})['"]\s*:\s*(-?\d{1,18}(?:\.\d{1,18})?)\b""")
_BIGGEST = 1e15
"""Past it a count of tokens is none."""


def number(value: Any) -> float | None:
    """A finite number, or a text that is one."""
    if isinstance(value, str):
        try:
            value = float(value) if len(value) <= 32 else None  # noqa: PLR2004 - digits of any number there is
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        converted = float(value)
    except OverflowError:
        return None
    return converted if math.isfinite(converted) else None


def count(value: Any) -> int | None:
    """A number of tokens: whole, and not below 0."""
    if type(value) is int:
        return value if 0 <= value < _BIGGEST else None
    tokens = number(value)
    return int(tokens) if tokens is not None and 0 <= tokens < _BIGGEST else None


def truth(value: Any) -> bool | None:
    """A boolean, or ``True`` and ``false`` as words; None for anything else."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return None


def text(value: Any) -> str:
    """A text, cut; empty for what is none, and for ``none`` and the like, by which some senders say that they do not know."""
    if not isinstance(value, str) or value in ("none", "None", "unknown"):
        return ""
    return value[:256].strip()


def words(value: Any) -> tuple[str, ...]:
    """Words of a list, of a list that is written as a text, or a single word."""
    if isinstance(value, str):
        value = value.strip()
        if len(value) > LONGEST:
            return ()
        value = [part.strip(" '\"") for part in value.strip("[]").split(",")] if value.startswith("[") else [value]
    if not isinstance(value, (list, tuple)):
        return ()
    return tuple(part.strip('"')[:64] for part in value[:64] if isinstance(part, str) and part.strip('"'))


def numbers(value: Any) -> dict[str, float]:
    """All ``name: number`` pairs of a JSON document or of Python's notation of a dictionary, however deep; the first of a name counts."""
    if not isinstance(value, str) or len(value) > LONGEST:
        return {}
    pairs: dict[str, float] = {}
    for name, digits in _PAIR.findall(value):
        pairs.setdefault(name, float(digits))
    return pairs


def document(value: Any) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    if not isinstance(value, str) or len(value) > LONGEST:
        return {}
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def first(attributes: Attributes, names: Iterable[str]) -> Any:
    """The value of the first of ``names`` that is there and is not empty. Senders repeat facts: they are never added."""
    for name in names:
        value = attributes.get(name)
        if value is not None and value != "":
            return value
    return None
