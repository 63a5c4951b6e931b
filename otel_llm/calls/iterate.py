"""Watch a stream. The caller keeps its own object: same type, same helpers, same close.

A stream of an SDK is watched from inside: the attribute that its iteration and its helpers read from is exchanged for a
watched one, and the close of the response below it means that nobody will read on (``close``). Generators, iterators and
managers that have no inside are handed over as a watched generator or proxy (``proxies``). Nothing here refers back to the
stream that refers to it, so one that is dropped goes at once, as it would without us.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Generator, Iterator
from types import TracebackType
from typing import Any

from otel_llm.core.guard import foreign

from .bodies import Events, Whole, read_along
from .close import on_close
from .declarations import Body, Later, Stream, Value
from .invocation import Invocation

CARRIED = "otel_llm"  # the key under which a call travels with a response


class Step:
    """``with step:`` around what gives the next item of a stream, or opens it. One object serves all steps of a stream.

    The first step opens a call that has not begun, and finds it current, as it may be what sends it; the others find it current
    if it ``covers`` calls that are made on the way. The end of the items ends the call, an error fails it.
    """

    __slots__ = ("_covers", "_current", "call")

    def __init__(self, call: Invocation, *, covers: bool) -> None:
        self.call = call
        self._covers = covers
        self._current = False

    def __enter__(self) -> None:
        call = self.call
        self._current = self._covers
        if not call.began:
            call.open()
            self._current = True
        if self._current:
            call.__enter__()
        call.busy = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        call = self.call
        call.busy = False
        if self._current:
            call.__exit__(None, None, None)
        if error is None:
            return
        if isinstance(error, (StopIteration, StopAsyncIteration)):
            call.drained()
        else:
            call.fail(error)


def iterate(source: Iterator[Any], call: Invocation) -> Generator[Any, Any, None]:
    """The items of ``source``, each shown to ``call`` on its way."""
    return _any(source, call) if call.covers or not call.began else _plain(source, call)


def _plain(source: Iterator[Any], call: Invocation) -> Generator[Any, Any, None]:
    """The items of a call that has begun and covers none; what ``_any`` does, without a ``with``. It is free while the caller has one."""
    call.busy, over = True, False
    try:
        for item in source:
            call.chunk(item)
            call.busy = False
            yield item
            call.busy = True
        over = True
    finally:
        call.busy = False
        if not over:
            _stopped(call)
    call.drained()


def _any(source: Iterator[Any], call: Invocation) -> Generator[Any, Any, None]:
    if call.covers:
        source = _inside(source, call)
    with Step(call, covers=False):
        for item in source:
            call.chunk(item)
            call.busy = False
            yield item
            call.busy = True
    call.drained()


def _inside(source: Iterator[Any], call: Invocation) -> Generator[Any, Any, None]:
    """The items of ``source``, which finds ``call`` current at each: the calls that it makes on its way are part of it."""
    while True:
        with call:
            item = next(source, _END)
        if item is _END:
            return
        yield item


_END: Any = object()


def advance(step: Step, proceed: Callable[..., Any], *sent: Any) -> Any:
    """The next item of an iterator, shown to the call of ``step``."""
    with step:
        item = proceed(*sent)
    step.call.chunk(item)
    return item


async def advance_async(step: Step, proceed: Callable[[], Awaitable[Any]]) -> Any:
    """The next item of an async iterator, shown to the call of ``step``."""
    with step:
        item = await proceed()
    step.call.chunk(item)
    return item


def _stopped(call: Invocation) -> None:
    """The error at hand came in place of an item: the end of the items, or a failure."""
    error = sys.exc_info()[1]
    if isinstance(error, StopAsyncIteration):
        call.drained()
    elif error is not None:
        call.fail(error)


class AsyncItems:
    """The items of an async iterator, each shown to the call on its way."""

    __slots__ = ("__weakref__", "_call", "_next", "_source", "_step")

    def __init__(self, source: Any, call: Invocation) -> None:
        self._source = source
        self._call = call
        self._next = source.__anext__
        self._step = Step(call, covers=bool(call.covers)) if call.covers or not call.began else None

    def __aiter__(self) -> AsyncItems:
        return self

    async def __anext__(self) -> Any:
        if self._step is not None:
            return await advance_async(self._step, self._next)
        call, item = (
            self._call,
            _END,
        )  # the same without a ``with``, whose two steps cost as much as all else for each item
        call.busy = True
        try:
            item = await self._next()
        finally:
            call.busy = False
            if item is _END:
                _stopped(call)
        call.chunk(item)
        return item

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)


def follow(call: Invocation, watched: Stream | Later | Body) -> None:
    """Follow a result that its library's declaration knows how to follow."""
    if isinstance(watched, Stream):
        tap(call, watched)
    elif isinstance(watched, Body):
        read_along(call, watched)
    else:
        watched.carrier[CARRIED] = call
        call.along = Events() if call.request.stream else Whole()
        on_close(watched.closer, call, _ending(call, watched.read), reads=True)


def tap(call: Invocation, stream: Stream) -> bool:
    """Exchange what ``stream`` reads from for a watched one, and learn of its close. Returns that this is done."""
    owner, name, closer, carrier = stream
    if carrier is not None:
        carrier[CARRIED] = call
    call.request.stream = True
    source = getattr(owner, name)
    items: Any = AsyncItems(source, call) if hasattr(source, "__anext__") else iterate(source, call)
    setattr(owner, name, items)
    if closer is not None:
        on_close(closer, call, call.left)
    return True


def _ending(call: Invocation, read: Callable[[], Value | None]) -> Callable[[], None]:
    def ended() -> None:
        answer = None
        with foreign(
            call.fail
        ):  # what came may be no answer: the caller, who may not want to parse it, does not see that
            answer = read()
        if answer is None:
            call.left()
        elif not call.done:
            call.value(answer.value)

    return ended
