"""mistralai and openrouter, which share a generated base, under the contract."""

from __future__ import annotations

from typing import Any

import pytest
from contract import Bench, Contract, Kit, with_client
from contract_content import ARGUMENTS, CONVERSATION, INSTRUCTION, parsed, said

try:
    from mistralai.client import Mistral
    from mistralai.client.utils import BackoffStrategy, RetryConfig
except ImportError:
    from mistralai import Mistral  # before 2.0
    from mistralai.utils import BackoffStrategy, RetryConfig
import openrouter.tts
from openrouter import OpenRouter
from openrouter.utils import BackoffStrategy as RouterBackoff
from openrouter.utils import RetryConfig as RouterRetries

MESSAGES: Any = [{"role": "user", "content": "hi"}]


@pytest.mark.filterwarnings("ignore:Accessing the 'model_fields' attribute:DeprecationWarning")  # of 1.8 itself
class TestMistral(Contract):
    kit = Kit(
        library="mistral",
        provider="mistral_ai",
        model="mistral-x",
        make=lambda url: Mistral(api_key="test-key", server_url=url),
        make_async=lambda url: Mistral(api_key="test-key", server_url=url),
        plain=lambda client, model: client.chat.complete(model=model, messages=MESSAGES),
        plain_async=lambda client, model: client.chat.complete_async(model=model, messages=MESSAGES),
        stream=lambda client, model: client.chat.stream(model=model, messages=MESSAGES),
        stream_async=lambda client, model: client.chat.stream_async(model=model, messages=MESSAGES),
        thinking=None,
        cached=None,
        retried=None,  # not unless it is asked to
        talk=lambda client, model: client.chat.complete(model=model, messages=CONVERSATION),
    )

    def test_retries_are_one_call_where_they_are_asked_for(self, bench: Bench) -> None:
        config = RetryConfig("backoff", BackoffStrategy(1, 2, 1.0, 60_000), retry_connection_errors=False)
        with Mistral(api_key="test-key", server_url=bench.server.url, retry_config=config) as client:
            self.kit.plain(client, "mistral-x-fail-429-2")
        assert bench.ended_once().error_type == ""
        assert bench.captured.count("otel_llm_retries_total", "rate_limit") == 2

    @pytest.mark.parametrize(
        ("operation", "ask", "usage"),
        [
            ("embeddings", lambda c: c.embeddings.create(model="mistral-embed", inputs=["hi"]), (8, None)),
            (
                "ocr",
                lambda c: c.ocr.process(model="ocr-x", document={"type": "document_url", "document_url": "http://x"}),
                (None, None),
            ),
            ("invoke_agent", lambda c: c.beta.conversations.start(model="mistral-x", inputs="hi"), (100, 20)),
            (
                "invoke_agent",
                lambda c: list(c.beta.conversations.start_stream(model="mistral-x", inputs="hi")),
                (100, 20),
            ),
            ("text_completion", lambda c: c.fim.complete(model="codestral-x", prompt="def f():"), (100, 20)),
        ],
    )
    def test_operations(self, bench: Bench, operation: str, ask: Any, usage: Any) -> None:
        with_client(self.kit, bench.server.url, ask)
        call = bench.ended_once()
        assert (call.operation, call.error_type) == (operation, "")
        assert (call.input_tokens, call.output_tokens or None) == usage

    @pytest.mark.parametrize("stream", [False, True])
    def test_content_of_conversations(self, server: Any, stream: bool) -> None:
        def talk(client: Any, model: str) -> Any:
            given = {"model": model, "inputs": "hi", "instructions": INSTRUCTION}
            return (
                list(client.beta.conversations.start_stream(**given))
                if stream
                else client.beta.conversations.start(**given)
            )

        told = self.content_of(server, talk)
        assert [said(message) for message in told["gen_ai.input.messages"]] == ["hi"]
        assert [part["content"] for part in told["gen_ai.system_instructions"]] == [INSTRUCTION]
        self.check_answer(told)
        (call,) = self.content_of(server, talk, "-tools")["gen_ai.output.messages"][0]["parts"]
        assert (call["type"], call["name"], parsed(call["arguments"])) == ("tool_call", "get_weather", ARGUMENTS)


def router(url: str, milliseconds: int = 0) -> OpenRouter:
    """A client that retries every ``milliseconds``, or never: by default it does for an hour, which is not to be waited for."""
    backoff = RouterBackoff(milliseconds, milliseconds, 1.0, 60_000, 0)
    retries = RouterRetries("backoff" if milliseconds else "none", backoff, retry_connection_errors=False)
    return OpenRouter(api_key="test-key", server_url=f"{url}/api/v1", retry_config=retries)


class TestOpenRouter(Contract):
    kit = Kit(
        library="openrouter",
        provider="openrouter",
        model="openai/gpt-x",
        make=router,
        make_async=router,
        plain=lambda client, model: client.chat.send(model=model, messages=MESSAGES),
        plain_async=lambda client, model: client.chat.send_async(model=model, messages=MESSAGES),
        stream=lambda client, model: client.chat.send(model=model, messages=MESSAGES, stream=True),
        stream_async=lambda client, model: client.chat.send_async(model=model, messages=MESSAGES, stream=True),
        cached=(100, 30, 10),
        retried=None,  # 5XX alone, see below
        talk=lambda client, model: client.chat.send(model=model, messages=CONVERSATION),
        instructed=lambda client, model: client.beta.responses.send(model=model, input="hi", instructions=INSTRUCTION),
    )

    def may_miss(self) -> set[str]:
        """Version 1.0 has the class under another name; speech is not watched there."""
        old = not hasattr(openrouter.tts, "TTS")
        return {f"openrouter.tts:TTS.create_speech{twin}" for twin in ("", "_async")} if old else set()

    def test_retries_are_one_call(self, bench: Bench) -> None:
        with router(bench.server.url, milliseconds=1) as client:
            self.kit.plain(client, "openai/gpt-x-fail-503-2")
        assert bench.ended_once().error_type == ""
        assert bench.captured.count("otel_llm_retries_total", "overloaded") == 2

    @pytest.mark.parametrize(
        ("operation", "ask"),
        [
            ("embeddings", lambda c: c.embeddings.generate(model="openai/embed-x", input="hi")),
            ("chat", lambda c: c.beta.responses.send(model="openai/gpt-x", input="hi")),
        ],
    )
    def test_operations(self, bench: Bench, operation: str, ask: Any) -> None:
        with_client(self.kit, bench.server.url, ask)
        call = bench.ended_once()
        assert (call.operation, call.error_type) == (operation, "")
        assert call.input_tokens == (8 if operation == "embeddings" else 100)

    def test_the_cost_is_what_it_bills(self, bench: Bench) -> None:
        bench.captured.observer.price = lambda _, __, usage, ___: (usage.cost_usd, "provider", 0.0, None)
        with_client(self.kit, bench.server.url, lambda client: self.kit.plain(client, self.kit.model))
        call = bench.ended_once()
        assert call.cost == pytest.approx(120 * 0.00001)
        assert call.cost_source == "provider"
