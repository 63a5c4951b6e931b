"""Costs that come with the call, or never; and what crosses a budget."""

from __future__ import annotations

import pytest

from otel_llm.aggregate import Store
from otel_llm.aggregate.window import Budget, Crossing
from otel_llm.core.config import Config

AT = 1_763_711_000.0
COST = "otel_llm_cost_usd_total"
UNPRICED = "otel_llm_unpriced_requests_total"
SPEND = "otel_llm_spend_usd"


def test_money_is_counted_by_who_says_so(store, call, read) -> None:
    store.apply(call(cost=0.5, cost_source="prices", cost_saved=0.1))
    store.apply(call(cost=0.25, cost_source="provider"))
    assert [read(store, COST, cost_source=source) for source in ("prices", "provider")] == [0.5, 0.25]
    assert read(store, "otel_llm_cache_savings_usd_total") == 0.1
    assert read(store, "otel_llm_request_cost_usd") == (2, 0.75)
    assert read(store, "otel_llm_cost_usd_per_request") == 0.375


def test_a_call_without_a_price_is_counted_as_such(store, call, read) -> None:
    store.apply(call(cost_source="unpriced", input_tokens=5))
    assert (read(store, COST), read(store, UNPRICED)) == (None, 1)


def test_an_amount_that_cannot_be_is_none(store, call, read) -> None:
    store.apply(call(cost=float("inf"), cost_source="prices"))
    assert read(store, COST) is None


def test_the_age_of_the_prices_is_shown_where_there_are_any(read) -> None:
    age = "otel_llm_price_table_age_seconds"
    for made, shown in ((AT - 86400.0, 86400.0), (AT + 5.0, 0.0)):
        (view,) = [
            view for view in Store(Config(), price_date=lambda made=made: made).views(AT) if view.metric.name == age
        ]
        assert [row.cell.value for row in view.rows] == [shown]
    assert age not in {view.metric.name for view in Store(Config()).views(AT)}


def test_budgets_match_models_and_custom_labels(call, read) -> None:
    budgets = (
        Budget("acme", (("tenant", "acme"),), daily=1.0),
        Budget("claude", (("model", "claude*"),), monthly=10.0),
    )
    store = Store(Config(metric_labels=("tenant",), budget_daily=100.0), budgets)
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
    assert verdict.finding == Crossing("", "day", "critical", 1.1, 1.0, complete=1.0)
    assert store.drain_verdicts() == []


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


def test_a_budget_for_each_value_of_a_label(call, read) -> None:
    budgets = (Budget("tenants", (("provider", "openai"),), daily=1.0, each="tenant"), Budget("all", monthly=10.0))
    store = Store(Config(metric_labels=("tenant",)), budgets)
    for tenant, cost in (("acme", 0.7), ("acme", 0.4), ("bee", 0.3), ("", 5.0)):
        store.apply(call(labels=(tenant,), cost=cost, cost_source="prices"), 3)
    store.apply(call(provider="anthropic", labels=("acme",), cost=9.0, cost_source="prices"))
    assert read(store, SPEND, period="day", budget="tenants/acme") == pytest.approx(1.1)
    assert read(store, SPEND, period="day", budget="tenants/bee") == 0.3
    assert read(store, "otel_llm_budget_usd", period="day", budget="tenants/bee") == 1.0
    assert read(store, "otel_llm_budget_used_ratio", budget="tenants/acme") == pytest.approx(1.1)
    assert read(store, SPEND, period="day", budget="tenants/") is None
    assert [verdict.finding.budget for verdict in store.drain_verdicts()] == ["tenants/acme", "all"]


