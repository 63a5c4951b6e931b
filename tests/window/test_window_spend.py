"""Spend by calendar, and its time travel: midnight, month end, daylight saving, restarts, clocks that go back."""

from __future__ import annotations

import json
import marshal
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from otel_llm.aggregate.window import Budget, Crossing, Spend
from otel_llm.core import catalogue

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def said(spend: Spend, now: float) -> dict[tuple[str, ...], float]:
    return {(name.removeprefix("otel_llm_"), *labels): value for name, labels, value in spend.gauges(now)}


def test_nothing_spent_is_unknown_not_zero():
    assert list(Spend().gauges(at("2026-11-21T12:00"))) == []
    assert said(Spend(daily=5, monthly=100), at("2026-11-21T12:00")) == {
        ("budget_usd", "day", ""): 5,
        ("budget_usd", "month", ""): 100,
    }


def test_day_and_month_follow_the_zones_calendar():
    spend = Spend(zone="Europe/Berlin", daily=10.0)
    spend.add(at("2026-10-31T23:59:59"), 1.0, {})
    spend.add(at("2026-11-01T00:00:00"), 2.0, {})
    spend.add(at("2026-11-02T08:00:00"), 4.0, {})
    told = said(spend, at("2026-11-02T09:00"))
    assert (told["spend_usd", "day", ""], told["spend_usd", "month", ""]) == (4.0, 6.0)
    assert told["budget_used_ratio", "day", ""] == 0.4
    assert said(spend, at("2026-11-03T00:00"))["spend_usd", "day", ""] == 0.0
    assert said(spend, at("2026-10-31T23:59:59"))["spend_usd", "month", ""] == 1.0
    assert said(spend, at("2026-12-01T00:00"))["spend_usd", "month", ""] == 0.0


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_days_of_23_and_25_hours(day, hours):
    spend = Spend(zone="Europe/Berlin", daily=100.0)
    first = at(f"{day}T00:00")
    for hour in range(hours):
        spend.add(first + hour * 3600 + 1800, 1.0, {})
    assert said(spend, first + hours * 3600 - 1)["spend_usd", "day", ""] == hours
    spend.add(first - 1, 50.0, {})
    spend.add(first + hours * 3600, 7.0, {})
    assert said(spend, first + hours * 3600 - 1)["spend_usd", "day", ""] == hours
    assert said(spend, first + hours * 3600)["spend_usd", "day", ""] == 7.0


def test_the_forecast_takes_the_present_rate_to_the_periods_end():
    spend = Spend(zone="Europe/Berlin", daily=48.0, monthly=720.0)
    start = at("2026-11-21T00:00")
    for quarter in range(48):  # two dollars an hour until noon
        spend.add(start + quarter * 900 + 450, 0.5, {})
    told = said(spend, start + 12 * 3600 - 1)
    assert told["budget_used_ratio", "day", ""] == 0.5
    assert told["budget_forecast_ratio", "day", ""] == pytest.approx(1.0, rel=0.01)
    days_left = 9.5
    assert told["budget_forecast_ratio", "month", ""] == pytest.approx((24 + 48 * days_left) / 720, rel=0.02)


def test_the_forecast_of_a_silent_day_is_what_was_spent():
    spend = Spend(daily=10.0)
    spend.add(at("2026-11-21T01:00", ZoneInfo("UTC")), 3.0, {})
    told = said(spend, at("2026-11-21T20:00", ZoneInfo("UTC")))
    assert told["budget_forecast_ratio", "day", ""] == pytest.approx(0.3)


def test_a_crossing_is_told_by_the_call_that_crossed():
    spend = Spend(daily=1.0)
    now = at("2026-11-21T12:00")
    assert spend.add(now, 0.7, {}) == ()
    assert spend.add(now, 0.2, {}) == (Crossing("", "day", "warning", pytest.approx(0.9), 1.0),)
    assert spend.add(now, 0.05, {}) == ()
    assert spend.add(now, 0.1, {}) == (Crossing("", "day", "critical", pytest.approx(1.05), 1.0),)
    assert spend.add(now, 5.0, {}) == ()
    assert spend.add(at("2026-11-23T12:00"), 3.0, {}) == (Crossing("", "day", "critical", 3.0, 1.0),)


