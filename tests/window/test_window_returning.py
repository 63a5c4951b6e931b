"""Batches that come back: told of twice, expected from then on, and told of when they are late or larger."""

from __future__ import annotations

import json
import random

import pytest
from window_calls import KEY, Call, feed

from otel_llm.aggregate.window import Engine
from otel_llm.aggregate.window.returning import KEPT, Returning, Stretch, stretches

START = 1_700_006_400.0
PERIOD, LENGTH = 1200, 120


def traffic(start: float, seconds: int, factor: float = 6.0, shift: int = 0) -> list[Call]:
    """A call a second; each 20 minutes, for two, answers ``factor`` times as long."""
    dice = random.Random(int(start))
    calls = []
    for second in range(seconds):
        at = start + second
        size = factor if (at - START - shift) % PERIOD < LENGTH else 1.0
        length = int(200 * size * dice.lognormvariate(0, 0.4))
        calls.append(Call(at, size * dice.lognormvariate(0, 0.4), "", 500, length, None, 0.002 * size))
    return calls


def critical(engine: Engine, calls: list[Call]) -> int:
    """Calls that make a critical alarm; a minute at a time, as the leader tends the engine."""
    found = 0
    for first in range(0, len(calls), 30):
        found += sum(
            one.alarm and (one.urgency or one.severity) == "critical" for one in feed(engine, calls[first : first + 30])
        )
        engine.forget(calls[min(first + 29, len(calls) - 1)].at)
    return found


def test_a_batch_is_told_of_until_it_has_come_back_and_a_larger_one_again() -> None:
    engine = Engine()
    assert critical(engine, traffic(START + LENGTH, 3900)) > 10
    assert critical(engine, traffic(START + LENGTH + 3900, 2 * PERIOD)) == 0
    kept = json.loads(json.dumps(engine.learned()))
    loaded = Engine.load(engine.dump())
    due = loaded.tracks[KEY].returning["output_tokens"].stretches
    assert len(due) >= 3
    after = Engine()
    after.take_up(kept)
    assert after.tracks[KEY].returning["output_tokens"].stretches == due
    start = START + LENGTH + 3900 + 2 * PERIOD
    assert critical(loaded, traffic(start, PERIOD, factor=20.0)) > 10  # when it is due, and larger
    assert critical(engine, traffic(start, PERIOD, shift=600)) > 10  # as large, at another time


def seen(*found: tuple[int, int, int, float, float]) -> Returning:
    returning = Returning()
    returning.see(Stretch(*one) for one in found)
    return returning


def test_what_is_due() -> None:
    returning = seen((100, 2, 1, 300.0, 9.0), (110, 1, 1, 310.0, 12.0), (121, 2, 1, 295.0, 8.0))
    due = returning.due(131)
    assert (due.mean, due.extreme) == (310.0, 12.0)
    assert [block for block in range(121, 160) if returning.due(block)] == [
        121, 122, 123, 131, 132, 133, 141, 142, 143, 144, 152, 153, 154,
    ]  # fmt: skip
    assert returning.covers(131, 1, 312.0)
    assert not returning.covers(131, 1, 330.0)
    assert not returning.covers(131, -1, 300.0)
    assert not returning.covers(136, 1, 300.0)
    assert returning.lately(135, 1)
    assert not returning.lately(135, -1)
    assert not returning.lately(137, 1)
    assert not Returning().lately(135, 1)
    assert returning.covers_call(131, 1, 17.0)
    assert not returning.covers_call(131, 1, 19.0)
    assert not returning.covers_call(131, -1, 1.0)
    assert not Returning().covers(131, 1, 300.0)
    assert not Returning().covers_call(131, 1, 1.0)


@pytest.mark.parametrize(
    "found",
    [
        [(100, 2, 1, 300.0, 9.0), (110, 2, 1, 300.0, 9.0)],  # twice
        [(100, 2, 1, 300.0, 9.0), (110, 2, 1, 300.0, 9.0), (125, 2, 1, 300.0, 9.0)],  # at no rhythm
        [(100, 2, 1, 300.0, 9.0), (110, 2, 1, 400.0, 9.0), (120, 2, 1, 300.0, 9.0)],  # not alike
        [(100, 2, 1, 300.0, 9.0), (110, 2, -1, 300.0, 9.0), (120, 2, 1, 300.0, 9.0)],  # to either side
    ],
)
def test_what_comes_by_chance_is_not_expected(found) -> None:
    returning = seen(*found)
    assert [block for block in range(100, 200) if returning.due(block)] == []


def test_a_low_batch_and_what_goes_on() -> None:
    returning = seen((100, 1, -1, 50.0, 3.0), (110, 1, -1, 50.0, 2.0), (120, 1, -1, 50.0, 4.0))
    returning.see([Stretch(120, 2, -1, 49.0, 4.0)])
    assert [one.length for one in returning.stretches] == [1, 1, 2]
    assert returning.covers_call(130, -1, 1.5)
    assert not returning.covers_call(130, -1, 1.0)
    returning.see(Stretch(200 + number, 1, 1, 90.0, 1.0) for number in range(30))
    assert len(returning.stretches) == KEPT
    again = Returning()
    again.load(returning.dump())
    assert again.stretches == returning.stretches


def test_blocks_in_a_row_to_one_side_are_a_stretch() -> None:
    blocks = [(5, 10, 3000, 9.0), (6, 30, 9600, 12.0), (8, 10, 3000, 7.0), (9, 10, 500, 1.0), (10, 10, 400, 0.5)]
    assert stretches(blocks, 100.0) == [
        Stretch(5, 2, 1, 315.0, 12.0), Stretch(8, 1, 1, 300.0, 7.0), Stretch(9, 2, -1, 45.0, 0.5),
    ]  # fmt: skip
