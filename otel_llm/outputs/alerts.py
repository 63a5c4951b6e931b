"""In-process alerts: handlers get anomalies on threads of their own, off the caller's path."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar, overload

from otel_llm.core import dispatch, fork, unpatched
from otel_llm.core.guard import guard

from .anomaly import SEVERITIES, Anomaly, Wanted, wanted

logger = logging.getLogger("otel_llm")

QUEUED = 100  # anomalies that wait for one handler; more are dropped and counted
QUIET = 300.0  # seconds in which the same anomaly is not delivered again
BURST, PER_SECOND = 20, 20 / 60.0  # anomalies that one handler gets at once, and how fast that is made good
PATIENCE = 30.0  # seconds that an async handler may take
Handler = Callable[[Anomaly], Awaitable[None] | None]


def _identity(anomaly: Anomaly) -> tuple[str, ...]:
    """What makes two anomalies the same: a call, a shift and a trend of one signal to one side are, whatever their severity."""
    labels = [text for label in anomaly.labels for text in label]
    about = (anomaly.type, anomaly.direction, anomaly.provider, anomaly.model, *labels)
    if anomaly.z_score is not None:
        return about
    return (*about, anomaly.condition, anomaly.severity, anomaly.detail)


class Lane:
    """One handler's own queue and thread: one that raises or hangs holds up nobody else.

    It keeps its thread, for what a handler keeps, as a connection, belongs under gevent and eventlet to the thread that made it.
    """

    def __init__(self, handler: Handler, wanted: Wanted) -> None:
        self.handler = handler
        self.wanted = wanted
        self.dropped = 0
        self.allowance, self.asked = float(BURST), 0.0
        self.over = False
        self.delivered: dict[
            tuple[str, ...], tuple[float, int, int]
        ] = {}  # when, how often held back since, and how severe
        self.begin()

    def begin(self) -> None:
        """Start again, without a thread until there is something to deliver; also in a forked child, where the thread is gone."""
        self.waiting: deque[Anomaly] = deque()
        self.unfinished = 0
        self.lock = unpatched.Lock()
        self.bell = unpatched.Lock()  # held while there is nothing to do
        self.bell.acquire()
        self.running = False

    def offer(self, anomaly: Anomaly, now: float) -> None:
        """Put ``anomaly`` if it is wanted, and the same has not been delivered lately."""
        if self.wanted.holds(anomaly) and (notice := self._fresh(anomaly, now)) is not None:
            self.put(notice, now)

    def _fresh(self, anomaly: Anomaly, now: float) -> Anomaly | None:
        """``anomaly``, unless the same was delivered lately; a worse one is another."""
        same, severity = _identity(anomaly), SEVERITIES.index(anomaly.severity)
        last, held_back, worst = self.delivered.get(same, (None, 0, -1))
        if last is not None and now - last < QUIET and severity <= worst:
            self.delivered[same] = (last, held_back + 1, worst)
            return None
        self.delivered = {key: value for key, value in self.delivered.items() if now - value[0] < 2 * QUIET}
        self.delivered[same] = (now, 0, severity)
        return replace(anomaly, repeated=held_back) if held_back else anomaly

    def put(self, anomaly: Anomaly, now: float) -> None:
        self.allowance = min(float(BURST), self.allowance + (now - self.asked) * PER_SECOND)
        self.asked = now
        if self.allowance < 1.0:
            self.dropped += 1
            return
        with self.lock:
            if len(self.waiting) >= QUEUED:
                self.dropped += 1
                return
            self.waiting.append(anomaly)
            self.unfinished += 1
            self.allowance -= 1.0
            start, self.running = not self.running, True
            self._ring()
        if start:
            self._start()

    def end(self) -> None:
        """Let the thread go, once all is delivered."""
        with self.lock:
            self.over = True
            self._ring()

    def drain(self, end: float) -> bool:
        """Wait until all is delivered, up to ``end`` on the monotonic clock; whether it is."""
        while self.unfinished and time.monotonic() < end:
            unpatched.pause(0.005)
        return not self.unfinished

    def _ring(self) -> None:
        if self.bell.locked():
            self.bell.release()

    def _start(self) -> None:
        """A real thread, also under gevent and eventlet: their own would only go on when this one lets them."""
        try:
            unpatched.start_thread(self._run)
        except RuntimeError:  # no thread to be had: the next anomaly tries again
            self.running = False

    def _run(self) -> None:
        try:
            while (anomaly := self._next()) is not None:
                try:
                    self._call(anomaly)
                finally:
                    with self.lock:
                        self.unfinished -= 1
        finally:  # a handler may end its thread: the next anomaly has another one
            self.running = False

    def _next(self) -> Anomaly | None:
        """What to deliver next, as soon as there is something; None at the end."""
        while True:
            with self.lock:
                if self.waiting:
                    return self.waiting.popleft()
                if self.over:
                    return None
            self.bell.acquire()

    def _call(self, anomaly: Anomaly) -> None:
        with guard("alert_handler"):
            result = self.handler(anomaly)
            if result is not None and hasattr(result, "__await__"):
                asyncio.run(_within(result))


async def _within(result: Awaitable[None]) -> None:
    await asyncio.wait_for(result, PATIENCE)


class Dispatcher:
    """Hands anomalies to lanes, each of which gets the same one at most once in ``QUIET`` seconds. ``clock`` is in seconds, monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.lanes: tuple[Lane, ...] = ()
        self.lock = unpatched.Lock()

    def add(self, handler: Handler, wanted: Wanted) -> Callable[[], None]:
        lane = Lane(handler, wanted)
        with self.lock:
            self.lanes = (*self.lanes, lane)

        def remove() -> None:
            with self.lock:
                self.lanes = tuple(other for other in self.lanes if other is not lane)
            lane.end()

        return remove

    def deliver(self, anomaly: Anomaly) -> None:
        if not self.lanes:
            return
        with self.lock, guard("alerts"):
            now = self.clock()
            for lane in self.lanes:
                with guard("alerts"):  # each by itself: a filter may fail on what an application's own alert holds
                    lane.offer(anomaly, now)

    def begin(self) -> None:
        """In a forked child: locks may be held and threads are gone."""
        self.lock = unpatched.Lock()
        for lane in self.lanes:
            lane.begin()

    def drain(self, timeout: float) -> bool:
        """Wait until handlers have got everything, ``timeout`` seconds at most; True if they have."""
        end = time.monotonic() + timeout
        return all(lane.drain(end) for lane in self.lanes)


