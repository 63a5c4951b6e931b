"""The journals of a start of the service, read into a store: how far each was counted, checkpoints, and who is gone."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import field
from math import inf
from pathlib import Path

from otel_llm.aggregate import Store, Verdict
from otel_llm.aggregate.kinds import Frame, grouped
from otel_llm.core.guard import guard, logger
from otel_llm.core.model import Event
from otel_llm.core.shapes import dataclass

from . import checkpoint
from .checkpoint import Checkpoint
from .journal import Journal, Memory, Position, Reader
from .listing import Listing
from .presence import InFlight, is_present, open_calls, presence_path
from .statedir import CHECKPOINT
from .verdict_queue import Discard, Outbox

CHECKPOINT_BYTES = 4 * 1024 * 1024
CHECKPOINT_SECONDS = 60.0
_Place = tuple[str, "tuple[int, int] | None"]  # the owner; segment and offset where it is in a journal
_Frame = Frame[_Place]
Goals = dict[str, Position]
"""By process, how far its journal is to be read."""
MOST = 1_000_000  # records that a scrape waits for, some seconds' work; those beyond are counted by and by
BATCH = 1000  # records that are counted at once: for so long, some milliseconds, a scrape waits
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
        self._listing = None if folder is None else Listing(folder)
        self._outbox = outbox
        self._readers: dict[str, Reader] = {}
        self._progress = _Progress()
        self._busy = False
        self._counts = (-1, -1)  # live and exited processes, as they stand in the store
        self._handed: dict[str, int] = {}  # the last batch of each process that has no room for a journal
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

    def goals(self) -> Goals:
        """Up to where each process has written its records by now, of those that have written any since they were read."""
        files = {} if self._listing is None else self._listing.owners()
        for owner, (first, _) in files.items():
            if owner not in self._readers:
                assert self._folder is not None
                self._readers[owner] = Reader(self._folder, owner, Position(first))
        goals: Goals = {}
        for owner in sorted(self._living()):
            reader = self._readers[owner]
            goal = reader.goal(files[owner][1] if owner in files else None)
            if goal != reader.position:
                goals[owner] = goal
        return goals

    def drain(self, own: Journal | Memory | None, goals: Goals | None = None, most: float = inf) -> int:
        """Count what is committed, up to ``goals``, until these are ``most`` records or a few more; returns how many they were.

        ``goals`` loses what is reached. The processes take turns.
        """
        if self._busy:  # another greenlet of this thread is at it, or what a garbage collection calls
            if goals is not None:
                goals.clear()
            return 0
        self._busy = True
        try:
            return self._drain(own, self.goals() if goals is None else goals, most)
        finally:
            self._busy = False

    def backlog(self, goals: Goals) -> int:
        """Bytes that are left up to ``goals``."""
        return sum(self._readers[owner].left(goal) for owner, goal in goals.items() if owner in self._readers)

    def count(self, owner: str, payloads: Iterable[bytes], ticket: tuple[str, int]) -> None:
        """Count what a process could not put into a journal, unless the batch of this ``ticket`` was counted before."""
        sender, number = ticket
        if number <= self._handed.get(sender, 0):
            return
        self._handed.pop(sender, None)  # the latest stands last
        self._handed[sender] = number
        if len(self._handed) > MOST_SENDERS:
            del self._handed[next(iter(self._handed))]
        self._count_unwritten(owner, payloads)

    def _count_unwritten(self, owner: str, payloads: Iterable[bytes]) -> None:
        self._progress.pressed = True
        source, place = source_of(owner), (owner, None)
        self._count([(payload, source, place) for payload in payloads])

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
        processes = self.live, self.exited
        if processes != self._counts:
            self._counts, now = processes, time.time()
            for state, number in zip(("live", "exited"), processes, strict=True):
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
        self.drain(None)

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

    def _drain(self, own: Journal | Memory | None, goals: Goals, most: float) -> int:
        counted = 0
        if own is not None and own.spilled:
            counted = len(own.spilled)
            self._count_unwritten(own.owner, [own.spilled.popleft() for _ in range(counted)])
        frames: list[_Frame] = []
        try:
            while goals and counted + len(frames) < most:
                owner, goal = next(iter(goals.items()))
                del goals[owner]
                if owner in self._readers and self._take(owner, goal, frames):
                    goals[owner] = goal  # behind the others
                if len(frames) >= BATCH:
                    counted += len(frames)
                    ready, frames = frames, []
                    self._count(ready)
        finally:
            if frames:
                counted += len(frames)
                self._count(frames)
        return counted

    def _take(self, owner: str, goal: Position, frames: list[_Frame]) -> bool:
        """Put the next records of ``owner`` into ``frames``; returns whether there may be more."""
        source, reader = source_of(owner), self._readers[owner]
        ahead = reader.ahead(goal)
        if ahead:
            segment = reader.position.segment
            frames += [(payload, source, (owner, (segment, at))) for payload, at in ahead]
            reader.pass_by(*ahead[-1])
            self._progress.consumed += sum([len(payload) for payload, _ in ahead])
        return bool(ahead) and reader.position != goal

    def _count(self, frames: list[_Frame]) -> None:
        """A record that cannot be counted is reported, and those after it are counted."""
        for start in range(0, len(frames), BATCH):
            groups, judged = grouped(frames[start : start + BATCH]), list[tuple[_Place, list[Verdict]]]()
            while groups:
                with guard("store"):
                    self.store.apply_all(groups, time.time(), judged)
            for (owner, began), verdicts in sorted(judged, key=_in_order):
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
        reader = self._readers[owner]
        goals = {owner: reader.goal()}
        self.drain(None, goals, MOST)  # what it committed before it died
        if goals or reader.blocked:
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


def _in_order(judged: tuple[_Place, object]) -> tuple[str, tuple[int, int] | tuple[()]]:
    """As the journals have the records: who has received a verdict gets none about an earlier record."""
    owner, began = judged[0]
    return owner, began or ()
