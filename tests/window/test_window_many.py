"""Many models in one window: scrapes take turns with their baselines; and clocks that begin at zero."""

from __future__ import annotations

import pytest
from window_calls import KEY, feed, gauges, steady

from otel_llm.aggregate.window import Engine
from otel_llm.aggregate.window.engine import AT_ONCE

START = 1_700_000_000.0
MODELS = AT_ONCE + 10


@pytest.fixture(scope="module")
def many() -> Engine:
    """Models with settled baselines, all renewed at ``START + 1500``."""
    engine = Engine()
    calls = steady(START, 1500, every=20.0)
    for number in range(MODELS):
        feed(engine, calls, ("openai", f"model-{number}"))
    engine.forget(START + 1500)
    return engine


def test_of_many_models_one_look_renews_some_and_the_next_the_rest(many):
    assert not any(track.unsettled for track in many.tracks.values())
    at = many.grid.of(START + 1570) // many.grid.per_slice
    shown = [sum(1 for _ in many.gauges(START + 1570)) for _ in range(2)]

    assert all(track.now == at for track in many.tracks.values())
    many.renewed(START + 1630)
    assert [track.now - at for track in many.tracks.values()] == [1] * AT_ONCE + [0] * (MODELS - AT_ONCE)
    many.renewed(START + 1631)
    assert {track.now - at for track in many.tracks.values()} == {1}
    assert shown[0] == shown[1] > 10 * MODELS


def test_what_nobody_looked_at_for_long_is_renewed_at_once(many):
    found = list(many.gauges(START + 86400.0))

    assert found == []


@pytest.mark.parametrize("every", [0.5, 1.0, 20.0])
def test_a_clock_may_begin_at_zero(every):
    engine = Engine()
    for call in steady(0.0, 1500, every=every):
        feed(engine, [call])
        engine.forget(call.at)

    assert gauges(engine, 1500.0)["otel_llm_baseline_samples", "latency"] >= 20
    assert set(engine.tracks) == {KEY}


def test_a_model_that_goes_while_the_lock_is_given_away_is_left_out():
    """Of 100 models, two are tended at a time; another thread may take away any of them between these."""
    engine = Engine()
    for number in range(100):
        feed(engine, steady(START, 120, every=20.0), ("openai", f"model-{number}"))
    engine.tend(START + 400, engine.tracks.clear)

    assert not engine.tracks
    assert [name for name, *_ in engine.gauges(START + 401)] == []


def test_others_come_after_the_baselines_of_each_model():
    """Where no clerk makes them, a look does: of one model at a time."""
    engine = Engine()
    for number in range(5):
        feed(engine, steady(START, 600, every=20.0), ("openai", f"model-{number}"))
    made: list[int] = []

    def give_way() -> None:
        now = engine.grid.of(START + 700 + 60 * len(rounds)) // engine.grid.per_slice
        made.append(sum(track.now == now for track in engine.tracks.values()))

    rounds: list[int] = []
    for look in (engine.renewed, engine.stats, lambda now, way: list(engine.gauges(now, way))):
        look(START + 700 + 60 * len(rounds), give_way)
        rounds.append(1)
    assert made == [1, 2, 3, 4, 5] * 3


def test_a_model_that_goes_while_others_are_renewed_is_left_out():
    engine = Engine()
    for number in range(3):
        feed(engine, steady(START, 120, every=20.0), ("openai", f"model-{number}"))
    engine.renewed(START + 400, engine.tracks.clear)
    assert not engine.tracks
