"""Who aggregates owns the store: brings it up to date, writes it as text, and answers for all processes of the service.

The process that leads has an ``Aggregator``; the others reach it through ``rpc.RemoteAggregator``, which answers the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from otel_llm.aggregate import Store
from otel_llm.aggregate.judgement import Change
from otel_llm.aggregate.summary import Summary
from otel_llm.core.guard import guard
from otel_llm.core.unpatched import pause

from .consumer import MOST, Goals, JournalConsumer
from .record_writer import RecordWriter
from .rpc import Ticket, UnreachableError

if TYPE_CHECKING:
    from prometheus_client import Metric as Samples

    from .families import StoreFamilies

SLICE = 1000
"""Records that are counted in one go, some milliseconds' work; then others get the lock."""
_NAP = 0.0001  # seconds: long enough that who waits for the lock gets it


def _rest() -> None:
    """Let who waits for the lock get it."""
    pause(_NAP)


class Aggregator:
    """Answers from the store of ``consumer``, this process's own records and open calls (of ``writer``) included.

    Any thread may ask: ``lock`` is held meanwhile, and by whoever forks.
    """

    def __init__(self, consumer: JournalConsumer, writer: RecordWriter, lock: Any) -> None:
        self.consumer = consumer
        self._writer = writer
        self._lock = lock
        self._closed = False

    @property
    def store(self) -> Store:
        return self.consumer.store

    def refresh(self, most: float = MOST) -> bool:
        """Take in all that was committed by now, ``most`` records or so of it: where that is not all, processes write faster than this one
        counts. Returns whether it is all.

        The lock is given back every few milliseconds, unless the caller holds it.
        """
        goals: Goals | None = None
        counted = 0
        while True:
            with self._lock:
                if self._closed:
                    raise UnreachableError("this process does not lead any more")
                goals = self.consumer.goals() if goals is None else goals
                counted += self.consumer.drain(self._writer.journal, goals, min(SLICE, most))
                if not goals or counted >= most:
                    self.consumer.show(self._writer.owner, self._writer.open_calls())
                    self.consumer.count_processes()
                    self.store.behind(self.consumer.backlog(goals) if goals else 0)
                    return not goals
            _rest()

    def text(self, *, openmetrics: bool) -> bytes:
        """All our families as text, without the end mark of OpenMetrics."""
        began = time.perf_counter()
        self.refresh()
        with self._lock:
            text = self._families().text(openmetrics=openmetrics)
            self.store.scraped(time.perf_counter() - began)
        return text

    def families(self) -> tuple[Samples, ...]:
        """All our families as prometheus_client knows them."""
        self.refresh()
        with self._lock:
            return tuple(self._families().families())

    def stats(self) -> Summary:
        """``Store.summary``: plain values. Who has gone since the last tick has no open calls."""
        with self._lock:
            self.survey()
        self.refresh()
        with self._lock:
            return self.store.summary(time.time(), _rest)

    def status(self) -> dict[str, Any]:
        """``Store.status``: the facts of the status page, plain values."""
        self.refresh()
        with self._lock:
            service = {"workers": max(self.consumer.live, 1), "exited": self.consumer.exited, "instances": 1}
            return self.store.status(time.time(), service, _rest)

    def judge(self) -> list[Change]:
        """Judge the last minutes; returns which conditions opened, changed or ended."""
        self.refresh()
        with self._lock:
            return self.store.incidents(time.time(), _rest)

    def spenders(self) -> object:
        """``Store.spenders``: who spent most."""
        self.refresh()
        with self._lock:
            return self.store.spenders()

    def ledger(self) -> tuple[Any, ...]:
        """``Store.ledger``: what was counted and is on no disk yet."""
        self.refresh()
        with self._lock:
            return self.store.ledger()

    def count(self, owner: str, payloads: Iterable[bytes], ticket: Ticket) -> None:
        """Count what a process could not put into a journal."""
        with self._lock:
            if self._closed:
                raise UnreachableError("this process does not lead any more")
            self.consumer.count(owner, payloads, ticket)

    def survey(self) -> None:
        """Look after the other processes."""
        self.consumer.survey(self._writer.owner)

    def tend(self) -> None:
        """Have baselines ready before a scrape asks for them."""
        with guard("store"):
            self.store.tend(time.time(), _rest)

    def check(self, key: tuple[Any, ...], signal: str, value: float) -> tuple[Any, ...] | None:
        """What a call with ``value`` would be called, as plain values; None without a baseline."""
        self.refresh()
        with self._lock:
            verdict = self.store.check(key, signal, value, time.time())
            return None if verdict is None else tuple(verdict)

    def close(self) -> None:
        """Answer nobody any more."""
        self._closed = True
        self.consumer.close()

    def _families(self) -> StoreFamilies:
        import prometheus_client  # noqa: F401, PLC0415 - 15 ms, which a start can do without; hooks on its import run first

        from .families import StoreFamilies  # noqa: PLC0415 - likewise

        return StoreFamilies(self.store)
