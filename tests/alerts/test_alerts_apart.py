"""Who hears of what, where several things are wrong at once: each tenant's, each signal's, and each handler by itself."""

from __future__ import annotations

import random
from typing import Any

import pytest

from otel_llm import runtime
from otel_llm.aggregate import Store
from otel_llm.aggregate.judgement import Judge, Reading
from otel_llm.aggregate.window import Judgement
from otel_llm.aggregate.wire import Verdict
from otel_llm.cluster.verdict_queue import _pack, _unpack
from otel_llm.core.config import Config
from otel_llm.core.guard import Guard
from otel_llm.core.model import Observation
from otel_llm.outputs import alerts
from otel_llm.outputs.anomaly import Anomaly, Cause
from otel_llm.outputs.notifications import readable

WAIT = 300.0  # seconds, on a machine at a load of 50
START = 1_800_000_000.0
APART = Config.from_env({"OTEL_LLM_METRIC_LABELS": "feature,tenant", "OTEL_LLM_ANOMALY_LABELS": "tenant"})
CALL = Observation(1.0, "openai", "gpt-4o", "chat", "gpt-4o", "api.openai.com", "", 9.1)
SLOW = Judgement("latency", "high", "critical", 9.1, 1.2, 0.3, 4.7, alarm=True)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "_DISPATCHER", alerts.Dispatcher())


def test_alarms_of_two_tenants_are_two_and_say_whose_they_are() -> None:
    store, dice, heard = Store(APART), random.Random(4), []
    alerts.on_anomaly(heard.append, severity="warning", signal="latency")
    for second in range(2400):
        for tenant in ("acme", "globex", "initech"):
            slow = 9.0 if second >= 1800 and tenant != "initech" else 1.0
            store.apply(
                Observation(
                    START + second, "openai", "gpt-4o", "chat", "gpt-4o", "", "", slow * dice.lognormvariate(0, 0.3),
                    ("chat", tenant),
                )
            )  # fmt: skip
        for verdict in store.drain_verdicts():
            runtime.deliver(verdict)
    assert alerts.drain(WAIT)
    assert {one.labels for one in heard} == {(("tenant", "acme"),), (("tenant", "globex"),)}
    assert all("model=gpt-4o, tenant=" in str(one) for one in heard)


def test_whose_they_are_goes_with_them_to_the_process_of_the_call() -> None:
    verdict = Verdict(7, CALL, SLOW, (("tenant", "acme"),))
    assert _unpack(_pack(verdict, (1, 2, 3))) == (verdict, (1, 2, 3))


def test_a_tenant_is_text_in_messages() -> None:
    heard: list[Anomaly] = []
    alerts.on_anomaly(heard.append)
    runtime.deliver(Verdict(7, CALL, SLOW, (("tenant", "<!here>\n[ENDED] all is well"),)))
    assert alerts.drain(WAIT)
    assert heard[0].labels == (("tenant", "<!here>?[ENDED] all is well"),)
    assert "tenant=\u2039!here\u203a?(ENDED) all is well" in str(readable(heard[0]))


def _opened(*signals: str, tenant: str = "acme") -> list[Anomaly]:
    key = (("provider", "openai"), ("model", "gpt-4o"), ("tenant", tenant))
    facts = {"shift": 7.0, "trend": 0.0}
    readings = [
        Reading("anomaly", (*key, ("signal", signal), ("direction", "high")), "gpt-4o", 7.0, 1, "+7.0", signal, facts)
        for signal in signals
    ]
    judge = Judge()
    changes = [one for at in (0.0, 60.0) for one in judge.incidents(judge.judge(readings, at))]
    return [Anomaly.of_change(one) for one in changes]


def test_conditions_of_one_model_about_two_signals_or_tenants_are_each_delivered() -> None:
    heard: list[Anomaly] = []
    alerts.on_anomaly(heard.append, severity="warning", signal="condition")
    opened = [*_opened("latency", "cost"), *_opened("latency", tenant="globex"), *_opened("latency")]
    for one in opened:
        alerts.deliver(one)
    assert alerts.drain(WAIT)
    assert len(opened) == 4
    assert sorted(dict(one.labels)["signal"] + " " + dict(one.labels)["tenant"] for one in heard) == [
        "cost acme", "latency acme", "latency globex",
    ]  # fmt: skip


