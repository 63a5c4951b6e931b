"""What few services come to: sketches that are packed, a level that comes back, signals that nobody wants to hear of."""

from __future__ import annotations

import pytest
from window_calls import KEY, feed, steady

from otel_llm.aggregate.store import MOST_NOTED, Store
from otel_llm.aggregate.summary import _shifted
from otel_llm.aggregate.window import Engine
from otel_llm.aggregate.window.facts import Shifted
from otel_llm.aggregate.window.sketch import Packed
from otel_llm.aggregate.window.summary import Summary
from otel_llm.core.config import Config

START = 1_700_000_040.0


def test_a_packed_sketch_reads_as_a_dict() -> None:
    packed = Packed({3: 7, -1: 70_000})
    assert (packed[3], packed[-1], len(packed), dict(packed)) == (7, 70_000, 2, {-1: 70_000, 3: 7})
    with pytest.raises(KeyError):
        packed[7]  # a count, and no place
    for bins in ({}, {5: 1}, {-1: 255, 254: 3}, {0: 256}, {0: 1, 256: 2}):
        again = Packed(bins)
        assert (dict(again), list(again), list(again.values()), len(again)) == (
            bins,
            [*bins],
            [*bins.values()],
            len(bins),
        )


def test_a_summary_is_frozen_once() -> None:
    summary = Summary()
    summary.add(1.5)
    summary.freeze()
    bins = summary.bins
    summary.freeze()
    assert summary.bins is bins
    assert list(bins.values()) == [1]


def test_a_shift_that_stayed_is_named_until_the_level_is_back() -> None:
    engine, after = Engine(), START + 3600
    feed(engine, steady(START, 3600, seed=7))
    feed(engine, steady(after, 2700, seed=8, factor=2.0))
    (one,) = [found for found in engine.stats(after + 2700).shifted if found.signal == "latency"]
    assert (one.provider, one.model) == KEY
    assert one.now == pytest.approx(2 * one.before, rel=0.1)
    assert 2400 <= one.seconds <= 2700
    back = after + 2700
    feed(engine, steady(back, 5400, seed=9))
    assert [found for found in engine.stats(back + 5400).shifted if found.signal == "latency"] == []


def test_what_is_shifted_as_stats_shows_it() -> None:
    told = _shifted(Shifted("openai", "gpt-4o", "latency", 1.0, 2.0, 90.0, (("tenant", "acme"),)))
    assert (told["provider"], told["model"], told["signal"], told["before"], told["now"], told["seconds"]) == (
        "openai", "gpt-4o", "latency", 1.0, 2.0, 90.0,
    )  # fmt: skip


def test_a_signal_that_nobody_wants_raises_no_alarm() -> None:
    calls = [*steady(START, 1800, seed=7), *steady(START + 1800, 120, seed=8, factor=9.0)]
    deaf = [found for found in feed(Engine(signals=("cost",)), calls) if found.alarm]
    heard = [found for found in feed(Engine(), calls) if found.alarm]
    assert [found.signal for found in deaf] == []
    assert "latency" in {found.signal for found in heard}


def test_one_value_is_judged_long_after_the_last_call() -> None:
    engine = Engine()
    feed(engine, steady(START, 1800, seed=7))
    found = engine.check(("", KEY[1]), "latency", 30.0, START + 2400)
    assert found is not None
    assert (found.severity, found.direction) == ("critical", "high")
    assert engine.check(("", "another"), "latency", 30.0, START + 2400) is None


def test_a_value_is_judged_by_the_slice_that_it_is_in() -> None:
    """Where ``tend`` has begun a slice and has not come to this model yet, its baseline is made when it is asked for."""
    engine = Engine()
    feed(engine, steady(START, 1800, seed=7))
    engine.gauges(START + 1800)
    track, later = next(iter(engine.tracks.values())), START + 1920
    slice_now = engine.grid.of(later) // engine.grid.per_slice
    assert track.now < slice_now
    engine.tended = slice_now
    found = engine.check(("", KEY[1]), "latency", 30.0, later)
    assert found is not None
    assert (found.severity, track.now) == ("critical", slice_now)


def test_costs_of_what_has_left_the_window_are_not_in_it() -> None:
    engine = Engine()
    feed(engine, steady(START, 600, seed=7))
    track = next(iter(engine.tracks.values()))
    assert sum(track.costs(engine.grid.of(START + 600)).values()) == sum(1 for _ in steady(START, 600, seed=7))
    assert track.costs(engine.grid.of(START + 3 * 3600)) == {}


def test_a_shift_whose_baseline_has_gone_is_not_shown() -> None:
    engine = Engine()
    feed(engine, steady(START, 1800, seed=7))
    engine.gauges(START + 1800)
    track, at = next(iter(engine.tracks.values())), engine.grid.of(START + 1800)
    track.before["latency"] = (at // engine.grid.per_slice - 2, 0.5)
    (one,) = track.shifted(KEY, at)
    assert (one.signal, one.before, one.seconds) == ("latency", 0.5, 2 * engine.grid.slice)
    track.baselines["latency"] = None
    assert list(track.shifted(KEY, at)) == []


def test_a_shift_of_calls_that_are_all_free_has_no_batch_that_is_due() -> None:
    engine = Engine()
    feed(engine, steady(START, 600, seed=7))
    track = next(iter(engine.tracks.values()))
    assert track._unexpected("cost", engine.grid.of(START + 600), 4.0, Summary()) == 4.0


def test_a_line_of_a_signal_that_is_no_more_is_left_out() -> None:
    engine = Engine()
    feed(engine, steady(START, 1800, seed=7))
    track = next(iter(engine.tracks.values()))
    state = track.learned()
    state["lines"]["a_signal_of_old"] = [1.0, 2.0]
    state["watch"]["beside"]["a_signal_of_old"] = state["watch"]["trends"]["latency"]
    again = Engine()
    feed(again, steady(START + 1800, 60, seed=8))
    other = next(iter(again.tracks.values()))
    other.take_up(state)
    assert "a_signal_of_old" not in other.lines
    assert "a_signal_of_old" not in other.watch.beside
    assert other.stale


def test_streams_without_usage_are_noted_for_so_many_models() -> None:
    noted: list[tuple[str, str]] = []
    store = Store(Config(), on_stream_without_usage=lambda *key: noted.append(key))
    for number in range(MOST_NOTED + 1):
        store._note_stream(("openai", f"m-{number}"))
    assert len(noted) == MOST_NOTED
    assert store.check(("openai", "m-1"), "latency", 1.0, START) is None
