"""Milvus, and Milvus Lite: searches of a collection."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import Framework

from ._stores import argument, lookups

SOURCE = "milvus"


def _documents(result: Any) -> int | None:
    """A list of hits for each question; they are lists of the library's own."""
    return sum(len(hits) for hits in result) if isinstance(result, list) else None


framework = Framework(
    name="pymilvus",
    distribution="pymilvus",
    requires=">=2.5,<4",
    tested=("3.0.2",),
    hooks=tuple(
        lookups(
            f"pymilvus.milvus_client.{module}", (f"{kind}.search", f"{kind}.hybrid_search"), SOURCE, argument("collection_name"), _documents
        )
        for module, kind in (("milvus_client", "MilvusClient"), ("async_milvus_client", "AsyncMilvusClient"))
    ),
)  # fmt: skip
