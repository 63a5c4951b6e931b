"""A span of another library that a call of ours writes on. It ends when its owner says so and the call is over.

An owner may end its span while the call goes on, as where it leaves the reading of a stream to its caller, and may forget it, as
where a body is read by hand. The first would leave the call's tokens without a span, the second without one that anybody exports.
"""

from __future__ import annotations

from time import time_ns
from typing import Any
from weakref import ref

from otel_llm.core.guard import guard

from . import collected
from .invocation import Invocation

_SHARED: dict[int, ref[SharedSpan]] = {}


class SharedSpan:
    """The end of one such span, in the place of its own ``end``. No lock: a garbage collection may come here at any line."""

    __slots__ = ("__weakref__", "_asked", "_calls", "_ends", "_epoch", "_last", "_observer")

    def __init__(self, span: Any, call: Invocation) -> None:
        self._ends = [(span, span.end)]  # taken out by whoever ends the span
        self._calls: dict[int, ref[Invocation]] = {}
        self._observer, self._epoch = call.observer, call.epoch
        self._asked = 0  # when its owner ended it, nanoseconds since the epoch
        self._last = 0  # when the last call on it was over
        span.end = self.end

    def end(self, end_time: int | None = None) -> None:
        """What the owner calls: the span ends with this time, as soon as no call writes on it any more."""
        self._asked = self._asked or (time_ns() if end_time is None else end_time)
        if not self._waits():
            self._end(self._asked)

    def over(self, call: Invocation) -> None:
        """The call has written what it knows."""
        self._calls.pop(id(call), None)
        self._last = time_ns()
        if self._asked and not self._waits():
            self._end(self._asked)

    def conclude(self, _: str, __: float) -> None:
        """Nobody can end the span any more, as nobody has it: it ends where its last call did."""
        self.end(self._asked or self._last or None)

    def answered_by(self, response_id: str) -> bool:
        """Whether a call that is open on it has this answer."""
        calls = [reference() for reference in tuple(self._calls.values())]
        return any(call is not None and call.response.id == response_id for call in calls)

    def give_up(self) -> None:
        """End the span, whoever forgot it or goes on with a call: nothing is exported from now on."""
        if self._asked or self._last:
            self._end(self._asked or self._last)

    def _waits(self) -> bool:
        calls = [reference() for reference in tuple(self._calls.values())]
        return any(call is not None and call.epoch == call.observer.epoch for call in calls)

    def _end(self, at: int) -> None:
        while self._ends:
            span, end = self._ends.pop()
            _SHARED.pop(id(span), None)
            del span.end
            end(at)

    def __del__(self) -> None:
        if self._ends and self._epoch == self._observer.epoch:  # else it is the span of a process that was forked
            collected.submit(self, "", 0.0)


def share(span: Any, call: Invocation) -> SharedSpan | None:
    """Hold the end of ``span`` until ``call`` is over. None for a kind of span that lets nobody."""
    there = _SHARED.get(id(span))
    shared = None if there is None else there()
    if shared is None:
        try:
            shared = SharedSpan(span, call)
        except AttributeError:
            return None
        _SHARED[id(span)] = ref(shared)
    shared._calls[id(call)] = ref(call)  # noqa: SLF001 - our own
    return shared


def answers(response_id: str) -> bool:
    """Whether a call that is open on another library's span has this answer."""
    open_ones = [reference() for reference in tuple(_SHARED.values())]
    return any(shared is not None and shared.answered_by(response_id) for shared in open_ones)


def settle() -> None:
    """A provider shuts down: end what a garbage collection has ended, and what nobody will."""
    collected.conclude()
    for reference in tuple(_SHARED.values()):
        shared = reference()
        if shared is not None:
            with guard("end"):
                shared.give_up()
