"""How a process keeps its records: a journal, a presence and a verdict inbox, set up when it makes its first call."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .journal import MOST_FILES, Journal, Memory
from .presence import InFlight, Presence, presence_path
from .rpc import RemoteAggregator, Ticket, UnreachableError
from .statedir import SOCKET
from .verdict_queue import Inbox

MOST_HANDED = 2000
"""Records that are handed to the leader at once: it counts them within milliseconds, and a busy machine sends them in time."""
UNATTENDED_RECORDS = 500
"""After so many records, a process without a clerk tries again to have one."""


class RecordWriter:
    """``lock`` is held during the set-up, ``opening`` is called right before it and returns whether a clerk is at work; ``warn``
    says what an operator should know.

    Without ``folder``, or while there is no room in it, records are kept in memory. Without a clerk, ``opening`` is called again
    now and then.
    """

    def __init__(
        self,
        folder: Path | None,
        lock: Any,
        inbox: Inbox,
        *,
        in_flight: Callable[[], Mapping[tuple[str, str, str], int]] = dict,
        opening: Callable[[], bool] = lambda: True,
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
        self._sender = os.urandom(6).hex()
        self._batch: list[bytes] = []  # handed to the leader, who has not answered yet: it may have counted them
        self._number = 0  # of that batch
        self._attended = True
        self._since = 0  # records since ``opening`` was called

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
                self._outgrown, self.journal = self.journal, journal
                self.append = self._appender(journal)
        while self._outgrown is not None and self._outgrown.spilled:  # looked at again and again: a thread may be late
            self.append(self._outgrown.spilled.popleft())

    def dropped(self) -> int:
        """How many records were dropped since this was asked."""
        if self.journal is None:
            return 0
        count, self.journal.spilled.dropped = self.journal.spilled.dropped, 0
        if count:
            self._warn("calls are not counted: there is no room for them, or nobody has read them for long")
        return count

    def hand_over(self) -> None:
        """Give the leader what waits for room."""
        if self.journal is None or self._folder is None:
            return
        count, spilled = RemoteAggregator(self._folder / SOCKET).count, self.journal.spilled
        with suppress(UnreachableError):
            self.settle(count)
            while spilled:
                self._batch = [spilled.popleft() for _ in range(min(len(spilled), MOST_HANDED))]
                self._number += 1
                self.settle(count)

    def settle(self, count: Callable[[str, list[bytes], Ticket], None]) -> None:
        """Have a batch counted that a leader may have counted without an answer: by its number, it is not counted again."""
        if self._batch:
            count(self.owner, self._batch, (self._sender, self._number))
            self._batch = []

    def move(self, folder: Path | None) -> None:
        """After leaving one directory, to another, with what has not been put anywhere yet."""
        self._outgrown = self.journal
        self._folder, self.journal, self._presence, self.append = folder, None, None, self._first

    @property
    def keeps_all(self) -> bool:
        """Whether every record of this process is still in memory."""
        return self.journal is None or (isinstance(self.journal, Memory) and self.journal.kept is not None)

    def replay(self, folder: Path) -> None:
        """Go on in ``folder``, with every record so far: nobody else has counted them."""
        memory = self.journal
        self.move(folder)
        if isinstance(memory, Memory) and memory.kept is not None:
            with memory.lock:
                memory.spilled.clear()
                memory.spilled.extend(memory.kept)
                memory.kept = None
            self.make_room()

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
            self._attended = self._opening()
            if self.journal is None:
                self._open()
        self.append(payload)

    def _open(self) -> None:
        self.journal = self._new_journal()
        self.append = self._appender(self.journal)

    def _appender(self, journal: Journal | Memory) -> Callable[[bytes], object]:
        return journal.append if self._attended else self._unattended

    def _unattended(self, payload: bytes) -> None:
        """Keep ``payload`` where there is no clerk: what he would do is done here, now and then."""
        journal = self.journal
        if journal is None:
            self._first(payload)
            return
        journal.append(payload)
        self._since += 1
        if self._since >= UNATTENDED_RECORDS:
            self._since = 0
            self._attended = self._opening()
            if self._attended and self.journal is not None:
                self.append = self.journal.append

    def _new_journal(self) -> Journal | Memory:
        if self._folder is None:
            return Memory(_name(), keep=True)
        try:
            return self._mapped_journal(self._folder)
        except OSError as error:
            self._warn(f"there is no room for a journal, so calls are handed to the leader from memory: {error}")
            return Memory(_name())

    def _mapped_journal(self, folder: Path) -> Journal:
        owner = _name()
        presence = Presence(folder, owner)
        try:
            journal = Journal(folder, owner, most=MOST_FILES)
        except OSError:
            presence.leave()
            presence_path(folder, owner).unlink(missing_ok=True)
            raise
        self._presence = presence
        self.inbox.open(folder, owner)
        return journal


def _name() -> str:
    return f"{os.getpid()}-{os.urandom(6).hex()}"
