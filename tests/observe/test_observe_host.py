"""What ``observe`` and ``labels`` leave as it is: a host has the same functions, generators and answers without them."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import gc
import http.client
import json
import pickle
import urllib.request
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import openai
import pytest

import otel_llm
from otel_llm.calls.context import LABELS
from otel_llm.calls.invocation import current_call
from otel_llm.core.model import Response, Usage
from otel_llm.middleware import ASGIMiddleware
from otel_llm.testing import Captured, capture
from otel_llm.testing.loopback import Loopback


def read(reply: Any, into: Response) -> None:
    into.usage = Usage(*getattr(reply, "tokens", (1, 2)))


watched = otel_llm.observe(provider="acme", model="one", read=read)


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture("openai") as captured:
        yield captured


# functions


@watched
def doubled(number: int) -> int:
    return number * 2


@watched
async def doubled_later(number: int) -> int:
    return number * 2


class Desk:
    @watched
    def ask(self) -> int:
        return 1

    @watched
    @staticmethod
    def told() -> int:
        return 2


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("around", [nullcontext, lambda: capture("openai")], ids=["unwatched", "watched"])
@pytest.mark.parametrize("copied", [pickled, copy.deepcopy, copy.copy])
def test_a_copy_of_a_function(copied: Callable[[Any], Any], around: Callable[[], AbstractContextManager[Any]]) -> None:
    with around():
        assert copied(doubled) is doubled
        assert copied(doubled_later) is doubled_later
        assert copied(Desk().ask)() == copied(Desk.ask)(Desk()) == 1
        assert copied(Desk.told)() == copied(Desk().told)() == 2


def test_a_copy_of_a_method_is_of_its_own_object() -> None:
    desk = Desk()
    assert copy.copy(desk.ask).__self__ is desk
    assert copy.deepcopy(desk.ask).__self__ is not desk


async def test_a_coroutine_that_never_starts(captured: Captured) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        doubled_later(1).close()
        task = asyncio.ensure_future(doubled_later(1))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gc.collect()
    assert [str(warning.message) for warning in told] == []
    assert (captured.calls, captured.open) == ([], 0)


async def test_the_name_of_a_coroutine(captured: Captured) -> None:
    pending: Any = doubled_later(2)
    assert (pending.__name__, pending.__qualname__) == ("doubled_later", "doubled_later")
    assert await pending == 4
    assert captured.call.request_model == "one"


# generators


def conversing(log: list[Any]) -> Generator[Any, Any, str]:
    """Takes what is sent, copes with what is thrown, and says something in the end."""
    try:
        log.append((yield 1))
        try:
            yield 2
        except KeyError as error:
            log.append(error.args)
            yield "coped"
        return "result"
    finally:
        log.append("closed")


def used(make: Callable[[list[Any]], Generator[Any, Any, str]], *thrown: Any) -> list[Any]:
    log: list[Any] = []

    def outer() -> Generator[Any, Any, None]:
        log.append((yield from make(log)))

    steps = outer()
    log += [next(steps), steps.send("hello"), steps.throw(*thrown), list(steps)]
    return log


def failing() -> Generator[int, None, None]:
    try:
        yield 1
        yield 2
    finally:
        raise OSError("not committed")


@pytest.mark.parametrize(
    "thrown", [(KeyError("k"),), (KeyError,), (KeyError, "k"), (KeyError, KeyError("k"), None)], ids=str
)
@pytest.mark.filterwarnings("ignore:the .* signature of throw:DeprecationWarning")
def test_what_is_sent_thrown_and_returned(captured: Captured, thrown: tuple[Any, ...]) -> None:
    assert used(watched(conversing), *thrown) == used(conversing, *thrown)
    assert captured.call.error_type == ""


def test_what_is_thrown_and_not_coped_with(captured: Captured) -> None:
    log: list[Any] = []
    steps = watched(conversing)(log)
    next(steps)
    with pytest.raises(TimeoutError) as caught:
        steps.throw(TimeoutError("late"))
    assert log == ["closed"]  # though its error, and so its frames, are kept
    assert captured.call.error_type == "timeout"
    del caught


def test_a_close_that_fails(captured: Captured) -> None:
    steps = watched(failing)()
    next(steps)
    with pytest.raises(OSError, match="not committed"):
        steps.close()
    assert captured.call.error_type == "abandoned"


def test_the_name_of_a_generator(captured: Captured) -> None:
    steps: Any = watched(conversing)([])
    assert (steps.__name__, steps.__qualname__) == ("conversing", "conversing")
    steps.close()
    assert (captured.calls, captured.open) == ([], 0)  # it has not begun


# one object in several places


async def test_one_block_in_two_tasks(captured: Captured) -> None:
    block = otel_llm.observe(provider="acme", read=lambda told, into: setattr(into, "usage", Usage(*told)))
    both, first_left = asyncio.Event(), asyncio.Event()

    async def first() -> Any:
        with block as call:
            call.reply((1, 2))
            await both.wait()
        first_left.set()
        return current_call()

    async def second() -> Any:
        with block as call:
            call.reply((3, 4))
            both.set()
            await first_left.wait()
        return current_call()

    assert await asyncio.gather(first(), second()) == [None, None]
    assert [call.input_tokens for call in captured.calls] == [1, 3]  # in the order in which they were left
    assert captured.open == 0


async def test_one_labels_object_in_two_tasks() -> None:
    shared = otel_llm.labels(tenant="acme")
    both, first_left = asyncio.Event(), asyncio.Event()

    async def first() -> Any:
        with shared:
            await both.wait()
        first_left.set()
        return dict(LABELS.get())

    async def second() -> Any:
        with shared:
            both.set()
            await first_left.wait()
            assert LABELS.get() == {"tenant": "acme"}
        return dict(LABELS.get())

    assert await asyncio.gather(first(), second()) == [{}, {}]


def test_labels_left_in_another_context() -> None:
    """As in a dependency of FastAPI, of which each half runs in a thread with a copy of the context."""

    def dependency() -> Iterator[None]:
        with otel_llm.labels(tenant="acme"):
            yield

    given: Any = dependency()
    contextvars.copy_context().run(next, given)
    given.close()
    assert LABELS.get() == {}


def test_a_request_left_in_another_context() -> None:
    """As of a server whose loop ends while it is served."""

    @contextvars.copy_context().run
    def served() -> Any:
        async def app(*_: Any) -> None:
            await asyncio.Future(loop=loop)

        loop = asyncio.new_event_loop()
        pending: Any = ASGIMiddleware(app)({"type": "http", "path": "/", "headers": []}, None, None)  # type: ignore[arg-type]
        pending.send(None)
        loop.close()
        return pending

    served.close()
    assert LABELS.get() == {}


# whole answers


class Reply:
    """An answer that can be closed, and not one that comes in pieces."""

    tokens = (3, 4)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None: ...

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *_: object) -> None: ...


@watched
def replied() -> Reply:
    return Reply()


@watched
async def replied_later() -> Reply:
    return Reply()


async def test_an_answer_that_is_a_context_manager(captured: Captured) -> None:
    for reply in (replied(), await replied_later()):
        assert type(reply) is Reply
    assert [(call.input_tokens, call.error_type) for call in captured.calls] == [(3, "")] * 2


def test_an_answer_that_is_a_file(captured: Captured) -> None:
    @watched
    def fetched(url: str) -> Any:
        body = json.dumps({"model": "gpt-x", "messages": []}).encode()
        return urllib.request.urlopen(urllib.request.Request(url, body, {"content-type": "application/json"}))

    with Loopback() as server, fetched(f"{server.url}/v1/chat/completions") as reply:
        assert type(reply) is http.client.HTTPResponse
        assert (captured.call.input_tokens, captured.call.error_type, captured.open) == (1, "", 0)
        assert json.load(reply)["model"] == "gpt-x"


# what comes after


async def test_a_call_after_a_covering_one_in_its_context(captured: Captured) -> None:
    ended = asyncio.Event()

    async def judged(client: openai.AsyncOpenAI) -> None:
        await ended.wait()
        await client.chat.completions.create(model="judge", messages=[{"role": "user", "content": "hi"}])

    with Loopback() as server:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="test-key") as client:
            with otel_llm.observe(provider="acme", model="one", covers=("*",)):
                task = asyncio.create_task(judged(client))
            ended.set()
            await task
    assert [(call.provider, call.request_model) for call in captured.calls] == [("acme", "one"), ("openai", "judge")]
