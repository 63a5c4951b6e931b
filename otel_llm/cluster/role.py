"""Whether this process aggregates for its service, or asks the process that does."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otel_llm.core.files import FileLock

from . import leader_file, processes
from .record_writer import RecordWriter
from .rpc import RemoteAggregator
from .statedir import LEADER, SOCKET

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
        self._door: FileLock | None = None

    @property
    def name(self) -> str:
        """``leader``, ``follower``, or ``single`` where processes cannot share."""
        if self.folder is None:
            return "single"
        return "follower" if self.leadership is None else "leader"

    @property
    def serves(self) -> bool:
        """Whether this process should hold the port: it leads, or it does so for a container that the leader is not in."""
        return self.leadership is not None or (self._door is not None and self._door.held)

    def wait(self, seconds: float) -> None:
        """Let others try to lead first."""
        self._stands_from = time.monotonic() + seconds

    def round(self, *, attended: bool = True) -> None:
        """Lead if nobody else does, and do what is to be done now and then. Unless ``attended``, nobody can be answered."""
        if self.leadership is None and time.monotonic() >= self._stands_from:
            self.leadership = self._elect()
        self._writer.make_room()
        self._mind_door()
        if self.leadership is not None:
            self._writer.settle(self.leadership.aggregator.count)
            self.leadership.round(self._warn, listen=attended)
            if self.leadership.cannot_work and self.folder is not None:
                self.resign()  # somebody else may have what is short here
                self.wait(SHORTAGE_SECONDS)
        else:
            self._writer.show()
            self._writer.hand_over()
            self._writer.inbox.look()

    def _elect(self) -> Leadership | None:
        """Lead, unless somebody else does. What a leader has is imported here: a process that only follows is spared it."""
        leader_lock = None if self.folder is None else FileLock(self.folder / LEADER)
        if leader_lock is not None and not leader_lock.take():
            return None
        with ExitStack() as failed:
            if leader_lock is not None:
                failed.callback(leader_lock.drop)  # or nobody could lead as long as this process lives
            from .election import Leadership  # noqa: PLC0415

            if leader_lock is not None:
                leader_lock.write(leader_file.text())
                self._writer.inbox.look()  # what the former leader sent comes before what this one finds
            leadership = Leadership(self.folder, leader_lock, self._make_store, self._writer, self._lock)
            failed.pop_all()
        return leadership

    def _mind_door(self) -> None:
        """Where the leader is in another network namespace, its port cannot be reached from this one: the first process here serves
        one with the leader's answers."""
        known = None
        if self.leadership is None and self.folder is not None:
            known = leader_file.read(self.folder / LEADER)
        here = processes.network()
        if self.folder is not None and known is not None and known.network and here and known.network != here:
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
        """Whom to ask; None where this process is alone and does not lead any more."""
        if self.leadership is not None:
            return self.leadership.aggregator
        return None if self.folder is None else RemoteAggregator(self.folder / SOCKET)

    def leave(self) -> Checkpoint | None:
        """Give everything back where the directory was removed; returns what was counted, if this process leads."""
        self._close_door()
        leadership, self.leadership = self.leadership, None
        return None if leadership is None else leadership.leave()

    def resign(self) -> bool:
        """Give everything back, so that somebody else can lead; returns whether there is spend that was not saved."""
        self._close_door()
        leadership, self.leadership = self.leadership, None
        if leadership is None:
            return False
        leadership.resign()
        return leadership.owes

    def drop_after_fork(self) -> None:
        """In a forked child: close what is the parent's, without unlocking or shutting anything."""
        self._close_door()
        if self.leadership is not None:
            with suppress(OSError):
                self.leadership.drop_after_fork()
