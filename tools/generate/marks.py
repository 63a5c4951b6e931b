"""Parts of a page that are written by code, between two marks."""

from __future__ import annotations


def between(text: str, part: str, body: str) -> str:
    """``text`` with ``body`` between the marks of ``part``.

    Raises ``ValueError`` where a mark is missing.
    """
    begin, end = f"<!-- {part}: begin, written by `otel-llm generate` -->", f"<!-- {part}: end -->"
    before, _, rest = text.partition(begin)
    _, mark, after = rest.partition(end)
    if not mark:
        raise ValueError(f"it must hold {begin} and {end}")
    return f"{before}{begin}\n{body}\n{end}{after}"
