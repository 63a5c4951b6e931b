"""voyageai under us: each call once, its tokens, its retries."""

from __future__ import annotations

from typing import Any

import pytest
import voyageai

from otel_llm.loopback import Loopback
from otel_llm.testing import capture


@pytest.fixture
def server() -> Any:
    with Loopback() as server:
        yield server


def _client(server: Loopback, **settings: Any) -> Any:
    return voyageai.Client(api_key="test-key", base_url=f"{server.url}/voyage/v1", **settings)


@pytest.mark.parametrize(
    ("operation", "ask", "tokens"),
    [
        ("embeddings", lambda c: c.embed(["hi"], "voyage-x"), 8),
        ("embeddings", lambda c: c.contextualized_embed([["hi"]], model="voyage-x"), 8),
        ("rerank", lambda c: c.rerank("hi", ["a", "b"], model="voyage-x"), 26),
    ],
)
def test_once(server: Loopback, operation: str, ask: Any, tokens: int) -> None:
    with capture("voyage") as captured:
        ask(_client(server))
        call = captured.call
    assert (call.provider, call.operation, call.request_model, call.input_tokens) == (
        "voyage",
        operation,
        "voyage-x",
        tokens,
    )
    assert (call.output_tokens, call.error_type, call.server_address) == (None, "", "127.0.0.1")


async def test_async(server: Loopback) -> None:
    with capture("voyage") as captured:
        client = voyageai.AsyncClient(api_key="test-key", base_url=f"{server.url}/voyage/v1")
        await client.embed(["hi"], model="voyage-x")
    assert captured.call.input_tokens == 8


def test_refused(server: Loopback) -> None:
    with capture("voyage") as captured, pytest.raises(voyageai.error.RateLimitError):
        _client(server).embed(["hi"], model="voyage-x-fail-429")
    assert captured.call.error_type == "rate_limit"


def test_retries_are_one_call(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    with capture("voyage") as captured:
        _client(server, max_retries=3).embed(["hi"], model="voyage-x-fail-429-2")
    assert captured.call.error_type == ""
    assert captured.count("otel_llm_retries_total", "rate_limit") == 2
