"""Whether this process aggregates for its service, or asks the process that does."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otel_llm.core.files import FileLock

from . import leader_file, processes
from .listing import owners
from .record_writer import RecordWriter
from .rpc import RemoteAggregator
from .statedir import CHECKPOINT, LEADER, SOCKET, starts

if TYPE_CHECKING:
    from otel_llm.aggregate import Store

    from .aggregator import Aggregator
    from .checkpoint import Checkpoint
    from .election import Leadership, Warn

SHORTAGE_SECONDS = 5.0
"""How long a process that lacked what it takes to lead lets others try."""


class Role:
    """The part of a process in the service that meets in ``folder``: leader, follower, or alone where there is no folder.

    Used by one thread at a time, which holds ``lock``.
    """

    def __init__(
        self, folder: Path | None, writer: RecordWriter, make_store: Callable[[], Store], lock: Any, warn: Warn
    ) -> None:
        self.folder = folder
        self.leadership: Leadership | None = None
        self._writer = writer
        self._make_store = make_store
        self._lock = lock
        self._warn = warn
        self._stands_from = 0.0
        self._elected = False
        self._leader_lock: FileLock | None = None  # until there is a leadership
        self._prepared: tuple[type[Leadership], Store] | None = None
        self._door: FileLock | None = None

    @property
    def leads(self) -> bool:
        """Whether nobody else can lead: at first perhaps without what a leader has, which ``prepare`` makes."""
        return self._elected

    @property
    def name(self) -> str:
        """``leader``, ``follower``, or ``single`` where processes cannot share."""
        if self.folder is None:
            return "single"
        return "leader" if self.leads else "follower"

    @property
    def serves(self) -> bool:
        """Whether this process should hold the port: it leads, or it does so for a container that the leader is not in."""
        return self.leads or (self._door is not None and self._door.held)

    @property
    def awaited(self) -> bool:
        """Whether this process leads, and has not what a leader has yet."""
        return self._elected and self.leadership is None

    @property
    def needed(self) -> bool:
        """Whether a leader has something to count: somebody has made a call, or another leader or start has left something."""
        if self._writer.journal is not None or self.leadership is not None:
            return True
        if self.folder is None:
            return False
        with suppress(FileNotFoundError):  # somebody has removed it
            return (
                bool(owners(self.folder))
                or (self.folder / CHECKPOINT).exists()
                or any(start != self.folder for start in starts(self.folder.parent))
            )
        return False

    def wait(self, seconds: float) -> None:
        """Let others try to lead first."""
        self._stands_from = time.monotonic() + seconds

    def stand(self) -> None:
        """Lead if nobody else does."""
        if self._elected or time.monotonic() < self._stands_from:
            return
        if self.folder is not None:
            leader_lock = FileLock(self.folder / LEADER)
            if not leader_lock.take():
                return
            with ExitStack() as failed:
                failed.callback(leader_lock.drop)  # or nobody could lead as long as this process lives
                leader_lock.write(leader_file.text())
                failed.pop_all()
            self._leader_lock = leader_lock
        self._elected = True

    def prepare(self) -> None:
        """Import what a leader has, and make its store: a process that only follows is spared it.

        To be called without ``lock``, which calls of this process wait for.
        """
        if not self.awaited or self._prepared is not None:
            return
        with ExitStack() as failed:
            failed.callback(self._withdraw)
            from .election import Leadership  # noqa: PLC0415

            self._prepared = Leadership, self._make_store()
            failed.pop_all()

    def round(self, *, attended: bool = True) -> None:
        """Do what is to be done now and then. Unless ``attended``, nobody can be answered."""
        self._take_seat()
        self._writer.make_room()
        self._mind_door()
        if self.leadership is not None:
            self._writer.settle(self.leadership.aggregator.count)
            self.leadership.round(self._warn, listen=attended)
            if self.leadership.cannot_work and self.folder is not None:
                self.resign()  # somebody else may have what is short here
                self.wait(SHORTAGE_SECONDS)
        elif not self._elected:
            self._writer.show()
            self._writer.hand_over()
            self._writer.inbox.look()

    def _take_seat(self) -> None:
        """Begin to lead with what was prepared."""
        if self._prepared is None:
            return
        (leadership, store), self._prepared = self._prepared, None
        with ExitStack() as failed:
            failed.callback(self._withdraw)
            if self.folder is not None:
                self._writer.inbox.look()  # what the former leader sent comes before what this one finds
            self.leadership = leadership(
                self.folder, self._leader_lock, store, self._make_store, self._writer, self._lock
            )
            failed.pop_all()
        self._leader_lock = None  # whose it is now

    def _withdraw(self) -> None:
        """Let others lead, before this process has what a leader has."""
        self._elected, self._prepared = False, None
        leader_lock, self._leader_lock = self._leader_lock, None
        if leader_lock is not None:
            leader_lock.drop()

    def _mind_door(self) -> None:
        """Where the leader is in another network namespace, its port cannot be reached from this one: the first process here serves
        one with the leader's answers."""
        if not self._elected and self.folder is not None and (here := _apart(self.folder)):
            if self._door is None:
                self._door = FileLock(self.folder / f"serves.{here}")
            self._door.take()
        else:
            self._close_door()

    def _close_door(self) -> None:
        if self._door is not None:
            self._door.drop()
            self._door = None

    def after_round(self) -> None:
        """What may take its time, and so is done without the lock."""
        if self.leadership is not None:
            self.leadership.after_round()

    def aggregator(self) -> Aggregator | RemoteAggregator | None:
        """Whom to ask; None where this process is alone and does not lead, or not yet."""
        if self.leadership is not None:
            return self.leadership.aggregator
        return None if self.folder is None else RemoteAggregator(self.folder / SOCKET)

    def leave(self) -> Checkpoint | None:
        """Give everything back where the directory was removed; returns what was counted, if this process leads."""
        leadership = self._end()
        return None if leadership is None else leadership.leave()

    def resign(self) -> bool:
        """Give everything back, so that somebody else can lead; returns whether there is spend that was not saved."""
        leadership = self._end()
        if leadership is None:
            return False
        leadership.resign()
        return leadership.owes

    def _end(self) -> Leadership | None:
        """Lead no more; returns what is left to be given back."""
        self._close_door()
        self._withdraw()
        leadership, self.leadership = self.leadership, None
        return leadership

    def drop_after_fork(self) -> None:
        """In a forked child: close what is the parent's, without unlocking or shutting anything."""
        self._close_door()
        self._withdraw()
        if self.leadership is not None:
            with suppress(OSError):
                self.leadership.drop_after_fork()


def _apart(folder: Path) -> str:
    """The network namespace of this process, where the leader is in another one; else empty."""
    leader = leader_file.read(folder / LEADER)
    here = "" if leader is None or not leader.network else processes.network()
    return here if leader is not None and here != leader.network else ""
