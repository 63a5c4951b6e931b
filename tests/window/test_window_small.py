"""A change that harms nobody pages nobody, however many calls show it: less than a tenth of the mean, or a few calls of thousands."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from window_calls import Call, feed, gauges

from otel_llm.aggregate.window import Engine

START = 1_700_006_400.0


def alike(
    start: float, seconds: int, *, output: float = 1.0, slower: float = 1.0, price: float = 1.0, usage: bool = True
) -> Iterator[Call]:
    """Three calls a second whose answers vary by a sixth, as those of a service with one kind of request."""
    dice = random.Random(int(start))
    for number in range(seconds * 3):
        asked, answered = int(80 * dice.lognormvariate(0, 0.3)) + 1, int(450 * dice.lognormvariate(0, 0.16) * output)
        latency = (0.3 + 0.018 * answered / output) * dice.lognormvariate(0, 0.2) * slower
        cost = (asked * 2.5e-6 + answered * 1e-5) * price
        yield Call(start + number / 3, latency, "", asked, answered if usage else None, None, cost)


@pytest.fixture(scope="module")
def healthy() -> dict[bool, Engine]:
    """An hour, with usage and without it."""
    engines = {True: Engine(), False: Engine()}
    for usage, engine in engines.items():
        feed(engine, alike(START, 3600, usage=usage))
        engine.forget(START + 3600)
    return engines


NOW = START + 3600
CHANGES = [("output_tokens", "output"), ("latency", "slower"), ("cost", "price")]


@pytest.mark.parametrize(("signal", "what"), CHANGES)
def test_six_of_a_hundred_more_or_less_is_no_shift_and_pages_nobody(
    healthy: dict[bool, Engine], signal: str, what: str
) -> None:
    engine = Engine.load(healthy[True].dump())
    pages = []
    for minute in range(12):
        factor = {what: 0.94 if what == "output" else 1.06}
        unusual = feed(engine, alike(NOW + 60 * minute, 60, **factor))
        pages += [one for one in unusual if one.alarm and (one.urgency or one.severity) == "critical"]
        engine.forget(NOW + 60 * (minute + 1))
        assert abs(gauges(engine, NOW + 60 * (minute + 1))["otel_llm_zscore", signal, "shift"]) < 3, minute
    assert pages == []


@pytest.mark.parametrize(
    ("signal", "what", "usage"), [*((*one, True) for one in CHANGES), *((*one, False) for one in CHANGES[1:])]
)
def test_a_fourth_more_or_less_shows_within_a_minute(
    healthy: dict[bool, Engine], signal: str, what: str, usage: bool
) -> None:
    engine = Engine.load(healthy[usage].dump())
    feed(engine, alike(NOW, 60, usage=usage, **{what: 0.75 if what == "output" else 1.25}))
    engine.forget(NOW + 60)
    shift = gauges(engine, NOW + 60)["otel_llm_zscore", signal, "shift"]
    assert (shift < -3) if what == "output" else (shift > 3)


@pytest.mark.parametrize(("each", "paged"), [(250, False), (50, True)])
def test_single_slow_calls_page_from_one_in_a_hundred_on(healthy: dict[bool, Engine], each: int, paged: bool) -> None:
    engine = Engine.load(healthy[True].dump())
    pages = []
    for minute in range(5):
        calls = [
            call._replace(duration=call.duration * (8 if number % each == 5 else 1))
            for number, call in enumerate(alike(NOW + 60 * minute, 60))
        ]
        pages += [one for one in feed(engine, calls) if one.kind == "call" and one.urgency == "critical"]
        engine.forget(NOW + 60 * (minute + 1))
    assert bool(pages) is paged
