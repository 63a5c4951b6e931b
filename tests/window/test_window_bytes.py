"""What a model takes of memory, counted object by object, and what outlives a restart, in bytes of JSON."""

from __future__ import annotations

import json

import pytest

from benchmarks.window import AT, HOUR, engine, fill, held
from otel_llm.aggregate import Store
from otel_llm.aggregate.window.slices import Slice
from otel_llm.aggregate.window.trend import BLOCKS
from otel_llm.core.config import Config

WINDOW = 350_000  # bytes of one model's window
ALL = 500_000  # with its series and the last hour in short cells, beyond what a store without a model holds
SIGNAL = 2_000  # bytes of a signal on disk
SIGNALS = 13


@pytest.fixture(scope="module")
def busy() -> Store:
    """Of one model with two streamed calls a second for 70 minutes; minutes are kept for four hours."""
    store = Store(Config())
    at = fill(store, AT, 4.5 * HOUR, 0.2)
    fill(store, at, 70 * 60, 2.0)
    return store


def test_a_model_with_two_calls_a_second_takes_few_bytes(busy: Store) -> None:
    taken, empty = held(busy), held(Store(Config()))
    assert 150_000 < taken["window"] - empty["window"] <= WINDOW
    assert taken["window"] < taken["all"] - empty["all"] <= ALL


def test_what_outlives_a_restart_is_under_two_kilobytes_a_signal(busy: Store) -> None:
    (track,) = engine(busy).tracks.values()
    for line in (
        *track.lines.values(),
        *(one for trend in track.watch.trends.values() for one in (trend.line, trend.quick_line)),
    ):
        line.take_up([2.13] * BLOCKS)  # as after three days
    learned = json.loads(json.dumps(track.learned()))
    assert len(learned["watch"]["trends"]) == SIGNALS
    for signal, trend in learned["watch"]["trends"].items():
        samples = [block.get(signal, ()) for _, block in learned["memory"]]
        own = (trend, samples, learned["lines"].get(signal), learned["returning"].get(signal))
        assert len(json.dumps(own, separators=(",", ":"))) < SIGNAL, (
            signal,
            len(json.dumps(own, separators=(",", ":"))),
        )
    assert len(json.dumps(learned, separators=(",", ":"))) < SIGNAL * SIGNALS


@pytest.mark.parametrize("models", [3])
def test_models_of_little_traffic_take_little(models: int) -> None:
    store = Store(Config())
    fill(store, AT, 2 * HOUR, 0.01, models, every=20.0)
    assert held(store)["window"] / models <= WINDOW / 2


def test_many_alike_calls_take_no_more_than_different_ones() -> None:
    """Their counts do not fit into a byte."""
    cell = Slice()
    for _ in range(1200):
        cell.latency.add(0.5)
        cell.cost.add(0.001)
    cell.freeze()
    assert dict(cell.latency.bins.items()) == {next(iter(cell.latency.bins)): 1200}
    assert cell.cost.bins.numbers.itemsize == 2  # bytes
