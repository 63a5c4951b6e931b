"""Costs that come with the call, later, or never; and what crosses a budget."""

from __future__ import annotations

from typing import Any

import pytest

from otel_llm.aggregate import Store, ledger
from otel_llm.aggregate.window import Budget, Crossing
from otel_llm.core.config import Config
from otel_llm.core.guard import Guard
from otel_llm.pricing import Price

AT = 1_763_711_000.0
COST = "otel_llm_cost_usd_total"
UNPRICED = "otel_llm_unpriced_requests_total"
SPEND = "otel_llm_spend_usd"


class Prices:
    """Prices that are not there at first; a bill is (cost, source, saved)."""

    def __init__(self, *, ready: bool = False) -> None:
        self.ready = ready

    def settle(self, bill: tuple[Any, ...]) -> Price:
        return Price(*bill)


def pending(call, cost: float | None = 0.5, source: str = "prices", saved: float = 0.0, **fields: Any):
    return call(cost_source="pending", bill=(cost, source, saved), input_tokens=5, **fields)


def test_a_pending_bill_is_settled_at_once_where_prices_are_there(call, read) -> None:
    store = Store(Config(), Prices(ready=True))
    store.apply(pending(call, saved=0.1))
    assert read(store, COST, cost_source="prices") == 0.5
    assert read(store, "otel_llm_cache_savings_usd_total") == 0.1
    assert read(store, "otel_llm_cost_usd_per_request") == 0.5


def test_pending_bills_wait_and_are_counted_once(call, read) -> None:
    prices = Prices()
    store = Store(Config(), prices)
    for _ in range(3):
        store.apply(pending(call))
    assert (read(store, COST), read(store, UNPRICED)) == (None, None)
    prices.ready = True
    assert read(store, COST) == 1.5
    assert read(store, "otel_llm_request_cost_usd") == (3, 1.5)
    assert read(store, SPEND, period="day") == 1.5
    assert read(store, COST) == 1.5


def test_the_next_call_settles_what_waited(call) -> None:
    prices = Prices()
    store = Store(Config(), prices)
    store.apply(pending(call))
    prices.ready = True
    store.apply(call())
    assert not store._state.ledger.pending


def test_a_bill_that_has_no_price_is_unpriced(call, read) -> None:
    store = Store(Config(), Prices(ready=True))
    store.apply(pending(call, cost=None, source="unpriced"))
    assert (read(store, COST), read(store, UNPRICED)) == (None, 1)


def test_without_a_pricer_a_pending_bill_is_unpriced(store, call, read) -> None:
    store.apply(pending(call))
    assert (read(store, COST), read(store, UNPRICED)) == (None, 1)


def test_a_pricer_that_fails_leaves_the_call_unpriced(call, read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guard, "strict", False)
    monkeypatch.setattr(Guard, "errors", {})
    store = Store(Config(), Prices(ready=True))
    store.apply(call(cost_source="pending", bill=None, input_tokens=5))
    assert (read(store, UNPRICED), Guard.errors) == (1, {"pricing": 1})
    assert read(store, "gen_ai_client_operation_duration_seconds")[0] == 1


def test_too_many_pending_bills_count_as_unpriced_oldest_first(call, read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MOST_PENDING", 2)
    prices = Prices()
    store = Store(Config(), prices)
    for model in ("a", "b", "c"):
        store.apply(pending(call, request_model=model))
    assert read(store, UNPRICED, gen_ai_request_model="a") == 1
    prices.ready = True
    assert [read(store, COST, gen_ai_request_model=model) for model in ("b", "c")] == [0.5, 0.5]


def test_a_price_that_cannot_be_is_none(call, read) -> None:
    store = Store(Config(), Prices(ready=True))
    store.apply(pending(call, cost=float("inf")))
    assert read(store, COST) is None


def test_budgets_match_models_and_custom_labels(call, read) -> None:
    budgets = (
        Budget("acme", (("tenant", "acme"),), daily=1.0),
        Budget("claude", (("model", "claude*"),), monthly=10.0),
    )
    store = Store(Config(metric_labels=("tenant",), budget_daily=100.0), None, budgets)
    store.apply(call(labels=("acme",), cost=0.3, cost_source="prices"))
    store.apply(call(labels=("other",), request_model="claude-5", cost=0.6, cost_source="prices"))
    assert read(store, SPEND, period="day", budget="") == pytest.approx(0.9)
    assert read(store, SPEND, period="day", budget="acme") == 0.3
    assert read(store, SPEND, period="month", budget="claude") == 0.6
    assert read(store, "otel_llm_budget_used_ratio", budget="acme") == 0.3


def test_what_crosses_a_budget_is_told_with_its_call(call) -> None:
    store = Store(Config(budget_daily=1.0))
    store.apply(call(cost=0.5, cost_source="prices"), 7)
    assert store.drain_verdicts() == []
    store.apply(call(cost=0.6, cost_source="prices", trace_id="a" * 32), 8)
    (verdict,) = store.drain_verdicts()
    assert (verdict.source, verdict.call.trace_id) == (8, "a" * 32)
    assert verdict.finding == Crossing("", "day", "critical", 1.1, 1.0)
    assert store.drain_verdicts() == []


def test_a_late_bill_tells_whose_call_crossed_the_budget(call) -> None:
    prices = Prices()
    store = Store(Config(budget_daily=0.4), prices)
    store.apply(pending(call), 9)
    prices.ready = True
    store.views(AT)
    (verdict,) = store.drain_verdicts()
    assert (verdict.source, verdict.call.cost) == (9, 0.5)


def test_spend_goes_on_after_a_restart(call, read) -> None:
    before = Store(Config(budget_daily=10.0))
    before.apply(call(cost=4.0, cost_source="prices"))
    after = Store(Config(budget_daily=10.0))
    after.add_spend(before.spend())
    after.apply(call(cost=1.0, cost_source="prices"))
    assert read(after, SPEND, period="day") == 5.0
    assert read(after, COST) == 1.0


def test_spend_of_something_else_is_refused(store) -> None:
    with pytest.raises(ValueError, match="no state of spend"):
        store.add_spend(("something", 1, []))


def test_whether_anything_was_spent(store, call) -> None:
    store.apply(call())
    assert not store.has_spend()
    store.apply(call(cost=0.5, cost_source="prices"))
    assert store.has_spend()
