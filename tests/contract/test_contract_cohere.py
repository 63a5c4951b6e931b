"""cohere under the contract: version 2, with version 1 and the other operations beside it."""

from __future__ import annotations

from typing import Any

import cohere
import pytest
from contract import Bench, Contract, Kit, drained, with_async_client, with_client
from contract_content import CONVERSATION, INSTRUCTION, ON, TEXT, captured, said

MESSAGES: Any = [{"role": "user", "content": "hi"}]


def make(url: str) -> Any:
    return cohere.ClientV2(api_key="test-key", base_url=url, log_warning_experimental_features=False)


def make_async(url: str) -> Any:
    return cohere.AsyncClientV2(api_key="test-key", base_url=url, log_warning_experimental_features=False)


def make_v1(url: str) -> Any:
    return cohere.Client(api_key="test-key", base_url=url)


async def _raw(client: Any, model: str) -> Any:
    return (await client.with_raw_response.chat(model=model, messages=MESSAGES)).data


def _close(client: Any) -> Any:
    http = client._client_wrapper.httpx_client.httpx_client
    return http.aclose() if hasattr(http, "aclose") else http.close()


class TestCohere(Contract):
    kit = Kit(
        library="cohere",
        provider="cohere",
        model="command-x",
        make=make,
        make_async=make_async,
        plain=lambda client, model: client.chat(model=model, messages=MESSAGES),
        plain_async=lambda client, model: client.chat(model=model, messages=MESSAGES),
        stream=lambda client, model: client.chat_stream(model=model, messages=MESSAGES),
        stream_async=lambda client, model: client.chat_stream(model=model, messages=MESSAGES),
        raw=lambda client, model: client.with_raw_response.chat(model=model, messages=MESSAGES).data,
        raw_async=_raw,
        thinking=None,  # not told apart
        cached=(100, 30, 0),
        retried="fail-429-2" if cohere.__version__ > "5.17" else None,  # not unless it is asked to, before
        close=_close,
        talk=lambda client, model: client.chat(model=model, messages=CONVERSATION),
    )

    @pytest.fixture(autouse=True)
    def _soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its shortest wait is a second, whatever the server says."""
        monkeypatch.setattr("cohere.core.http_client.INITIAL_RETRY_DELAY_SECONDS", 0.001)

    @pytest.mark.parametrize(
        ("operation", "ask", "usage"),
        [
            ("embeddings", lambda c: c.embed(model="embed-x", texts=["hi"], input_type="search_query"), (8, None)),
            ("rerank", lambda c: c.rerank(model="rerank-x", query="hi", documents=["a", "b"]), (None, None)),
        ],
    )
    def test_operations(self, bench: Bench, operation: str, ask: Any, usage: Any) -> None:
        with_client(self.kit, bench.server.url, ask)
        call = bench.ended_once()
        assert (call.operation, call.error_type, call.usage_unknown) == (operation, "", "")
        assert (call.input_tokens, call.output_tokens) == usage
        if operation == "rerank":
            assert bench.span.attributes["otel_llm.usage.search_units"] == 1.0

    @pytest.mark.parametrize("stream", [False, True])
    def test_version_1(self, bench: Bench, stream: bool) -> None:
        client = make_v1(bench.server.url)
        list(client.chat_stream(model="command-x", message="hi")) if stream else client.chat(
            model="command-x", message="hi"
        )
        _close(client)
        call = self.check_success(bench, 100, 20)
        assert call.stream is stream
        assert call.finish_reasons == ("stop",)

    @pytest.mark.parametrize("stream", [False, True])
    def test_content_of_version_1(self, bench: Bench, stream: bool) -> None:
        client = make_v1(bench.server.url)
        with captured("cohere", ON) as told:
            given: Any = {"model": "command-x", "message": "hi", "preamble": INSTRUCTION}
            list(client.chat_stream(**given)) if stream else client.chat(**given)
        _close(client)
        assert [said(message) for message in told["gen_ai.input.messages"]] == ["hi"]
        assert [said(message) for message in told["gen_ai.output.messages"]] == [TEXT]
        assert told["gen_ai.system_instructions"] == [{"type": "text", "content": INSTRUCTION}]

    def may_miss(self) -> set[str]:
        return {"cohere.core.http_client:_retry_timeout_from_retries"} if cohere.__version__ < "6" else set()

    def test_a_client_that_was_there_before(self, bench: Bench) -> None:
        """Its methods are attributes of the instance: it is watched all the same."""
        client = cohere.ClientV2(api_key="test-key", base_url=bench.server.url)
        client.chat(model="command-x", messages=MESSAGES)
        _close(client)
        self.check_success(bench, 100, 20)

    def test_a_raw_stream(self, bench: Bench) -> None:
        def use(client: Any) -> None:
            with client.with_raw_response.chat_stream(model="command-x", messages=MESSAGES) as raw:
                assert raw.headers["x-debug-trace-id"]
                list(raw.data)

        with_client(self.kit, bench.server.url, use)
        self.check_success(bench, 100, 20)

    def test_a_stream_that_fails(self, bench: Bench) -> None:
        with_client(self.kit, bench.server.url, lambda client: list(self.kit.stream(client, "command-x-sse-error")))
        assert bench.ended_once().error_type == "server_error"

    async def test_tools(self, bench: Bench) -> None:
        async def use(client: Any) -> None:
            await drained(self.kit.stream_async(client, "command-x-tools"))

        await with_async_client(self.kit, bench.server.url, use)
        assert bench.ended_once().finish_reasons == ("tool_calls",)
