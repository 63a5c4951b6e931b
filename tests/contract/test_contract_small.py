"""ai21, azure-ai-inference and replicate under the contract, and what is their own."""

from __future__ import annotations

from typing import Any

import pytest
import replicate
from ai21 import AI21Client, AsyncAI21Client
from ai21.models.chat import AssistantMessage, ChatMessage, ToolCall, ToolFunction, ToolMessage
from azure.ai.inference import ChatCompletionsClient, EmbeddingsClient
from azure.ai.inference.aio import ChatCompletionsClient as AsyncChatCompletionsClient
from azure.core.credentials import AzureKeyCredential
from contract import Bench, Contract, Kit, with_client
from contract_content import CONVERSATION, FUNCTION, INSTRUCTION, ON, TEXT, captured, said

MESSAGES: Any = [{"role": "user", "content": "hi"}]
USAGE: Any = {
    "stream_options": {"include_usage": True}
}  # without being asked, as AI21 itself does, the loopback says none
SAID: Any = [ChatMessage(role="user", content="hi")]
CALLED = AssistantMessage(tool_calls=[ToolCall(id="call_1", function=ToolFunction(**FUNCTION))])
ANSWERED = ToolMessage(tool_call_id="call_1", content="sunny")
TALK: Any = [ChatMessage(role="system", content=INSTRUCTION), *SAID, CALLED, ANSWERED]


def _closed(http: Any) -> Any:
    return http.aclose() if hasattr(http, "aclose") else http.close()


@pytest.mark.filterwarnings(
    "ignore:Use 'content=:DeprecationWarning"
)  # of httpx and of ai21 itself, at its own streams
@pytest.mark.filterwarnings("ignore:The 'from_dict' method:DeprecationWarning")
class TestAI21(Contract):
    kit = Kit(
        library="ai21",
        provider="ai21",
        model="jamba-x",
        make=lambda url: AI21Client(api_key="test-key", api_host=url),
        make_async=lambda url: AsyncAI21Client(api_key="test-key", api_host=url),
        plain=lambda client, model: client.chat.completions.create(messages=SAID, model=model),
        plain_async=lambda client, model: client.chat.completions.create(messages=SAID, model=model),
        stream=lambda client, model: client.chat.completions.create(messages=SAID, model=model, stream=True, **USAGE),
        stream_async=lambda client, model: client.chat.completions.create(
            messages=SAID, model=model, stream=True, **USAGE
        ),
        stream_usage=(100, 20),
        thinking=None,
        cached=None,
        retried=None,
        talk=lambda client, model: client.chat.completions.create(messages=TALK, model=model),
        close=lambda client: _closed(client.chat.completions._client._client),
    )


KEY = AzureKeyCredential("test-key")


class TestAzureInference(Contract):
    kit = Kit(
        library="azure_inference",
        provider="azure.ai.inference",
        model="phi-x",
        make=lambda url: ChatCompletionsClient(endpoint=url, credential=KEY, retry_backoff_factor=0),
        make_async=lambda url: AsyncChatCompletionsClient(endpoint=url, credential=KEY),
        plain=lambda client, model: client.complete(messages=MESSAGES, model=model),
        plain_async=lambda client, model: client.complete(messages=MESSAGES, model=model),
        stream=lambda client, model: client.complete(messages=MESSAGES, model=model, stream=True),
        stream_async=lambda client, model: client.complete(messages=MESSAGES, model=model, stream=True),
        stream_usage=(None, None),
        thinking=None,
        cached=None,
        retried=None,  # a POST only where the server fails, see below
        talk=lambda client, model: client.complete(messages=CONVERSATION, model=model),
    )

    def test_retries_are_one_call(self, bench: Bench) -> None:
        with ChatCompletionsClient(endpoint=bench.server.url, credential=KEY, retry_backoff_factor=0) as client:
            self.kit.plain(client, "phi-x-fail-503-2")
        assert bench.ended_once().error_type == ""
        assert bench.captured.count("otel_llm_retries_total", "overloaded") == 2

    def test_embeddings(self, bench: Bench) -> None:
        with EmbeddingsClient(endpoint=bench.server.url, credential=KEY) as client:
            client.embed(input=["hi"], model="embed-x")
        call = bench.ended_once()
        assert (call.operation, call.input_tokens) == ("embeddings", 8)


def _replicate(url: str) -> Any:
    client = replicate.Client(api_token="test-key", base_url=url)
    client.poll_interval = 0
    return client


def _replicate_closed(client: Any) -> Any:
    for name in ("_Client__client", "_Client__async_client"):
        if (http := getattr(client, name, None)) is not None:
            return _closed(http)
    return None


class TestReplicate(Contract):
    kit = Kit(
        library="replicate",
        switches=False,  # a version is asked for by a call of its own
        provider="replicate",
        operation="generate_content",
        model="meta/llama-x",
        make=_replicate,
        make_async=_replicate,
        plain=lambda client, model: client.run(model, input={"prompt": "hi"}),
        plain_async=lambda client, model: client.async_run(model, input={"prompt": "hi"}),
        stream=lambda client, model: client.stream(model, input={"prompt": "hi"}),
        stream_usage=(None, None),
        thinking=None,
        cached=None,
        retried=None,
        instructed=lambda client, model: client.run(model, input={"prompt": "hi", "system_prompt": INSTRUCTION}),
        calls_tools=False,
        close=_replicate_closed,
    )

    test_stream = None  # it tells no usage, nor that it should
    test_no_usage_is_unknown_and_not_zero = None  # as a picture's

    def test_a_stream(self, bench: Bench) -> None:
        with_client(self.kit, bench.server.url, lambda client: list(self.kit.stream(client, "meta/llama-x")))
        call = bench.ended_once()
        assert (call.error_type, call.stream, call.usage_unknown) == ("", True, "")
        assert call.first_chunk is not None

    def test_content_of_a_prediction(self, bench: Bench) -> None:
        with captured("replicate", ON) as told:
            given = {"prompt": "hi", "temperature": 0.5}
            ask = lambda client: client.models.predictions.create("meta/llama-x", given, wait=True)
            with_client(self.kit, bench.server.url, ask)
        assert [said(message) for message in told["gen_ai.input.messages"]] == ["hi"]
        assert [said(message) for message in told["gen_ai.output.messages"]] == [TEXT]

    @pytest.mark.parametrize("wait", [True, False])
    def test_predictions(self, bench: Bench, wait: bool) -> None:
        def use(client: Any) -> None:
            client.models.predictions.create(model="meta/llama-x", input={}, wait=wait).wait()

        with_client(self.kit, bench.server.url, use)
        call = bench.ended_once()
        assert (call.request_model, call.output_tokens) == ("meta/llama-x", 20 if wait else None)
