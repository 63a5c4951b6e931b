"""Chroma: queries of a collection."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import Framework

from ._stores import attribute, lookups, nested

SOURCE = "chromadb"


def _documents(result: Any) -> int | None:
    return nested(result.get("ids")) if isinstance(result, dict) else None


framework = Framework(
    name="chromadb",
    distribution="chromadb",
    requires=">=0.5,<2",
    tested=("1.5.9",),
    hooks=tuple(
        lookups(
            f"chromadb.api.models.{kind}", (f"{kind}.query", f"{kind}.search"), SOURCE, attribute("name"), _documents
        )
        for kind in ("Collection", "AsyncCollection")
    ),
)
