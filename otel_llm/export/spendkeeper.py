"""Spend beyond one start of the service: taken over from the former start, exact even where that was killed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from otel_llm import spendfile
from otel_llm.guard import guard
from otel_llm.store import Store

from .leader import Leader
from .locks import FileLock, locked
from .mail import Nobody
from .statedir import LOCK, SPEND, discard, is_alive, starts

SAVE_SECONDS = 60.0


class SpendKeeper:
    """Of the services on one user and port, one at a time keeps the spend: the first to take its lock.

    A start that ended without a word left its spend in its checkpoint and journals. Who takes the lock counts those to
    their end, saves what comes out, and removes them.
    """

    def __init__(self, start: Path, make_store: Callable[[], Store]) -> None:
        self._start = start
        self._base = start.parent
        self._make_store = make_store
        self._lock = FileLock(self._base / f"{SPEND}.lock")
        self._saved = time.monotonic()

    def take(self, leader: Leader) -> None:
        """Take the spend over, as soon as nobody else keeps it."""
        if not self._lock.held and self._lock.take() and not leader.with_spend:
            self._take_over(leader)

    def save(self, leader: Leader, *, now: bool = False) -> None:
        """Save it each minute, or ``now``. Waits for the disk: not to be called with a lock that others need."""
        if self._lock.held and (now or time.monotonic() - self._saved >= SAVE_SECONDS):
            self._saved = time.monotonic()
            spendfile.save(self._base / SPEND, leader.store.spend())

    def close(self) -> None:
        self._lock.drop()

    def _take_over(self, leader: Leader) -> None:
        with locked(self._base / LOCK):
            for dead in [start for start in starts(self._base) if start != self._start and not is_alive(start)]:
                with guard("spend"):
                    self._salvage(dead)
                discard(dead)
        spend = spendfile.load(self._base / SPEND)
        if spend is not None:
            with guard("spend"):
                leader.store.add_spend(spend)
        leader.with_spend = True

    def _salvage(self, start: Path) -> None:
        dead = Leader(start, self._make_store(), Nobody())
        dead.drain(None)
        dead.close()
        if not dead.with_spend and (before := spendfile.load(self._base / SPEND)) is not None:
            dead.store.add_spend(before)
        spendfile.save(self._base / SPEND, dead.store.spend())
