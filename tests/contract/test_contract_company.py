"""Others at the same methods: above us, below us, on one client, gone again, or calling twice; and classes that are imported anew."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from otel_llm.testing import capture
from otel_llm.testing.loopback import Loopback

MESSAGES: Any = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


def ask(server: Loopback, client: Any = None) -> None:
    if client is None:
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key="k", max_retries=0) as made:
            ask(server, made)
        return
    client.chat.completions.create(model="gpt-x", messages=MESSAGES)
    assert len(list(client.chat.completions.create(model="gpt-x", messages=MESSAGES, stream=True))) > 1
    assert client.chat.completions.with_raw_response.create(model="gpt-x", messages=MESSAGES).parse().id


def wrapping(method: Callable[..., Any], times: int = 1) -> Callable[..., Any]:
    """A wrapper that holds the function that it came upon, as those of other instrumentations do."""

    @functools.wraps(method)
    def request(*args: Any, **kwargs: Any) -> Any:
        for _ in range(times - 1):
            method(*args, **kwargs)
        return method(*args, **kwargs)

    return request


def on_subclass(monkeypatch: pytest.MonkeyPatch, times: int = 1) -> None:
    monkeypatch.setattr(openai.OpenAI, "request", wrapping(openai.OpenAI.request, times), raising=False)


def on_base(monkeypatch: pytest.MonkeyPatch, times: int = 1) -> None:
    base = openai._base_client.SyncAPIClient
    monkeypatch.setattr(base, "request", wrapping(base.request, times))


@pytest.mark.parametrize("place", [on_subclass, on_base])
@pytest.mark.parametrize("order", ["first", "last", "two deep", "gone again"])
def test_each_call_once(
    place: Callable[..., None], order: str, server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(server.requests)
    if order != "last":
        place(monkeypatch)
    if order == "two deep":
        place(monkeypatch)
    with capture("openai") as captured:
        if order == "last":
            place(monkeypatch)
        if order == "gone again":
            monkeypatch.undo()
        ask(server)
        assert len(captured.calls) == len(server.requests) - before == 3
    after = len(captured.calls)
    ask(server)
    assert len(captured.calls) == after  # we are out, though they are in


def test_on_one_client(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="k", max_retries=0) as client:
        monkeypatch.setattr(client, "request", wrapping(client.request))
        with capture("openai") as captured:
            ask(server, client)
            assert len(captured.calls) == 3


def test_a_wrapper_that_calls_twice_makes_two_calls(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    on_subclass(monkeypatch, 2)
    before = len(server.requests)
    with capture("openai") as captured, openai.OpenAI(base_url=f"{server.url}/v1", api_key="k") as client:
        client.chat.completions.create(model="m", messages=MESSAGES)
        assert len(captured.calls) == len(server.requests) - before == 2


def hello(groq: Any, server: Loopback) -> None:
    with groq.Groq(base_url=server.url, api_key="k") as client:
        client.chat.completions.create(model="x", messages=MESSAGES)


def test_classes_that_are_imported_anew(server: Loopback) -> None:
    mine = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "groq"}
    with capture("groq") as captured:
        first = importlib.import_module("groq")
        hello(first, server)
        for name in [name for name in sys.modules if name.partition(".")[0] == "groq"]:
            del sys.modules[name]
        try:
            again = importlib.import_module("groq")
            assert again.Groq is not first.Groq
            hello(again, server)
            hello(again, server)
        finally:
            for name in [name for name in sys.modules if name.partition(".")[0] == "groq"]:
                del sys.modules[name]
            sys.modules.update(mine)
        assert [call.provider for call in captured.calls] == ["groq"] * 3
