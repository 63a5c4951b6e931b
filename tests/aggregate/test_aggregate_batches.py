"""Records applied many at once are counted as one by one; what durations a model has keeps little memory and no late call is lost."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from otel_llm.aggregate import Store, Verdict
from otel_llm.aggregate.recent import FINE, MINUTE, Recent
from otel_llm.core.config import Config
from otel_llm.core.model import Event, Observation, Record

AT = 1_763_711_040.0  # a whole minute
KEY = ("openai", "gpt-5")


def call(number: int, *, at: float = AT, cost: float = 0.002) -> Observation:
    return Observation(
        at=at + number, provider="openai", request_model="gpt-5", operation="chat", response_model="gpt-5-2026",
        server_address="api.example", error_type="timeout" if number % 19 == 7 else "", duration=0.3 + number % 89 / 50,
        stream=True, first_chunk=0.1 + number % 31 / 100, input_tokens=200 + number % 401, output_tokens=20 + number % 233, cost=cost,
        cost_source="prices", finish_reasons=("stop",), trace_id="a" * 32,
    )  # fmt: skip


def mixed(number: int) -> list[Record]:
    """Calls with some that are unusual and cross a budget, and events between them."""
    records: list[Record] = []
    for count in range(number):
        records.append(call(count)._replace(duration=90.0) if count % 97 == 96 else call(count))
        if count % 10 == 0:
            records.append(Event("otel_llm_retries_total", AT + count, ("openai", "gpt-5", "chat", "rate_limit")))
    return records


def lines(store: Store) -> list[object]:
    return [
        (view.metric.name, row.labels, getattr(row.cell, "value", None), getattr(row.cell, "counts", None))
        for view in store.views(AT + 900)
        for row in view.rows
    ]


def test_records_applied_at_once_are_those_applied_one_by_one():
    records = mixed(600)
    single, batched = (Store(Config(budget_daily=1.0)) for _ in range(2))
    one_by_one: list[tuple[int, list[Verdict]]] = []
    for place, record in enumerate(records):
        single.apply(record, 7, AT + 900)
        if verdicts := single.drain_verdicts():
            one_by_one.append((place, verdicts))
    found: list[tuple[int, list[Verdict]]] = []
    for start in range(0, len(records), 200):
        batch = [(record, 7, start + place) for place, record in enumerate(records[start : start + 200])]
        batched.apply_all(batch, AT + 900, found)

    assert found == one_by_one
    assert {type(verdict.finding).__name__ for _, verdicts in found for verdict in verdicts} >= {"Crossing"}
    assert lines(batched) == lines(single)
    assert batched.summary(AT + 900) == single.summary(AT + 900)
    assert batched.drain_verdicts() == []


def test_a_bad_record_stops_where_it_is_and_leaves_the_rest():
    store, found = Store(Config()), list[tuple[int, list[Verdict]]]()
    records = iter([(call(1), 0, 1), ("none", 0, 2), (call(3), 0, 3), (call(4), 0, 4)])

    with pytest.raises(TypeError, match="takes records, not str"):
        store.apply_all(records, AT, found)
    assert store.summary(AT + 5)["total"]["calls"] == 1
    store.apply_all(records, AT, found)
    assert store.summary(AT + 5)["total"]["calls"] == 3


def test_late_calls_are_added_to_durations_that_were_put_away():
    recent, calls = Recent(), [call(number * 5, at=AT) for number in range(300)]
    for one in calls:
        recent.call(KEY, one, ())
        if int(one.at) % 60 == 0:
            recent.forget(one.at)
    now = calls[-1].at
    cells = recent.models[KEY]
    assert {type(cell.latency).__name__ for cell in cells.values()} == {"Packed", "dict"}
    assert len([cell for cell in cells.values() if type(cell.latency) is dict]) == 1
    late = [call(number, at=AT + minute) for minute, number in ((60, 3), (75, 8), (400, 4), (now - AT - 45, 1))]
    for one in late:
        recent.call(KEY, one, ())
    recent.forget(now + 15)

    every = [one for one in [*calls, *late] if not one.error_type]
    assert sum(sum(cell.latency.values()) for cell in cells.values()) == len(every)
    assert sum(sum(cell.first_chunk.values()) for cell in cells.values()) == len(every)
    assert all(number % MINUTE == 0 for number in cells if number < now // 15 - FINE - MINUTE)
    again = Recent.load(recent.dump())
    assert again.total(KEY, now) == recent.total(KEY, now)
    assert again.hour(now) == recent.hour(now)


@pytest.mark.timeout(300)
def test_a_model_with_streams_takes_little_memory():
    """After more than an hour of a call each two seconds, with windows, conditions and all baselines; beside another model."""
    store = Store(Config())
    _serve(store, 200, "other")  # with all modules that are imported when first used
    gc.collect()
    tracemalloc.start(1)
    try:
        _serve(store, 1950, "gpt-5")
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 50_000 < held < 800_000  # it was 600_000; coverage adds to it
    assert store.summary(AT + 3900)["total"]["calls"] > 1700


def _serve(store: Store, number: int, model: str) -> None:
    for count in range(number):
        store.apply(call(count * 2)._replace(request_model=model))
        if count % 20 == 19:
            store.tend(AT + count * 2)
    store.views(AT + number * 2)
