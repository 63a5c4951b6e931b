"""Markdown that is written by code: tables, and parts of a page between two marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; bars in cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def between(text: str, part: str, body: str) -> str:
    """``text`` with ``body`` between the marks of ``part``.

    Raises ``ValueError`` where a mark is missing.
    """
    begin, end = f"<!-- {part}: begin, written by `otel-llm generate` -->", f"<!-- {part}: end -->"
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"it must hold {begin} and {end}")
    return f"{before}{begin}\n{body}\n{end}{after}"
