"""Real threads and locks, also where gevent or eventlet has put its own in their place.

The clerk must work while the host's event loop does not, and a lock that is only held for a copy must never hand over to
another greenlet: so both are taken from before the patch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any


def original(module: str, name: str) -> Any:
    """``module.name`` as it was before gevent's or eventlet's monkey patch."""
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent is not None and gevent.is_module_patched(module):
        return gevent.get_original(module, name)
    if eventlet is not None and eventlet.is_monkey_patched("thread"):
        return getattr(eventlet.original(module), name)
    return getattr(import_module(module), name)


Lock: Callable[[], Any] = original("_thread", "allocate_lock")
RLock: Callable[[], Any] = original("_thread", "RLock")
_start: Callable[[Callable[..., object], tuple[Any, ...]], int] = original("_thread", "start_new_thread")


def start_thread(work: Callable[..., object], arguments: tuple[Any, ...] = ()) -> None:
    """Run ``work`` in a thread of its own. Raises ``RuntimeError`` where none is to be had."""
    _start(work, arguments)


def pause(seconds: float) -> None:
    """Let other threads go on for a while."""
    wait = Lock()
    wait.acquire()
    wait.acquire(timeout=seconds)


class Thread:
    """Runs ``work`` every ``interval`` seconds until stopped. Never keeps the process alive."""

    def __init__(self, work: Callable[[], object], interval: float) -> None:
        self._work = work
        self._interval = interval
        self._bell = Lock()  # held until the end, so that waiting for it is a sleep that can be cut short
        self._bell.acquire()
        self._gone = Lock()

    def start(self) -> None:
        self._gone.acquire()
        _start(self._run, ())

    def stop(self, timeout: float) -> None:
        """Ask it to end, and wait at most ``timeout`` seconds until it has."""
        with suppress(RuntimeError):  # it was asked before
            self._bell.release()
        if self._gone.acquire(timeout=timeout):
            self._gone.release()

    def _run(self) -> None:
        try:
            while not self._bell.acquire(timeout=self._interval):
                self._work()
        finally:
            self._gone.release()
