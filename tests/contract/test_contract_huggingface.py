"""huggingface_hub's inference clients under the contract."""

from __future__ import annotations

from typing import Any

import pytest
from contract import Bench, Contract, Kit, drained, with_async_client, with_client
from contract_content import CONVERSATION, ON, TEXT, captured, said
from huggingface_hub import AsyncInferenceClient, InferenceClient

MESSAGES: Any = [{"role": "user", "content": "hi"}]
USAGE: Any = {"include_usage": True}


def make(url: str) -> Any:
    return InferenceClient(base_url=f"{url}/huggingface/v1", api_key="test-key")


def make_async(url: str) -> Any:
    return AsyncInferenceClient(base_url=f"{url}/huggingface/v1", api_key="test-key")


class TestHuggingFace(Contract):
    kit = Kit(
        library="huggingface",
        provider="huggingface",
        model="llama-x",
        make=make,
        make_async=make_async,
        plain=lambda client, model: client.chat_completion(MESSAGES, model=model),
        plain_async=lambda client, model: client.chat.completions.create(messages=MESSAGES, model=model),
        stream=lambda client, model: client.chat.completions.create(
            messages=MESSAGES, model=model, stream=True, stream_options=USAGE
        ),
        stream_async=lambda client, model: client.chat_completion(
            MESSAGES, model=model, stream=True, stream_options=USAGE
        ),
        thinking=None,  # its own types leave the details out
        cached=None,
        retried=None,
        talk=lambda client, model: client.chat_completion(CONVERSATION, model=model),
    )

    @pytest.mark.parametrize(
        ("details", "stream", "tokens"),
        [(False, False, None), (True, False, 20), (False, True, None), (True, True, 20)],
    )
    def test_text_generation(self, bench: Bench, details: bool, stream: bool, tokens: int | None) -> None:
        client = InferenceClient(model=f"{bench.server.url}/models/llama-x", token="test-key")
        told = client.text_generation("hi", details=details, stream=stream, max_new_tokens=7)
        if stream:
            list(told)
        client.close() if hasattr(client, "close") else None
        call = bench.ended_once()
        assert (call.operation, call.error_type, call.output_tokens) == ("text_completion", "", tokens)
        assert call.input_tokens == (100 if tokens and stream else None)
        assert bench.span.attributes["gen_ai.request.max_tokens"] == 7

    @pytest.mark.parametrize("details", [False, True])
    @pytest.mark.parametrize("stream", [False, True])
    def test_content_of_text_generation(self, server: Any, details: bool, stream: bool) -> None:
        with captured("huggingface", ON) as told:
            client = InferenceClient(model=f"{server.url}/models/llama-x", token="test-key")
            answer = client.text_generation("hi", details=details, stream=stream)
            if stream:
                list(answer)
            client.close() if hasattr(client, "close") else None
        assert [said(message) for message in told["gen_ai.input.messages"]] == ["hi"]
        assert [said(message) for message in told["gen_ai.output.messages"]] == [TEXT]

    async def test_embeddings(self, bench: Bench) -> None:
        client = AsyncInferenceClient(
            model=f"{bench.server.url}/models/embed-x/pipeline/feature-extraction", token="test-key"
        )

        await client.feature_extraction("hi")
        await client.close() if hasattr(client, "close") else None
        call = bench.ended_once()
        assert (call.operation, call.error_type, call.usage_unknown) == ("embeddings", "", "")

    async def test_tools(self, bench: Bench) -> None:
        async def use(client: Any) -> None:
            await drained(self.kit.stream_async(client, "llama-x-tools"))

        await with_async_client(self.kit, bench.server.url, use)
        assert bench.ended_once().finish_reasons == ("tool_calls",)

    def test_an_answer_that_is_cut_short(self, bench: Bench) -> None:
        with_client(self.kit, bench.server.url, lambda client: self.kit.plain(client, "llama-x-length"))
        assert bench.ended_once().finish_reasons == ("length",)
