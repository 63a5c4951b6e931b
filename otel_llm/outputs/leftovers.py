"""What processes recorded on a MeterProvider and did not push: a process that lives on pushes it for one that has ended.

A process whose MeterProvider has an exporter writes each record that it records there into a file, too, and removes the file once an
export has sent it. A process that is killed, or leaves by ``os._exit``, leaves its file. Another one claims that by a new name,
which no two can do, records what is in it on its own instruments, and removes it once its own export has sent that: so what a
process has claimed and not sent is there for the next one.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from otel_llm.aggregate import decode, encode
from otel_llm.cluster.journal import Journal, Position, Reader, segment_path
from otel_llm.core.catalogue import BY_NAME
from otel_llm.core.files import FileLock, is_locked
from otel_llm.core.guard import guard
from otel_llm.core.model import Event, Record
from otel_llm.core.unpatched import RLock

OWN, CLAIMED = "unsent", "claimed"
FIRST_SEGMENT = 64 * 1024
MOST_FILES = 16
"""Of one process, 16 MB or some 60,000 calls; past it the oldest are removed: they are lost if it ends before it can push."""
PATIENCE_SECONDS = 5.0
"""How long a process leaves files to the leader, who may have nowhere to push."""
LOCK_SECONDS = 1.0
"""How long a call waits for a collection, at most: callbacks of the host run in it."""
_NAME = re.compile(rf"({OWN}|{CLAIMED})\.(\d+-[0-9a-f]{{12}})\.(\d+)")
_PRESENCE = re.compile(r"pushes\.(\d+-[0-9a-f]{12})")


class Leftovers:
    """Records by ``record``, and keeps in the directory that ``folder`` returns what is not sent yet. A fork must hold ``held``."""

    def __init__(self, folder: Callable[[], Path | None], record: Callable[[Record], None]) -> None:
        self._folder = folder
        self._record = record
        self.begin()

    def begin(self) -> None:
        """As a new process, which has recorded nothing."""
        self._recording, self._collecting = RLock(), RLock()
        self._home: Path | None = None
        self._name = ""
        self._lock: FileLock | None = None
        self._journal: Journal | None = None
        self._number = -1  # of the last file of its own
        self._claims = 0
        self._unsent: list[Path] = []  # recorded since the last collection
        self._collected: list[Path] = []  # those before, until an export has sent them
        self._first_noticed: dict[str, float] = {}
        self._over = False
        self._again = 0.0  # when to try again where there was no room

    def record(self, record: Record) -> None:
        """Record one fact, kept until it is sent."""
        locked = self._recording.acquire(timeout=LOCK_SECONDS)
        try:
            with guard("recorder"):
                self._keep(encode(record))
            self._record(record)
        finally:
            if locked:
                self._recording.release()

    @contextmanager
    def held(self, seconds: float) -> Iterator[None]:
        """Nobody records or collects meanwhile; waits ``seconds`` at most for whoever does."""
        locks = [lock for lock in (self._collecting, self._recording) if lock.acquire(timeout=seconds)]
        try:
            yield
        finally:
            for lock in reversed(locks):
                lock.release()

    def collected(self, collect: Callable[[], Any]) -> tuple[Any, object]:
        """Collect between two records, never in the middle of one."""
        with self.held(LOCK_SECONDS):
            with guard("recorder"):
                self._turn()
            return collect(), tuple(self._collected)

    def sent(self, what: object) -> None:
        """Those files are needed no more."""
        with self.held(LOCK_SECONDS), guard("recorder"):
            for path in what if isinstance(what, tuple) else ():
                if path in self._collected:
                    self._collected.remove(path)
                    path.unlink(missing_ok=True)

    def adopt(self, *, at_once: bool) -> None:
        """Record what ended processes have left; unless ``at_once``, only what nobody else took for ``PATIENCE_SECONDS``."""
        folder = self._folder()
        if folder is None or self._over:
            return
        left, present = _files(folder)
        gone = {name for name in (*left, *present) if name != self._name and not is_locked(folder / f"pushes.{name}")}
        now = time.monotonic()
        self._first_noticed = {name: self._first_noticed.get(name, now) for name in gone}
        for name in gone:
            if at_once or now - self._first_noticed[name] >= PATIENCE_SECONDS:
                for kind, number in left.get(name, ()):
                    self._claim(folder, segment_path(folder, name, number, kind))
                (folder / f"pushes.{name}").unlink(missing_ok=True)

    def end(self) -> None:
        """Keep nothing any more: whatever is to be sent is this process's own business."""
        with self.held(LOCK_SECONDS):
            self._forget()
            self._over = True

    def let_go(self) -> None:
        """Close files, without unlocking anything: in a forked child they are its parent's."""
        if self._journal is not None:
            self._journal.close()
        if self._lock is not None:
            self._lock.drop()

    def _claim(self, folder: Path, path: Path) -> None:
        with self._collecting:
            with self._recording:
                if not self._is_settled(folder):
                    return
            self._claims += 2  # a reader takes the next number for the same file's continuation
            mine = segment_path(folder, self._name, self._claims, CLAIMED)
            try:
                path.rename(mine)
            except OSError:  # another process was first
                return
            reader = Reader(folder, self._name, Position(self._claims), CLAIMED)
            self._unsent.append(mine)
            try:
                reader.read(self._take)
            finally:
                reader.close()

    def _take(self, payload: bytes, _began: Position) -> None:
        with guard("recorder"):
            record = decode(payload)
            if not (isinstance(record, Event) and BY_NAME[record.metric].kind == "gauge"):  # the present one is newer
                self._record(record)

    def _keep(self, payload: bytes) -> None:
        folder = self._folder()
        if folder is None or self._over:
            return
        if self._journal is None or self._home != folder:
            self._open(folder)
        if self._journal is not None:
            self._journal.append(payload)
            self._journal.spilled.clear()  # no room: it is pushed by this process or not at all

    def _open(self, folder: Path) -> None:
        """Begin a file, unless there was no room for one a moment ago."""
        if (now := time.monotonic()) >= self._again:
            self._again = now + PATIENCE_SECONDS
            with suppress(OSError):
                if self._is_settled(folder):
                    self._journal = Journal(folder, self._name, OWN, FIRST_SEGMENT, after=self._number, most=MOST_FILES)
                    self._again = 0.0

    def _is_settled(self, folder: Path) -> bool:
        """Whether this process has a name in ``folder``, which is locked as long as it lives."""
        if self._home != folder:
            self._forget()
            name = f"{os.getpid()}-{os.urandom(6).hex()}"
            lock = FileLock(folder / f"pushes.{name}")
            with suppress(OSError):
                lock.take()
                self._home, self._name, self._lock, self._number, self._claims = folder, name, lock, -1, 0
        return self._home == folder

    def _forget(self) -> None:
        """After a move to another directory: what is in the one before is this process's own business."""
        self.let_go()
        for path in (*self._unsent, *self._collected):
            path.unlink(missing_ok=True)
        if self._home is not None:
            for path in self._home.glob(f"{OWN}.{self._name}.*"):
                path.unlink(missing_ok=True)
        self._journal = self._lock = self._home = None
        self._unsent, self._collected = [], []

    def _turn(self) -> None:
        """What was recorded until now is in the collection that begins; what comes next goes into other files."""
        if self._journal is not None and self._home is not None:
            self._journal.close()
            self._journal = None
            numbers = (int(path.suffix[1:]) for path in self._home.glob(f"{OWN}.{self._name}.*"))
            for number in sorted(number for number in numbers if number > self._number):
                self._unsent.append(segment_path(self._home, self._name, number, OWN))
                self._number = number
        self._collected += self._unsent
        self._unsent = []
        while len(self._collected) > MOST_FILES:
            self._collected.pop(0).unlink(missing_ok=True)


def _files(folder: Path) -> tuple[dict[str, list[tuple[str, int]]], set[str]]:
    """Who has files in ``folder`` that are not sent, and who says that it pushes."""
    left: dict[str, list[tuple[str, int]]] = {}
    present = set()
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if match := _NAME.fullmatch(entry.name):
                left.setdefault(match[2], []).append((match[1], int(match[3])))
            elif match := _PRESENCE.fullmatch(entry.name):
                present.add(match[1])
    return left, present
