"""The facts of the status page, asked for once a second at most, whoever looks; kept where nobody can say newer ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from otel_llm.core.guard import guard
from otel_llm.core.unpatched import Lock

Facts = dict[str, Any]
Ask = Callable[[], Facts]


def nobody() -> Facts:
    """Where there is nobody to ask. Raises ``OSError``."""
    raise OSError("this process does not know its service")


SECOND = 1.0
"""How old facts may be that are shown as they are."""
PATIENCE = 5.0
"""Seconds to wait for somebody else who makes the same."""
MOST_MADE = 32
"""Forms of the facts that are kept: orders of the page, and paths that it is mounted at."""


class Snapshot:
    """Facts, and what is made of them, for a second. ``ask`` raises ``OSError`` where nobody can answer just now."""

    def __init__(self, ask: Ask, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._lock = Lock()
        self._facts: Facts | None = None
        self._taken = -SECOND
        self._made: dict[Any, Any] = {}

    def get(self, key: Any, make: Callable[[Facts], Any]) -> Any:
        """What ``make`` makes of the facts, made once for each ``key``. None where there have never been facts."""
        held = self._lock.acquire(timeout=PATIENCE)  # a forked child may have it locked for ever
        try:
            return self._get(key, make)
        finally:
            if held:
                self._lock.release()

    def _get(self, key: Any, make: Callable[[Facts], Any]) -> Any:
        if self._clock() - self._taken >= SECOND:
            self._refresh()
        if self._facts is None:
            return None
        if key not in self._made:
            if len(self._made) >= MOST_MADE:
                self._made.clear()
            self._made[key] = make(self._facts)
        return self._made[key]

    def _refresh(self) -> None:
        reason = "otel-llm failed to read its own numbers; the log of the service says why"
        fresh: Facts | None = None
        with guard("status"):
            try:
                fresh = self._ask()
            except OSError as error:
                reason = str(error)
        if fresh is None and self._facts is not None:
            fresh = {**self._facts, "fresh": "old", "reason": reason, "at": utc_now()}
        self._facts = fresh
        self._made = {}
        self._taken = self._clock()


def utc_now() -> str:
    """The time as the facts write it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
