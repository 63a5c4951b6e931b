"""The ledger: rows by day, model and labels that are counted once, whatever is restarted when."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from otel_llm.aggregate import Store, ledger_rows
from otel_llm.aggregate.ledger_rows import LedgerRows, by_day
from otel_llm.core.config import Config

BERLIN = ZoneInfo("Europe/Berlin")


def rows(*batches):
    found = {}
    for day, provider, model, labels, values in by_day(batches):
        key = (f"{day}", provider, model, *labels.items())
        found[key] = {name: value for name, value in values.items() if value}
    return found


def test_a_call_is_one_row_of_its_day_model_and_labels(call):
    store = Store(Config(metric_labels=("tenant", "feature")))
    used = {
        "input_tokens": 100,
        "output_tokens": 20,
        "cache_read_tokens": 40,
        "cache_write_tokens": 10,
        "thinking_tokens": 5,
    }
    for _ in range(2):
        store.apply(
            call(labels=("acme", ""), cost=0.5, cost_source="prices", cost_saved=0.1, incomplete=("connector",), **used)
        )
    store.apply(call(labels=("acme", ""), cost_source="unpriced", input_tokens=1))
    store.apply(call(labels=("acme", ""), usage_unknown="missing"))
    store.apply(call(labels=("other", "x"), error_type="timeout"))
    assert rows(*store.seal_ledger()) == {
        ("2025-11-21", "openai", "gpt-5", ("tenant", "acme")): {
            "calls": 4, "unpriced_calls": 1, "incomplete_calls": 2, "unknown_usage_calls": 1, "cost_usd": 1.0,
            "saved_usd": pytest.approx(0.2), "input_tokens": 201, "output_tokens": 40, "cache_read_tokens": 80, "cache_write_tokens": 20,
            "thinking_tokens": 10,
        },
        ("2025-11-21", "openai", "gpt-5", ("tenant", "other"), ("feature", "x")): {"calls": 1, "errors": 1},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ((2026, 11, 30, 23, 59, 59), "2026-11-30"),  # a month's end
        ((2026, 12, 1, 0, 0, 0), "2026-12-01"),
        ((2026, 3, 29, 1, 59, 59), "2026-03-29"),  # an hour that is skipped follows
        ((2026, 3, 29, 23, 59, 59), "2026-03-29"),
        ((2026, 10, 25, 2, 30, 0), "2026-10-25"),  # an hour that comes twice
        ((2026, 10, 25, 23, 59, 59), "2026-10-25"),
        ((2026, 10, 26, 0, 0, 0), "2026-10-26"),
        ((2026, 12, 31, 23, 59, 59), "2026-12-31"),
    ],
)
def test_days_are_those_of_the_time_zone(call, moment, day):
    store = Store(Config(timezone="Europe/Berlin"))
    for fold in (0, 1):
        store.apply(call(at=datetime(*moment, tzinfo=BERLIN, fold=fold).timestamp(), cost=1.0, cost_source="prices"))
    assert {key[0]: values["cost_usd"] for key, values in rows(*store.seal_ledger()).items()} == {day: 2.0}


def test_sealed_batches_stay_until_they_are_on_disk(call):
    store = Store(Config())
    assert store.seal_ledger() == ()
    store.apply(call())
    (first,) = store.seal_ledger()
    assert store.seal_ledger() == (first,)
    store.apply(call())
    assert [batch.number for batch in store.seal_ledger()] == [1, 2]
    store.forget_ledger([first])
    assert [batch.number for batch in store.seal_ledger()] == [2]


def test_a_checkpoint_brings_the_ledger_back(call):
    before = Store(Config())
    before.apply(call())
    before.seal_ledger()
    before.apply(call(cost=0.25, cost_source="provider"))
    after = Store(Config())
    after.load(before.dump())
    assert after.ledger() == before.ledger()
    assert after.seal_ledger() == before.seal_ledger()


def test_another_ledger_is_taken_over_with_its_batches(call):
    ours, theirs = Store(Config()), Store(Config())
    for store in (ours, theirs):
        store.apply(call(cost=1.0, cost_source="prices"))
    (sealed,) = theirs.seal_ledger()
    theirs.apply(call(cost=0.5, cost_source="prices"))
    ours.add_ledger(theirs.ledger())
    first, second = ours.seal_ledger()
    assert first == sealed
    assert [values["cost_usd"] for values in rows(second).values()] == [1.5]


def test_rows_are_bounded_and_no_money_is_lost(call, monkeypatch):
    monkeypatch.setattr(ledger_rows, "MOST_ROWS", 3)
    store = Store(Config(metric_labels=("tenant",)))
    for number in range(10):
        store.apply(call(labels=(f"t{number}",), cost=1.0, cost_source="prices"))
    found = rows(*store.seal_ledger())
    assert len(found) == 4
    assert found["2025-11-21", "openai", "_other", ("tenant", "_other")]["cost_usd"] == 7.0
    assert sum(values["cost_usd"] for values in found.values()) == 10.0


@pytest.mark.parametrize(
    "state",
    [
        None, 5, (), ("otel_llm.ledger", 2, ("a", 1, ()), []), ("x", 1, ("a", 1, ()), []),
        ("otel_llm.ledger", 1, ("a", 1, (((0, "p", "m", ()), (0.0,) * 12),)), []),
        ("otel_llm.ledger", 1, ("a", 1, (((1, "p", "m", ()), (0.0,) * 11),)), []),
        ("otel_llm.ledger", 1, ("a", 1, ()), [("a", 1, (((1, "p", "m", ()), (float("nan"),) * 12),))]),
    ],
)  # fmt: skip
def test_what_is_no_ledger_is_refused(state):
    with pytest.raises(ValueError, match="no state of a ledger"):
        LedgerRows().merge(state)


def test_the_ledger_equals_the_counters(call, read):
    store = Store(Config(metric_labels=("tenant",)))
    for number in range(300):
        store.apply(
            call(at=1_763_711_000.0 + 3000 * number, labels=(f"t{number % 7}",), cost=0.01 * number, cost_source="prices",
                 input_tokens=number)
        )  # fmt: skip
        if number % 50 == 0:
            store.seal_ledger()
    found = [values for *_, values in by_day(store.seal_ledger())]
    counters = store.summary(1_763_711_000.0)["since_start"]
    for field, counter in (("cost_usd", "cost_usd"), ("calls", "calls"), ("input_tokens", "input_tokens")):
        assert sum(values[field] for values in found) == pytest.approx(counters[counter])
    assert min(day for day, *_ in by_day(store.seal_ledger())) == date(2025, 11, 21)
