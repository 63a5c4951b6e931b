"""The openai client, chat and responses, under the contract."""

from __future__ import annotations

from typing import Any

import openai
from contract import Contract, Kit
from contract_content import CONVERSATION, INSTRUCTION

MESSAGES: Any = [{"role": "user", "content": "hi"}]
USAGE: Any = {"include_usage": True}


async def _raw(client: openai.AsyncOpenAI, model: str) -> Any:
    reply = await client.chat.completions.with_raw_response.create(model=model, messages=MESSAGES)
    return reply.parse()


async def _raw_responses(client: openai.AsyncOpenAI, model: str) -> Any:
    return (await client.responses.with_raw_response.create(model=model, input="hi")).parse()


def _manager(client: Any, model: str) -> Any:
    return client.chat.completions.stream(model=model, messages=MESSAGES, stream_options=USAGE)


def make(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="test-key")


def make_async(url: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="test-key")


HAS_STREAMS = hasattr(openai.resources.chat.Completions, "stream")  # in 1.26 there are no managers, and no responses
HAS_RESPONSES = hasattr(openai.OpenAI, "responses")


class _Older:
    def may_miss(self) -> set[str]:
        """Realtime connections of 1.x send no raw events, and its Responses have no connections."""
        if not openai.__version__.startswith("1."):
            return super().may_miss()
        methods = ("__init__", "send", "send_raw", "recv_bytes", "close")
        places = [("realtime.realtime", "Realtime", ["send_raw"]), ("responses.responses", "Responses", methods)]
        return super().may_miss() | {
            f"openai.resources.{module}:{twin}{kind}Connection.{method}"
            for module, kind, lacking in places
            for method in lacking
            for twin in ("", "Async")
        }


class TestOpenAIChat(_Older, Contract):
    kit = Kit(
        library="openai",
        provider="openai",
        make=make,
        make_async=make_async,
        plain=lambda client, model: client.chat.completions.create(model=model, messages=MESSAGES),
        plain_async=lambda client, model: client.chat.completions.create(model=model, messages=MESSAGES),
        stream=lambda client, model: client.chat.completions.create(
            model=model, messages=MESSAGES, stream=True, stream_options=USAGE
        ),
        stream_async=lambda client, model: client.chat.completions.create(
            model=model, messages=MESSAGES, stream=True, stream_options=USAGE
        ),
        manager=_manager if HAS_STREAMS else None,
        manager_async=_manager if HAS_STREAMS else None,
        raw=lambda client, model: client.chat.completions.with_raw_response.create(
            model=model, messages=MESSAGES
        ).parse(),
        raw_async=_raw,
        cut_error=("connection",),
        talk=lambda client, model: client.chat.completions.create(model=model, messages=CONVERSATION),
    )


class TestOpenAIResponses(_Older, Contract):
    __test__ = HAS_RESPONSES
    kit = Kit(
        library="openai",
        provider="openai",
        make=make,
        make_async=make_async,
        plain=lambda client, model: client.responses.create(model=model, input="hi"),
        plain_async=lambda client, model: client.responses.create(model=model, input="hi"),
        stream=lambda client, model: client.responses.create(model=model, input="hi", stream=True),
        stream_async=lambda client, model: client.responses.create(model=model, input="hi", stream=True),
        manager=lambda client, model: client.responses.stream(model=model, input="hi"),
        manager_async=lambda client, model: client.responses.stream(model=model, input="hi"),
        raw=lambda client, model: client.responses.with_raw_response.create(model=model, input="hi").parse(),
        raw_async=_raw_responses,
        instructed=lambda client, model: client.responses.create(model=model, input="hi", instructions=INSTRUCTION),
    )
