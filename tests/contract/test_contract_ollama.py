"""ollama under the contract: clients, and the functions of its module, which are bound to a client at import."""

from __future__ import annotations

from typing import Any

import ollama
import pytest
from contract import Bench, Contract, Kit, drained, with_async_client, with_client
from contract_content import ARGUMENTS, INSTRUCTION

MESSAGES: Any = [{"role": "user", "content": "hi"}]
# a call has no id, and a result names the tool
CALL: Any = {"function": {"name": "get_weather", "arguments": ARGUMENTS}}
TALK: Any = [
    {"role": "system", "content": INSTRUCTION},
    *MESSAGES,
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "tool_name": "get_weather", "content": "sunny"},
]


async def _stream(client: Any, model: str) -> Any:
    return await client.chat(model=model, messages=MESSAGES, stream=True)


class TestOllama(Contract):
    kit = Kit(
        library="ollama",
        provider="ollama",
        model="llama-x",
        make=lambda url: ollama.Client(host=url),
        make_async=lambda url: ollama.AsyncClient(host=url),
        plain=lambda client, model: client.chat(model=model, messages=MESSAGES),
        plain_async=lambda client, model: client.chat(model=model, messages=MESSAGES),
        stream=lambda client, model: client.chat(model=model, messages=MESSAGES, stream=True),
        stream_async=_stream,
        thinking=None,  # told neither apart nor as cached
        cached=None,
        retried=None,
        talk=lambda client, model: client.chat(model=model, messages=TALK),
        close=lambda client: client._client.aclose() if hasattr(client._client, "aclose") else client._client.close(),
    )

    @pytest.mark.parametrize(
        ("operation", "ask", "usage"),
        [
            ("text_completion", lambda c: c.generate(model="llama-x", prompt="hi"), (100, 20)),
            ("text_completion", lambda c: list(c.generate(model="llama-x", prompt="hi", stream=True)), (100, 20)),
            ("embeddings", lambda c: c.embed(model="llama-x", input=["hi"]), (8, None)),
            ("embeddings", lambda c: c.embeddings(model="llama-x", prompt="hi"), (None, None)),
        ],
    )
    def test_operations(self, bench: Bench, operation: str, ask: Any, usage: Any) -> None:
        with_client(self.kit, bench.server.url, ask)
        call = bench.ended_once()
        assert (call.operation, call.error_type, call.usage_unknown) == (operation, "", "")
        assert (call.input_tokens, call.output_tokens) == usage

    def test_the_functions_of_the_module(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            ollama.chat.__self__._client, "_base_url", ollama.Client(host=bench.server.url)._client.base_url
        )
        ollama.chat(model="llama-x", messages=MESSAGES)
        self.check_success(bench, 100, 20)
        ollama.chat.__self__._client.close()

    def test_a_stream_begins_when_it_is_iterated(self, bench: Bench) -> None:
        def use(client: Any) -> None:
            stream = self.kit.stream(client, "llama-x")
            assert bench.captured.open == 0
            next(stream)
            assert bench.captured.open == 1
            del stream

        with_client(self.kit, bench.server.url, use)
        assert bench.ended_once().error_type == "abandoned"

    def test_a_stream_that_is_never_iterated_is_no_call(self, bench: Bench) -> None:
        with_client(self.kit, bench.server.url, lambda client: self.kit.stream(client, "llama-x"))
        assert not bench.captured.calls
        assert not bench.server.requests

    def test_the_request(self, bench: Bench) -> None:
        options = {"temperature": 0.5, "num_predict": 7}
        with_client(
            self.kit, bench.server.url, lambda c: c.chat(model="llama-x-length", messages=MESSAGES, options=options)
        )
        assert bench.ended_once().finish_reasons == ("length",)
        assert bench.span.attributes["gen_ai.request.temperature"] == 0.5
        assert bench.span.attributes["gen_ai.request.max_tokens"] == 7

    async def test_generate_streams_async(self, bench: Bench) -> None:
        async def use(client: Any) -> None:
            await drained(client.generate(model="llama-x", prompt="hi", stream=True))

        await with_async_client(self.kit, bench.server.url, use)
        assert bench.ended_once().output_tokens == 20
