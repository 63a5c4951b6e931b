"""What is complete is summed up once: a scrape says the same as one that sums up all again, for a fraction of the work."""

from __future__ import annotations

import random

import pytest
from window_calls import Call, feed

from otel_llm.aggregate.window import Engine
from otel_llm.aggregate.window.slices import Slice
from otel_llm.aggregate.window.summary import Summary

START = 1_700_000_040.0


def calls(dice: random.Random, start: float, seconds: int, every: float, late: float = 0.0) -> list[Call]:
    """A call each ``every`` seconds, of which the share ``late`` comes up to five minutes late."""
    made = []
    for number in range(int(seconds / every)):
        at = start + number * every - (dice.random() * 300 if dice.random() < late else 0.0)
        answered = int(dice.lognormvariate(5, 0.8)) + 1
        made.append(Call(at, 0.3 + 0.01 * answered, "", 300, answered, None, answered * 1e-5))
    return made


@pytest.mark.parametrize("every", [0.5, 7.0, 40.0, 300.0])
@pytest.mark.parametrize("clerk", [True, False])
@pytest.mark.parametrize("late", [0.0, 0.2])
def test_scrapes_that_go_on_with_a_sum_say_what_new_sums_say(every: float, clerk: bool, late: float) -> None:
    dice, engine = random.Random(3), Engine()
    feed(engine, calls(dice, START, int(max(1800, every * 60)), every, late))
    now = START + max(1800, every * 60)
    for look in range(40):
        step = dice.choice((3, 7, 15))
        feed(engine, calls(dice, now, step, min(every, step), late))
        now += step
        if clerk:
            engine.tend(now)
        if look == 20:
            now += 700  # a silence
        gauges = list(engine.gauges(now))
        for track in engine.tracks.values():
            track._forget_sums()
        assert list(engine.gauges(now)) == gauges


def test_a_clock_that_went_back_and_a_window_taken_up_change_no_sum() -> None:
    dice, engine = random.Random(4), Engine()
    feed(engine, calls(dice, START, 1800, 7.0))
    now = START + 1800
    first = list(engine.gauges(now))
    again = Engine.load(engine.dump())
    again.forget(now)
    assert [one for one in again.gauges(now) if "baseline" not in one[0]] != []
    assert list(engine.gauges(now - 60)) != first
    assert list(engine.gauges(now)) == first


def test_a_scrape_merges_what_has_changed_since_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells of ten seconds with a call each: after the first scrape of a slice, another one adds a cell or two per signal."""
    dice, engine, merged = random.Random(5), Engine(), list[str]()
    feed(engine, calls(dice, START, 1800, 10.0))
    now = START + 1800
    engine.tend(now)
    whole = list(engine.gauges(now))
    for kind in (Summary, Slice):
        for name in {"merge", "merge_bare"} & vars(kind).keys():
            original = getattr(kind, name)
            monkeypatch.setattr(
                kind, name, lambda one, other, do=original, name=name: (merged.append(name), do(one, other))[1]
            )
    feed(engine, calls(dice, now, 10, 10.0))
    assert len(list(engine.gauges(now + 10))) == len(whole)
    newest = 3 * 20  # at most, of thin traffic
    assert len(merged) <= newest + 3 * 3 + 4
    assert merged.count("merge_bare") <= 4
