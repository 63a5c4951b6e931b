"""The table of conditions: whole, without contradictions, and with limits that users change in one place."""

from __future__ import annotations

from dataclasses import fields, replace
from string import Formatter

import pytest

from otel_llm.core.catalogue import BY_NAME, METRICS
from otel_llm.core.conditions import BY_ID, CONDITIONS, Condition, Severity
from otel_llm.core.objectives import DEFAULT, Objectives

LEVELS: tuple[Severity, ...] = ("warning", "critical")


def held(condition: Condition, severity: Severity) -> bool:
    return getattr(condition, severity) is not None


def test_each_condition_is_there_once_and_has_a_limit() -> None:
    assert len(BY_ID) == len(CONDITIONS)
    for condition in CONDITIONS:
        levels = [severity for severity in LEVELS if held(condition, severity)]
        assert levels, condition.id
        assert all(condition.limit(severity) > 0 for severity in levels), condition.id


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda one: one.id)
def test_critical_is_worse_or_sooner_than_a_warning(condition: Condition) -> None:
    if not (held(condition, "warning") and held(condition, "critical")):
        return
    warning, critical = condition.limit("warning"), condition.limit("critical")
    worse = critical > warning if condition.beyond == "above" else critical < warning
    assert worse or critical == warning


def test_limits_follow_the_objectives() -> None:
    mine = replace(DEFAULT, error_rate=0.02, min_requests=7)
    assert BY_ID["errors"].limit("warning", mine) == 0.02
    assert BY_ID["errors"].enough({"calls": 7}, mine)
    assert not BY_ID["errors"].enough({"calls": 6, "failures": 4}, mine)


def test_what_it_needs_at_least_are_objectives() -> None:
    known = {spec.name for spec in fields(Objectives)}
    assert {name for condition in CONDITIONS for name in condition.least} <= known


def test_few_calls_are_enough_where_many_of_them_fail() -> None:
    assert BY_ID["errors"].enough({"calls": 5, "failures": 5})
    assert not BY_ID["errors"].enough({"calls": 19, "failures": 4})
    assert BY_ID["breaker"].enough({})


def test_a_severity_that_a_condition_does_not_have_is_an_error() -> None:
    with pytest.raises(ValueError, match="latency is never critical"):
        BY_ID["latency"].limit("critical")
    with pytest.raises(ValueError, match="latency is never info"):
        BY_ID["latency"].limit("info")


def test_causes_are_conditions_and_none_explains_itself() -> None:
    def causes(name: str, seen: frozenset[str]) -> None:
        assert name not in seen, f"{name} explains itself"
        for cause in BY_ID[name].explained_by:
            causes(cause, seen | {name})

    for condition in CONDITIONS:
        causes(condition.id, frozenset())


def test_sentences_say_who_and_how_much() -> None:
    errors = BY_ID["errors"]
    assert errors.sentence("gpt-4.1", "60 %", " (rate_limit)") == "gpt-4.1: 60 % of calls fail (rate_limit)"
    assert errors.sentence("gpt-4.1", "60 %", ended=True) == "gpt-4.1: 60 % of calls failed"
    for condition in CONDITIONS:
        for text in (condition.now, condition.past):
            assert {name for _, name, _, _ in Formatter().parse(text) if name} <= {"who", "value", "detail"}
            assert text.startswith("{who}"), condition.id


def test_every_metric_says_how_it_adds_up() -> None:
    for metric in METRICS:
        if metric.kind != "gauge":
            assert metric.adds == "sum", metric.name
        assert not metric.weight or metric.adds == "mean", metric.name
        assert not metric.weight or metric.weight in BY_NAME, metric.name
    unweighted = {metric.name for metric in METRICS if metric.adds == "mean" and not metric.weight}
    assert unweighted == {"otel_llm_evaluation_mean"}  # no gauge counts the scores of the window
    assert {metric.name for metric in METRICS if metric.created} == {"otel_llm_calls_total"}
