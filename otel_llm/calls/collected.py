"""Calls that a garbage collection has ended: concluded as soon as it is over, by a thread that holds no lock.

A collection may come while its thread holds any lock, also one that concluding a call takes: the exporter's, the journal's,
logging's. So the thread in which it came concludes nothing itself. It waits for the other one, but only as long as nobody
notices: where the two are in each other's way, the call is concluded when the lock is free.
"""

from __future__ import annotations

import gc
from collections import deque
from contextlib import suppress
from threading import get_ident
from typing import Any

from otel_llm.core.unpatched import Lock, start_thread

WAIT = 0.25
"""Seconds that a collection's thread waits for the calls to be concluded."""

ENDED: deque[tuple[Any, str, float]] = deque()
"""What is to be concluded: call, error type, when it ended by the calls' clock."""

collecting = 0
"""The thread in which a collection is under way, or 0."""


def conclude() -> None:
    """Conclude what is waiting, here and now. For whoever holds no lock: a call that opens or ends, a scrape."""
    while ENDED:
        with suppress(IndexError):  # another thread was faster
            call, error, ended = ENDED.popleft()
            call.conclude(error, ended)


def _collects(phase: str, _: object) -> None:
    global collecting  # noqa: PLW0603 - there is one collector
    if phase == "start":
        collecting = get_ident()
        return
    collecting = 0
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


gc.callbacks.append(_collects)
