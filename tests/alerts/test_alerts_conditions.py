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