def test_what_a_cost_lacks_is_counted_by_name(store, call, read) -> None:
    store.apply(
        call(cost=0.5, cost_source="prices", fees=(("connector", 3.0),), incomplete=("connector", "cache_read"))
    )
    store.apply(call(cost_source="unpriced", fees=(("rerank", 2.0),), incomplete=("rerank",)))
    fees = "otel_llm_unpriced_fees_total"
    assert [read(store, fees, fee=fee) for fee in ("connector", "cache_read", "rerank")] == [3.0, 1, 2.0]
    assert (read(store, "otel_llm_incomplete_requests_total"), read(store, UNPRICED)) == (1, 1)


def test_prompt_cache_misses_are_counted_by_the_providers_reason(store, call, read) -> None:
    for reason in ("tools_changed", "tools_changed", ""):
        store.apply(call(cache_miss=reason))
    assert read(store, "otel_llm_prompt_cache_misses_total", reason="tools_changed") == 2


def test_a_stream_without_usage_is_told_once_for_a_model(call) -> None:
    told: list[tuple[str, str]] = []
    store = Store(Config(), on_stream_without_usage=lambda *model: told.append(model))
    for model in ("a", "a", "b"):
        store.apply(call(request_model=model, stream=True, usage_unknown="stream_without_usage"))
    store.apply(call(request_model="c", usage_unknown="missing"))
    assert told == [("openai", "a"), ("openai", "b")]


def test_stats_say_what_share_of_calls_is_priced_whole(store, call) -> None:
    assert store.summary(AT)["since_start"]["complete"] is None
    for fields in (
        {"cost": 1.0},
        {"cost": 1.0, "incomplete": ("region",)},
        {"cost_source": "unpriced"},
        {"usage_unknown": "missing"},
    ):
        store.apply(call(**{"cost_source": "prices" if "cost" in fields else "", **fields}))
    since = store.summary(AT)["since_start"]
    assert since["complete"] == 0.25
    assert (since["incomplete_calls"], since["unpriced_calls"], since["unknown_usage_calls"]) == (1, 1, 1)


def test_the_window_says_what_share_of_amounts_is_whole(store, call) -> None:
    assert store.summary(AT)["total"]["complete"] is None
    for fields in (
        {"cost": 1.0, "cost_source": "prices"},
        {"cost": 1.0, "cost_source": "prices", "incomplete": ("region",)},
        {"cost": 1.0, "cost_source": "prices", "error_type": "parse"},
        {"cost_source": "unpriced", "input_tokens": 3},
        {"request_model": "other", "usage_unknown": "missing"},
        {"request_model": "other", "error_type": "timeout"},  # nothing to price
    ):
        store.apply(call(**fields))
    found = store.summary(AT)
    assert found["total"]["complete"] == pytest.approx(2 / 5)
    assert {row["model"]: row["complete"] for row in found["models"]} == {"gpt-5": 0.5, "other": 0.0}


def test_the_prompt_caches_share_and_money(store, call, read) -> None:
    ratio, avoidable = "otel_llm_prompt_cache_read_ratio", "otel_llm_cache_avoidable_usd_total"
    store.apply(call(input_tokens=500))  # it does not say what was cached
    assert (read(store, ratio), read(store, avoidable)) == (None, None)
    store.apply(call(input_tokens=1000, cache_read_tokens=900, cost=0.1, cost_source="prices", cost_saved=0.02))
    store.apply(
        call(
            input_tokens=1000, cache_read_tokens=0, cache_miss="tools_changed", cost_avoidable=0.025, error_type="parse"
        )
    )
    store.apply(call(cost_avoidable=float("nan")))
    assert (read(store, ratio), read(store, avoidable)) == (0.45, 0.025)
    found = store.summary(AT)
    assert found["total"]["prompt_cache"] == {"read_ratio": 0.45, "saved_usd": 0.02, "avoidable_usd": 0.025}
    assert found["since_start"]["cache_avoidable_usd"] == 0.025
    again = Store(Config())
    again.load(store.dump())
    assert again.summary(AT)["total"]["prompt_cache"] == found["total"]["prompt_cache"]
    assert read(store, ratio, at=AT + 7200) is None
