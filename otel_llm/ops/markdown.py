"""Markdown that is written by code: tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otel_llm.calls.declarations import ClientLibrary


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; bars in cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def provider_table(declared: Iterable[ClientLibrary]) -> str:
    """The client libraries as a Markdown table, for the README and ``docs/providers.md``."""
    rows = [
        (
            f"`{provider.distribution}`",
            f"`{provider.requires}`",
            ", ".join(provider.tested) or "none",
            ", ".join(provider.operations),
            provider.notes,
        )
        for provider in declared
    ]
    return table(("library", "versions", "tested", "operations", "remarks"), rows)
