"""How a process keeps its records: a journal, a presence and a verdict inbox, set up when it makes its first call."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .journal import Journal, Memory
from .presence import InFlight, Presence, presence_path
from .rpc import RemoteAggregator, UnreachableError
from .statedir import SOCKET
from .verdict_queue import Inbox


class RecordWriter:
    """``lock`` is held during the set-up, ``opening`` is called right before it, ``warn`` says what an operator should know.

    Without ``folder``, or while there is no room in it, records are kept in memory.
    """

    def __init__(
        self,
        folder: Path | None,
        lock: Any,
        inbox: Inbox,
        *,
        in_flight: Callable[[], Mapping[tuple[str, str, str], int]] = dict,
        opening: Callable[[], None] = lambda: None,
        warn: Callable[[str], None],
    ) -> None:
        self.append: Callable[[bytes], object] = self._first
        self.journal: Journal | Memory | None = None
        self.inbox = inbox
        self._folder = folder
        self._lock = lock
        self._in_flight = in_flight
        self._opening = opening
        self._warn = warn
        self._presence: Presence | None = None
        self._outgrown: Journal | Memory | None = None

    @property
    def owner(self) -> str:
        """The name of this process in the state directory; empty before its first call."""
        return "" if self.journal is None else self.journal.owner

    def open_calls(self) -> InFlight:
        """How many calls are open, by provider, request model and operation."""
        return {labels: count for labels, count in tuple(self._in_flight().items()) if count > 0}

    def show(self) -> None:
        """Let the leader see the open calls."""
        in_flight = self.open_calls()
        if in_flight and self.journal is None:
            self._open()
        if self._presence is not None:
            with suppress(OSError):  # no room: the next time
                self._presence.show(in_flight)

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
        """Give the leader what waits for room."""
        if self.journal is None or self._folder is None:
            return
        spilled = self.journal.spilled
        waiting = [spilled.popleft() for _ in range(len(spilled))]
        if waiting:
            try:
                RemoteAggregator(self._folder / SOCKET).count(self.owner, waiting)
            except UnreachableError:
                spilled.extendleft(reversed(waiting))

    def move(self, folder: Path | None) -> None:
        """After leaving one directory, to another, with what has not been put anywhere yet."""
        self._outgrown = self.journal
        self._folder, self.journal, self._presence, self.append = folder, None, None, self._first

    def leave(self) -> None:
        """Close all, but not while another thread is writing."""
        with self._lock if self.journal is None else self.journal.lock:
            self.close()

    def close(self) -> None:
        """Close all. In a forked child, too: the parent keeps its own."""
        if self.journal is not None:
            self.journal.close()
        if self._presence is not None:
            self._presence.leave()
        self.inbox.close()

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
        presence = Presence(folder, owner)
        try:
            journal = Journal(folder, owner)
        except OSError:
            presence.leave()
            presence_path(folder, owner).unlink(missing_ok=True)
            raise
        self._presence = presence
        self.inbox.open(folder, owner)
        return journal


def _name() -> str:
    return f"{os.getpid()}-{secrets.token_hex(6)}"
