"""Handlers: who is told what, off the caller's path, and that one that raises or hangs hurts nobody."""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time

import pytest

from otel_llm import runtime
from otel_llm.aggregate import Verdict
from otel_llm.aggregate.window import Crossing, Judgement
from otel_llm.core.guard import Guard
from otel_llm.core.model import Observation
from otel_llm.outputs import alerts
from otel_llm.outputs.alerts import Anomaly, Dispatcher, on_anomaly

WAIT = 300.0  # seconds, on a machine at a load of 50
EVERYTHING = alerts.Wanted("warning")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def dispatcher(clock):
    return Dispatcher(clock)


def anomaly(kind: str = "latency_spike", severity: str = "critical", **more) -> Anomaly:
    return Anomaly(
        **{"type": kind, "severity": severity, "value": 9.1, "baseline": 1.2, "z_score": 4.7, "model": "gpt-4o", **more}
    )


def heard(dispatcher: Dispatcher, severity: str | None = "warning", signal: str | None = None) -> list[Anomaly]:
    told: list[Anomaly] = []
    dispatcher.add(told.append, alerts.wanted(severity, signal))
    return told


def test_the_line_says_it_all():
    line = str(anomaly(provider="openai", trace_id="ab" * 16))
    assert line.startswith("[CRITICAL] latency_spike: value=9.1s, baseline=1.2s, z_score=4.70")
    assert "provider=openai, model=gpt-4o" in line
    assert f"trace_id={'ab' * 16}" in line
    assert (
        str(Anomaly(type="breaker_open", severity="critical", value=1.0, detail="llm"))
        == "[CRITICAL] breaker_open: value=1, detail=llm"
    )


def test_a_name_that_a_user_chose_stays_one_short_line(monkeypatch):
    told: list[Anomaly] = []
    monkeypatch.setattr(alerts, "deliver", told.append)
    model = "gpt-4o\n[CRITICAL] budget_exceeded: " + 1000 * "x"
    call = Observation(1.0, "openai", model, "chat", model, "api.openai.com", "", 9.1)
    runtime.deliver(Verdict(0, call, Judgement("latency", "high", "critical", 9.1, 1.2, 0.3, 4.7)))
    assert told[0].model == "gpt-4o?[CRITICAL] budget_exceeded: " + 93 * "x"
    assert str(told[0]).count("\n") == 0


def test_anomalies_are_made_of_what_the_window_says():
    judgement = Judgement("output_tokens", "low", "warning", 20.0, 200.0, 40.0, -2.4)
    made = Anomaly.of(("openai", "gpt"), judgement, trace_id="t")
    assert (made.type, made.severity, made.direction, made.z_score, made.baseline) == (
        "output_length_anomaly",
        "warning",
        "low",
        -2.4,
        200.0,
    )
    assert (made.provider, made.model, made.trace_id) == ("openai", "gpt", "t")
    crossed = Anomaly.of_budget(Crossing("acme", "day", "critical", 5.2, 5.0))
    assert str(crossed) == "[CRITICAL] budget_exceeded: value=5.2 USD, baseline=5 USD, detail=day acme"
    lacking = Anomaly.of_budget(Crossing("acme", "day", "critical", 5.2, 5.0, complete=0.985))
    assert str(lacking).endswith("detail=day acme, complete=98.5% of calls")
    assert Anomaly.of_breaker("llm").type == "breaker_open"


def test_handlers_hear_what_they_asked_for(dispatcher):
    everything = heard(dispatcher)
    critical = heard(dispatcher, "critical")
    cost = heard(dispatcher, signal="cost")
    budget = heard(dispatcher, signal="budget_exceeded")
    for one in (anomaly(), anomaly("cost_spike", "warning"), anomaly("budget_exceeded", "critical")):
        dispatcher.deliver(one)
    assert dispatcher.drain(WAIT)
    assert [one.type for one in everything] == ["latency_spike", "cost_spike", "budget_exceeded"]
    assert [one.type for one in critical] == ["latency_spike", "budget_exceeded"]
    assert [one.type for one in cost] == ["cost_spike"]
    assert [one.type for one in budget] == ["budget_exceeded"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"severity": "fatal"}, "severity 'fatal' is unknown (allowed: warning, critical)"),
        ({"signal": "mood"}, "signal 'mood' is unknown (allowed: latency, output_tokens,"),
        ({"signal": ("latency", "mood")}, "signal 'mood' is unknown (allowed: latency, output_tokens,"),
        ({"model": 3}, "model 3 is no name (allowed: text, in which a star stands for anything)"),
        (
            {"provider": ("openai",)},
            "provider ('openai',) is no name (allowed: text, in which a star stands for anything)",
        ),
        ({"z_score": -1}, "z_score -1 is no distance (allowed: a number of 0 or more)"),
        ({"z_score": "4"}, "z_score '4' is no distance (allowed: a number of 0 or more)"),
        ({"z_score": float("nan")}, "z_score nan is no distance (allowed: a number of 0 or more)"),
    ],
)
def test_filters_that_cannot_be_are_refused(wrong, says):
    lanes = alerts._DISPATCHER.lanes
    with pytest.raises(ValueError, match=re.escape(says)):
        on_anomaly(print, **wrong)
    with pytest.raises(TypeError, match="handler 'print' cannot be called"):
        on_anomaly("print")
    assert alerts._DISPATCHER.lanes == lanes


