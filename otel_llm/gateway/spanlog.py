"""What came and was not counted yet, on disk: a record is there before its sender gets the acknowledgement.

Files of a few minutes each (an epoch), of records that the journal's writer frames and checks. They are kept as long as ids are
remembered, so that a restart knows what came before it. One process writes; it holds the lock of the directory.
"""

from __future__ import annotations

import marshal
import re
import time
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from otel_llm.cluster.journal import Journal, Position, Reader

from .resolver import Link
from .span import Call, call_of

EPOCHS = 8
"""Into so many files the time is cut for which ids are remembered."""
EPOCH_BYTES = 64 * 1024 * 1024
"""A file that grows past it is closed."""
MOST_EPOCHS = 64
"""Files at a time, also where the process is started again and again; past it the oldest goes. What was not decided is in the newest."""
_PREFIX = "spans"
_NAME = re.compile(rf"{_PREFIX}\.(\d{{12}}-\d{{6}})\.(\d+)")
_VERSION = 1
_RECEIVED, _DECIDED = 0, 1


class NoRoomError(OSError):
    """There is no room on disk: nothing may be acknowledged."""


class Kept(NamedTuple):
    """What is on disk."""

    calls: list[Call]
    links: list[Link]
    decided: list[bytes]


class SpanLog:
    """``remember`` seconds records are kept. Raises ``OSError`` where ``folder`` cannot be written to."""

    def __init__(self, folder: Path, remember: float) -> None:
        self._folder = folder
        self._seconds = max(remember / EPOCHS, 1.0)
        self._epochs = sorted({match[1] for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))})
        self._journal: Journal | None = None
        self._until = 0.0
        self._size = 0

    def received(self, calls: Iterable[Call], links: Iterable[Link]) -> None:
        """Keep a batch. Raises ``NoRoomError``, and nothing is kept then."""
        packed = b"".join(link.key + link.parent[16:].ljust(8, b"\0") + bytes((link.server,)) for link in links)
        self._append((_VERSION, _RECEIVED, packed, [_plain(call) for call in calls]))

    def decided(self, keys: Iterable[bytes]) -> None:
        """These calls are counted, or never will be."""
        self._append((_VERSION, _DECIDED, b"".join(keys)))

    def read(self) -> Kept:
        """Everything that is on disk, of this process and of those before it. What is damaged is left out."""
        logged = Kept([], [], [])
        for epoch in self._epochs:
            reader = Reader(self._folder, epoch, Position(), _PREFIX)
            reader.read(lambda payload, _: _take(payload, logged))
            reader.close()
        return logged

    def close(self) -> None:
        """Let go of the files."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _append(self, record: tuple[Any, ...]) -> None:
        payload = marshal.dumps(record, 2)
        if self._journal is None or time.monotonic() >= self._until or self._size + len(payload) > EPOCH_BYTES:
            self._turn()
        journal = self._journal
        assert journal is not None
        journal.append(payload)
        self._size += len(payload)
        if journal.spilled:  # it waits in memory, where a crash would lose it
            journal.spilled.pop()
            journal.unspill()
            raise NoRoomError("no room for what came")

    def _turn(self) -> None:
        """Begin another epoch, and drop those whose time is over."""
        epoch = next(
            name for number in count() if (name := f"{int(time.time()):012d}-{number:06d}") not in self._epochs
        )
        try:
            journal = Journal(self._folder, epoch, _PREFIX)
        except OSError as error:
            raise NoRoomError(*error.args) from error
        self.close()
        self._journal, self._size = journal, 0
        self._until = time.monotonic() + self._seconds
        self._epochs.append(epoch)
        oldest = time.time() - (EPOCHS + 1) * self._seconds
        while len(self._epochs) > 1 and (int(self._epochs[0][:12]) < oldest or len(self._epochs) > MOST_EPOCHS):
            for path in self._folder.glob(f"{_PREFIX}.{self._epochs.pop(0)}.*"):
                path.unlink(missing_ok=True)


def _plain(call: Call) -> tuple[object, ...]:
    return tuple(call if call.tokens is None else call._replace(tokens=tuple(call.tokens)))  # type: ignore[arg-type]


def _take(payload: bytes, logged: Kept) -> None:
    try:
        version, kind, packed, *more = marshal.loads(payload)  # noqa: S302 - ours, and whole
    except (ValueError, EOFError, TypeError):
        return
    if version != _VERSION:
        return
    if kind == _DECIDED:
        logged.decided.extend(packed[at : at + 24] for at in range(0, len(packed), 24))
        return
    for at in range(0, len(packed), 33):
        key, parent = packed[at : at + 24], packed[at + 24 : at + 32]
        logged.links.append(Link(key, key[:16] + parent if any(parent) else b"", bool(packed[at + 32])))
    for values in more[0]:
        logged.calls.append(call_of(values))
