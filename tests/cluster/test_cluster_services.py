"""Several services of one user and port, at once or one after the other: who keeps the spend, and that all of it is kept once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cluster_lab import Worker, call, crash, until

from otel_llm.cluster import checkpoint, journal, statedir
from otel_llm.core.guard import Guard

Serve = Callable[..., Worker]


def kill(one: Worker) -> None:
    crash(one)
    one._membership.leave()


def spend(one: Worker, dollars: float, **changes: Any) -> None:
    one.append(call(cost=dollars, cost_source="prices", **changes))


def spent(one: Worker) -> float:
    return next((budget["spend_usd"] for budget in one.stats()["budgets"] if budget["period"] == "month"), 0.0)


def folders(one: Worker) -> list[str]:
    return sorted(path.name.rpartition("-")[2] for path in Path(one.describe()["directory"]).parent.glob("start.*"))


def full(*_: object, **__: object) -> Any:
    raise OSError(28, "No space left on device")


def exhausted(*_: object, **__: object) -> Any:
    raise OSError(24, "Too many open files")


@pytest.mark.parametrize("end", [Worker.stop, kill])
def test_what_another_service_spent_is_kept_when_it_ends(serve: Serve, end: Callable[[Worker], None]) -> None:
    first, second = serve("a"), serve("b")
    spend(first, 100.0)
    spend(second, 50.0)
    assert (spent(first), spent(second)) == (100.0, 50.0)
    end(second)
    until(lambda: folders(first) == ["a"])
    assert spent(first) == 150.0
    kill(first)
    assert spent(serve("c")) == 150.0


def test_a_service_that_spent_nothing_leaves_nothing(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = serve("a"), serve("b")
    second.append(call())
    folder = Path(second.describe()["directory"])
    monkeypatch.setattr(
        statedir, "_tag", lambda _: folder.name.removeprefix("start.")
    )  # it is the one that it began with
    monkeypatch.setattr(first._role.leadership._spend, "take", lambda _: None)
    second.stop()
    assert not folder.exists()


def test_the_spend_stays_with_a_service_whose_leader_dies(serve: Serve) -> None:
    first, follower, second = serve("a"), serve("a"), serve("b")
    spend(first, 100.0)
    spend(second, 50.0)
    assert spent(first) == 100.0
    first._role.leadership.after_round(now=True)
    with follower.lock:
        kill(first)
        second._round()
        assert spent(second) == 50.0
    assert spent(follower) == 100.0
    spend(follower, 1.0)
    second.stop()
    until(lambda: spent(follower) == 151.0)
    follower.stop()
    assert spent(serve("c")) == 151.0


def test_who_takes_the_spend_over_late_says_so_before_it_saves_any(serve: Serve) -> None:
    first, second, follower = serve("a"), serve("b"), serve("b")
    spend(first, 100.0)
    spend(second, 50.0)
    assert (spent(first), spent(second)) == (100.0, 50.0)
    second._role.leadership.consumer.keep(now=True)  # as a service that does not keep the spend
    first.stop()
    until(lambda: spent(second) == 150.0)
    with follower.lock:
        second._role.leadership._spend.save(second._role.leadership.consumer, now=True)
        kill(second)
    assert spent(follower) == 150.0


@pytest.mark.parametrize(("keeper", "other"), [("a", "b"), ("b", "a")])
def test_all_services_are_killed_and_all_they_spent_is_kept(serve: Serve, keeper: str, other: str) -> None:
    first, second = serve(keeper), serve(other)
    spend(first, 100.0)
    spend(second, 50.0)
    assert (spent(first), spent(second)) == (100.0, 50.0)
    first._role.leadership.consumer.keep(now=True)
    with first.lock:
        kill(second)
        kill(first)
    third = serve("c")
    assert spent(third) == 150.0
    assert folders(third) == ["c"]


def test_what_a_killed_service_spent_waits_for_room(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guard, "strict", False)
    monkeypatch.setattr(Guard, "errors", {})
    first = serve("a")
    spend(first, 100.0)
    assert spent(first) == 100.0
    kill(first)
    monkeypatch.setattr(checkpoint, "save", full)
    monkeypatch.setattr(os, "fsync", full)
    second = serve("b")
    spend(second, 1.0)
    assert spent(second) == 101.0
    second.stop()
    third = serve("c")
    assert spent(third) == 101.0
    assert folders(third) == ["a", "b", "c"]
    monkeypatch.undo()
    until(lambda: folders(third) == ["c"])
    assert spent(third) == 101.0


def test_what_cannot_be_read_just_now_is_taken_over_later(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guard, "strict", False)
    monkeypatch.setattr(Guard, "errors", {})
    first = serve("a")
    spend(first, 100.0)
    kill(first)
    monkeypatch.setattr(journal.Reader, "_opened", lambda _: -1)
    second = serve("b")
    assert spent(second) == 0.0
    assert folders(second) == ["a", "b"]
    monkeypatch.undo()
    until(lambda: spent(second) == 100.0)


def test_a_spend_that_cannot_be_read_just_now_is_not_begun_anew(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guard, "strict", False)
    monkeypatch.setattr(Guard, "errors", {})
    first = serve("a")
    spend(first, 100.0)
    first.stop()
    monkeypatch.setattr("otel_llm.cluster.spendfile.Path.read_text", exhausted)
    second = serve("b")
    spend(second, 1.0)
    assert spent(second) == 1.0
    monkeypatch.undo()
    until(lambda: spent(second) == 101.0)


def test_other_metric_labels_do_not_count_it_twice(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    first = serve("a", metric_labels=("tenant",))
    for _ in range(100):
        spend(first, 1.0, labels=("acme",))
    assert spent(first) == 100.0
    first._role.leadership.keep(now=True)
    first._role.leadership.after_round(now=True)
    kill(first)
    assert spent(serve("b", metric_labels=("tenant", "feature"))) == 100.0
    assert "other metric labels" in caplog.text