def test_async_handlers_are_awaited(dispatcher):
    told = []

    async def handler(one: Anomaly) -> None:
        await asyncio.sleep(0)
        told.append(one.type)

    dispatcher.add(handler, EVERYTHING)
    dispatcher.deliver(anomaly())
    assert dispatcher.drain(WAIT)
    assert told == ["latency_spike"]


def test_handlers_run_on_their_own_threads(dispatcher):
    threads = []
    dispatcher.add(lambda _one: threads.append(threading.current_thread()), EVERYTHING)
    dispatcher.add(lambda _one: threads.append(threading.current_thread()), EVERYTHING)
    dispatcher.deliver(anomaly())
    assert dispatcher.drain(WAIT)
    assert len({id(thread) for thread in threads}) == 2
    assert threading.current_thread() not in threads
    assert all(thread.daemon for thread in threads)


def test_a_handler_that_raises_is_counted_and_hurts_nobody(dispatcher, caplog, monkeypatch):
    monkeypatch.setattr(Guard, "strict", False)
    told = []

    def broken(one: Anomaly) -> None:
        told.append(one)
        raise RuntimeError("no luck")

    before = Guard.errors.get("alert_handler", 0)
    dispatcher.add(broken, EVERYTHING)
    fine = heard(dispatcher)
    for kind in ("latency_spike", "cost_spike"):
        dispatcher.deliver(anomaly(kind))
    assert dispatcher.drain(WAIT)
    assert len(told) == len(fine) == 2
    assert Guard.errors["alert_handler"] == before + 2


def test_an_async_handler_that_takes_too_long_is_cut_off(dispatcher, monkeypatch):
    monkeypatch.setattr(Guard, "strict", False)
    monkeypatch.setattr(alerts, "PATIENCE", 0.01)
    ended = []

    async def slow(_one: Anomaly) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    dispatcher.add(slow, EVERYTHING)
    dispatcher.deliver(anomaly())
    assert dispatcher.drain(WAIT)
    assert ended == [True]


def test_a_handler_that_hangs_holds_up_nobody_and_drops_what_it_cannot_take(dispatcher, clock):
    release = threading.Event()
    dispatcher.add(lambda _one: release.wait(WAIT), EVERYTHING)
    fine = heard(dispatcher)
    hung = dispatcher.lanes[0]
    for number in range(300):
        clock.now += 3.0
        dispatcher.deliver(anomaly(model=f"m{number}"))
        assert dispatcher.lanes[1].drain(time.monotonic() + WAIT)
    assert len(hung.waiting) <= alerts.QUEUED
    assert hung.dropped >= 300 - alerts.QUEUED - 1
    release.set()
    assert dispatcher.drain(WAIT)
    assert len(fine) == 300


def test_the_same_is_told_once_and_then_how_often_it_repeated(dispatcher, clock):
    told = heard(dispatcher)
    for _ in range(5):
        dispatcher.deliver(anomaly())
        clock.now += 10
    clock.now += alerts.QUIET
    dispatcher.deliver(anomaly())
    assert dispatcher.drain(WAIT)
    assert [one.repeated for one in told] == [0, 4]
    assert "repeated=4" in str(told[1])


def test_a_worse_or_another_anomaly_is_told_at_once(dispatcher):
    told = heard(dispatcher)
    for one in (
        anomaly(severity="warning"),
        anomaly(),
        anomaly(model="other"),
        anomaly(direction="low"),
        anomaly("cost_spike"),
    ):
        dispatcher.deliver(one)
    assert dispatcher.drain(WAIT)
    assert len(told) == 5


