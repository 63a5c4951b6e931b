"""Calls that a garbage collection has ended: concluded as soon as it is over, by a thread that holds no lock.

A collection may come while its thread holds any lock, also one that concluding a call takes: the exporter's, the journal's,
logging's. So the thread in which it came concludes nothing itself. It waits for the other one, but only as long as nobody
notices: where the two are in each other's way, the call is concluded when the lock is free.

A signal that comes during a collection is handled where Python code runs next. In a callback of the collector that would be lost,
with a message (``KeyboardInterrupt``, exception ignored in ...). So no code of ours runs there, but where a collection has ended a
call: what reports a collection are methods in C.
"""

from __future__ import annotations

import gc
from collections import deque
from contextlib import suppress
from typing import Any

from otel_llm.core.unpatched import Lock, original, start_thread

WAIT = 0.25
"""Seconds that a collection's thread waits for the calls to be concluded."""

ENDED: deque[tuple[Any, str, float]] = deque()
"""What is to be concluded: call, error type, when it ended by the calls' clock."""

phases: dict[str, Any] = {}  # the collector's phases, the last at the end, and its facts
_own: Any = original("_thread", "_local")()  # the same, of the thread's own collections
UNDER_WAY = "start"


def collecting() -> bool:
    """Whether a collection is under way in this thread."""
    return next(reversed(phases), "") == UNDER_WAY and getattr(_own, "start", None) is phases.get("start")


def submit(call: Any, error: str, ended: float) -> None:
    """Conclude ``call`` now, or after the garbage collection that has ended it."""
    if collecting():
        ENDED.append((call, error, ended))
        if _over not in gc.callbacks:
            gc.callbacks.append(_over)
        return
    call.conclude(error, ended)
    if ENDED:
        conclude()


def conclude() -> None:
    """Conclude what is waiting, here and now. For whoever holds no lock: a call that opens or ends, a scrape."""
    while ENDED:
        with suppress(IndexError):  # another thread was faster
            call, error, ended = ENDED.popleft()
            call.conclude(error, ended)


def _over(phase: str, _: object) -> None:
    if phase == "stop":
        gc.callbacks.remove(_over)
        if ENDED:
            _conclude_elsewhere()


def _conclude_elsewhere() -> None:
    done = Lock()
    done.acquire()
    with suppress(RuntimeError):  # no thread to be had: the next call concludes it, or the next scrape
        start_thread(_conclude_then, (done,))
        done.acquire(timeout=WAIT)


def _conclude_then(done: Any) -> None:
    try:
        conclude()
    finally:
        done.release()


gc.callbacks += [phases.pop, phases.__setitem__, _own.__setattr__]