_DISPATCHER = Dispatcher()
fork.in_child(_DISPATCHER.begin)


AnyHandler = TypeVar("AnyHandler", bound=Handler)


class Subscription:
    """What ``on_anomaly`` returns: called without arguments it takes the handler off; with an anomaly it is the handler itself."""

    def __init__(self, handler: Handler, remove: Callable[[], None]) -> None:
        self.handler = handler
        self._remove = remove

    def __call__(self, anomaly: Anomaly | None = None) -> Awaitable[None] | None:
        if anomaly is not None:
            return self.handler(anomaly)
        self._remove()
        return None


@overload
def on_anomaly(
    handler: Handler,
    severity: str | None = None,
    signal: str | Iterable[str] | None = None,
    *,
    provider: str | None = None,
    model: str | None = None,
    z_score: float = 0.0,
) -> Subscription: ...
@overload
def on_anomaly(
    handler: None = None,
    severity: str | None = None,
    signal: str | Iterable[str] | None = None,
    *,
    provider: str | None = None,
    model: str | None = None,
    z_score: float = 0.0,
) -> Callable[[AnyHandler], AnyHandler]: ...
def on_anomaly(
    handler: Handler | None = None,
    severity: str | None = None,
    signal: str | Iterable[str] | None = None,
    *,
    provider: str | None = None,
    model: str | None = None,
    z_score: float = 0.0,
) -> Any:
    """Call ``handler`` (plain or async) with each ``Anomaly``, on a thread of its own. Returns a function that removes it again.

    Also a decorator, with arguments (``@on_anomaly(severity="warning")``) or without; the function can be called as before.
    ``severity`` is ``critical`` (the default), or ``warning`` for
    warnings as well. ``signal`` is one or more of latency, output_tokens, cost, errors, budget, breaker ... or of the anomalies' types;
    None is all. ``provider`` and ``model`` may hold stars; ``z_score`` is the least distance in standard deviations, 0 or more, of
    those that have one. Each handler gets the same anomaly once in 5 minutes, a critical one after a warning at once, and no more than 20
    a minute. Raises ValueError on any other severity,
    signal, name or distance, and TypeError where ``handler`` cannot be called.
    """
    chosen = wanted(severity, signal, provider=provider, model=model, z_score=z_score)
    if handler is not None and not callable(handler):
        raise TypeError(f"handler {handler!r} cannot be called")
    if handler is not None:
        return Subscription(handler, _DISPATCHER.add(handler, chosen))

    def decorate(decorated: AnyHandler) -> AnyHandler:
        _DISPATCHER.add(decorated, chosen)
        return decorated

    return decorate


def alert(
    type: str,
    value: float = 1.0,
    *,
    severity: str = "warning",
    baseline: float | None = None,
    provider: str | None = "",
    model: str | None = "",
    detail: object = "",
) -> None:
    """Send an application's own alert through the handlers and notifications, deduplicated as all others are.

    ``type`` is its name, ``value`` and ``baseline`` are in units of its own; None as a name is none. Raises ValueError on a severity that
    is neither warning nor critical.
    """
    if severity not in SEVERITIES:
        raise ValueError(f"severity {severity!r} is unknown (allowed: {', '.join(SEVERITIES)})")
    deliver(
        Anomaly(
            type=str(type), severity=severity, value=value, baseline=baseline, provider=_text(provider), model=_text(model),
            detail=_text(detail),
        )
    )  # fmt: skip


def _text(name: object) -> str:
    """What filters and messages can read, whatever an application gives."""
    return "" if name is None else str(name)


def deliver(anomaly: Anomaly) -> None:
    """Hand ``anomaly`` to those who listen. Never blocks, never raises."""
    _DISPATCHER.deliver(anomaly)


def drain(timeout: float = 1.0) -> bool:
    """Wait until every handler has returned from what was delivered, ``timeout`` seconds at most; True if they have."""
    return _DISPATCHER.drain(timeout)


def _tell_of_breaker(name: str) -> None:
    deliver(Anomaly.of_breaker(name))


dispatch.on_opening(_tell_of_breaker)


def _tell_of_runaway(agent: str, tool: str, times: int) -> None:
    deliver(Anomaly.of_runaway(agent, tool, times))


dispatch.on_runaway(_tell_of_runaway)
