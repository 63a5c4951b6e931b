"""Processes that write faster than the leader counts: scrapes take a piece, say what is left, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from cluster_lab import Worker, call, counted, samples

from otel_llm.aggregate import Store, encode
from otel_llm.cluster import aggregator as aggregators
from otel_llm.cluster import journal as journals
from otel_llm.cluster.aggregator import Aggregator
from otel_llm.cluster.clerk import Clerk
from otel_llm.cluster.consumer import JournalConsumer
from otel_llm.cluster.journal import Journal
from otel_llm.cluster.verdict_queue import Discard
from otel_llm.core.config import Config
from otel_llm.core.unpatched import RLock

MOST_ENTERED = 105
"""Functions of a leader's round each 0.4 s: counted as 94."""
OWNERS = tuple(f"{number}-{number:012x}" for number in (1, 2, 3))


class _Lock:
    """Counts how often it is taken."""

    def __init__(self) -> None:
        self.taken = 0
        self._lock = RLock()

    def __enter__(self) -> None:
        self._lock.acquire()
        self.taken += 1

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class _Nobody:
    """A writer without a call of its own."""

    journal = None
    owner = ""

    def open_calls(self) -> dict[Any, int]:
        return {}


def behind(text: bytes) -> float:
    return samples(text.decode())[("otel_llm_backlog_bytes",)]


@pytest.fixture
def leader(tmp_path: Path) -> tuple[Aggregator, _Lock]:
    lock = _Lock()
    return Aggregator(JournalConsumer(tmp_path, Store(Config()), Discard()), _Nobody(), lock), lock  # type: ignore[arg-type]


def test_a_scrape_takes_a_piece_of_a_backlog_and_says_how_much_is_left(
    tmp_path: Path, leader: tuple[Aggregator, _Lock], monkeypatch: pytest.MonkeyPatch
) -> None:
    aggregator, lock = leader
    payload = encode(call())
    every = [Journal(tmp_path, owner) for owner in OWNERS]
    for _ in range(1000):
        for journal in every:
            journal.append(payload)
    first = aggregator.refresh(1500)
    text = aggregator._families().text(openmetrics=False)

    assert not first
    assert 1500 <= counted(text.decode()) < 2700
    left = 3000 - counted(text.decode())
    assert behind(text) == left * (8 + len(payload))
    assert lock.taken >= 2  # given back in between
    assert aggregator.refresh()
    text = aggregator.text(openmetrics=False)
    assert (counted(text.decode()), behind(text)) == (3000, 0)


def test_processes_take_turns(tmp_path: Path, leader: tuple[Aggregator, _Lock]) -> None:
    aggregator, _ = leader
    for owner in OWNERS:
        journal = Journal(tmp_path, owner)
        for _ in range(100 if owner == OWNERS[2] else 20_000):
            journal.append(encode(call(request_model=owner)))
    aggregator.refresh(2000)
    assert counted_of(aggregator, OWNERS[2]) == 100
    assert min(counted_of(aggregator, owner) for owner in OWNERS[:2]) > 0


def counted_of(aggregator: Aggregator, model: str) -> float:
    text = aggregator._families().text(openmetrics=False).decode()
    return sum(
        value
        for name, value in samples(text).items()
        if name[0] == "gen_ai_client_operation_duration_seconds_count" and model in name
    )


def test_a_backlog_over_several_files_is_counted_in_bytes(
    tmp_path: Path, leader: tuple[Aggregator, _Lock], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "SEGMENT", 16384)
    aggregator, _ = leader
    journal = Journal(tmp_path, OWNERS[0], first=16384)
    while journal._number < 3:
        journal.append(encode(call()))
    goals = aggregator.consumer.goals()
    sizes = sum(path.stat().st_size for path in tmp_path.glob("journal.*")) - 16384
    assert sizes < aggregator.consumer.backlog(goals) <= sizes + 16384


def test_of_processes_without_news_a_scrape_reads_a_head_each(
    tmp_path: Path, leader: tuple[Aggregator, _Lock], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "SEGMENT", 16384)
    aggregator, _ = leader
    every = [Journal(tmp_path, owner, first=16384) for owner in OWNERS]
    for journal in every:
        journal.append(encode(call()))
    assert aggregator.refresh()
    heads: list[int] = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda file, size, at: (heads.append(size), pread(file, size, at))[1])
    monkeypatch.setattr(Path, "exists", lambda path: pytest.fail(f"asked for {path}"))
    monkeypatch.setattr(Path, "stat", lambda path: pytest.fail(f"asked for {path}"))
    assert aggregator.consumer.goals() == {}
    assert heads == [journals._START] * 3

    while every[1]._number < 2:  # in files that are new, too
        every[1].append(encode(call()))
    assert list(aggregator.consumer.goals()) == [OWNERS[1]]
    monkeypatch.undo()
    assert aggregator.refresh()
    assert aggregator.consumer.goals() == {}


def test_the_end_of_a_leader_takes_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregators, "MOST", 100)
    config = Config(state_dir=str(tmp_path))
    worker = Worker(config, lambda: Store(config), serve=False)
    worker.start()
    for _ in range(5000):
        worker.append(call())
    leadership = worker._role.leadership
    assert leadership is not None
    store = leadership.consumer.store
    worker.stop()
    assert store.summary(call().at)["total"]["calls"] == 5000


def test_the_clerk_goes_on_while_there_is_more_to_do() -> None:
    rounds: list[int] = []

    def round() -> bool:  # noqa: A001 - as the clerk calls it
        rounds.append(len(rounds))
        if len(rounds) == 7:
            clerk.dismiss(0.0)
        return len(rounds) != 4

    clerk = Clerk(round, RLock())
    clerk._work()
    assert rounds == [0, 1, 2, 3]
    clerk._work()
    assert rounds == [0, 1, 2, 3, 4, 5, 6]


def test_what_a_removed_directory_had_is_counted_to_its_end(tmp_path: Path) -> None:
    folder = tmp_path / "start"
    folder.mkdir()
    consumer = JournalConsumer(folder, Store(Config()), Discard())
    journal = Journal(folder, OWNERS[0])
    journal.append(encode(call()))
    assert consumer.drain(None) == 1
    journal.append(encode(call()))
    journal.append(encode(call()))
    shutil.rmtree(folder)
    consumer.finish()
    assert consumer.store.summary(call().at)["models"][0]["calls"] == 3


def test_a_round_without_news_does_little(worker: Callable[..., Worker], config: Config) -> None:
    one = worker(serve=True)
    one.append(call())
    one._clerk.dismiss(30.0)
    for _ in range(2):
        one._tick()
    folder = one.folder
    assert folder is not None
    os.utime(folder, (0, 0))
    one._tick()
    entered, system = _entered(one._tick)
    assert len(entered) <= MOST_ENTERED, entered
    assert not {"listdir", "scandir", "open", "readlink"} & set(system)


def _entered(work: Callable[[], object]) -> tuple[list[str], list[str]]:
    """The functions that ``work`` enters: Python's own and others."""
    python: list[str] = []
    others: list[str] = []

    def see(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            python.append(frame.f_code.co_name)
        elif event == "c_call":
            others.append(argument.__name__)

    sys.setprofile(see)
    try:
        work()
    finally:
        sys.setprofile(None)
    return python, others
