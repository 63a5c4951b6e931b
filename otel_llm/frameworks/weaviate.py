"""Weaviate: searches of a collection, where its client sends them to the server."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import Args, Framework, Kwargs

from ._stores import lookups

SOURCE = "weaviate"


def _name(_: Any, args: Args, kwargs: Kwargs) -> str:
    return str(getattr(kwargs.get("request", args[0] if args else None), "collection", ""))


def _documents(result: Any) -> int | None:
    results = getattr(result, "results", None)
    return None if results is None else len(results)


framework = Framework(
    name="weaviate",
    distribution="weaviate-client",
    requires=">=4.10,<5",
    tested=("4.24.1",),
    hooks=(
        lookups(
            "weaviate.connect.v4",
            ("ConnectionSync.grpc_search", "ConnectionAsync.grpc_search"),
            SOURCE,
            _name,
            _documents,
        ),
    ),
)
