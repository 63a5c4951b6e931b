"""Verdicts on their way to the process whose call they are about, delivered there once."""

from __future__ import annotations

import marshal
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from otel_llm.aggregate.window import Crossing, Judgement
from otel_llm.aggregate.wire import Verdict
from otel_llm.core.guard import guard
from otel_llm.core.model import Observation

from .journal import Journal, Position, Reader
from .presence import is_present

Deliver = Callable[[Verdict], object]
Place = tuple[int, int, int]
"""Segment and offset of the record in its process's journal, number of the verdict about it."""
_NOTHING: Place = (-1, 0, 0)
_BOX = "verdicts"
_BOX_SIZE = 16 * 1024
_FINDINGS = {"judgement": Judgement, "crossing": Crossing}


class Inbox:
    """Hands each verdict about a call of this process to ``deliver``, once.

    A leader that takes over judges again what the former one had not checkpointed. Journals are judged in order, so whatever
    is about an earlier record than the last one received has been received.
    """

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._last = _NOTHING
        self._reader: Reader | None = None

    def open(self, folder: Path, owner: str) -> None:
        """Begin with the box of ``owner``, which is empty yet."""
        self._last = _NOTHING
        self._reader = Reader(folder, owner, Position(), _BOX)

    def look(self) -> None:
        """Deliver what has come."""
        if self._reader is not None:
            with guard("verdicts"):
                self._reader.read(self._take)
            self._reader.discard()

    def deliver(self, verdict: Verdict, place: Place | None) -> None:
        """Deliver ``verdict`` unless it has been; one without a place is delivered always."""
        if place is not None:
            if place <= self._last:
                return
            self._last = place
        self._deliver(verdict)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def _take(self, payload: bytes, _began: Position) -> None:
        self.deliver(*_unpack(payload))


class HasOwner(Protocol):
    """The process that leads: its name in the directory, and where its own verdicts go."""

    inbox: Inbox

    @property
    def owner(self) -> str: ...


class Discard:
    """An outbox that nobody reads from."""

    def send(self, verdict: Verdict, owner: str, place: Place | None) -> None: ...

    def forget(self, owner: str) -> None: ...


class Outbox:
    """The leader's side: verdicts are collected while the store is read, and sent afterwards."""

    def __init__(self, folder: Path | None, writer: HasOwner) -> None:
        self._folder = folder
        self._writer = writer
        self._waiting: list[tuple[Verdict, str, Place | None]] = []
        self._boxes: dict[str, Journal] = {}

    def send(self, verdict: Verdict, owner: str, place: Place | None) -> None:
        """Send to ``owner`` at the next round."""
        self._waiting.append((verdict, owner, place))

    def round(self) -> None:
        """Send what has been collected: to the process itself, or handled here where it lives no more or has no room."""
        waiting, self._waiting = self._waiting, []
        for box in self._boxes.values():
            if box.spilled:
                box.unspill()
        for verdict, owner, place in waiting:
            with guard("verdicts"):
                self._pass_on(verdict, owner, place)

    def forget(self, owner: str) -> None:
        """Remove a dead process's box."""
        if box := self._boxes.pop(owner, None):
            box.close()
        if self._folder is not None:
            for path in self._folder.glob(f"{_BOX}.{owner}.*"):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        for box in self._boxes.values():
            box.close()

    def _pass_on(self, verdict: Verdict, owner: str, place: Place | None) -> None:
        if self._folder is None or owner in ("", self._writer.owner):
            self._writer.inbox.deliver(verdict, place)
        elif not self._put(self._folder, owner, _pack(verdict, place)):
            self._writer.inbox.deliver(verdict, None)

    def _put(self, folder: Path, owner: str, payload: bytes) -> bool:
        """Whether ``owner`` lives, and there is room for a box of its own."""
        if not is_present(folder, owner):
            return False
        try:
            self._box(folder, owner).append(payload)
        except OSError:
            return False
        return True

    def _box(self, folder: Path, owner: str) -> Journal:
        if owner not in self._boxes:
            numbers = [int(path.suffix[1:]) for path in folder.glob(f"{_BOX}.{owner}.*")]
            self._boxes[owner] = Journal(folder, owner, _BOX, _BOX_SIZE, after=max(numbers, default=-1))
        return self._boxes[owner]


def _pack(verdict: Verdict, place: Place | None) -> bytes:
    kind = "judgement" if isinstance(verdict.finding, Judgement) else "crossing"
    return marshal.dumps((place, verdict.source, tuple(verdict.call), kind, tuple(verdict.finding), verdict.labels))


def _unpack(payload: bytes) -> tuple[Verdict, Place | None]:
    place, source, call, kind, finding, labels = marshal.loads(payload)  # noqa: S302 - from our leader, in our own directory
    return Verdict(source, Observation(*call), _FINDINGS[kind](*finding), labels), place
