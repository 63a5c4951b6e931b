"""Qdrant: queries of points, on a server or in memory."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import Framework

from ._stores import argument, length, lookups

SOURCE = "qdrant"


def _documents(result: Any) -> int | None:
    if isinstance(result, list):  # one answer for each question of a batch
        return sum(len(getattr(one, "points", ())) for one in result)
    return length(getattr(result, "points", None))


def _groups(result: Any) -> int | None:
    groups = getattr(result, "groups", None)
    return sum(len(group.hits) for group in groups) if isinstance(groups, list) else None


framework = Framework(
    name="qdrant",
    distribution="qdrant-client",
    requires=">=1.10,<2",
    tested=("1.20.0",),
    hooks=tuple(
        lookups(module, tuple(f"{kind}.{method}" for method in methods), SOURCE, argument("collection_name"), count)
        for module, kind in (
            ("qdrant_client.qdrant_client", "QdrantClient"),
            ("qdrant_client.async_qdrant_client", "AsyncQdrantClient"),
        )
        for methods, count in (
            (("query_points", "query_batch_points"), _documents),
            (("query_points_groups",), _groups),
        )
    ),
)
