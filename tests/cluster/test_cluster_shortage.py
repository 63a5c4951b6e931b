"""No room, no descriptors, no threads for a while: nothing is lost, and all goes on when there are some again."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cluster_lab import HERE, Echo, Worker, call, counted, crash, until

from otel_llm.aggregate import Verdict
from otel_llm.aggregate.window import Crossing
from otel_llm.cluster import (
    checkpoint,
    consumer,
    election,
    journal,
    membership,
    presence,
    record_writer,
    rpc,
    statedir,
    verdict_queue,
)
from otel_llm.cluster.rpc import Listener, RemoteAggregator
from otel_llm.core import files, unpatched
from otel_llm.core.config import Config
from otel_llm.core.files import FileLock, is_locked
from otel_llm.core.guard import Guard
from otel_llm.exposition.answer import metrics

Make = Callable[..., Worker]


@pytest.fixture(autouse=True)
def _tolerant(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in production: what fails is counted and tried again."""
    monkeypatch.setattr(Guard, "strict", False)
    monkeypatch.setattr(Guard, "errors", {})


def full(*_: object, **__: object) -> Any:
    raise OSError(28, "No space left on device")


def exhausted(*_: object, **__: object) -> Any:
    raise OSError(24, "Too many open files")


def no_thread(*_: object, **__: object) -> Any:
    raise RuntimeError("can't start new thread")


class Fails:
    """Fails once, as ``how`` does; then it is what it stands for."""

    def __init__(self, what: Callable[..., Any], how: Callable[..., Any]) -> None:
        self._next = how
        self._what = what

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        now, self._next = self._next, self._what
        return now(*args, **kwargs)


def shown(one: Worker) -> int:
    return counted(one.text(openmetrics=False).decode())


def folder(one: Worker) -> Path:
    return Path(one.describe()["directory"])


def test_who_fails_to_begin_to_lead_gives_the_lock_back(worker: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FileLock, "write", full)
    first = worker()
    assert first.role == "follower"
    assert not is_locked(folder(first) / statedir.LEADER)
    monkeypatch.undo()
    until(lambda: first.role == "leader")  # by its clerk, though the start had failed
    first.append(call())
    assert shown(first) == 1


