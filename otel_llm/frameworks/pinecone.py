"""Pinecone: queries of an index, which is known by the first part of its host's name."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import Args, Framework, Kwargs

from ._stores import length, lookups

SOURCE = "pinecone"


def _name(index: Any, _: Args, __: Kwargs) -> str:
    host = str(getattr(index, "_host", "") or "").partition("://")[2]
    return host.partition(".")[0].rpartition("-")[0] or host.partition(":")[0]


def _documents(result: Any) -> int | None:
    return length(getattr(result, "matches", None))


framework = Framework(
    name="pinecone",
    distribution="pinecone",
    requires=">=10,<11",
    tested=("10.2.0",),
    hooks=(
        lookups("pinecone.index", ("Index.query", "Index.query_namespaces"), SOURCE, _name, _documents),
        lookups(
            "pinecone.async_client.async_index",
            ("AsyncIndex.query", "AsyncIndex.query_namespaces"),
            SOURCE,
            _name,
            _documents,
        ),
    ),
)
