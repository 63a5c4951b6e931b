"""Handlers hear of the judgement: when a condition opens and when it has ended, each once."""

from __future__ import annotations

from otel_llm.aggregate.judgement import Judge, Reading
from otel_llm.outputs import alerts
from otel_llm.outputs.alerts import Anomaly
from otel_llm.outputs.conditions import PERIOD, ConditionWatch

KEY = (("provider", "openai"), ("model", "gpt-4.1"))


def failing(share: float | None) -> list[Reading]:
    facts = {"types": ("rate_limit",)}
    return [Reading("errors", KEY, "gpt-4.1", share, 100, f"{share or 0:.0%}", " (rate_limit)", facts)]


def test_a_condition_is_delivered_when_it_opens_and_when_it_has_ended(monkeypatch):
    monkeypatch.setattr(alerts, "_DISPATCHER", alerts.Dispatcher())
    judge, now, heard = Judge(), [0.0], []
    readings = {"errors": failing(0.6)}

    def judged():
        return judge.incidents(judge.judge(readings["errors"], now[0]))

    watch = ConditionWatch(judged, clock=lambda: now[0])
    alerts.on_anomaly(heard.append, signal="condition")
    for second in range(0, 300, 5):
        now[0] = float(second)
        watch.round()
    readings["errors"] = failing(0.0)
    for second in range(300, 360, 5):
        now[0] = float(second)
        watch.round()
    watch.drop_after_fork()
    watch.close()
    assert alerts.drain(300.0)
    assert [(one.type, one.severity, one.condition, one.model) for one in heard] == [
        ("condition_open", "critical", "errors", "gpt-4.1"), ("condition_ended", "critical", "errors", "gpt-4.1"),
    ]  # fmt: skip
    assert (heard[0].value, heard[0].baseline) == (0.6, 0.25)
    assert str(heard[0]) == "[CRITICAL] gpt-4.1: 60% of calls fail (rate_limit)"
    assert str(heard[1]) == "[ENDED] gpt-4.1: 60% of calls failed (rate_limit)"
    assert PERIOD == 15.0


def test_what_is_folded_into_another_condition_is_told_with_it():
    judge = Judge()
    limit = Reading("rate_limit", (*KEY, ("kind", "requests")), "gpt-4.1", 0.0, 1, "0 %", " of requests")
    for at in (0.0, 400.0):
        changes = judge.judge([*failing(0.6), limit], at)
    (told,) = judge.incidents(changes)
    said = str(Anomaly.of_change(told))
    assert (
        said == "[CRITICAL] gpt-4.1: 60% of calls fail (rate_limit); gpt-4.1: 0 % of the rate limit of requests is left"
    )


def test_a_breaker_that_its_own_process_has_told_of_is_told_only_when_it_closes(monkeypatch):
    monkeypatch.setattr(alerts, "_DISPATCHER", alerts.Dispatcher())
    judge, heard, states = Judge(), [], [1.0, 0.0]
    alerts.on_anomaly(heard.append)
    key = (("provider", "openai"), ("breaker", "openai"))
    watch = ConditionWatch(
        lambda: judge.incidents(judge.judge([Reading("breaker", key, "breaker openai", states.pop(0), 1)], 1.0)),
        clock=iter(range(0, 999, 20)).__next__,
    )
    watch.round()
    watch.round()
    assert alerts.drain(300.0)
    assert [(one.type, one.detail) for one in heard] == [("condition_ended", "breaker openai")]


def test_an_anomaly_of_the_page_names_its_causes_too():
    judge, key = Judge(), (*KEY, ("signal", "cost"), ("direction", "high"))
    causes = (("tenant", "acme\n[ENDED]", 0.8, 0.05, 0.4), ("prompt", "4096-16383 tokens", 0.3, 0.1, 0.2))
    facts = {"shift": 7.0, "trend": 0.0, "causes": causes, "moved": "tenant acme: 5 % to 40 % of calls"}
    reading = Reading("anomaly", key, "gpt-4.1", 7.0, 1, "+7.0", "cost of a call", facts)
    told = [one for at in (0.0, 60.0) for one in judge.incidents(judge.judge([reading], at))]
    made = Anomaly.of_change(told[0])
    assert [(one.dimension, one.value, one.contribution) for one in made.causes] == [
        ("tenant", "acme?[ENDED]", 0.8), ("prompt", "4096-16383 tokens", 0.3),
    ]  # fmt: skip
    assert str(made) == "[WARNING] gpt-4.1: cost of a call is +7.0 from usual; tenant acme: 5 % to 40 % of calls"
    assert str(made.causes[1]) == "prompt=4096-16383 tokens 30% of the change (10% -> 20% of calls)"