def test_a_budget_of_nothing_is_crossed_by_the_first_cent_and_has_no_ratio():
    spend = Spend(monthly=0.0)
    now = at("2026-11-21T12:00")
    assert spend.add(now, 0.0, {}) == ()
    assert [one.severity for one in spend.add(now, 0.01, {})] == ["critical"]
    assert spend.add(now, 0.01, {}) == ()
    assert ("budget_used_ratio", "month", "") not in said(spend, now)


def test_budgets_by_label():
    spend = Spend(
        daily=100.0,
        budgets=(
            Budget("acme", (("tenant", "acme"),), daily=2.0),
            Budget("gpt", (("model", "gpt-*"), ("provider", "openai")), monthly=10.0),
        ),
    )
    now = at("2026-11-21T12:00")
    first = spend.add(now, 1.9, {"tenant": "acme", "model": "claude", "provider": "anthropic"})
    second = spend.add(now, 9.0, {"tenant": "zeta", "model": "gpt-4o", "provider": "openai"})
    spend.add(now, 4.0, {"model": "gpt-4o", "provider": "azure.ai.openai"})
    assert [(one.budget, one.period, one.severity) for one in first + second] == [
        ("acme", "day", "warning"),
        ("gpt", "month", "warning"),
    ]
    told = said(spend, now)
    assert told["spend_usd", "day", "acme"] == 1.9
    assert told["spend_usd", "month", "gpt"] == 9.0
    assert told["spend_usd", "day", ""] == pytest.approx(14.9)
    assert told["budget_used_ratio", "month", "gpt"] == pytest.approx(0.9)


@pytest.mark.parametrize("cost", [-1.0, float("nan"), float("inf")])
def test_what_is_no_money_is_not_counted(cost):
    spend = Spend(daily=1.0)
    assert spend.add(at("2026-11-21T12:00"), cost, {}) == ()
    assert ("spend_usd", "day", "") not in said(spend, at("2026-11-21T12:00"))


@pytest.mark.parametrize(
    "through", [lambda state: marshal.loads(marshal.dumps(state)), lambda state: json.loads(json.dumps(state))]
)
def test_a_restart_at_midnight_keeps_the_month_and_opens_a_day(through):
    spend = Spend(zone="Europe/Berlin", daily=1.0, monthly=50.0)
    spend.add(at("2026-11-20T23:59:58"), 0.9, {})
    again = Spend.load(through(spend.dump()), zone="Europe/Berlin", daily=1.0, monthly=50.0)
    now = at("2026-11-21T00:00:01")
    assert again.add(now, 0.15, {}) == ()
    told = said(again, now)
    assert (told["spend_usd", "day", ""], told["spend_usd", "month", ""]) == (0.15, pytest.approx(1.05))


def test_a_restart_within_the_day_tells_no_crossing_twice():
    spend = Spend(daily=1.0)
    now = at("2026-11-21T12:00")
    assert spend.add(now, 1.5, {})
    assert Spend.load(spend.dump(), daily=1.0).add(now + 1, 0.1, {}) == ()


def test_a_clock_that_goes_back_pays_into_the_earlier_day():
    spend = Spend(zone="Europe/Berlin")
    spend.add(at("2026-11-21T00:10"), 1.0, {})
    spend.add(at("2026-11-20T23:50"), 2.0, {})
    assert said(spend, at("2026-11-20T23:55"))["spend_usd", "day", ""] == 2.0
    assert said(spend, at("2026-11-21T00:15"))["spend_usd", "day", ""] == 1.0


