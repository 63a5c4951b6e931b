"""Scores of evaluations: window means, distances both ways, a planted drop, bounds, and what a checkpoint keeps."""

from __future__ import annotations

import random

import pytest

from otel_llm.aggregate import Store, quality
from otel_llm.aggregate.quality import Quality, Standing, severity
from otel_llm.core.config import Config
from otel_llm.core.model import Event, Observation

AT = 1_900_000_000.0
KEY = ("openai", "gpt-5", "faithfulness")


def scores(dice: random.Random, centre: float, spread: float = 0.15) -> float:
    return min(1.0, max(0.0, dice.gauss(centre, spread)))


def critical(kept: Quality, at: float) -> bool:
    return any(severity(standing) == "critical" for _, standing in kept.standings(at))


def until_critical(seed: int, pace: float, drop: float) -> tuple[int, int]:
    """Scores of two days at ``pace`` a minute, then ones that have dropped: false alarms, and scores until the drop is critical."""
    dice, kept, at, false, was = random.Random(seed), Quality(3600.0), AT, 0, False
    while at < AT + 2 * 86_400:
        at += dice.expovariate(pace / 60)
        kept.add(KEY, at, scores(dice, 0.75))
        now = critical(kept, at)
        false, was = false + (now and not was), now
    for number in range(1, 400):
        at += dice.expovariate(pace / 60)
        kept.add(KEY, at, scores(dice, 0.75 - drop))
        if critical(kept, at):
            return false, number
    raise AssertionError("not found")


@pytest.mark.parametrize("pace", [0.5, 5.0])
def test_a_drop_of_a_fifth_is_found_within_fifty_scores(pace: float) -> None:
    runs = [until_critical(seed, pace, 0.2) for seed in range(2)]
    assert max(found for _, found in runs) <= 50
    assert sum(false for false, _ in runs) <= 2 * len(runs)  # one a day


def test_a_rise_is_seen_and_no_alarm() -> None:
    dice, kept = random.Random(3), Quality(3600.0)
    for minute in range(300):
        kept.add(KEY, AT + 60 * minute, scores(dice, 0.6))
    for minute in range(300, 330):
        kept.add(KEY, AT + 60 * minute, scores(dice, 0.9))
    standing = dict(kept.standings(AT + 60 * 330))[KEY]
    assert standing.zscore is not None
    assert standing.zscore > 3
    assert severity(standing) == ""


def test_means_are_of_the_window_and_go_with_it() -> None:
    kept = Quality(600.0)
    kept.add(KEY, AT, 0.2)
    kept.add(KEY, AT + 599, 0.8)
    assert list(kept.gauges(AT + 599)) == [("otel_llm_evaluation_mean", KEY, 0.2)]  # the last minute is not over
    assert dict(kept.standings(AT + 700))[KEY] == Standing(0.8, None, None, 0, 1)
    assert list(kept.standings(AT + 5000)) == []
    kept.add(KEY, AT + 5000, 0.1)
    assert dict(kept.standings(AT + 5060))[KEY].mean == 0.1


def test_distances_are_shown_once_something_is_usual() -> None:
    kept = Quality(3600.0)
    for number in range(60):
        kept.add(KEY, AT + 30 * number, 0.5)
    names = [name for name, _, _ in kept.gauges(AT + 1800)]
    assert names == ["otel_llm_evaluation_mean", "otel_llm_evaluation_zscore"]


def test_levels() -> None:
    def level(zscore: float | None, low: int) -> str:
        return severity(Standing(0.5, 0.7, zscore, low, 10))

    assert [level(None, 9), level(-3.5, 1), level(-3.5, 2), level(-3.5, 5), level(-6.0, 2)] == [
        "", "", "warning", "critical", "critical",
    ]  # fmt: skip


def test_the_one_that_was_silent_longest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "MOST", 2)
    kept = Quality(3600.0)
    for number, name in enumerate(("a", "b", "a", "c")):
        kept.add(("p", "m", name), AT + number * 60, 0.5)
    assert {key[2] for key, _ in kept.standings(AT + 300)} == {"a", "c"}


def test_a_store_takes_scores_and_a_checkpoint_keeps_them() -> None:
    config = Config()
    store = Store(config)
    dice = random.Random(1)
    for minute in range(120):
        store.apply(Event("otel_llm_evaluation_score", AT + 60 * minute, KEY, scores(dice, 0.7), "a" * 32))
        store.apply(Event("otel_llm_evaluations_total", AT + 60 * minute, (*KEY, "pass")))
    twin = Store(config)
    twin.load(store.dump())
    now = AT + 7200

    def shown(one: Store) -> dict[str, list[float]]:
        return {
            view.metric.name: [row.cell.value for row in view.rows]  # type: ignore[union-attr]
            for view in one.views(now)
            if view.metric.name
            in ("otel_llm_evaluation_mean", "otel_llm_evaluation_zscore", "otel_llm_evaluations_total")
        }

    assert shown(store) == shown(twin)
    assert shown(store)["otel_llm_evaluations_total"] == [120]
    assert 0.65 < shown(store)["otel_llm_evaluation_mean"][0] < 0.75


def test_the_page_says_what_went_wrong_with_answers_guards_and_guardrails() -> None:
    store, dice = Store(Config()), random.Random(2)
    for minute in range(260):
        value = scores(dice, 0.9 if minute < 240 else 0.4, 0.05)
        store.apply(Event("otel_llm_evaluation_score", AT + 60 * minute, KEY, value))
    store.apply(Event("otel_llm_guardrail_checks_total", AT, ("aws.bedrock", "m", "pii", "passed"), 50.0))
    now = AT + 60 * 260
    store.apply(Event("otel_llm_budget_decisions_total", now, ("", "refused"), 3.0))
    store.apply(Event("otel_llm_budget_decisions_total", now, ("nightly", "allowed"), 3.0))
    for result, count in (("passed", 30.0), ("blocked", 10.0)):
        store.apply(Event("otel_llm_guardrail_checks_total", now, ("aws.bedrock", "m", "pii", result), count))
    call = Observation(now - 200, "openai", "gpt-5", "chat", "", "", "", 1.0)
    for number in range(40):
        wrong = ("invalid_json",) if number < 4 else ("truncation",)
        store.apply(call._replace(at=now - 200 + number, problems=wrong))
    for _ in range(26):
        now += 15
        store.judge(now)
    said = {one["id"]: (one["level"], one["text"].split(", since")[0]) for one in store.status(now, {})["conditions"]}
    assert said["guard"] == ("warning", "the overall budget: a guard holds back 3 calls (refused)")
    assert said["guardrail"] == ("warning", "pii: 25 % of checks are blocked")
    assert said["answer_problem"] == ("warning", "gpt-5: 10 % of answers go wrong (invalid_json)")
    assert said["evaluation"][0] == "critical"
    store.apply(Event("otel_llm_evaluation_score", now, ("openai", "gpt-5", "new"), 0.5))
    assert [one["id"] for one in store.status(now + 60, {})["conditions"]].count(
        "evaluation"
    ) == 1  # nothing is usual of it yet
    assert said["evaluation"][1].startswith("faithfulness gpt-5: scores are -")
