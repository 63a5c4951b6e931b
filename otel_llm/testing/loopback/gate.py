"""What a waiting answer waits for, so that tests decide when it goes on and never sleep."""

from __future__ import annotations

import asyncio
import threading
from collections import deque


class Gate:
    """Closed at first. ``step`` lets some waits pass, ``set`` all of them until ``clear``. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = False
        self._passes = 0
        self._waiters: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()

    def set(self) -> None:
        with self._lock:
            self._open = True
            woken, self._waiters = self._waiters, deque()
        for loop, waiter in woken:
            loop.call_soon_threadsafe(_wake, waiter)

    def clear(self) -> None:
        with self._lock:
            self._open = False
            self._passes = 0

    def is_set(self) -> bool:
        return self._open

    def step(self, count: int = 1) -> None:
        """Let ``count`` waits pass, those that came first before the others; what is left over is for later waits."""
        for _ in range(count):
            with self._lock:
                if not self._waiters:
                    self._passes += 1
                    continue
                loop, waiter = self._waiters.popleft()
            loop.call_soon_threadsafe(_wake, waiter)

    async def wait(self) -> None:
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._open:
                return
            if self._passes:
                self._passes -= 1
                return
            waiter: asyncio.Future[None] = loop.create_future()
            entry = (loop, waiter)
            self._waiters.append(entry)
        try:
            await waiter
        finally:
            self._forget(entry)

    def _forget(self, entry: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]) -> None:
        """A waiter that was cancelled must not use up a step."""
        with self._lock:
            if entry in self._waiters:
                self._waiters.remove(entry)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