def test_a_storm_is_limited(dispatcher, clock):
    told = heard(dispatcher)
    for number in range(500):
        dispatcher.deliver(anomaly(model=f"m{number}"))
    assert dispatcher.drain(WAIT)
    assert len(told) == alerts.BURST
    clock.now += 60
    for number in range(500):
        dispatcher.deliver(anomaly(model=f"n{number}"))
    assert dispatcher.drain(WAIT)
    assert len(told) == 2 * alerts.BURST


def test_memory_of_what_was_told_ends(dispatcher, clock):
    heard(dispatcher)
    for number in range(50):
        dispatcher.deliver(anomaly(model=f"m{number}"))
        clock.now += alerts.QUIET
    assert len(dispatcher.lanes[0].delivered) <= 3


def test_a_handler_can_be_taken_off(dispatcher):
    told: list[Anomaly] = []
    remove = dispatcher.add(told.append, EVERYTHING)
    remove()
    remove()
    dispatcher.deliver(anomaly())
    assert dispatcher.drain(WAIT)
    assert told == []


def test_without_handlers_there_is_no_thread():
    before = threading.active_count()
    Dispatcher().deliver(anomaly())
    assert threading.active_count() == before


def test_the_public_way():
    told: list[Anomaly] = []
    remove = on_anomaly(told.append, severity="critical", signal="latency")
    try:
        alerts.deliver(anomaly(detail="public"))
        assert alerts.drain(WAIT)
    finally:
        remove()
    assert [one.detail for one in told] == ["public"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_tells_its_own():
    """The parent's thread lives, its lock may be held: the child begins with its own."""
    reading, writing = os.pipe()
    remove = on_anomaly(lambda one: os.write(writing, f"{os.getpid()} {one.model}\n".encode()) and None)
    try:
        alerts.deliver(anomaly(model="parent"))
        assert alerts.drain(WAIT)
        with alerts._DISPATCHER.lock:
            child = os.fork()
            if child == 0:
                alerts.deliver(anomaly(model="child"))
                os._exit(0 if alerts.drain(WAIT) else 1)
        assert os.waitpid(child, 0)[1] == 0
    finally:
        remove()
    told = os.read(reading, 4096).decode().splitlines()
    assert told == [f"{os.getpid()} parent", f"{child} child"]
    os.close(reading)
    os.close(writing)


def test_only_critical_ones_come_unless_warnings_are_asked_for():
    critical, both = [], []
    removers = [on_anomaly(critical.append), on_anomaly(both.append, severity="warning")]
    for severity in ("warning", "critical"):
        alerts.alert("deploy_failed", severity=severity, detail="api")
    assert alerts.drain(WAIT)
    for remove in removers:
        remove()
    assert [one.severity for one in critical] == ["critical"]
    assert [(one.severity, one.type, one.detail) for one in both] == [
        ("warning", "deploy_failed", "api"),
        ("critical", "deploy_failed", "api"),
    ]


def test_an_applications_own_alert_is_deduplicated():
    told = []
    remove = on_anomaly(told.append, severity="warning", z_score=9.0, model="gpt-*")
    for _ in range(3):
        alerts.alert("queue_full", 7.0, baseline=2.0, model="gpt-4o", detail="again")
    alerts.alert("queue_full", 7.0, model="claude")
    assert alerts.drain(WAIT)
    remove()
    assert [(one.value, one.baseline, one.model) for one in told] == [(7.0, 2.0, "gpt-4o")]
    with pytest.raises(ValueError, match="fatal"):
        alerts.alert("queue_full", severity="fatal")


def test_it_decorates_with_and_without_arguments():
    told = []

    @on_anomaly
    def plain(one):
        told.append(("plain", one.type))

    @on_anomaly(severity="warning", signal=("latency", "errors"))
    def chosen(one):
        told.append(("chosen", one.type))

    for kind in ("latency_spike", "cost_spike"):
        alerts.deliver(anomaly(kind, model="decorated"))
    assert alerts.drain(WAIT)
    assert sorted(told) == [("chosen", "latency_spike"), ("plain", "cost_spike"), ("plain", "latency_spike")]
    plain(anomaly())  # what was decorated still is the function
    assert told[-1] == ("plain", "latency_spike")
    plain()  # and without an anomaly takes it off


def test_an_anomaly_says_where_it_comes_from():
    judgement = Judgement(
        "cost", "high", "critical", 0.2, 0.1, 0.01, 5.0, True, "warning", "shift", (("tenant", "acme", 0.8, 0.05, 0.4),)
    )
    made = Anomaly.of(("openai", "gpt"), judgement)
    assert (made.severity, made.detail) == ("warning", "shift")
    assert str(made).endswith("causes=tenant=acme 80% of the change (5% -> 40% of calls)")
