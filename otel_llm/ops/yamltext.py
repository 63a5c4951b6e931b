"""Writes plain data as YAML that people read: block style, long expressions on lines of their own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PLAIN = re.compile(r"[A-Za-z/($.][ -~]*|(\d+(ms|[smhdw]))+")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def dump(data: object, header: str = "") -> str:
    """``data`` (mappings, sequences, strings, numbers, truth values, None) as one YAML document, keys in their order.

    ``header`` becomes comment lines above. A string with line breaks becomes a literal block.
    """
    comment = "".join(f"# {line}".rstrip() + "\n" for line in header.splitlines())
    return comment + "\n".join(_lines(data)) + "\n"


def write(directory: Path, files: Mapping[str, str]) -> list[Path]:
    """Write ``files``, by path below ``directory``; return where they are. Raises OSError."""
    written = []
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def _lines(data: object) -> list[str]:
    if isinstance(data, Mapping) and data:
        return [line for key, value in data.items() for line in _entry(f"{_scalar(key)}:", value)]
    if isinstance(data, Sequence) and not isinstance(data, str) and data:
        return [line for value in data for line in _item(value)]
    return [_scalar(data)]


def _entry(key: str, value: object) -> list[str]:
    if _is_block(value):
        return [f"{key} {_indicator(str(value))}", *_indented(str(value).rstrip("\n").split("\n"))]
    if isinstance(value, (Mapping, Sequence)) and value and not isinstance(value, str):
        return [key, *_indented(_lines(value))]
    return [f"{key} {_scalar(value)}"]


def _item(value: object) -> list[str]:
    if _is_block(value):
        return _entry("-", value)
    first, *others = _lines(value)
    return [f"- {first}", *_indented(others)]


def _is_block(value: object) -> bool:
    return isinstance(value, str) and "\n" in value and not value.startswith((" ", "\n"))


def _indicator(text: str) -> str:
    return "|" if text.endswith("\n") else "|-"


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" if line else "" for line in lines]


def _scalar(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return value if _is_plain(value) else _quoted(value)
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    return "{}" if isinstance(value, Mapping) else "[]"


def _quoted(text: str) -> str:
    if '"' in text and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return json.dumps(text, ensure_ascii=False)


def _is_plain(text: str) -> bool:
    risky = ": " in text or " #" in text or text.endswith((":", " ")) or text.lower() in _WORDS
    return bool(_PLAIN.fullmatch(text)) and not risky
