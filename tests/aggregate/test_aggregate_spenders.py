"""Top spenders: a sketch whose amounts are right within what it says, by day and month, merged and restored."""

from __future__ import annotations

import random
from datetime import date

import pytest

from otel_llm.aggregate import Store
from otel_llm.aggregate.spenders import CLOSED, LONGEST, MOST_NAMES, Sketch, Spender, Spenders
from otel_llm.core.config import Config

DAY = date(2026, 11, 29).toordinal()


def drawn(seed, calls=20_000):
    """Users as of a power law, and what each spent."""
    dice = random.Random(seed)
    bills = [(f"u{int(dice.paretovariate(0.6))}", dice.uniform(0, 0.01)) for _ in range(calls)]
    true = {}
    for user, amount in bills:
        true[user] = true.get(user, 0.0) + amount
    return bills, true


def filled(bills, most):
    sketch = Sketch(most)
    for user, amount in bills:
        sketch.add(user, amount)
    return sketch


def holds(sketch, true):
    """Every amount lies within its error, and whoever is not there has spent at most the bound."""
    for value, amount, error, _ in sketch.top(10_000):
        assert amount - error <= true[value] + 1e-9
        assert true[value] <= amount + 1e-9
    assert all(spent <= sketch.bound + 1e-9 for user, spent in true.items() if user not in sketch.entries)


def test_amounts_are_right_within_what_the_sketch_says():
    bills, true = drawn(1)
    sketch = filled(bills, 64)
    assert len(true) > 500
    assert len(sketch.entries) == len(sketch._heap) == 64
    holds(sketch, true)
    assert sketch.total == pytest.approx(sum(true.values()))
    assert 0 < sketch.bound <= sketch.total / 64
    assert [one.value for one in sketch.top(3)] == sorted(true, key=true.get, reverse=True)[:3]


def test_few_values_are_exact():
    sketch = filled([("a", 1.0), ("b", 0.5), ("a", 0.25)], 2)
    assert sketch.top(5) == [Spender("a", 1.25, 0.0, 2), Spender("b", 0.5, 0.0, 1)]
    assert sketch.bound == 0.5
    sketch.add("c", 0.1)  # takes the smallest one's place, and may have spent what that had
    assert sketch.top(5) == [Spender("a", 1.25, 0.0, 2), Spender("c", 0.6, 0.5, 1)]


def test_merged_sketches_stay_within_what_they_say():
    parts, sums = [drawn(seed) for seed in (2, 3)], {}
    merged = filled(parts[0][0], 64)
    merged.merge(filled(parts[1][0], 64))
    for _, true in parts:
        for user, amount in true.items():
            sums[user] = sums.get(user, 0.0) + amount
    holds(merged, sums)
    assert len(merged.entries) == 64
    for user, amount in parts[0][0]:  # and goes on counting
        merged.add(user, amount)
        sums[user] += amount
    holds(merged, sums)


def test_days_and_months_are_apart_and_old_ones_are_forgotten():
    spenders = Spenders(100)
    for back in range(100, -1, -1):
        for user in range(60):
            spenders.add(DAY - back, [("user", f"u{user}")], 0.01 * (user + 1))
    assert sorted(spenders.periods) == ["2026-09", "2026-10", "2026-11", "2026-11-28", "2026-11-29"]
    assert [len(spenders.periods[period]["user"].entries) for period in sorted(spenders.periods)] == [
        CLOSED, CLOSED, 60, CLOSED, 60,
    ]  # fmt: skip
    assert spenders.top("2026-11-29", 1) == {"user": [Spender("u59", 0.6, 0.0, 1)]}
    assert spenders.top("2026-11", 1)["user"][0].amount == pytest.approx(29 * 0.6)
    assert spenders.top("2026-10", 1)["user"][0].amount == pytest.approx(31 * 0.6)
    assert spenders.top("2020-01", 1) == {}
    spenders.add(DAY - 1, [("user", "u59")], 1.0)  # a call that ended before midnight is told after it
    assert spenders.top("2026-11-28", 1)["user"][0].amount == pytest.approx(1.6)


