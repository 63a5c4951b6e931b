"""voyageai under the contract (it has no streams and no answers in words), and its other operations and retries."""

from __future__ import annotations

from typing import Any

import pytest
import voyageai
from contract import Bench, Contract, Kit, with_client


def make(url: str) -> Any:
    return voyageai.Client(api_key="test-key", base_url=f"{url}/voyage/v1")


def make_async(url: str) -> Any:
    return voyageai.AsyncClient(api_key="test-key", base_url=f"{url}/voyage/v1")


class TestVoyage(Contract):
    kit = Kit(
        library="voyage",
        content=False,  # embeddings have no messages
        provider="voyage",
        operation="embeddings",
        model="voyage-x",
        make=make,
        make_async=make_async,
        plain=lambda client, model: client.embed(["hi"], model),
        plain_async=lambda client, model: client.embed(["hi"], model=model),
        usage=(8, None),
        thinking=None,
        cached=None,
        retried=None,  # not unless it is asked to, see below
        answers="",
        close=lambda _: None,  # it has nothing to close
    )

    @pytest.mark.parametrize(
        ("operation", "ask", "tokens"),
        [
            ("embeddings", lambda c: c.contextualized_embed([["hi"]], model="voyage-x"), 8),
            ("rerank", lambda c: c.rerank("hi", ["a", "b"], model="voyage-x"), 26),
        ],
    )
    def test_operations(self, bench: Bench, operation: str, ask: Any, tokens: int) -> None:
        with_client(self.kit, bench.server.url, ask)
        call = bench.ended_once()
        assert (call.operation, call.input_tokens, call.output_tokens) == (operation, tokens, None)

    def test_retries_are_one_call(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
        client = voyageai.Client(api_key="test-key", base_url=f"{bench.server.url}/voyage/v1", max_retries=3)
        client.embed(["hi"], model="voyage-x-fail-429-2")
        assert bench.ended_once().error_type == ""
        assert bench.captured.count("otel_llm_retries_total", "rate_limit") == 2
