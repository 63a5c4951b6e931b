"""Faults that change the shape of values more than their mean: within how many minutes each shows, after two hours of one call a second."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
from window_calls import Call, feed, gauges

from otel_llm.aggregate.window import Engine

START = 1_700_006_400.0
NOW = START + 7200
Make = Callable[[random.Random], tuple[float, int, int]]  # latency, prompt and answer


def calls_of(make: Make, start: float, seconds: int) -> Iterator[Call]:
    dice = random.Random(int(start))
    for second in range(seconds):
        latency, asked, answered = make(dice)
        yield Call(start + second, latency, "", asked, answered, None, answered * 1e-5)


def plain(dice: random.Random) -> tuple[float, int, int]:
    return dice.lognormvariate(0, 0.3), 100, int(200 * dice.lognormvariate(0, 0.8))


def all_alike(dice: random.Random) -> tuple[float, int, int]:
    return dice.lognormvariate(0, 0.3), 100, 275


def empty(dice: random.Random) -> tuple[float, int, int]:
    latency, asked, answered = plain(dice)
    return latency, asked, 0 if dice.random() < 0.2 else answered


def two_kinds(dice: random.Random, slower: float = 1.0, long: float = 0.1) -> tuple[float, int, int]:
    if dice.random() < long:
        return 14 * dice.lognormvariate(0, 0.3) * slower, 4000, int(900 * dice.lognormvariate(0, 0.3))
    return 0.7 * dice.lognormvariate(0, 0.3), 200, int(30 * dice.lognormvariate(0, 0.3))


def slow_kind(dice: random.Random) -> tuple[float, int, int]:
    return two_kinds(dice, slower=5.0)


def other_mix(dice: random.Random) -> tuple[float, int, int]:
    return two_kinds(dice, long=0.5)


def minutes_until(usual: Make, fault: Make, signal: str, side: int, minutes: int) -> int:
    """Minutes until the shift of ``signal`` is beyond 3 to a side; 0 where it is not within ``minutes``."""
    engine = Engine()
    for minute in range(120):
        feed(engine, calls_of(usual, START + 60 * minute, 60))
        engine.forget(START + 60 * (minute + 1))
    for minute in range(minutes):
        feed(engine, calls_of(fault, NOW + 60 * minute, 60))
        now = NOW + 60 * (minute + 1)
        engine.forget(now)
        if side * gauges(engine, now)["otel_llm_zscore", signal, "shift"] >= 3:
            return minute + 1
    return 0


@pytest.mark.parametrize(
    ("usual", "fault", "signal", "side", "within"),
    [
        (plain, all_alike, "output_spread", -1, 3),
        (plain, empty, "output_tokens", -1, 2),
        (two_kinds, slow_kind, "latency", 1, 6),
    ],
)
def test_a_shape_shows(usual: Make, fault: Make, signal: str, side: int, within: int) -> None:
    assert 1 <= minutes_until(usual, fault, signal, side, within) <= within


def test_another_mix_of_two_kinds_is_no_shift_of_latency_nor_of_answers_at_their_prompts() -> None:
    assert minutes_until(two_kinds, other_mix, "latency", 1, 10) == 0
    assert minutes_until(two_kinds, other_mix, "output_tokens", 1, 10) == 0
