"""Alarms by single calls add up to a critical one; alone, by as many as the service does not have by itself."""

from __future__ import annotations

import json

from window_calls import Call, feed, steady

from otel_llm.aggregate.window import Engine
from otel_llm.aggregate.window.call_alarms import CallAlarms
from otel_llm.aggregate.window.watch import Watch

START = 1_700_006_400.0


def used_to_four(shift: float = 0.0) -> CallAlarms:
    """Four within some seconds every two hours for a day, recent calls being ``shift`` from their usual place."""
    alarms = CallAlarms()
    for block in range(13):
        for second in range(4):
            alarms.critical(7200.0 * block + second, shift, 3)
        alarms.close(120 * block)
    return alarms


def test_a_service_that_is_not_known_has_none_by_itself() -> None:
    assert [CallAlarms().usual, used_to_four().usual] == [0.0, 4.0]
    alarms = CallAlarms()
    assert [alarms.critical(at, 0.0, 3) for at in (0.0, 200.0, 301.0, 400.0)] == [False, False, False, True]


def test_alone_it_takes_more_than_the_service_has_by_itself() -> None:
    assert [used_to_four().critical(1e6, shift, 1) for shift in (1.9, 2.0)] == [False, True]
    alarms = used_to_four()
    assert [alarms.critical(1e6 + second, 0.0, 3) for second in range(5)] == [False, False, False, False, True]


def test_with_a_shift_the_third_is_critical_whatever_the_service_has() -> None:
    alarms = used_to_four()
    assert [alarms.critical(1e6 + second, 2.0, 3) for second in range(3)] == [False, False, True]


def test_alarms_with_a_shift_teach_nothing() -> None:
    assert used_to_four(shift=2.5).usual == 0.0


def test_what_a_service_has_by_itself_outlives_a_restart() -> None:
    watch = Watch()
    kind = watch.alarms["output_tokens", "low"]
    kind.line = used_to_four().line
    again, restarted, older = Watch(), Watch(), Watch()
    again.load(watch.dump())
    kept = json.loads(json.dumps(watch.learned()))
    restarted.take_up(kept)
    del kept["alarms"]
    older.take_up(kept)
    of = ("output_tokens", "low")
    assert [one.alarms[of].usual for one in (again, restarted, older)] == [4.0, 4.0, 0.0]


def test_single_calls_that_come_back_stop_to_page() -> None:
    engine = Engine()
    pages = []
    for hour in range(8):
        calls = steady(START + 3600 * hour, 3600, every=5.0, seed=hour)
        for place in (300, 302, 304):
            calls[place] = Call(calls[place].at, 60.0, "", 100, 200, None, 0.002)
        for first in range(0, len(calls), 12):
            alarms = [one for one in feed(engine, calls[first : first + 12]) if one.kind == "call" and one.alarm]
            pages += [hour for one in alarms if one.urgency == "critical"]
            engine.forget(calls[first].at + 60)
    assert pages == [0, 1]
