"""PostgreSQL with pgvector, as it is, behind retrievers of LangChain and LlamaIndex: a look-up is one retrieval."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import conformance
import pgserver
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_postgres import PGEngine, PGVectorStore
from llama_index.core import VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.schema import TextNode
from llama_index.vector_stores.postgres import PGVectorStore as LlamaStore
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_llm.testing import Captured, capture

SPANS = InMemorySpanExporter()
PROVIDER = TracerProvider()
PROVIDER.add_span_processor(SimpleSpanProcessor(SPANS))
trace.set_tracer_provider(PROVIDER)
WAIT = "CREATE FUNCTION waits() RETURNS boolean AS 'SELECT pg_sleep(0.2) IS NOT NULL' LANGUAGE sql VOLATILE"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("pg")
    for part in (folder, *folder.parents):  # the server runs as a user of its own
        if part != Path("/") and part.owner() == "root" and part != Path("/tmp"):
            part.chmod(0o755)
    running = pgserver.get_server(folder / "data", cleanup_mode="delete")
    running.psql("CREATE EXTENSION vector")
    yield running
    running.cleanup()


@pytest.fixture
def captured() -> Iterator[Captured]:
    SPANS.clear()
    with capture("openai") as captured:
        yield captured


def langchain(server: Any) -> Callable[[], Any]:
    engine = PGEngine.from_connection_string(url=server.get_uri().replace("postgresql://", "postgresql+psycopg://"))
    engine.init_vectorstore_table(table_name="langchain_docs", vector_size=8)
    store = PGVectorStore.create_sync(
        engine=engine, table_name="langchain_docs", embedding_service=DeterministicFakeEmbedding(size=8)
    )
    store.add_documents([Document(page_content=text) for text in ("a", "b", "c")])
    retriever = store.as_retriever(search_kwargs={"k": 2})
    return lambda: retriever.invoke("a")


def llama_index(server: Any) -> Callable[[], Any]:
    uri = server.get_uri()
    store = LlamaStore.from_params(
        connection_string=uri.replace("postgresql://", "postgresql+psycopg2://"),
        async_connection_string=uri.replace("postgresql://", "postgresql+asyncpg://"),
        table_name="docs",
        embed_dim=8,
    )
    index = VectorStoreIndex.from_vector_store(store, embed_model=MockEmbedding(embed_dim=8))
    index.insert_nodes([TextNode(text=text) for text in ("a", "b", "c")])
    retriever = index.as_retriever(similarity_top_k=2)
    return lambda: retriever.retrieve("a")


BEHIND = {
    "langchain": (langchain, "PGVectorStore", "langchain_docs"),
    "llama_index": (llama_index, "VectorIndexRetriever", "data_docs"),
}


def told(captured: Captured, metric: str) -> list[tuple[tuple[str, ...], float]]:
    return [(event.labels, event.value) for event in captured.events if event.metric == metric]


@pytest.mark.parametrize("name", BEHIND)
def test_a_look_up_is_one_retrieval(name: str, server: Any, captured: Captured) -> None:
    make, called, table = BEHIND[name]
    look = make(server)
    look()  # connected from here on
    captured.clear()
    SPANS.clear()
    before = time.perf_counter()
    assert len(look()) == 2
    took = time.perf_counter() - before
    assert told(captured, "otel_llm_retrieval_documents") == [((called,), 2)]
    ((labels, seconds),) = told(captured, "otel_llm_retrieval_duration_seconds")
    assert labels == (called, "")
    assert 0 < seconds <= took
    (span,) = SPANS.get_finished_spans()
    assert span.name == f"retrieval {called}"
    assert conformance.of_step(span) == []
    assert (span.end_time or 0) - (span.start_time or 0) <= took * 1e9
    slow(server, table, look, captured)


def slow(server: Any, table: str, look: Callable[[], Any], captured: Captured) -> None:
    """A table that takes 0.2 s a row is seen to; one that is gone is a failure."""
    server.psql(f"{WAIT}; ALTER TABLE {table} RENAME TO rows; CREATE VIEW {table} AS SELECT * FROM rows WHERE waits()")
    captured.clear()
    before = time.perf_counter()
    look()
    took = time.perf_counter() - before
    ((_, seconds),) = told(captured, "otel_llm_retrieval_duration_seconds")
    assert 0.6 <= seconds <= took
    server.psql(f"DROP VIEW {table}; DROP FUNCTION waits; DROP TABLE rows")
    captured.clear()
    with pytest.raises(Exception, match="does not exist"):
        look()
    ((labels, _),) = told(captured, "otel_llm_retrieval_duration_seconds")
    assert labels[1] == "_OTHER"
    assert told(captured, "otel_llm_retrieval_documents") == []