def test_years_of_spend_take_no_more_room():
    spend = Spend()
    start = at("2024-01-01T00:00")
    for hour in range(0, 24 * 500, 6):
        spend.add(start + hour * 3600, 0.1, {})
    account = spend.accounts[""]
    assert len(account.days) <= 63
    assert len(account.quarters) <= 97
    now = start + 24 * 500 * 3600
    assert said(spend, now)["spend_usd", "month", ""] == pytest.approx(
        0.4 * datetime.fromtimestamp(now, ZoneInfo("UTC")).day, abs=0.45
    )


@pytest.mark.parametrize(
    "state",
    [
        None, 3, "spend", ("otel_llm.spend", 2, []), ("otel_llm.window", 1, []), ("otel_llm.spend", 1, [("", (0.0, [(1, "much")], []))]),
        ("otel_llm.spend", 1, [("", (0.0, [(1, -5.0)], []))]), ("otel_llm.spend", 1, [("", (0.0, [(1, float("nan"))], []))]), {},
    ],
)  # fmt: skip
def test_foreign_states_are_refused(state):
    with pytest.raises(ValueError, match="no state of spend"):
        Spend.load(state)


def test_an_unknown_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        Spend(zone="Mars/Olympus")


def test_names_and_labels_are_the_catalogues():
    spend = Spend(daily=1.0, monthly=2.0)
    spend.add(at("2026-11-21T12:00"), 0.5, {})
    told = list(spend.gauges(at("2026-11-21T12:01")))
    assert {name for name, _, _ in told} == {
        name
        for name, metric in catalogue.BY_NAME.items()
        if name.startswith(("otel_llm_spend", "otel_llm_budget")) and metric.kind == "gauge"
    }
    assert all(len(labels) == len(catalogue.BY_NAME[name].labels) for name, labels, _ in told)


@pytest.mark.parametrize("days", [90, -20_000])
def test_one_call_with_a_wrong_clock_leaves_the_month_alone(days):
    spend = Spend(daily=48.0)
    now = at("2026-11-21T12:00", ZoneInfo("UTC"))
    for quarter in reversed(range(96 * 62)):
        spend.add(now - quarter * 900, 0.5, {})
    right = said(spend, now)
    spend.add(now + days * 86400, 1000.0, {})
    for _ in range(3):
        spend.add(now, 0.0, {})
    assert said(spend, now) == pytest.approx(right)


def test_after_days_of_a_wrong_clock_the_present_is_kept_first():
    spend = Spend(daily=48.0)
    now = at("2026-11-21T12:00", ZoneInfo("UTC"))
    for quarter in range(96 * 3):
        spend.add(now + 90 * 86400 + quarter * 900, 1000.0, {})
    for quarter in range(48):
        spend.add(now + quarter * 900, 0.5, {})
    end = now + 48 * 900 - 1
    told = said(spend, end)
    assert told["spend_usd", "month", ""] == 24.0
    assert told["budget_forecast_ratio", "day", ""] == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize(
    ("limit", "cost", "days"), [(1.0, 0.01, 8), (1.0, 0.05, 2), (1.0, 0.05, 4), (10.0, 0.1, 10), (10.0, 0.2, 7)]
)
def test_each_line_is_told_once_whatever_cents_add_up_to(limit, cost, days):
    spend = Spend(monthly=limit)
    start = at("2026-11-03T01:00", ZoneInfo("UTC"))
    calls = int(limit / cost) + 3
    found = [one for n in range(calls) for one in spend.add(start + 86400 * (n * days // calls), cost, {})]
    assert [one.severity for one in found] == ["warning", "critical"]


def test_what_is_taken_over_goes_before_what_is_new():
    former, spend = Spend(), Spend()
    now = at("2026-11-21T12:00", ZoneInfo("UTC"))
    for day in reversed(range(62)):
        former.add(now - 86400 * day - 86400, 1.0, {})
    spend.add(now, 5.0, {})
    spend.merge(former)
    spend.add(now + 900, 5.0, {})
    assert said(spend, now + 901)["spend_usd", "day", ""] == 10.0
    assert said(spend, now + 901)["spend_usd", "month", ""] == 30.0
