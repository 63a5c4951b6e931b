"""What a process has while it leads: the lock, the store, the socket that others ask at, and the port of /metrics."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otel_llm.aggregate import Store
from otel_llm.core.config import Config
from otel_llm.core.guard import COMPONENTS, guard
from otel_llm.exposition.answer import Scrape

from .aggregator import Aggregator
from .checkpoint import Checkpoint
from .journal import Journal, Memory
from .locks import FileLock
from .presence import InFlight
from .rpc import Listener, Question
from .spendkeeper import SpendKeeper
from .statedir import LEADER, SOCKET
from .verdicts import Inbox, Post

if TYPE_CHECKING:
    from otel_llm.exposition.collector import StoreSource
    from otel_llm.exposition.server import Server

INTERNAL_ERRORS = "otel_llm_internal_errors_total"
PORT_SECONDS = 1.0  # between two attempts to bind a taken port

Warn = Callable[[str], None]


class Election:
    """Begins with ``take``, ends with ``resign``. Used by one thread at a time."""

    def __init__(self, lock: FileLock | None, leader: Aggregator, post: Post, spend: SpendKeeper | None) -> None:
        self.leader = leader
        self._lock = lock
        self._post = post
        self._spend = spend
        self._listener: Listener | None = None
        self._server: Server | None = None
        self._next_bind = self._next_listen = 0.0

    @classmethod
    def take(
        cls, folder: Path | None, make_store: Callable[[], Store], inbox: Inbox, owner: Callable[[], str]
    ) -> Election | None:
        """Lead, unless somebody else does. Raises ``OSError`` where that cannot be told."""
        lock = None if folder is None else FileLock(folder / LEADER)
        if lock is not None and not lock.take():
            return None
        with ExitStack() as failed:
            if lock is not None:
                failed.callback(lock.drop)  # or nobody could lead as long as this process lives
                lock.write(f"{os.getpid():<20}".encode())
                inbox.look()  # what the former leader sent comes before what this one finds
            made = cls._with(lock, folder, make_store, Post(folder, inbox, owner))
            failed.pop_all()
        return made

    @classmethod
    def _with(cls, lock: FileLock | None, folder: Path | None, make_store: Callable[[], Store], post: Post) -> Election:
        store = make_store()
        for component in COMPONENTS:
            store.create(INTERNAL_ERRORS, (component,))
        leader = Aggregator(folder, store, post)
        spend = None if folder is None else SpendKeeper(folder, make_store)
        return cls(lock, leader, post, spend)

    @property
    def port(self) -> int | None:
        """Where /metrics is served."""
        return None if self._server is None else self._server.port

    def source(self, refresh: Callable[[], None]) -> StoreSource:
        """Our families, brought up to date by ``refresh`` before each scrape."""
        import prometheus_client  # noqa: F401, PLC0415 - 15 ms, which a start can do without; its hook imports the collector

        from otel_llm.exposition.collector import StoreSource  # noqa: PLC0415 - likewise

        return StoreSource(self.leader.store, refresh)

    def listen(self, folder: Path, answer: Callable[[Question], Any], warn: Warn) -> None:
        """Answer the other processes; where that cannot be, try again now and then."""
        if self._listener is not None or time.monotonic() < self._next_listen:
            return
        self._next_listen = time.monotonic() + PORT_SECONDS
        try:
            self._listener = Listener(folder / SOCKET, answer)
        except OSError as error:
            warn(f"other processes of this service cannot ask for its metrics: {error}")

    def bind(self, config: Config, scrape: Scrape, warn: Warn) -> None:
        """Serve /metrics; while the port is taken, try again now and then.

        Not before the second time is it worth a warning: a service that is just ending may have it.
        """
        if self._server is not None or time.monotonic() < self._next_bind:
            return
        from otel_llm.exposition.server import ServeError, serve  # noqa: PLC0415 - only where there is a port to serve

        again, self._next_bind = self._next_bind > 0, time.monotonic() + PORT_SECONDS
        try:
            self._server = serve(config, scrape)
        except ServeError as error:
            if again:
                warn(f"/metrics is not served, everything else works: {error}")

    def unbind(self) -> None:
        """Give the port back."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def refresh(self, journal: Journal | Memory | None, in_flight: InFlight) -> None:
        """Bring the store up to date, for a scrape."""
        self.leader.drain(journal)
        self.leader.show("" if journal is None else journal.owner, in_flight)
        self.leader.tell()

    def survey(self, journal: Journal | Memory | None) -> None:
        """Look after the other processes."""
        self.leader.survey("" if journal is None else journal.owner)

    def keep(self, *, now: bool = False) -> None:
        """Write down what must not be lost, where it is time to or ``now``."""
        with guard("spend"):  # which waits for a better time; the checkpoint does not
            if self._spend is not None:
                self._spend.take(self.leader)
        self.leader.keep(now=now)

    def after_round(self, *, now: bool = False) -> None:
        """What may take its time, and so is done without a lock: verdicts are sent, the spend is saved."""
        self._post.round()
        if self._spend is not None:
            self._spend.save(self.leader, now=now)

    def stats(self) -> dict[str, Any]:
        """The store in short, as plain values."""
        return self.leader.store.summary(time.time())

    @property
    def owes(self) -> bool:
        """Whether there is spend here that was not saved: who keeps the spend reads it where it is."""
        return self._spend is not None and self._spend.owes and self.leader.store.has_spend()

    def resign(self) -> None:
        """Give everything back, so that somebody else can lead."""
        self.unbind()
        if self._listener is not None:
            self._listener.stop()
        try:
            with guard("workers"):  # no room, say: what is in the journals is there still
                self.keep(now=True)
            self.after_round(now=True)
        finally:
            self._close()

    def leave(self) -> Checkpoint:
        """Give everything back where the directory was removed; what was counted goes on in another one."""
        self.unbind()
        if self._listener is not None:
            self._listener.stop()
        self.leader.finish()
        self._close()
        return self.leader.state()

    def drop_after_fork(self) -> None:
        """In a forked child: close what is the parent's, without unlocking or shutting anything."""
        if self._server is not None:
            self._server.drop_after_fork()
        if self._listener is not None:
            self._listener.drop()
        self._close()

    def _close(self) -> None:
        self.leader.close()
        self._post.close()
        if self._spend is not None:
            self._spend.close()
        if self._lock is not None:
            self._lock.drop()
