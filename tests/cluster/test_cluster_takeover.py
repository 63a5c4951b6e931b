"""Who leads: one does, another takes over, and each record is counted once whatever happened in between."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cluster_lab import Worker, call, counted, crash, samples, until
from prometheus_client import CollectorRegistry

from otel_llm.aggregate import Store, Verdict
from otel_llm.aggregate.window import Budget, Crossing
from otel_llm.cluster import consumer
from otel_llm.cluster.rpc import UnreachableError
from otel_llm.core.config import Config
from otel_llm.core.guard import Guard

Make = Callable[..., Worker]


def shown(one: Worker) -> int:
    return counted(one.text(openmetrics=False).decode())


def append(one: Worker, number: int) -> None:
    for _ in range(number):
        one.append(call())


def start_folder(one: Worker) -> Path:
    return Path(one.describe()["directory"])


def test_followers_show_what_the_leader_shows(worker: Make) -> None:
    first, second, third = worker(), worker(), worker()
    assert [first.role, second.role, third.role] == ["leader", "follower", "follower"]
    append(first, 3)
    append(second, 4)
    append(third, 5)
    assert [shown(first), shown(second), shown(third)] == [12, 12, 12]
    assert second.stats()["total"]["calls"] == first.stats()["total"]["calls"] == 12
    families = {family.name: family for family in third.families()}
    assert families["otel_llm_processes"].samples[0].value == 3
    assert second.scrape("")[1].count(b"# HELP otel_llm_processes") == 1


def test_the_port_is_served_by_the_leader(worker: Make) -> None:
    first, second = worker(serve=True), worker(serve=True)
    assert first.describe()["port"] == first.config.port
    assert second.describe()["port"] is None
    crash(first)
    until(lambda: second.describe()["port"] == first.config.port)


def test_a_takeover_counts_each_record_once(worker: Make) -> None:
    first, second = worker(), worker()
    append(first, 10)
    append(second, 20)
    assert shown(first) == 30
    first._role.leadership.keep(now=True)  # these are in the checkpoint
    append(first, 3)
    append(second, 4)
    assert shown(first) == 37  # these were counted by the first, and are forgotten with it
    append(first, 5)
    append(second, 6)  # these were not even counted
    crash(first)
    assert shown(second) == 48
    assert second.role == "leader"
    assert samples(second.text(openmetrics=False).decode())["otel_llm_processes", "exited"] == 1


def test_a_crash_between_checkpoint_and_clean_up_counts_nothing_twice(
    worker: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = worker(), worker(), worker()
    append(first, 1)
    append(second, 20)
    crash(second)
    until(lambda: first.describe()["live"] == 1)
    monkeypatch.setattr(
        consumer.JournalConsumer, "_bury", lambda *_: None
    )  # killed right before it would remove the files
    first._role.leadership.keep(now=True)
    monkeypatch.undo()
    crash(first)
    assert shown(third) == 21
    assert samples(third.text(openmetrics=False).decode())["otel_llm_processes", "exited"] == 2


def test_a_stopped_leader_hands_over(worker: Make) -> None:
    first, second = worker(), worker()
    append(first, 7)
    append(second, 1)
    first.stop()
    until(lambda: second.role == "leader")
    assert shown(second) == 8
    assert start_folder(second).exists()
    folder = start_folder(second)
    second.stop()
    assert not folder.exists()  # the last one of a service cleans up
    with pytest.raises(UnreachableError):
        first.text(openmetrics=False)


def test_many_takeovers_in_a_row(worker: Make) -> None:
    workers = [worker() for _ in range(12)]
    for number in range(1, 12):
        (leading,) = until(lambda: [one for one in workers if one.role == "leader"])
        append(leading, 10)
        workers.remove(leading)
        assert shown(workers[0]) == 10 * number
        crash(leading)
    assert shown(workers[0]) == 110


def test_the_directory_does_not_grow(worker: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "CHECKPOINT_BYTES", 200_000)
    monkeypatch.setattr(consumer, "RETIRE_SECONDS", 0.0)
    first, second = worker(), worker()
    append(second, 20_000)  # about 4 MB
    for _ in range(20):
        recycled = worker()
        append(recycled, 5)
        crash(recycled)
    assert shown(first) == 20_100
    names = lambda: sorted(path.name.split(".")[0] for path in start_folder(first).iterdir())
    until(lambda: (names().count("journal"), names().count("presence")) == (1, 1))
    assert sum(path.stat().st_size for path in start_folder(first).glob("journal.*")) <= 1024 * 1024


def test_open_calls_of_the_living_are_summed(worker: Make) -> None:
    key = ("openai", "gpt-4o", "chat")
    first, second, third = (worker(in_flight=lambda count=count: {key: count}) for count in (1, 2, 4))
    gauge = lambda: samples(first.text(openmetrics=False).decode()).get(("otel_llm_in_flight_requests", *key))
    until(lambda: gauge() == 7)
    crash(third)
    until(lambda: gauge() == 3)
    assert second.role == "follower"


def test_our_own_errors_in_a_follower_are_counted(worker: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guard, "errors", {"reader": 2})
    first, _second = worker(), worker()
    Guard.errors["reader"] += 3
    key = ("otel_llm_internal_errors_total", "reader")
    until(lambda: samples(first.text(openmetrics=False).decode()).get(key) == 6)  # both live in this process


def test_what_cannot_be_counted_does_not_stop_the_rest(worker: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guard, "strict", False)
    monkeypatch.setattr(Guard, "errors", {})
    one = worker()
    append(one, 1)
    one._writer.append(b"no record")
    append(one, 1)
    assert shown(one) == 2
    assert Guard.errors == {"store": 1}


class Heard:
    """Takes verdicts of one worker."""

    def __init__(self) -> None:
        self.verdicts: list[Verdict] = []

    def __call__(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)

    @property
    def severities(self) -> list[str]:
        return [verdict.finding.severity for verdict in self.verdicts]


@pytest.fixture
def budgeted(worker: Make, config: Config) -> Callable[[], tuple[Worker, Heard]]:
    """Makes workers of a service that may spend 10 dollars a day."""

    def make() -> tuple[Worker, Heard]:
        heard = Heard()
        one = worker(deliver=heard)
        one._role._make_store = lambda: Store(config, budgets=(Budget("all", daily=10.0),))
        if one._role.leadership is not None:
            one._role.leadership.consumer.store = one._role._make_store()
        return one, heard

    return make


def spend(one: Worker, cost: float) -> None:
    one.append(call(cost=cost, cost_source="prices"))


def test_a_verdict_is_heard_once_by_the_process_that_made_the_call(
    budgeted: Callable[[], tuple[Worker, Heard]],
) -> None:
    (first, heard_by_first), (second, heard_by_second) = budgeted(), budgeted()
    spend(second, 8.5)
    until(lambda: heard_by_second.severities == ["warning"])
    spend(first, 2.0)
    until(lambda: heard_by_first.severities == ["critical"])
    finding = heard_by_second.verdicts[0].finding
    assert isinstance(finding, Crossing)
    assert (finding.budget, finding.period, finding.limit) == ("all", "day", 10.0)
    assert heard_by_second.verdicts[0].call.cost == 8.5
    assert heard_by_second.severities == ["warning"]


def test_a_takeover_does_not_repeat_verdicts(budgeted: Callable[[], tuple[Worker, Heard]]) -> None:
    (first, _), (second, heard) = budgeted(), budgeted()
    spend(second, 8.5)
    until(lambda: heard.severities == ["warning"])
    crash(first)  # without a checkpoint: the second judges its own calls again
    until(lambda: second.role == "leader")
    spend(second, 2.0)
    until(lambda: heard.severities == ["warning", "critical"])


def test_the_verdict_of_a_dead_process_is_heard_by_the_leader(budgeted: Callable[[], tuple[Worker, Heard]]) -> None:
    (first, heard_by_first), (second, heard_by_second) = budgeted(), budgeted()
    with first.lock:  # nothing is read meanwhile
        spend(second, 9.0)
        crash(second)
    until(lambda: heard_by_first.severities == ["warning"])
    assert heard_by_second.severities == []


def test_clocks_do_not_matter(worker: Make) -> None:
    first, second = worker(), worker()
    second.append(call(at=time.time() - 7200))
    assert shown(first) == 1


def test_a_fork_waits_while_what_a_leader_has_is_imported(worker: Make) -> None:
    """What a parent has half imported would stay so in its child."""

    def free() -> bool:
        with ThreadPoolExecutor(1) as other:
            taken = other.submit(lambda: one._importing.acquire(blocking=False) and not one._importing.release())
            return taken.result()

    one = worker()
    assert free()
    one.before_fork()
    assert not free()
    one.after_fork_in_parent()
    assert free()


def test_who_leads_later_has_nothing_of_a_leader_until_it_is_needed(config: Config) -> None:
    made: list[Store] = []

    def make() -> Store:
        made.append(Store(config))
        return made[-1]

    first = Worker(config, make, serve=False, registry=CollectorRegistry())
    first.start(ready=False)
    assert (first.role, made) == ("leader", [])
    first.stop()
    assert made == []  # nor for its end: there was nothing to count
    second = Worker(config, make, serve=False, registry=CollectorRegistry())
    second.start(ready=False)
    append(second, 3)
    second.stop()
    assert made[0].summary(time.time())["total"]["calls"] == 3


def test_who_finds_what_others_left_leads_at_once(worker: Make, config: Config) -> None:
    first = worker()
    append(first, 3)
    crash(first)
    second = Worker(config, lambda: Store(config), serve=False, registry=CollectorRegistry())
    second.start(ready=False)
    leadership = second._role.leadership
    assert leadership is not None
    assert leadership.consumer.store.summary(time.time())["total"]["calls"] == 3
    second.stop()
