"""Time as it comes: empty windows, one call, clocks that go back or leap, silence, other window lengths."""

from __future__ import annotations

import pytest
from window_calls import KEY, Call, added, feed, gauges, steady

from otel_llm.aggregate.window import Engine
from otel_llm.aggregate.window.slices import Grid
from otel_llm.core import catalogue

START = 1_700_000_040.0


def test_an_empty_window_says_nothing():
    engine = Engine()
    assert list(engine.gauges(START)) == []
    stats = engine.stats(START)
    assert stats.models == {}
    assert (stats.total.calls, stats.total.error_ratio, stats.total.latency, stats.total.cost) == (0, None, {}, None)


def test_one_call_says_what_it_can():
    engine = Engine()
    feed(engine, [Call(START, 2.0, "", 10, 20, None, 0.5)])
    told = gauges(engine, START)
    assert told == {
        ("otel_llm_latency_seconds", "0.5"): pytest.approx(2.0, rel=0.01),
        ("otel_llm_latency_seconds", "0.95"): pytest.approx(2.0, rel=0.01),
        ("otel_llm_latency_seconds", "0.99"): pytest.approx(2.0, rel=0.01),
        ("otel_llm_latency_seconds", "1"): 2.0,
        ("otel_llm_tokens_per_second", "input"): pytest.approx(10 / 60),
        ("otel_llm_tokens_per_second", "output"): pytest.approx(20 / 60),
        ("otel_llm_tokens_per_request", "input"): 10.0,
        ("otel_llm_tokens_per_request", "output"): 20.0,
        ("otel_llm_requests_per_second",): pytest.approx(1 / 60),
        ("otel_llm_error_ratio", ""): 0.0,
        ("otel_llm_fallback_ratio",): 0.0,
        ("otel_llm_cost_usd_per_hour",): pytest.approx(30.0),
        ("otel_llm_cost_usd_per_request",): 0.5,
    }


def test_a_failure_alone_has_no_latency_and_no_zero_tokens():
    engine = Engine()
    feed(engine, [Call(START, 2.0, "timeout", fallback=True)])
    assert gauges(engine, START) == {
        ("otel_llm_requests_per_second",): pytest.approx(1 / 60),
        ("otel_llm_error_ratio", "timeout"): 1.0,
        ("otel_llm_fallback_ratio",): 1.0,
    }


def test_failed_calls_usage_is_in_rates_and_cost_but_not_in_means():
    engine = Engine()
    feed(engine, [Call(START, 1.0, "", 10, 20, None, 0.1), Call(START + 1, 1.0, "abandoned", 30, 5, None, 0.3)])
    told = gauges(engine, START + 2)
    assert told["otel_llm_tokens_per_second", "input"] == pytest.approx(40 / 60)
    assert told["otel_llm_tokens_per_request", "input"] == 10.0
    assert told["otel_llm_cost_usd_per_request",] == pytest.approx(0.2)


def test_cache_ratio_is_absent_where_nothing_was_looked_up():
    engine = Engine()
    feed(engine, steady(START, 30))
    assert ("otel_llm_cache_hit_ratio",) not in gauges(engine, START + 30)
    engine.count(KEY, START + 31, "cache_miss", 3)
    assert gauges(engine, START + 31)["otel_llm_cache_hit_ratio",] == 0.0
    engine.count(KEY, START + 32, "cache_hit")
    engine.count(KEY, START + 32, "fallback", 3)
    told = gauges(engine, START + 33)
    assert (told["otel_llm_cache_hit_ratio",], told["otel_llm_fallback_ratio",]) == (0.25, 0.1)
    with pytest.raises(KeyError):
        engine.count(KEY, START, "cash")


def test_cache_look_ups_alone_are_shown_without_calls():
    engine = Engine()
    engine.count(KEY, START, "cache_hit")
    assert gauges(engine, START) == {("otel_llm_cache_hit_ratio",): 1.0}


def test_silence_ends_the_series_and_frees_the_memory():
    engine = Engine()
    feed(engine, steady(START, 600))
    assert gauges(engine, START + 3600)["otel_llm_requests_per_second",] > 0
    assert gauges(engine, START + 600 + 3660) == {}
    assert not engine.tracks[KEY].slices  # a sample stays, to judge the next calls by
    assert gauges(engine, START + 9 * 86400) == {}
    assert engine.tracks == {}


