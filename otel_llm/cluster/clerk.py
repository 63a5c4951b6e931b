"""A process's clerk: the thread that keeps it up to date in the background."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from otel_llm.core.unpatched import Thread, pause

TICK_SECONDS = 0.4
"""Between two rounds: how late a follower's open calls show, and how late a takeover begins."""


class Clerk:
    """Calls ``round`` every ``TICK_SECONDS``, and again at once where it says that there is more to do. ``lock`` keeps two threads from
    hiring two."""

    def __init__(self, round: Callable[[], bool], lock: Any) -> None:
        self._round = round
        self._lock = lock
        self._thread: Thread | None = None
        self._dismissed = False

    @property
    def at_work(self) -> bool:
        return self._thread is not None

    def hire(self) -> bool:
        """Begin, unless that is done; returns whether it is. Where there is no thread to be had, the next who comes tries again."""
        with self._lock, suppress(RuntimeError):
            if self._thread is None and not self._dismissed:
                thread = Thread(self._work, TICK_SECONDS)
                thread.start()
                self._thread = thread
        return self.at_work

    def dismiss(self, timeout: float) -> None:
        """End, after the round that is under way; waits for it ``timeout`` seconds at most."""
        self._dismissed = True
        if self._thread is not None:
            self._thread.stop(timeout)

    def _work(self) -> None:
        while self._round() and not self._dismissed:
            pause(0.0)
