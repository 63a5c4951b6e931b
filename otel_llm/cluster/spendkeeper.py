"""Spend beyond one start of the service: taken over from the former start, exact even where that was killed."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from otel_llm.aggregate import Store
from otel_llm.aggregate.ledger_rows import Batch
from otel_llm.core.files import FileLock, locked
from otel_llm.core.guard import guard

from . import spendfile
from .consumer import JournalConsumer
from .statedir import BASELINES, LEDGER, LOCK, SPEND, SPENDERS, discard, has_members, is_alive, starts
from .verdict_queue import Discard

SAVE_SECONDS = 60.0
BASELINES_SECONDS = 600.0


class SpendKeeper:
    """Of the services on one user and port, one at a time keeps the spend: the first to take its lock, until its last process ends.

    Other starts leave their spend in their checkpoint and journals when they end. Who keeps the spend counts those to their end,
    adds them to its own, and removes them once its own checkpoint has them.
    """

    def __init__(self, start: Path, make_store: Callable[[], Store]) -> None:
        self.owes = True
        """Whether the last attempt to save the spend failed, or there was none."""
        self._start = start
        self._base = start.parent
        self._make_store = make_store
        self._lock = FileLock(self._base / f"{SPEND}.lock")
        self._saved = time.monotonic()
        self._next = self._next_baselines = 0.0
        self._taken: set[Path] = set()  # starts whose spend is in the store, and in no checkpoint yet
        self._batches: tuple[Batch, ...] = ()  # of the ledger, in our checkpoint and perhaps not in the file yet
        self._sealed = time.monotonic()
        self._is_kept = False  # in a checkpoint that says so: a file from before that would be counted again

    def take(self, leader: JournalConsumer) -> None:
        """Take over what has been spent before, as soon as nobody else keeps it; then, each minute, what others left behind.

        Raises ``OSError`` where that cannot be done just now: nothing is lost, and it is tried again.
        """
        if time.monotonic() < self._next or not self._lock.take():
            return
        if self._is_anothers():
            self._lock.drop()
            return
        self._next = time.monotonic() + SAVE_SECONDS
        self._lock.write(f"{self._start.name:<100}".encode())
        with locked(self._base / LOCK):
            self._take_over(leader)

    def seal(self, leader: JournalConsumer, *, now: bool = False) -> None:
        """Close, each minute or ``now``, what the ledger has counted since, and have a checkpoint hold it: from then on it is the same
        whoever writes it to the ledger's file. Raises ``OSError``; it is tried again."""
        if self._is_kept and (now or time.monotonic() - self._sealed >= SAVE_SECONDS):
            self._sealed = time.monotonic()
            if batches := leader.store.seal_ledger():
                leader.keep(now=True)
                self._batches = batches

    def save(self, leader: JournalConsumer, *, now: bool = False) -> None:
        """Save it each minute, or ``now``. Waits for the disk: not to be called with a lock that others need."""
        if self._is_kept and (now or time.monotonic() - self._saved >= SAVE_SECONDS):
            self._saved = time.monotonic()
            self.owes = not spendfile.save(self._base / SPEND, leader.store.spend())
            spendfile.save(self._base / SPENDERS, leader.store.spenders(), "Spenders")
            if now or time.monotonic() >= self._next_baselines:
                self._next_baselines = time.monotonic() + BASELINES_SECONDS
                spendfile.save(self._base / BASELINES, leader.store.baselines(), "Baselines")
        if self._batches:
            with guard("spend"):
                self._write_ledger(leader)

    def _write_ledger(self, leader: JournalConsumer) -> None:
        from . import ledgerfile  # noqa: PLC0415 - it takes sqlite3, which not every Python has

        today = datetime.now(timezone.utc).date()
        ledgerfile.apply(self._base / LEDGER, self._batches, today)
        leader.store.forget_ledger(self._batches)
        self._batches = ()

    def close(self) -> None:
        self._lock.drop()

    def _is_anothers(self) -> bool:
        """Whether the service that kept it lives: its leader has just died, and the next one goes on with it."""
        name = self._lock.path.read_text(encoding="utf-8", errors="replace").strip()
        return name not in ("", self._start.name) and has_members(self._base / name)

    def _take_over(self, leader: JournalConsumer) -> None:
        dead = [start for start in starts(self._base) if start != self._start and not is_alive(start)]
        left = [self._left(start) for start in dead if start not in self._taken]
        if not leader.with_spend:
            # what was kept last is newer in the store of who kept it than in the file
            kept = [one.store.spend() for one in left if one.with_spend]
            self._add(leader, kept[0] if kept else spendfile.load(self._base / SPEND))
            judged = [one.store.baselines() for one in left if one.with_spend and not one.unreadable]
            self._take_up_baselines(
                leader, judged[0] if judged else spendfile.load(self._base / BASELINES, "Baselines")
            )
            known = [one.store.spenders() for one in left if one.with_spend]
            self._add_spenders(leader, known[0] if known else spendfile.load(self._base / SPENDERS, "Spenders"))
            for one in left:
                if one.with_spend:
                    leader.store.add_ledger(one.store.ledger())
            leader.with_spend = True
        for one in left:
            if not (one.with_spend or one.unreadable):
                self._add(leader, one.store.spend())
                self._add_spenders(leader, one.store.spenders())
                leader.store.add_ledger(one.store.ledger())
        self._taken.update(dead)
        if self._taken or not self._is_kept:
            leader.keep(now=True)
            self._is_kept = True
        while self._taken:
            discard(self._taken.pop())

    def _left(self, start: Path) -> JournalConsumer:
        """What ``start`` has left behind, read to its end. Raises ``OSError`` where that cannot be done just now."""
        left = JournalConsumer(start, self._make_store(), Discard())
        try:
            if not left.unreadable:
                left.drain(None)
            if left.blocked:
                raise OSError(f"{start} cannot be read just now")
        finally:
            left.close()
        return left

    def _add(self, leader: JournalConsumer, spend: object) -> None:
        if spend is not None:
            with guard("spend"):
                leader.store.add_spend(spend)

    def _add_spenders(self, leader: JournalConsumer, spenders: object) -> None:
        if spenders is not None:
            with guard("spend"):
                leader.store.add_spenders(spenders)

    def _take_up_baselines(self, leader: JournalConsumer, learned: object) -> None:
        """Judge the first calls by what was usual before this start."""
        if learned:
            with guard("store"):
                leader.store.add_baselines(learned)
