"""A process's desk: its seat, its journal and its inbox, set up when it makes its first call."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .journal import Journal, Memory
from .link import UnreachableError, ask
from .mail import Inbox
from .seat import InFlight, Seat
from .statedir import SOCKET


class Desk:
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
        self._seat: Seat | None = None

    @property
    def owner(self) -> str:
        """The name of this process in the state directory; empty before its first call."""
        return "" if self.journal is None else self.journal.owner

    def show(self, in_flight: InFlight) -> None:
        """Let the leader know of the open calls."""
        if in_flight and self.journal is None:
            self._open()
        if self._seat is not None:
            self._seat.show(in_flight)

    def hand_over(self) -> None:
        """Find a place for what had none: in the journal now, or straight to the leader."""
        if self.journal is None or self._folder is None:
            return
        self.journal.unspill()
        spilled = self.journal.spilled
        waiting = [spilled.popleft() for _ in range(len(spilled))]
        if waiting:
            try:
                ask(self._folder / SOCKET, ("count", self.owner, waiting))
            except UnreachableError:
                spilled.extendleft(reversed(waiting))

    def move(self, folder: Path | None) -> None:
        """To another directory, with what has found no place yet."""
        left = () if self.journal is None else tuple(self.journal.spilled)
        self.close()
        self._folder, self.journal, self._seat, self.append = folder, None, None, self._first
        for payload in left:
            self.append(payload)

    def close(self) -> None:
        """Leave the seat. In a forked child, too: the parent keeps its own."""
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
        owner = f"{os.getpid()}-{secrets.token_hex(6)}"
        if self._folder is None:
            return Memory(owner)
        try:
            self._seat = Seat(self._folder, owner)
            journal = Journal(self._folder, owner)
        except OSError as error:
            self._warn(f"there is no room for a journal, so calls are handed to the leader from memory: {error}")
            return Memory(owner)
        self._inbox.open(self._folder, owner)
        return journal
