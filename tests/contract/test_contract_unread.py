"""Responses that the caller reads by itself, with the clients of OpenAI's generated base: raw and streaming ones.

Whatever the caller does with the body, it sees what it would without us, and the call ends when it is done with it.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from contract import Contract, assert_same

from otel_llm.testing import capture
from otel_llm.testing.loopback import Loopback

CHATS = {  # library -> (its client's module, class, path below the server)
    "openai": ("openai", "OpenAI", "/v1"),
    "groq": ("groq", "Groq", ""),
    "together": ("together", "Together", "/v1"),
    "cerebras": ("cerebras.cloud.sdk", "Cerebras", ""),
    "writer": ("writerai", "Writer", ""),
    "anthropic": ("anthropic", "Anthropic", ""),
}
Cases = list[tuple[str, str]]  # how it is read, the model
MESSAGES: Any = [{"role": "user", "content": "hi"}]

# what the server says -> the error type of a call whose body the caller has; how the caller reads it
ANSWERS = {"gpt-x": "", "gpt-x-malformed": "parse", "gpt-x-empty": "parse", "gpt-x-fail-400": "invalid_request"}
READS: dict[str, Callable[[Any], Any]] = {
    "parse": lambda reply: reply.parse(),
    "read": lambda reply: reply.read(),
    "text": lambda reply: reply.text(),
    "json": lambda reply: reply.json(),
    "lines": lambda reply: _all(reply.iter_lines()),
    "nothing": lambda _: None,
}


def _all(lines: Any) -> Any:
    if hasattr(lines, "__next__"):
        return list(lines)

    async def each() -> list[Any]:
        return [line async for line in lines]

    return each()


def client_of(library: str, url: str, prefix: str = "") -> Any:
    module, name, path = CHATS[library]
    made = getattr(importlib.import_module(module), prefix + name)
    cold = {"warm_tcp_connection": False} if "warm_tcp_connection" in inspect.signature(made).parameters else {}
    return made(base_url=url + path, api_key="test-key", max_retries=0, **cold)


def asked(client: Any, library: str, model: str, way: str) -> Any:
    """The request, and the ``way`` (raw, streaming) of its response."""
    if library == "anthropic":
        create: Any = getattr(client.messages, f"with_{way}_response").create
        return create(model=model, messages=MESSAGES, max_tokens=9)
    if library == "writer":
        return getattr(client.chat, f"with_{way}_response").chat(model=model, messages=MESSAGES)
    return getattr(client.chat.completions, f"with_{way}_response").create(model=model, messages=MESSAGES)


def streamed(library: str, url: str, cases: Cases) -> list[Any]:
    def use(read: str, client: Any, model: str) -> Any:
        with asked(client, library, model, "streaming") as reply:
            return READS[read](reply)

    with client_of(library, url) as client:
        return [Contract.outcome(partial(use, read), client, model) for read, model in cases]


def streamed_async(library: str, url: str, cases: Cases) -> list[Any]:
    async def use(read: str, client: Any, model: str) -> Any:
        async with asked(client, library, model, "streaming") as reply:
            found = READS[read](reply)
            return await found if inspect.isawaitable(found) else found

    async def every() -> list[Any]:
        async with client_of(library, url, "Async") as client:
            return [await Contract.outcome_async(partial(use, read), client, model) for read, model in cases]

    return asyncio.run(every())


def raw(library: str, url: str, cases: Cases) -> list[Any]:
    def use(read: str, client: Any, model: str) -> Any:
        return READS[read](asked(client, library, model, "raw"))

    with client_of(library, url) as client:
        return [Contract.outcome(partial(use, read), client, model) for read, model in cases]


WAYS = {"streamed": streamed, "streamed_async": streamed_async, "raw": raw}


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


@pytest.mark.parametrize("library", CHATS)
@pytest.mark.parametrize("way", WAYS)
def test_the_caller_reads_it_by_itself(server: Loopback, way: str, library: str) -> None:
    reads = READS if way != "raw" else ("parse",) if library == "openai" else ("parse", "read")  # its raw one is parsed
    cases = [(read, model) for read in reads for model in ANSWERS]
    bare = WAYS[way](library, server.url, cases)
    with capture(library) as captured:
        assert_same(WAYS[way](library, server.url, cases), bare)
        calls = [(call.error_type, call.input_tokens) for call in captured.calls]
    assert calls == [expected(read, model) for read, model in cases]


def expected(read: str, model: str) -> tuple[str, int | None]:
    """Error type and input tokens. Lines are read along; what is no answer in them is the caller's to see."""
    error = ANSWERS[model]
    if read in ("lines", "nothing") and error != "invalid_request":
        return ("", None if error else 100) if read == "lines" else ("abandoned", None)
    return error, None if error else 100