def test_labels_are_bounded():
    spenders = Spenders(10)
    spenders.add(DAY, [(f"l{number}", "v") for number in range(20)], 1.0)
    assert list(spenders.top("2026-11", 1)) == [f"l{number}" for number in range(MOST_NAMES)]
    more = Spenders(10)
    more.add(DAY, [("other", "v"), ("l0", "v")], 1.0)
    spenders.merge(more.dump())
    assert "other" not in spenders.top("2026-11", 1)
    assert spenders.top("2026-11", 1)["l0"] == [Spender("v", 2.0, 0.0, 2)]


def test_what_was_dumped_is_taken_up():
    spenders = Spenders(10)
    spenders.add(DAY, [("user", "a"), ("plan", "pro")], 1.5)
    taken = Spenders(10)
    taken.merge(spenders.dump())
    assert taken.dump() == spenders.dump()
    assert taken.top("2026-11-29", 5) == {"user": [Spender("a", 1.5, 0.0, 1)], "plan": [Spender("pro", 1.5, 0.0, 1)]}
    long = [1, [["2026-11", [["user", [10, 1.0, [["x" * 100, 1.0, 0.0, 1.0]]]]]]]]
    assert Spenders.load(long, 10).top("2026-11", 1)["user"][0].value == "x" * LONGEST


@pytest.mark.parametrize(
    "state",
    [
        None, [2, []], [1, [["2026-13", []]]], [1, [["x", []]]], [1, [["2026-11", [["user", [10, 1.0, [["a", 1.0, 2.0, 1]]]]]]]],
        [1, [["2026-11", [["user", [10, 1.0, [["a", float("inf"), 0.0, 1]]]]]]]], [1, [["2026-11", [["user", [10]]]]]],
    ],
)  # fmt: skip
def test_what_is_none_of_it_is_refused(state):
    with pytest.raises(ValueError, match="no spenders"):
        Spenders.load(state, 10)


def test_a_store_counts_who_spends_and_outlives_restarts(call):
    config = Config()
    store = Store(config)
    for user, cost in (("#a", 0.5), ("#b", 0.25), ("#a", 0.25), ("#free", 0.0)):
        store.apply(call(spenders=(("user", user), ("plan", "pro")), cost=cost, cost_source="prices"))
    store.apply(call(spenders=(("user", "#a"),), cost_source="unpriced"))
    again = Store(config)
    again.load(store.dump())
    again.add_spenders(store.spenders())
    now = call().at
    found = [tuple(one.values()) for one in again.summary(now)["top_spenders"]]
    assert found == [
        ("day", "user", "#a", 1.5, 0.0), ("day", "user", "#b", 0.5, 0.0), ("day", "plan", "pro", 2.0, 0.0),
        ("month", "user", "#a", 1.5, 0.0), ("month", "user", "#b", 0.5, 0.0), ("month", "plan", "pro", 2.0, 0.0),
    ]  # fmt: skip
    assert again.status(now, {})["top_spenders"] == [
        {
            "label": "user",
            "rows": [{"value": "#a", "usd": 1.5, "error_usd": 0.0}, {"value": "#b", "usd": 0.5, "error_usd": 0.0}],
        },
        {"label": "plan", "rows": [{"value": "pro", "usd": 2.0, "error_usd": 0.0}]},
    ]
    assert again.status(now, {})["top_spenders_today"] == again.status(now, {})["top_spenders"]
    tomorrow = again.status(now + 86_400, {})
    assert [one["label"] for one in tomorrow["top_spenders"]] == ["user", "plan"]
    assert tomorrow["top_spenders_today"] == []
    with pytest.raises(ValueError, match="no spenders"):
        again.add_spenders("?")


def test_none_are_kept_where_none_are_wanted(call):
    store = Store(Config(top_spenders=0))
    store.apply(call(spenders=(("user", "#a"),), cost=0.5, cost_source="prices"))
    assert store.summary(call().at)["top_spenders"] == []
