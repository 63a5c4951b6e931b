"""Clients that share OpenAI's generated base and shapes, under the contract."""

from __future__ import annotations

import inspect
from typing import Any

import cerebras.cloud.sdk
import groq
import together
import writerai
from contract import Contract, Kit
from contract_content import CONVERSATION

MESSAGES: Any = [{"role": "user", "content": "hi"}]
USAGE: Any = {"include_usage": True}
# newer versions connect early
WARMS = "warm_tcp_connection" in inspect.signature(cerebras.cloud.sdk.Cerebras).parameters
COLD: Any = {"warm_tcp_connection": False} if WARMS else {}


def _create(**more: Any) -> Any:
    return lambda client, model: client.chat.completions.create(model=model, messages=MESSAGES, **more)


async def _raw(client: Any, model: str) -> Any:
    return await (await client.chat.completions.with_raw_response.create(model=model, messages=MESSAGES)).parse()


def _kit(library: str, make: Any, make_async: Any, **more: Any) -> Kit:
    streamed = _create(stream=True, **more.pop("options", {}))
    return Kit(
        library=library,
        provider=library,
        make=make,
        make_async=make_async,
        plain=_create(),
        plain_async=_create(),
        stream=streamed,
        stream_async=streamed,
        raw=lambda client, model: client.chat.completions.with_raw_response.create(
            model=model, messages=MESSAGES
        ).parse(),
        raw_async=_raw,
        talk=lambda client, model: client.chat.completions.create(model=model, messages=CONVERSATION),
        **more,
    )


class TestGroq(Contract):
    kit = _kit(
        "groq",
        lambda url: groq.Groq(base_url=url, api_key="test-key"),
        lambda url: groq.AsyncGroq(base_url=url, api_key="test-key"),
        cached=(100, 30, 0),
    )


class TestTogether(Contract):
    kit = _kit(
        "together",
        lambda url: together.Together(base_url=f"{url}/v1", api_key="test-key"),
        lambda url: together.AsyncTogether(base_url=f"{url}/v1", api_key="test-key"),
        cached=None,  # no split of its tokens
        thinking=None,
    )


class TestCerebras(Contract):
    kit = _kit(
        "cerebras",
        lambda url: cerebras.cloud.sdk.Cerebras(base_url=url, api_key="test-key", **COLD),
        lambda url: cerebras.cloud.sdk.AsyncCerebras(base_url=url, api_key="test-key", **COLD),
        options={"stream_options": USAGE},
        cached=(100, 30, 0),
    )


class TestWriter(Contract):
    kit = Kit(
        library="writer",
        cached=(100, 30, 0),
        faults=("malformed", "empty", "sse-error", "cut-3"),  # of a lost connection it tries again after half a minute
        provider="writer",
        make=lambda url: writerai.Writer(base_url=url, api_key="test-key"),
        make_async=lambda url: writerai.AsyncWriter(base_url=url, api_key="test-key"),
        plain=lambda client, model: client.chat.chat(model=model, messages=MESSAGES),
        plain_async=lambda client, model: client.chat.chat(model=model, messages=MESSAGES),
        stream=lambda client, model: client.chat.chat(
            model=model, messages=MESSAGES, stream=True, stream_options=USAGE
        ),
        stream_async=lambda client, model: client.chat.chat(
            model=model, messages=MESSAGES, stream=True, stream_options=USAGE
        ),
        talk=lambda client, model: client.chat.chat(model=model, messages=CONVERSATION),
    )
