"""A process's desk: its seat, its journal and its inbox, set up when it makes its first call."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .journal import Journal, Memory
from .presence import InFlight, Presence, seat_path
from .rpc import UnreachableError, ask
from .statedir import SOCKET
from .verdicts import Inbox


class RecordWriter:
    """``lock`` is held while it is set up, ``opening`` is called right before, ``warn`` is told what an operator should know.

    Without ``folder``, or while there is no room in it, records are kept in memory.
    """

    def __init__(
        self,
        folder: Path | None,
        lock: Any,
        inbox: Inbox,
        *,
        opening: Callable[[], None] = lambda: None,
        warn: Callable[[str], None],
    ) -> None:
        self.append: Callable[[bytes], object] = self._first
        self.journal: Journal | Memory | None = None
        self._folder = folder
        self._lock = lock
        self._inbox = inbox
        self._opening = opening
        self._warn = warn
        self._seat: Presence | None = None
        self._outgrown: Journal | Memory | None = None

    @property
    def owner(self) -> str:
        """The name of this process in the state directory; empty before its first call."""
        return "" if self.journal is None else self.journal.owner

    def show(self, in_flight: InFlight) -> None:
        """Let the leader know of the open calls."""
        if in_flight and self.journal is None:
            self._open()
        if self._seat is not None:
            with suppress(OSError):  # no room: the next time
                self._seat.show(in_flight)

    def make_room(self) -> None:
        """Try again where there was no room for a journal, or for the next piece of it."""
        if isinstance(self.journal, Journal):
            self.journal.unspill()
        elif self.journal is not None and self._folder is not None:
            with suppress(OSError):
                journal = self._mapped_journal(self._folder)
                self._outgrown, self.journal, self.append = self.journal, journal, journal.append
        while self._outgrown is not None and self._outgrown.spilled:  # looked at again and again: a thread may be late
            self.append(self._outgrown.spilled.popleft())

    def hand_over(self) -> None:
        """Give the leader what is waiting for room."""
        if self.journal is None or self._folder is None:
            return
        spilled = self.journal.spilled
        waiting = [spilled.popleft() for _ in range(len(spilled))]
        if waiting:
            try:
                ask(self._folder / SOCKET, ("count", self.owner, waiting))
            except UnreachableError:
                spilled.extendleft(reversed(waiting))

    def move(self, folder: Path | None) -> None:
        """After leaving one directory, to another, with what has found no place yet."""
        self._outgrown = self.journal
        self._folder, self.journal, self._seat, self.append = folder, None, None, self._first

    def leave(self) -> None:
        """Close all, but not while another thread is writing."""
        with self._lock if self.journal is None else self.journal.lock:
            self.close()

    def close(self) -> None:
        """Close all. In a forked child, too: the parent keeps its own."""
        if self.journal is not None:
            self.journal.close()
        if self._seat is not None:
            self._seat.leave()
        self._inbox.close()

    def _first(self, payload: bytes) -> None:
        with self._lock:
            self._opening()
            if self.journal is None:
                self._open()
        self.append(payload)

    def _open(self) -> None:
        self.journal = self._new_journal()
        self.append = self.journal.append

    def _new_journal(self) -> Journal | Memory:
        if self._folder is None:
            return Memory(_name())
        try:
            return self._mapped_journal(self._folder)
        except OSError as error:
            self._warn(f"there is no room for a journal, so calls are handed to the leader from memory: {error}")
            return Memory(_name())

    def _mapped_journal(self, folder: Path) -> Journal:
        owner = _name()
        seat = Presence(folder, owner)
        try:
            journal = Journal(folder, owner)
        except OSError:
            seat.leave()
            seat_path(folder, owner).unlink(missing_ok=True)
            raise
        self._seat = seat
        self._inbox.open(folder, owner)
        return journal


def _name() -> str:
    return f"{os.getpid()}-{secrets.token_hex(6)}"