def test_a_checkpoint_that_cannot_be_opened_just_now_is_not_given_up(
    worker: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = worker(), worker()
    for _ in range(3000):
        first.append(call())
    assert shown(first) == 3000
    first._role.leadership.keep(now=True)  # what is in it is in no journal any more
    with second.lock:
        crash(first)
        monkeypatch.setattr(checkpoint, "load", Fails(checkpoint.load, exhausted))
        second._tick()
        assert second.role == "follower"
    assert shown(second) == 3000


def test_a_listener_that_failed_is_tried_again(worker: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(election, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(election, "Listener", Fails(Listener, exhausted))
    first, second = worker(), worker()
    second.append(call())
    assert shown(second) == 1
    assert second.role == "follower"
    assert first.role == "leader"


def test_nobody_is_taken_for_dead_who_cannot_be_looked_at(worker: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = worker(), worker()
    second.append(call())
    assert shown(first) == 1
    with first.lock:
        monkeypatch.setattr(files, "_open", exhausted)
        first._role.leadership.aggregator.survey()
        assert statedir.is_alive(folder(first).with_name("start.of-nobody"))  # and none of it is removed
        monkeypatch.undo()
    assert first.describe()["live"] == 1
    assert not is_locked(folder(first) / "presence.nobody")
    assert not is_locked(folder(first) / statedir.LEADER / "nothing")


def test_the_dead_are_counted_to_their_end_before_they_go(worker: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = worker(), worker()
    first.append(call())
    second.append(call())
    with first.lock:
        crash(second)
        first._role.leadership.consumer.close()
        monkeypatch.setattr(journal.Reader, "_opened", lambda _: -1)
        first._role.leadership.aggregator.refresh()
        first._role.leadership.aggregator.survey()
        assert first.describe()["exited"] == 0
        monkeypatch.undo()
    until(lambda: first.describe()["exited"] == 1)
    assert shown(first) == 2


def test_open_calls_that_cannot_be_shown_hold_nothing_up(worker: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    open_calls: dict[tuple[str, str, str], int] = {}
    first, second = worker(), worker(in_flight=lambda: open_calls)
    second.append(call())
    until(lambda: shown(first) == 1)
    with second.lock:
        monkeypatch.setattr(journal, "_reserve", full)
        monkeypatch.setattr(FileLock, "write", full)
        for _ in range(3000):
            second.append(call())
        assert second._writer.journal.spilled
        open_calls["openai", "gpt-4o", "chat"] = 1
        second._round()
        assert not second._writer.journal.spilled
    assert shown(first) == 3001


def test_who_stops_on_a_full_disk_lets_another_one_lead(worker: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = worker(), worker()
    first.append(call())
    assert shown(first) == 1
    monkeypatch.setattr(checkpoint, "save", full)
    first.stop()
    monkeypatch.undo()
    until(lambda: second.role == "leader")
    assert shown(second) == 1


def test_what_was_handed_over_for_want_of_room_outlives_its_leader(
    worker: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is in no journal: a checkpoint keeps it as soon as there is room for one."""
    monkeypatch.setattr(consumer, "PRESSED_SECONDS", 0.0)
    first, second = worker(), worker()
    path = folder(first) / statedir.CHECKPOINT
    with monkeypatch.context() as patch:
        patch.setattr(journal, "_reserve", full)
        patch.setattr(checkpoint, "save", full)
        for _ in range(5):
            first.append(call())
            second.append(call())
        until(lambda: shown(first) == 10)
        until(lambda: "no room for a checkpoint" in caplog.text)
        before = path.read_bytes()
    until(lambda: path.read_bytes() != before)
    crash(first)
    until(lambda: second.role == "leader")
    assert shown(second) == 10
    assert Guard.errors == {}
    assert caplog.text.count("no room for a checkpoint") == 1


def test_what_was_handed_over_is_counted_once_although_the_answer_came_too_late(
    worker: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine: the leader has counted the batch, and its process waits for the answer no longer."""
    leader, follower, third = worker(), worker(), worker()
    for one in (leader, follower, third):
        one._clerk.dismiss(5)  # the test says when
    monkeypatch.setattr(record_writer.RecordWriter, "_mapped_journal", full)
    monkeypatch.setattr(record_writer, "MOST_HANDED", 4)
    count = RemoteAggregator.count

    def late(self: RemoteAggregator, *batch: Any) -> None:
        count(self, *batch)
        raise rpc.UnreachableError("timed out")

    monkeypatch.setattr(RemoteAggregator, "count", late)
    for _ in range(6):
        follower.append(call())
    for _ in range(3):
        follower._round()
    assert counted(leader.scrape("")[1].decode()) == 4
    leader._role.leadership.consumer.keep(now=True)
    crash(leader)
    third._round()
    monkeypatch.setattr(RemoteAggregator, "count", count)
    follower._round()
    follower._round()
    assert counted(third.scrape("")[1].decode()) == 6
    monkeypatch.setattr(RemoteAggregator, "count", late)
    for _ in range(6):
        follower.append(call())
    follower._round()
    third._role.leadership.consumer.keep(now=True)
    crash(third)
    follower._round()  # leads now, with a batch that may have been counted
    assert counted(follower.scrape("")[1].decode()) == 12


def test_a_verdict_that_there_is_no_room_for_is_heard_by_the_leader(tmp_path: Path) -> None:
    class Leader:
        owner = "1-" + "1" * 12
        heard: list[Verdict] = []  # noqa: RUF012
        inbox = verdict_queue.Inbox(heard.append)

    verdict = Verdict(1, call(), Crossing("all", "day", "warning", 8.0, 10.0))
    owner = "2-" + "2" * 12
    there = presence.Presence(tmp_path, owner)
    outbox = verdict_queue.Outbox(tmp_path, Leader())
    for reserve, heard in ((full, 1), (journal._reserve, 1)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(journal, "_reserve", reserve)
            outbox.send(verdict, owner, (0, 16, 0))
            outbox.round()
        assert len(Leader.heard) == heard
    assert (tmp_path / f"verdicts.{owner}.0").exists()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "_reserve", full)
        for _ in range(400):  # more than the first file of a box has room for
            outbox.send(verdict, owner, (0, 16, 0))
        outbox.round()
    assert not (tmp_path / f"verdicts.{owner}.1").exists()
    outbox.round()
    assert (tmp_path / f"verdicts.{owner}.1").exists()
    outbox.close()
    there.leave()


def test_what_nobody_reads_is_bounded_and_what_is_dropped_is_counted(
    worker: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(record_writer, "MOST_FILES", 3)
    monkeypatch.setattr(journal, "SPILL", 1000)
    first, second = worker(), worker()
    second.append(call())
    assert shown(first) == 1
    with first.lock, second.lock:  # no round is done, nor can anybody ask
        for _ in range(20_000):
            second.append(call())
        files = sorted(folder(first).glob(f"journal.{second._writer.owner}.*"))
        dropped = second._writer.journal.spilled.dropped
    assert (len(files), dropped > 0) == (3, True)
    until(lambda: second._writer.journal.spilled.dropped == 0 and not second._writer.journal.spilled)
    assert Guard.errors["workers"] >= dropped  # to say so takes a record, too
    until(lambda: shown(first) == 20_001 - Guard.errors["workers"])
    assert caplog.text.count("calls are not counted") == 1


def test_who_stops_in_a_failing_round_lets_another_one_lead(worker: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = worker(), worker()
    first.append(call())
    monkeypatch.setattr(first._role, "round", exhausted)
    first.stop()
    until(lambda: second.role == "leader")
    assert shown(second) == 1


def test_a_clerk_is_hired_as_soon_as_there_is_a_thread(worker: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpatched, "_start", no_thread)
    first = worker()
    second = worker()
    assert (first._clerk.at_work, first.role, second.role) == (False, "follower", "follower")
    assert shown(second) == 0  # whoever is asked leads as long as that takes
    assert not is_locked(folder(first) / statedir.LEADER)
    first.append(call())
    monkeypatch.undo()
    for _ in range(record_writer.UNATTENDED_RECORDS):
        first.append(call())
    assert first._clerk.at_work
    until(lambda: first.role == "leader")
    assert shown(first) == 1 + record_writer.UNATTENDED_RECORDS


def test_a_process_without_a_clerk_keeps_its_directory_small(worker: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpatched, "_start", no_thread)
    first = worker()
    for _ in range(12_000):  # 3 MB
        first.append(call())
    assert sum(path.stat().st_size for path in folder(first).glob("journal.*")) <= 2 * 1024 * 1024
    assert shown(first) == 12_000


def test_a_leader_that_can_answer_nobody_gives_the_lock_back(worker: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = worker(), worker()
    assert (first.role, second.role) == ("leader", "follower")
    with second.lock:  # does not stand meanwhile
        leadership = first._role.leadership
        with first.lock:
            leadership._listener.stop()
            leadership._listener = None
            monkeypatch.setattr(election, "Listener", exhausted)
        until(lambda: first.role == "follower", 10)
        monkeypatch.undo()
    until(lambda: second.role == "leader", 3)


def test_a_directory_that_was_not_to_be_had_at_first_is_shared_later(
    worker: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "RETRY_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(statedir, "enter", full)
        first, second = worker(), worker()
        for _ in range(5):
            first.append(call())
            second.append(call())
        assert (shown(first), shown(second), first.role) == (5, 5, "single")
    until(lambda: {first.role, second.role} == {"leader", "follower"})
    first.append(call())
    until(lambda: (shown(first), shown(second)) == (11, 11))


def test_a_peer_that_says_nothing_holds_up_nobody(worker: Make) -> None:
    first, second = worker(), worker()
    second.append(call())
    path, silent = folder(first) / statedir.SOCKET, []
    for _ in range(5):
        silent.append(socket.socket(socket.AF_UNIX))
        with rpc._address(path) as address:
            silent[-1].connect(address)
    began = time.monotonic()
    assert shown(second) == 1
    assert time.monotonic() - began < rpc._PATIENCE  # as long as one of them may be silent
    for one in silent:
        one.close()


STOPPED = """
import sys, time
from prometheus_client import CollectorRegistry
from cluster_lab import Worker
from otel_llm.core.config import Config
from otel_llm.aggregate import Store
config = Config(port=int(sys.argv[1]), host="127.0.0.1", state_dir=sys.argv[2])
worker = Worker(config, lambda: Store(config), registry=CollectorRegistry(), serve=False)
worker.start()
print(worker.role, flush=True)
sys.stdin.read()
"""


def test_followers_say_that_their_leader_was_stopped(worker: Make, config: Config, tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(HERE), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", STOPPED, str(config.port), str(tmp_path)]
    leader = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert leader.stdout is not None
        assert leader.stdout.readline() == b"leader\n"
        second = worker()
        assert second.role == "follower"
        second.append(call())
        leader.send_signal(signal.SIGSTOP)
        answer = metrics(second.scrape, "GET", "", "")
        assert answer.status == 503
        assert f"process {leader.pid}".encode() in answer.body
        leader.send_signal(signal.SIGCONT)
        assert counted(metrics(second.scrape, "GET", "", "").body.decode()) == 1
    finally:
        leader.kill()
        leader.communicate()


def test_a_listener_without_a_thread_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr(unpatched, "_start", no_thread)
    with pytest.raises(OSError, match="can't start new thread"):
        Listener(tmp_path / "socket", Echo())
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_a_listener_without_descriptors_rests_between_two_attempts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Out:
        _accept = staticmethod(exhausted)

    rests: list[float] = []
    listener = Listener(tmp_path / "socket", Echo())
    with monkeypatch.context() as patch:
        patch.setattr(rpc, "pause", rests.append)
        socket, listener._socket = listener._socket, Out()
        until(lambda: rests)
        listener._socket = socket
    assert rests[0] > 0
    assert RemoteAggregator(tmp_path / "socket").stats() == {"answer": 1}
    listener.stop()


def test_a_listener_that_is_dropped_ends_its_thread(tmp_path: Path) -> None:
    listener = Listener(tmp_path / "socket", Echo())
    listener.drop()
    assert listener._thread._gone.acquire(timeout=30)
