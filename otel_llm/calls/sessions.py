"""Calls that come and go as events on a connection: many on each, every one opened once and ended once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from types import CoroutineType
from typing import Any
from weakref import WeakKeyDictionary

from otel_llm.core.guard import guard, guarded
from otel_llm.core.model import Request
from otel_llm.core.shapes import NamedTuple

from .context import Place, at, here
from .declarations import Session, SessionEvent, SessionReader
from .invocation import Invocation
from .observer import Observer
from .reporting import Reporting

Wrapper = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]
_HOOK = guard("hook")
_MOST = 64  # wishes and open calls of a connection; servers answer a few at a time


class PendingRequest(NamedTuple):
    """A call that was asked for, and where."""

    key: str | None
    request: Request
    place: Place


class SessionTracker:
    """The calls of one connection. It does not refer to the connection, so that one that is dropped takes it along."""

    __slots__ = ("_lost", "_made_at", "_open", "_talk", "_wishes", "leaving", "observer")

    def __init__(self, talk: SessionReader, lost: Callable[[BaseException], bool], observer: Observer) -> None:
        self.observer = observer
        self.leaving = False  # the host is closing: what is open then is not the provider's failure
        self._talk, self._lost = talk, lost
        self._made_at = here()
        self._wishes: deque[PendingRequest] = deque(maxlen=_MOST)
        self._open: dict[str, Invocation] = {}

    def _sending(self, event: Any) -> PendingRequest | None:
        turn = self._talk.sent(event)
        if turn is None or turn.request is None:
            return None
        wish = PendingRequest(turn.key, turn.request, here())
        if turn.step == "opens" and turn.key is not None and turn.key not in self._open:
            self._open[turn.key] = self._call(wish.request, wish.place)
        else:
            self._wishes.append(wish)
        return wish

    sending = guarded("hook", _sending, 2)

    def unsent(self, wish: PendingRequest, error: BaseException) -> None:
        """What asked for ``wish`` did not go out: a call that had begun with it failed."""
        with _HOOK:
            self._forget(wish)
            call = self._open.get(wish.key or "")
            if call is not None and call.request is wish.request:
                del self._open[wish.key or ""]
                call.fail(error)

    def _forget(self, wish: PendingRequest) -> None:
        with suppress(ValueError):  # another thread may have been faster
            self._wishes.remove(wish)

    def _received(self, event: Any) -> None:
        turn = self._talk.received(event)
        if turn is None:
            return
        if turn.step == "refuses":
            self._refuse(turn)
            return
        if turn.request is not None:
            self._opens(turn.key or "", turn.request, asked=turn.asked)
        if turn.step == "continues":
            self._pass_on(turn)
        elif turn.step == "ends":
            call = self._open.pop(turn.key or "", None)
            if call is not None:
                call.value(turn.event)

    received = guarded("hook", _received, 2)

    def _pass_on(self, turn: SessionEvent) -> None:
        for call in list(self._open.values()) if turn.key is None else [self._open.get(turn.key)]:
            if call is not None:
                call.chunk(turn.event)

    def _opens(self, key: str, request: Request, *, asked: bool) -> None:
        if key in self._open:
            return  # reported twice
        place = self._wishes.popleft().place if asked and self._wishes else self._made_at
        self._open[key] = self._call(request, place)
        while len(self._open) > _MOST:
            self._open.pop(next(iter(self._open))).left()

    def _call(self, request: Request, place: Place) -> Invocation:
        with at(place):
            call = Invocation(self.observer, request, ())
            call.open()
        return call

    def _refuse(self, turn: SessionEvent) -> None:
        """What was asked for is refused: a call that failed at once. An error that is about no wish goes to the open calls."""
        known = turn.key is not None or turn.asked
        wish = next((wish for wish in self._wishes if known and wish.key == turn.key), None)
        if wish is None:
            self._pass_on(turn._replace(key=None))
            return
        self._forget(wish)
        self._call(wish.request, wish.place).value(turn.event)

    def failed(self, error: BaseException) -> None:
        """Receiving raised ``error``: where that is the connection's end, it is the end of what is open and of what was asked."""
        with _HOOK:
            if not self._lost(error):
                return
            if self.leaving:
                self.left()
            for call in self._ending():
                call.fail(error)
            while self._wishes:
                wish = self._wishes.popleft()
                self._call(wish.request, wish.place).fail(error)

    def left(self) -> None:
        """The host has closed the connection. What was asked for and not begun is forgotten."""
        with _HOOK:
            self._wishes.clear()
            for call in self._ending():
                call.left()

    def _ending(self) -> list[Invocation]:
        """The open calls, which get no more events. Those with an announced failure end with it."""
        calls = list(self._open.values())
        self._open.clear()
        for call in calls:
            if call.response.error_code is not None:
                call.end()
        return calls


_LINES: WeakKeyDictionary[Any, SessionTracker] = WeakKeyDictionary()


def conversing(session: Session, method: str, observer: Observer) -> Wrapper:
    """The wrapper of the method called ``method`` of a session's connections."""

    def line(connection: Any) -> SessionTracker:
        tracker = _LINES.get(connection)
        if tracker is None or tracker.observer is not observer:
            tracker = _LINES[connection] = SessionTracker(session.talk(connection), session.lost, observer)
        return tracker

    find = guarded("hook", line, 1)
    if method in session.sends:
        return _sends(find, session.sent)
    if method in session.receives:
        return _receives(find)
    return _leaves(find) if method in session.leaves else _connects(find)


Find = Callable[[Any], "SessionTracker | None"]


def _connects(find: Find) -> Wrapper:
    def patched(wrapped: Callable[..., Any], connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        made = wrapped(*args, **kwargs)
        find(connection)  # remembers where it was made
        return made

    return patched


def _sends(find: Find, arguments: Callable[[tuple[Any, ...], dict[str, Any]], Any]) -> Wrapper:
    def patched(wrapped: Callable[..., Any], connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        line = find(connection)
        wish = None if line is None else line.sending(arguments(args, kwargs))
        if line is None or wish is None:
            return wrapped(*args, **kwargs)
        with Reporting(partial(line.unsent, wish)):
            result = wrapped(*args, **kwargs)
        return _sent(line, wish, result) if isinstance(result, CoroutineType) else result

    return patched


async def _sent(line: SessionTracker, wish: PendingRequest, pending: Coroutine[Any, Any, Any]) -> Any:
    with Reporting(partial(line.unsent, wish)):
        return await pending


def _receives(find: Find) -> Wrapper:
    def patched(wrapped: Callable[..., Any], connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        line = find(connection)
        if line is None:
            return wrapped(*args, **kwargs)
        with Reporting(line.failed):
            result = wrapped(*args, **kwargs)
        if isinstance(result, CoroutineType):
            return _receiving(line, result)
        line.received(result)
        return result

    return patched


async def _receiving(line: SessionTracker, pending: Coroutine[Any, Any, Any]) -> Any:
    with Reporting(line.failed):
        event = await pending
    line.received(event)
    return event


def _leaves(find: Find) -> Wrapper:
    def patched(wrapped: Callable[..., Any], connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        line = find(connection)
        if line is None:
            return wrapped(*args, **kwargs)
        line.leaving, result = True, None
        try:
            result = wrapped(*args, **kwargs)
        finally:
            if not isinstance(result, CoroutineType):
                line.left()
        return _leaving(line, result) if isinstance(result, CoroutineType) else result

    return patched


async def _leaving(line: SessionTracker, pending: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await pending
    finally:
        line.left()
