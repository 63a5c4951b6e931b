"""One scripted incident, seen by every surface: rules (promtool), the status page, ``top`` and handlers say the same each minute.

And a service in which everything goes wrong that there is a condition for, side by side.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import every_fault
import pytest
import scripted_run
from agreement import ABOUT, BEGIN, Seen, disagreements, watch

from otel_llm.aggregate import Store
from otel_llm.core.conditions import CONDITIONS
from otel_llm.core.model import Observation
from otel_llm.core.objectives import DEFAULT

MINUTES, SCRAPE = 50, 15
PACE = 0.5  # calls per second of each model
BUDGET = 100.0


def calls(since: float, dice: random.Random) -> Iterator[Observation]:
    """Fifteen seconds: gpt-4o fails from minute 10 to 22 (60 %) and a little until 30 (12 %), Claude is slow from 25 to 37."""
    minute = (since - BEGIN) / 60
    for provider, model in (("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-6"), ("openai", "gpt-5-mini")):
        for number in range(int(SCRAPE * PACE)):
            at = since + number / PACE
            share = (0.6 if 10 <= minute < 22 else 0.12 if 22 <= minute < 30 else 0.0) if model == "gpt-4o" else 0.0
            slow = model.startswith("claude") and 25 <= minute < 37
            failed = "rate_limit" if dice.random() < share else ""
            seconds = (
                0.3 if failed else 55.0 * dice.lognormvariate(0, 0.1) if slow else 2.0 * dice.lognormvariate(0, 0.3)
            )
            call = Observation(at, provider, model, "chat", model, "api.test", failed, seconds, ("acme",))
            if not failed:
                call = call._replace(input_tokens=1000, output_tokens=200, cost=0.03, cost_source="prices")
            yield call


@pytest.fixture(scope="module")
def seen() -> Seen:
    config = scripted_run.config(metric_labels=("tenant",), budget_daily=BUDGET, budget_monthly=None)
    dice = random.Random(7)
    return watch(Store(config, price_date=lambda: BEGIN), lambda since, _: calls(BEGIN + since, dice), MINUTES, SCRAPE)


@pytest.fixture(scope="module")
def every() -> Seen:
    """What is seen of a service in which everything goes wrong."""
    config = scripted_run.config(
        metric_labels=("tenant",), max_label_values=12, budget_daily=60.0, budget_monthly=9000.0
    )
    old = BEGIN + every_fault.OLD * 60 - DEFAULT.price_table_age
    return watch(Store(config, price_date=lambda: old), every_fault.script, every_fault.MINUTES, 60, every_fault.CALM)


def about(**labels: str) -> str:
    return "|".join(labels.get(name, "") for name in ABOUT)


def test_every_fault_of_the_script_is_on_the_page(seen: Seen) -> None:
    first = {
        fact: next(minute for minute, page in enumerate(seen.page, 1) if fact in page)
        for page in seen.page
        for fact in page
    }
    failing, slow, day = about(model="gpt-4o"), about(model="claude-sonnet-4-6"), about(period="day")
    assert set(first) >= {
        ("LLMErrorRateHigh", "critical", failing), ("LLMErrorRateHigh", "warning", failing), ("LLMRateLimited", "critical", failing),
        ("LLMLatencyP95High", "warning", slow), ("LLMBudgetReached", "warning", day), ("LLMBudgetReached", "critical", day),
    }  # fmt: skip
    assert 10 < first["LLMErrorRateHigh", "critical", failing] <= 16
    assert 25 < first["LLMLatencyP95High", "warning", slow] <= 33
    assert {alert for alert, *_ in seen.page[-1]} <= {
        "LLMBudgetReached",
        "LLMDailyBudgetForecast",
    }  # all else has ended


def test_every_condition_is_open_at_some_time(every: Seen) -> None:
    assert every.conditions == {one.id for one in CONDITIONS if not one.by_rules_only}


@pytest.mark.parametrize("script", ["seen", "every"])
def test_top_shows_what_the_page_shows(script: str, request: pytest.FixtureRequest) -> None:
    seen: Seen = request.getfixturevalue(script)
    assert seen.top == seen.outer
    assert max(map(len, seen.top)) >= 2


@pytest.mark.parametrize("script", ["seen", "every"])
def test_handlers_hear_of_every_incident_within_one_judgement(script: str, request: pytest.FixtureRequest) -> None:
    seen: Seen = request.getfixturevalue(script)
    for minute in range(1, len(seen.page) - 1):
        near = seen.handlers[minute - 1] | seen.handlers[minute] | seen.handlers[minute + 1]
        assert seen.outer[minute] <= near, minute + 1
        around = seen.whole[minute - 1] | seen.whole[minute] | seen.whole[minute + 1]
        assert seen.handlers[minute] <= around, minute + 1
    assert seen.handlers[-1] <= seen.whole[-1]


def test_rules_agree_with_the_page_each_minute_within_one_evaluation(seen: Seen, tmp_path: Path) -> None:
    assert disagreements(seen, SCRAPE, tmp_path) == ""


def test_rules_agree_with_the_page_on_every_condition(every: Seen, tmp_path: Path) -> None:
    assert disagreements(every, 60, tmp_path, every_fault.CALM + 18, every_fault.ENDED) == ""
