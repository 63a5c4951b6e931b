"""The journals of a start of the service, read into a store: how far each was counted, checkpoints, and who is gone."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import field
from pathlib import Path

from otel_llm.aggregate import Store, Verdict, decode
from otel_llm.core.guard import guard, guarded, logger
from otel_llm.core.model import Event, Record
from otel_llm.core.shapes import dataclass

from . import checkpoint
from .checkpoint import Checkpoint
from .journal import Journal, Memory, Position, Reader, owners
from .presence import InFlight, is_present, open_calls, presence_path
from .statedir import CHECKPOINT
from .verdict_queue import Discard, Outbox

CHECKPOINT_BYTES = 4 * 1024 * 1024
CHECKPOINT_SECONDS = 60.0
BATCH = 200  # records that are counted at once: for so long, some milliseconds, a scrape waits
PRESSED_SECONDS = 1.0  # how long records may wait for one that are nowhere else, and whoever waits for room
MOST_SENDERS = 10_000  # processes whose last batch without a journal is known
RETIRE_SECONDS = 5.0  # how long the files of dead processes may wait for a checkpoint of their own


def source_of(owner: str) -> int:
    """The number that stands for an owner in the store."""
    return int(owner.rpartition("-")[2] or "0", 16)


@dataclass(slots=True)
class _Progress:
    """What happened since the last checkpoint."""

    since: float = field(default_factory=time.monotonic)
    consumed: int = 0
    gone: set[str] = field(default_factory=set)
    pressed: bool = False  # there is no room: records came in no journal, or the last checkpoint could not be written

    @property
    def due(self) -> bool:
        waited = time.monotonic() - self.since
        return (
            self.consumed >= CHECKPOINT_BYTES
            or (bool(self.gone) and waited >= RETIRE_SECONDS)
            or (self.consumed > 0 and waited >= CHECKPOINT_SECONDS)
            or (self.pressed and waited >= PRESSED_SECONDS)
        )


class JournalConsumer:
    """Fills the store; used by one thread at a time. Without ``folder``, the journal of its own process is the only one."""

    def __init__(self, folder: Path | None, store: Store, outbox: Outbox | Discard) -> None:
        self.store = store
        self.exited = 0
        self.with_spend = False
        self.unreadable = False  # the checkpoint: it is unknown what of the journals was counted before
        self._folder = folder
        self._outbox = outbox
        self._readers: dict[str, Reader] = {}
        self._progress = _Progress()
        self._busy = False
        self._handed: dict[str, int] = {}  # the last batch of each process that has no room for a journal
        self._waiting: deque[tuple[str, int, bytes, Position]] = deque()  # read, and to be counted next
        if folder is not None:
            self._take_over(folder)

    @property
    def blocked(self) -> bool:
        """Whether there are records that cannot be read just now."""
        return any(reader.blocked for reader in self._readers.values())

    @property
    def live(self) -> int:
        """Processes that live and have made calls."""
        return len(self._living())

    def drain(self, own: Journal | Memory | None) -> None:
        """Count all that is committed."""
        if self._busy:  # another greenlet of this thread is at it
            return
        self._busy = True
        try:
            self._drain(own)
        finally:
            self._busy = False

    def count(self, owner: str, payloads: Iterable[bytes], ticket: tuple[str, int]) -> None:
        """Count what a process could not put into a journal, unless the batch of this ``ticket`` was counted before."""
        sender, number = ticket
        if number <= self._handed.get(sender, 0):
            return
        self._handed.pop(sender, None)  # the latest stands last
        self._handed[sender] = number
        if len(self._handed) > MOST_SENDERS:
            del self._handed[next(iter(self._handed))]
        self._progress.pressed = True
        for payload in payloads:
            _counted(self, (owner, source_of(owner)), payload, None)

    def show(self, owner: str, in_flight: InFlight) -> None:
        """Set the open calls of this process. ``owner`` is empty until it has made one."""
        if owner:
            self.store.drop_process(source_of(""))
        self.store.set_process(source_of(owner), in_flight)

    def survey(self, but: str) -> None:
        """Look which processes live, and what calls they have open; ``but`` is the owner that asks."""
        if self._folder is not None:
            for owner in self._living() - {but}:
                self._look_at(self._folder, owner)

    def count_processes(self) -> None:
        """Put the number of processes into the store, for a scrape."""
        now = time.time()
        for state, number in (("live", self.live), ("exited", self.exited)):
            self.store.apply(Event("otel_llm_processes", now, (state,), float(number)), now=now)

    def keep(self, *, now: bool = False) -> None:
        """Write a checkpoint if one is due, or ``now``; then remove the files that it makes needless."""
        if self._folder is None or not (now or self._progress.due):
            return
        read = {owner: reader.position for owner, reader in self._readers.items()}
        gone = tuple(self._progress.gone)
        self._progress = _Progress(gone=set(gone))
        state = Checkpoint(self.store.dump(), read, gone, self.exited, self.with_spend, self._handed)
        try:
            checkpoint.save(self._folder / CHECKPOINT, state)
        except OSError:
            self._progress.pressed = True
            raise
        for reader in tuple(self._readers.values()):
            reader.discard()
        for owner in gone:
            self._bury(owner)

    def state(self) -> Checkpoint:
        """All that was counted, to go on in another directory: those that were read are none of it any more."""
        exited = self.exited + self.live
        return Checkpoint(self.store.dump(), exited=exited, with_spend=self.with_spend, handed=self._handed)

    def finish(self) -> None:
        """Count what is left in mapped memory, where the files are gone."""
        for owner in self._living():
            self._read(owner)

    def close(self) -> None:
        """Let go of mapped memory."""
        for reader in self._readers.values():
            reader.close()

    def _living(self) -> set[str]:
        return self._readers.keys() - self._progress.gone

    def _take_over(self, folder: Path) -> None:
        try:
            loaded = checkpoint.load(folder / CHECKPOINT)
            if loaded is not None:
                self.store.load(loaded.store)
        except ValueError as error:
            self.unreadable = True
            logger.warning("otel-llm starts to count from zero, as its checkpoint cannot be read: %s", error)
            return
        if loaded is None:
            return
        self.exited, self.with_spend, self._handed = loaded.exited, loaded.with_spend, loaded.handed
        self._readers = {owner: Reader(folder, owner, position) for owner, position in loaded.read.items()}
        self._progress.gone = set(loaded.gone)
        for owner in loaded.gone:
            self._bury(owner)

    def _drain(self, own: Journal | Memory | None) -> None:
        if self._folder is not None:
            for owner, first in owners(self._folder).items():
                if owner not in self._readers:
                    self._readers[owner] = Reader(self._folder, owner, Position(first))
                if owner not in self._progress.gone:
                    self._read(owner)
        while own is not None and own.spilled:
            self._progress.pressed = True
            _counted(self, (own.owner, source_of(own.owner)), own.spilled.popleft(), None)

    def _read(self, owner: str) -> None:
        source, waiting = source_of(owner), self._waiting

        def take(payload: bytes, began: Position) -> None:
            waiting.append((owner, source, payload, began))
            if len(waiting) >= BATCH:
                self._count_waiting()

        try:
            self._progress.consumed += self._readers[owner].read(take)
        finally:
            self._count_waiting()

    def _count_waiting(self) -> None:
        """Count what was read. A record that cannot be counted is reported, and those after it are counted."""
        judged: list[tuple[tuple[str, Position], list[Verdict]]] = []
        while self._waiting:
            with guard("store"):
                self.store.apply_all(self._decoded(), time.time(), judged)
        for (owner, began), verdicts in judged:
            self._send(owner, verdicts, began)

    def _decoded(self) -> Iterator[tuple[Record, int, tuple[str, Position]]]:
        while self._waiting:
            owner, source, payload, began = self._waiting.popleft()
            yield decode(payload), source, (owner, began)

    def take(self, maker: tuple[str, int], payload: bytes, began: Position | None) -> None:
        """Count a record of ``maker``, an owner and the number that stands for it; verdicts about it go to that process."""
        owner, source = maker
        self.store.apply(decode(payload), source, time.time())
        self._send(owner, self.store.drain_verdicts(), began)

    def _send(self, owner: str, verdicts: list[Verdict], began: Position | None) -> None:
        for number, verdict in enumerate(verdicts):
            place = (*began, number) if began and verdict.source else None
            self._outbox.send(verdict, owner if verdict.source else "", place)

    def _look_at(self, folder: Path, owner: str) -> None:
        if not is_present(folder, owner):
            self._retire(owner)
            return
        in_flight = open_calls(folder, owner)
        if in_flight is not None:
            self.store.set_process(source_of(owner), in_flight)

    def _retire(self, owner: str) -> None:
        self._read(owner)  # what it committed before it died
        if self._readers[owner].blocked:
            return  # the next time
        self.store.drop_process(source_of(owner))
        self.exited += 1
        self._progress.gone.add(owner)

    def _bury(self, owner: str) -> None:
        """Remove the files of a dead process. Its position is forgotten only with its journal, or it would be counted again."""
        assert self._folder is not None
        reader = self._readers[owner]
        reader.close()
        reader.discard(all_of_it=True)
        presence_path(self._folder, owner).unlink(missing_ok=True)
        self._outbox.forget(owner)
        if not any(self._folder.glob(f"journal.{owner}.*")):
            del self._readers[owner]
            self._progress.gone.discard(owner)


_counted = guarded("store", JournalConsumer.take, 4)
