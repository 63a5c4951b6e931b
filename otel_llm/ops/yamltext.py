"""Writes plain data as YAML that people read: block style, long expressions on lines of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


def dump(data: object, header: str = "") -> str:
    """``data`` (mappings, sequences, strings, numbers, truth values, None) as one YAML document, keys in their order.

    ``header`` becomes comment lines above. A string with line breaks becomes a literal block.
    """
    comment = "".join(f"# {line}".rstrip() + "\n" for line in header.splitlines())
    return comment + yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=float("inf"))


def write(directory: Path, files: Mapping[str, str]) -> list[Path]:
    """Write ``files``, by path below ``directory``; return where they are. Raises OSError."""
    written = []
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


class _Dumper(yaml.SafeDumper):
    """Items of a list stand deeper than its key, and what stands twice is written twice."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
