"""Vector stores under us: a look-up is one retrieval, with its collection, documents and error, and a span where spans are recorded."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import conformance
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_llm.calls import runs
from otel_llm.frameworks import steps
from otel_llm.testing import Captured, capture
from otel_llm.testing.loopback import Loopback, Reply

SPANS = InMemorySpanExporter()
PROVIDER = TracerProvider()
PROVIDER.add_span_processor(SimpleSpanProcessor(SPANS))
trace.set_tracer_provider(PROVIDER)
VECTORS = [[1.0, 0.0], [0.0, 1.0], [0.7, 0.7]]


def chromadb(_: Path) -> tuple[Callable[[], Any], Callable[[], Any]]:
    import chromadb

    client = chromadb.EphemeralClient()
    docs = client.get_or_create_collection("docs")
    docs.add(ids=["a", "b", "c"], embeddings=VECTORS, documents=["one", "two", "three"])  # type: ignore[arg-type]
    return (
        lambda: docs.query(query_embeddings=[[1.0, 0.0]], n_results=2),
        lambda: docs.query(query_embeddings=[[1.0, 0.0, 0.0]], n_results=2),
    )


def qdrant(_: Path) -> tuple[Callable[[], Any], Callable[[], Any]]:
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    client.create_collection("docs", models.VectorParams(size=2, distance=models.Distance.COSINE))
    client.upsert("docs", [models.PointStruct(id=number, vector=vector) for number, vector in enumerate(VECTORS)])
    return lambda: client.query_points("docs", query=[1.0, 0.0], limit=2), lambda: client.query_points(
        "none", query=[1.0]
    )


def pymilvus(folder: Path) -> tuple[Callable[[], Any], Callable[[], Any]]:
    from pymilvus import MilvusClient

    client = MilvusClient(str(folder / "milvus.db"))
    client.create_collection("docs", dimension=2)
    client.insert("docs", [{"id": number, "vector": vector} for number, vector in enumerate(VECTORS)])
    return lambda: client.search("docs", data=[[1.0, 0.0]], limit=2), lambda: client.search(
        "none", data=[[1.0, 0.0]], limit=2
    )


STORES = {
    name: make
    for name, make, module in (
        ("chromadb", chromadb, "chromadb"), ("qdrant", qdrant, "qdrant_client"), ("pymilvus", pymilvus, "milvus_lite"),
    )
    if importlib.util.find_spec(module) is not None
}  # fmt: skip


@pytest.fixture
def captured() -> Iterator[Captured]:
    SPANS.clear()
    with capture() as captured:
        yield captured


def told(captured: Captured) -> dict[str, list[tuple[tuple[str, ...], float]]]:
    found: dict[str, list[tuple[tuple[str, ...], float]]] = {"duration_seconds": [], "documents": []}
    for event in captured.events:
        if event.metric.startswith("otel_llm_retrieval_"):
            found[event.metric.removeprefix("otel_llm_retrieval_")].append((event.labels, event.value))
    return found


@pytest.mark.parametrize("name", STORES)
def test_a_look_up_is_one_retrieval(name: str, captured: Captured, tmp_path: Path) -> None:
    look, _ = STORES[name](tmp_path)
    look()
    seen = told(captured)
    ((labels, seconds),) = seen["duration_seconds"]
    assert labels == ("docs", "")
    assert 0 < seconds < 60
    assert seen["documents"] == [(("docs",), 2)]
    (span,) = [span for span in SPANS.get_finished_spans() if span.name.startswith("retrieval")]
    assert (span.name, (span.attributes or {})["gen_ai.operation.name"]) == ("retrieval docs", "retrieval")
    assert conformance.of_step(span) == []
    assert (span.attributes or {})["gen_ai.data_source.id"] == "docs"


@pytest.mark.parametrize("name", STORES)
def test_a_look_up_that_fails(name: str, captured: Captured, tmp_path: Path) -> None:
    _, fails = STORES[name](tmp_path)
    with pytest.raises(Exception):  # noqa: B017, PT011 - each library has its own
        fails()
    ((labels, _),) = told(captured)["duration_seconds"]
    assert labels[1] != ""
    assert told(captured)["documents"] == []


@pytest.mark.parametrize("name", STORES)
def test_a_store_below_a_retriever_is_the_same_retrieval(name: str, captured: Captured, tmp_path: Path) -> None:
    look, _ = STORES[name](tmp_path)
    retriever = steps.begin("retrieval", "retriever", "langchain")
    look()
    retriever.end(documents=2)
    assert [labels for labels, _ in told(captured)["duration_seconds"]] == [("retriever", "")]
    assert runs.current() is None


@pytest.mark.skipif(importlib.util.find_spec("qdrant_client") is None, reason="no qdrant here")
def test_a_look_up_that_is_awaited(captured: Captured) -> None:
    async def look() -> None:
        from qdrant_client import AsyncQdrantClient, models

        client = AsyncQdrantClient(":memory:")
        await client.create_collection("docs", models.VectorParams(size=2, distance=models.Distance.COSINE))
        await client.upsert("docs", [models.PointStruct(id=1, vector=[1.0, 0.0])])
        await client.query_points("docs", query=[1.0, 0.0], limit=2)

    asyncio.run(look())
    assert told(captured)["documents"] == [(("docs",), 1)]


@pytest.mark.skipif(importlib.util.find_spec("weaviate") is None, reason="no weaviate here")
def test_weaviate_at_the_place_where_it_asks_its_server(captured: Captured) -> None:
    from weaviate.connect.v4 import ConnectionSync, search_get_pb2  # type: ignore[attr-defined]

    reply = search_get_pb2.SearchReply(results=[search_get_pb2.SearchResult(), search_get_pb2.SearchResult()])

    class Connection(ConnectionSync):  # type: ignore[misc]
        """One whose server is here."""

        grpc_stub: Any = SimpleNamespace(Search=lambda *_, **__: reply)
        timeout_config: Any = SimpleNamespace(query=1)

        def __init__(self) -> None: ...

        def grpc_headers(self) -> None: ...

    connection = Connection()
    connection.grpc_search(search_get_pb2.SearchRequest(collection="Docs"))
    assert told(captured)["documents"] == [(("Docs",), 2)]


@pytest.mark.skipif(importlib.util.find_spec("pinecone") is None, reason="no pinecone here")
def test_pinecone_over_http(captured: Captured) -> None:
    from pinecone import Index

    matches = [{"id": name, "score": 0.5, "values": []} for name in "ab"]
    with Loopback() as server:
        server.script = lambda _: Reply.of_json({"matches": matches, "namespace": "", "usage": {"readUnits": 1}})
        index = Index(host=server.url, api_key="k")
        assert len(index.query(vector=[1.0, 0.0], top_k=2).matches) == 2
        index.close()
    assert told(captured)["documents"] == [(("127.0.0.1",), 2)]