def test_after_a_day_without_traffic_calls_are_judged_by_the_day_before():
    engine = Engine()
    feed(engine, steady(START, 3600))
    engine.forget(START + 3600)
    later = START + 86400
    assert [one.severity for one in feed(engine, [Call(later, 99.0)])] == ["critical"]
    told = gauges(engine, later + 1)
    assert told["otel_llm_latency_seconds", "0.5"] == pytest.approx(99.0, rel=0.01)
    assert told["otel_llm_baseline_mean", "latency"] == pytest.approx(1.04, rel=0.1)


@pytest.mark.parametrize("back", [0.9, 30, 400, 2400, 7200])
def test_a_clock_that_goes_back_breaks_nothing(back):
    engine = Engine()
    feed(engine, steady(START, 3600))
    now = START + 3600
    assert gauges(engine, now)["otel_llm_requests_per_second",] == pytest.approx(1.0, rel=0.02)
    earlier = now - back
    feed(engine, steady(earlier, 60, seed=5))
    told = gauges(engine, earlier + 60)
    assert told["otel_llm_requests_per_second",] > 0
    assert all(abs(value) < 1e9 for value in told.values())
    feed(engine, steady(now, 3600, seed=6))
    assert gauges(engine, now + 3600)["otel_llm_requests_per_second",] == pytest.approx(1.0, rel=0.05)


def test_a_call_from_the_far_future_is_forgotten():
    engine = Engine()
    feed(engine, steady(START, 600))
    feed(engine, [Call(START + 10 * 86400, 1.0)])
    told = gauges(engine, START + 600)
    assert told["otel_llm_baseline_samples", "latency"] > 400
    feed(engine, steady(START + 600, 60, seed=3))
    assert ("otel_llm_zscore", "latency", "peak") in gauges(engine, START + 660)


def test_late_calls_of_a_complete_slice_are_counted():
    engine, ordered = Engine(), Engine()
    calls = steady(START, 3600)
    late = [call for call in calls if 600 <= call.at - START < 700]
    for call in calls:
        if call not in late:
            feed(engine, [call])
    gauges(engine, START + 3600)
    feed(engine, late)
    feed(ordered, calls)
    assert added(engine, START + 3600) == pytest.approx(added(ordered, START + 3600), rel=1e-9)


@pytest.mark.parametrize("window", [300.0, 500.0, 1000.0, 3600.0, 7777.0, 86400.0])
def test_any_window_slides(window):
    engine = Engine(window=window)
    feed(engine, steady(START, window * 1.5, every=window / 1800))
    now = START + window * 1.5
    told = gauges(engine, now)
    assert told["otel_llm_requests_per_second",] == pytest.approx(1800 / window, rel=0.02)
    assert engine.stats(now).models[KEY].calls == pytest.approx(1800, rel=0.04)
    assert told["otel_llm_baseline_samples", "latency"] > 1000
    grid = Grid.of_window(window)
    assert grid.cell <= 10.001
    assert grid.per_slice * grid.cell * 60 == pytest.approx(window)
    feed(engine, steady(now, 120, factor=6, seed=3))
    assert gauges(engine, now + 120)["otel_llm_zscore", "latency", "shift"] > 3


def test_memory_does_not_grow_with_calls():
    engine = Engine()
    for call in steady(START, 7200, every=0.5):
        feed(engine, [call])
    track = engine.tracks[KEY]
    assert len(track.cells) <= 50
    assert len(track.slices) <= 190  # three windows, as nobody asked for anything
    engine.forget(START + 7200)
    assert len(track.slices) <= 60


def test_names_and_labels_are_the_catalogues():
    engine = Engine()
    feed(engine, steady(START, 3600))
    feed(engine, [Call(START + 3601, 1.0, "timeout", 1, 1, 1, 0.1), Call(START + 3602, 1.0, "", 1, 1, 1, 0.1)])
    engine.count(KEY, START + 3602, "cache_hit")
    told = list(engine.gauges(START + 3603))
    for name, labels, value in told:
        metric = catalogue.BY_NAME[name]
        assert (metric.section, metric.kind) == ("derived", "gauge")
        assert len(labels) == len(metric.labels)
        assert labels[:2] == KEY
        assert isinstance(value, (int, float))
        assert all(isinstance(label, str) for label in labels)
    spend = {
        name
        for name in catalogue.BY_NAME
        if name.startswith(("otel_llm_spend", "otel_llm_budget", "otel_llm_evaluation"))
    }
    derived = {metric.name for metric in catalogue.METRICS if metric.section == "derived"}
    assert {name for name, _, _ in told} == derived - spend - {
        "otel_llm_baseline_shifted_seconds",
        "otel_llm_prompt_cache_read_ratio",
    }
    assert len({(name, labels) for name, labels, _ in told}) == len(told)