class _Broken:
    """A filter that fails, as on an alert whose fields hold what they should not."""

    def holds(self, _: Anomaly) -> bool:
        raise TypeError("no text")


def test_a_filter_that_raises_is_counted_and_later_handlers_get_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guard, "strict", False)
    dispatcher, before = alerts.Dispatcher(), Guard.errors.get("alerts", 0)
    first: list[Anomaly] = []
    last: list[Anomaly] = []
    broken: Any = _Broken()
    dispatcher.add(first.append, alerts.Wanted())
    dispatcher.add(first.append, broken)
    dispatcher.add(last.append, alerts.Wanted())
    dispatcher.deliver(
        Anomaly(type="cost_spike", severity="critical", value=1.0, causes=(Cause("tenant", "a", 1, 0, 1),))
    )
    assert dispatcher.drain(WAIT)
    assert (len(first), len(last)) == (1, 1)
    assert Guard.errors["alerts"] == before + 1


def test_an_alert_without_a_model_passes_filters_of_models_by() -> None:
    of_model: list[Anomaly] = []
    every: list[Anomaly] = []
    alerts.on_anomaly(of_model.append, model="gpt-*")
    alerts.on_anomaly(every.append)
    alerts.alert("deploy_failed", severity="critical", model=None, provider=None, detail=["api", 3])
    assert alerts.drain(WAIT)
    assert (of_model, [(one.model, one.provider, one.detail) for one in every]) == ([], [("", "", "['api', 3]")])


def _spike(severity: str = "critical", detail: str = "", **more: Any) -> Anomaly:
    return Anomaly(
        **{"type": "cost_spike", "severity": severity, "value": 1.0, "z_score": 4.0, "detail": detail, **more}
    )


def test_a_call_a_shift_and_a_trend_of_one_signal_are_one_alarm() -> None:
    clock = [0.0]
    dispatcher = alerts.Dispatcher(lambda: clock[0])
    heard: list[Anomaly] = []
    dispatcher.add(heard.append, alerts.Wanted("warning"))
    for second, one in (
        (0, _spike("warning")), (20, _spike("warning", "shift")), (40, _spike(detail="shift")), (60, _spike(detail="trend")),
        (80, _spike("warning")), (90, _spike(direction="low")), (339, _spike()), (341, _spike("warning", "trend")),
    ):  # fmt: skip
        clock[0] = float(second)
        dispatcher.deliver(one)
        assert dispatcher.drain(WAIT)
    assert [(one.severity, one.direction, one.detail, one.repeated) for one in heard] == [
        ("warning", "high", "", 0), ("critical", "high", "shift", 1), ("critical", "low", "", 0), ("warning", "high", "trend", 3),
    ]  # fmt: skip


def test_what_one_handler_got_another_one_does_not_miss() -> None:
    clock = [0.0]
    dispatcher = alerts.Dispatcher(lambda: clock[0])
    far: list[Anomaly] = []
    late: list[Anomaly] = []
    dispatcher.add(lambda one: None, alerts.Wanted())
    dispatcher.add(far.append, alerts.Wanted(z_score=6.0))
    dispatcher.deliver(_spike())
    clock[0] = 10.0
    dispatcher.add(late.append, alerts.Wanted())
    dispatcher.deliver(_spike(z_score=7.0))
    assert dispatcher.drain(WAIT)
    assert ([one.z_score for one in far], [one.z_score for one in late]) == ([7.0], [7.0])


def test_alerts_of_an_application_differ_by_detail_and_severity() -> None:
    heard: list[Anomaly] = []
    alerts.on_anomaly(heard.append, severity="warning")
    for severity, detail in (("critical", "api"), ("warning", "api"), ("warning", "web"), ("warning", "api")):
        alerts.alert("deploy_failed", severity=severity, detail=detail)
    assert alerts.drain(WAIT)
    assert [(one.severity, one.detail) for one in heard] == [
        ("critical", "api"),
        ("warning", "api"),
        ("warning", "web"),
    ]
