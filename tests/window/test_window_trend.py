"""Minutes against the hour and the day, latency by length, young and thin services, and what outlives a restart."""

from __future__ import annotations

import json

import pytest
from window_calls import KEY, Call, feed, gauges, steady

from otel_llm.aggregate.window import Engine

START = 1_700_000_040.0
SHIFT = ("otel_llm_zscore", "latency", "shift")


def test_a_new_mix_of_lengths_is_no_latency_anomaly_and_slower_calls_are() -> None:
    def mixed(start: float, seconds: int, every: int, factor: float = 1.0) -> list[Call]:
        calls = steady(start, seconds, seed=int(start) % 97)
        return [
            call._replace(
                duration=call.duration * factor * (1 if number % every else 20), output_tokens=30 if number % every else 900
            )
            for number, call in enumerate(calls)
        ]  # fmt: skip

    engine = Engine()
    feed(engine, mixed(START, 3600, 10))
    feed(engine, mixed(START + 3600, 180, 2))
    assert abs(gauges(engine, START + 3780)[SHIFT]) < 3
    feed(engine, mixed(START + 3780, 120, 2, factor=1.5))
    assert gauges(engine, START + 3900)[SHIFT] > 3


def test_from_the_first_minute_on_there_is_a_score() -> None:
    engine = Engine()
    feed(engine, steady(START, 90, every=0.06))
    unusual = feed(engine, steady(START + 90, 10, every=0.1, output=12, seed=3))
    assert gauges(engine, START + 100)["otel_llm_zscore", "output_tokens", "shift"] > 3
    assert any(one.alarm and one.signal == "output_tokens" for one in unusual)


def test_a_restart_is_judged_by_what_was_before() -> None:
    before = Engine()
    feed(before, steady(START, 7200))
    before.tend(START + 7200)
    kept = json.loads(json.dumps(before.learned(), separators=(",", ":")))
    assert len(json.dumps(kept)) / 12 < 2000  # bytes a signal
    after = Engine()
    after.take_up(kept)
    feed(after, steady(START + 7800, 60, factor=3, seed=9))
    assert gauges(after, START + 7860)[SHIFT] > 3
    with pytest.raises(ValueError, match="no baselines"):
        after.take_up([["openai", "gpt", {}]])


def test_a_critical_alarm_needs_three_of_a_kind() -> None:
    engine = Engine()
    feed(engine, steady(START, 3600))
    engine.forget(START + 3600)
    slow = [Call(START + 3601 + 10 * number, 60.0, "", 100, 200, None, 0.002) for number in range(3)]
    alarms = [one for one in feed(engine, slow) if one.kind == "call"]
    assert [one.urgency for one in alarms] == ["warning", "warning", "critical"]


def test_errors_are_told_of_in_the_process() -> None:
    engine = Engine()
    feed(engine, steady(START, 7200))
    failing = [
        call._replace(error_type="server_error") if number % 2 else call
        for number, call in enumerate(steady(START + 7200, 900, seed=5))
    ]
    told = []
    for minute in range(15):
        told += feed(engine, failing[60 * minute : 60 * (minute + 1)])
        engine.forget(START + 7200 + 60 * (minute + 1))
    assert {one.severity for one in told if one.signal == "errors"} == {
        "critical"
    }  # half of all: grave after two minutes
    assert gauges(engine, START + 8100)["otel_llm_zscore", "errors", "shift"] > 3


def test_a_check_counts_nothing() -> None:
    engine = Engine()
    feed(engine, steady(START, 3600))
    verdict = engine.check(("", KEY[1]), "latency", 60.0, START + 3600)
    assert verdict is not None
    assert (verdict.severity, verdict.direction) == ("critical", "high")
    usual = engine.check(KEY, "latency", 1.0, START + 3600)
    assert usual is not None
    assert usual.severity == ""
    assert engine.check(("", "other"), "latency", 1.0, START + 3600) is None
    assert engine.stats(START + 3600).models[KEY].calls <= 3600


def test_minutes_are_reported_with_the_next_call_though_it_is_an_ordinary_one_or_a_failed_one() -> None:
    for kind in ("", "server_error"):
        engine, reported = Engine(), []
        feed(engine, steady(START, 7200))
        for minute in range(6):
            begin = START + 7200 + 60 * minute
            calls = [
                one._replace(error_type="server_error" if kind or number % 2 else "")
                for number, one in enumerate(steady(begin, 60, seed=5))
            ]
            judged = feed(engine, calls[:1])  # the first call after a minute brings what that minute was called
            reported.append({one.signal for one in judged if one.kind != "call" and one.signal == "errors"})
            feed(engine, calls[1:])
            engine.forget(begin + 60)
        assert reported[2:] == [{"errors"}] * 4, kind


@pytest.mark.parametrize("signal", ["calls", "spend"])
@pytest.mark.parametrize(
    ("age", "times", "found"), [(5400, 20, True), (3600, 20, True), (2700, 20, True), (3600, 3, False)]
)
def test_a_loop_of_twenty_times_the_calls_is_found_in_two_minutes(
    signal: str, age: int, times: int, *, found: bool
) -> None:
    """Also in the first hour of a service, where traffic that grows to the threefold is none."""
    engine = Engine()
    feed(engine, steady(START, age, every=7.5))
    for minute in range(2):
        feed(engine, steady(START + age + 60 * minute, 60, every=7.5 / times, seed=minute))
    shown = gauges(engine, START + age + 120)
    assert (shown["otel_llm_zscore", signal, "shift"] >= 3) is found
