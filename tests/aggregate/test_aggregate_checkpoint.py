from __future__ import annotations

import marshal
import threading

import pytest

from otel_llm.aggregate import Histogram, Store
from otel_llm.core.config import Config
from otel_llm.core.model import Event

AT = 1_763_711_000.0


@pytest.fixture
def busy(call) -> Store:
    store = Store(Config(metric_labels=("tenant",), max_label_values=30))
    for number in range(60):
        store.apply(call(
            request_model=f"m{number}", labels=(f"t{number % 3}",), duration=0.1 + number / 50, input_tokens=number, output_tokens=9,
            cost=0.01, cost_source="prices", trace_id=f"{number:032x}", span_id="b" * 16, error_type="" if number % 5 else "timeout",
        ))  # fmt: skip
    store.apply(call(labels=("t1",), cost_source="unpriced", input_tokens=1))
    store.apply(Event("otel_llm_circuit_breaker_state", AT, ("b", "open")))
    store.apply(Event("otel_llm_rate_limit_limit", AT, ("openai", "m1", "chat", "tokens"), 100.0))
    return store


def content(store: Store) -> dict:
    found = {}
    for view in store.views(AT):
        for row in view.rows:
            cell = row.cell
            value = (cell.counts, cell.sum, cell.exemplars) if isinstance(cell, Histogram) else cell.value
            found[view.metric.name, row.labels] = value
    return found


def test_a_checkpoint_brings_everything_back(busy) -> None:
    after = Store(busy.config)
    after.load(busy.dump())
    assert content(after) == content(busy)
    assert after.dump() == busy.dump()


def test_counting_goes_on_where_it_was(busy, call, read) -> None:
    after = Store(busy.config)
    after.load(busy.dump())
    for store in (busy, after):
        store.apply(call(request_model="m7", labels=("t1",), duration=3.0, input_tokens=5))
        store.apply(call(request_model="unheard of", labels=("t1",)))
        store.apply(Event("otel_llm_circuit_breaker_state", AT - 1, ("b", "closed")))  # late: the state stays
    assert content(after) == content(busy)


def test_what_overflowed_goes_on_where_it_was(call) -> None:
    before = Store(Config(metric_labels=("tenant",), max_label_values=3))

    def look_up(store: Store, tenant: str) -> None:
        store.apply(Event("otel_llm_cache_requests_total", AT, ("openai", "m", "chat", "redis", "hit", tenant)))

    for tenant in ("t1", "t2"):
        before.apply(call(labels=(tenant,), input_tokens=10))
    for tenant in ("t3", "t1", "t4", "t4", "t5", "t3"):  # t3 has its place by look-ups alone
        look_up(before, tenant)
        before.apply(call(labels=("t4",), input_tokens=1))
    after = Store(before.config)
    after.load(before.dump())
    assert content(after) == content(before)
    for store in (before, after):
        look_up(store, "t3")
        look_up(store, "t6")
    assert content(after) == content(before)


def test_a_checkpoint_serves_either_vocabulary(busy) -> None:
    after = Store(Config(metric_labels=("tenant",), max_label_values=30, semconv="both"))
    after.load(busy.dump())
    names = {name for name, _ in content(after)}
    assert {"gen_ai_client_inference_duration_seconds", "gen_ai_client_operation_duration_seconds"} <= names


def test_what_a_store_held_before_is_gone(busy, call, read) -> None:
    after = Store(busy.config)
    after.apply(call(request_model="before", labels=("",)))
    after.load(busy.dump())
    assert content(after) == content(busy)


@pytest.mark.parametrize("spoil", [
    lambda data: b"", lambda data: b"junk", lambda data: data[:-20], lambda data: marshal.dumps(None),
    lambda data: marshal.dumps(("otel-llm store", {})), lambda data: marshal.dumps((marshal.loads(data)[0], {})),
    lambda data: marshal.dumps((marshal.loads(data)[0], {**marshal.loads(data)[1], "cells": {"nonsense": [((), 1, 0.0)]}})),
    lambda data: marshal.dumps((marshal.loads(data)[0], {**marshal.loads(data)[1], "engine": None})),
])  # fmt: skip
def test_what_is_no_checkpoint_changes_nothing(busy, spoil) -> None:
    before = content(busy)
    with pytest.raises(ValueError, match=r"checkpoint|state|metric"):
        busy.load(spoil(busy.dump()))
    assert content(busy) == before


def test_other_metric_labels_are_refused(busy) -> None:
    with pytest.raises(ValueError, match="other metric labels"):
        Store(Config(metric_labels=("feature",))).load(busy.dump())


def test_calls_from_many_threads_are_all_counted(store, call, read) -> None:
    def work(thread: int) -> None:
        for number in range(500):
            store.apply(call(request_model=f"m{(thread + number) % 7}", input_tokens=1))
            if number % 100 == 0:
                store.views(AT)
                store.dump()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counted = [
        read(store, "gen_ai_client_operation_duration_seconds", gen_ai_request_model=f"m{n}")[0] for n in range(7)
    ]
    assert sum(counted) == 2000
    assert (
        sum(
            read(store, "gen_ai_client_inference_usage_input_tokens_total", gen_ai_request_model=f"m{n}")
            for n in range(7)
        )
        == 2000
    )
