"""Who leads a start of the service: whoever holds the lock, and with it the store and the socket that the others ask at."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

from otel_llm.aggregate import Store
from otel_llm.core.files import FileLock
from otel_llm.core.guard import COMPONENTS, INTERNAL_ERRORS, guard

from .aggregator import SLICE, Aggregator
from .checkpoint import Checkpoint
from .consumer import JournalConsumer
from .record_writer import RecordWriter
from .rpc import Listener
from .spendkeeper import SpendKeeper
from .statedir import SOCKET
from .verdict_queue import Outbox

RETRY_SECONDS = 1.0  # between two attempts to listen
DEAF_SECONDS = 1.0  # after which a leader that cannot listen lets others try

_SHORT = (None, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # None: no thread

Warn = Callable[[str], None]


class Leadership:
    """What a process has while it leads. Ends with ``resign``. Used by one thread at a time."""

    def __init__(
        self,
        folder: Path | None,
        leader_lock: FileLock | None,
        store: Store,
        make_store: Callable[[], Store],
        writer: RecordWriter,
        lock: Any,
    ) -> None:
        for component in COMPONENTS:
            store.create(INTERNAL_ERRORS, (component,))
        self._folder = folder
        self._lock = leader_lock
        self._outbox = Outbox(folder, writer)
        self.consumer = JournalConsumer(folder, store, self._outbox)
        self.aggregator = Aggregator(self.consumer, writer, lock)
        self._spend = None if folder is None else SpendKeeper(folder, make_store)
        self._listener: Listener | None = None
        self._next_listen = 0.0
        self._deaf_since: float | None = None
        self.behind = False
        """Whether processes write more than this one has counted in its last round."""

    @property
    def cannot_work(self) -> bool:
        """Whether there was neither thread nor descriptor, for a second by now, to answer the other processes with."""
        return self._deaf_since is not None and time.monotonic() - self._deaf_since >= DEAF_SECONDS

    def round(self, warn: Warn, *, listen: bool = True) -> None:
        """Answer the others, count what they have done, and keep it."""
        if listen and self._folder is not None:
            self._listen(self._folder, warn)
        self.behind = not self.aggregator.refresh(SLICE)
        self.aggregator.survey()
        self.aggregator.tend()
        try:
            self.keep()
        except OSError as error:
            warn(
                f"there is no room for a checkpoint, so what a killed process had not written down may be lost: {error}"
            )

    def keep(self, *, now: bool = False) -> None:
        """Write down what must not be lost, where it is time to or ``now``."""
        with guard("spend"):  # which waits for a better time; the checkpoint does not
            if self._spend is not None:
                self._spend.take(self.consumer)
                self._spend.seal(self.consumer, now=now)
        self.consumer.keep(now=now)

    def after_round(self, *, now: bool = False) -> None:
        """What may take its time, and so is done without a lock: verdicts are sent, the spend is saved."""
        if self.behind:  # under no lock, so that scrapes come between
            self.aggregator.refresh()
        self._outbox.round()
        if self._spend is not None:
            self._spend.save(self.consumer, now=now)

    @property
    def owes(self) -> bool:
        """Whether there is spend here that was not saved: who keeps the spend reads it where it is."""
        return self._spend is not None and self._spend.owes and self.consumer.store.has_spend()

    def resign(self) -> None:
        """Give everything back, so that somebody else can lead."""
        if self._listener is not None:
            self._listener.stop()
        self.behind = False
        try:
            with guard("workers"):
                self.aggregator.refresh(inf)
            with guard("workers"):  # no room, say: what is in the journals is there still
                self.keep(now=True)
            self.after_round(now=True)
        finally:
            self._close()

    def leave(self) -> Checkpoint:
        """Give everything back where the directory was removed; what was counted goes on in another one."""
        if self._listener is not None:
            self._listener.stop()
        self.consumer.finish()
        self._close()
        return self.consumer.state()

    def drop_after_fork(self) -> None:
        """In a forked child: close what is the parent's, without unlocking or shutting anything."""
        if self._listener is not None:
            self._listener.drop()
        self._close()

    def _listen(self, folder: Path, warn: Warn) -> None:
        """Answer the other processes; where that cannot be, try again now and then."""
        if self._listener is not None or time.monotonic() < self._next_listen:
            return
        self._next_listen = time.monotonic() + RETRY_SECONDS
        try:
            self._listener = Listener(folder / SOCKET, self.aggregator)
            self._deaf_since = None
        except OSError as error:
            if error.errno in _SHORT and self._deaf_since is None:
                self._deaf_since = time.monotonic()
            warn(f"other processes of this service cannot ask for its metrics: {error}")

    def _close(self) -> None:
        self.aggregator.close()
        self._outbox.close()
        if self._spend is not None:
            self._spend.close()
        if self._lock is not None:
            self._lock.drop()
