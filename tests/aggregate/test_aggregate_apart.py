"""Labels that have windows, baselines, z-scores and conditions of their own."""

from __future__ import annotations

import json

import pytest

from otel_llm.aggregate import Store, families
from otel_llm.core.config import Config
from otel_llm.core.model import Event

AT = 1_763_711_000.0
CONFIG = Config(metric_labels=("tenant", "service_name"), window_labels=("service_name",))


@pytest.fixture
def two(call) -> Store:
    """The service ``fast`` takes a second for an answer, ``slow`` a minute, and ``slow`` fails now."""
    store = Store(CONFIG)
    for number in range(300):
        spread = number % 10 / 100
        for service, seconds in (("fast", 1.0), ("slow", 60.0)):
            labels = ("acme", service)
            store.apply(call(at=AT - 3000 + number * 9, duration=seconds + spread, output_tokens=100 + number % 7, labels=labels,
                             input_tokens=10, cost=0.5 if service == "slow" else 0.001, cost_source="prices"))  # fmt: skip
    for number in range(40):
        store.apply(call(at=AT - 40 + number, error_type="timeout", labels=("acme", "slow")))
    return store


def gauge(store: Store, name: str, **where: str) -> dict[str, float]:
    view = next(view for view in store.views(AT) if view.metric.name == name)
    found = {}
    for row in view.rows:
        labels = dict(zip(view.names, row.labels, strict=True))
        if where.items() <= labels.items():
            found[labels["service_name"]] = row.cell.value
    return found


def test_each_has_its_own_percentiles_and_baseline(two: Store) -> None:
    assert gauge(two, "otel_llm_latency_seconds", quantile="0.5") == {
        "fast": pytest.approx(1.04, rel=0.02), "slow": pytest.approx(60.04, rel=0.02),
    }  # fmt: skip
    assert gauge(two, "otel_llm_baseline_mean", signal="latency") == {
        "fast": pytest.approx(1.045, rel=0.01), "slow": pytest.approx(60.045, rel=0.01),
    }  # fmt: skip


def test_what_is_usual_for_one_is_an_anomaly_of_another(two: Store, call) -> None:
    two.drain_verdicts()
    two.apply(call(at=AT, duration=60.0, output_tokens=100, labels=("acme", "slow")))
    assert two.drain_verdicts() == []
    two.apply(call(at=AT, duration=60.0, output_tokens=100, labels=("acme", "fast")))
    assert [(one.finding.signal, one.call.labels) for one in two.drain_verdicts()] == [("latency", ("acme", "fast"))]
    assert gauge(two, "otel_llm_anomalies_total", signal="latency", severity="critical")["fast"] == 1


def test_a_condition_names_who_has_it(two: Store) -> None:
    two.judge(AT - 1)
    status = two.status(AT, {})
    failing = [one["text"] for one in status["conditions"] if one["id"] == "errors"]
    assert len(failing) == 1
    assert "gpt-5 (slow)" in failing[0]
    shares = {one["service_name"]: one["failed"] for one in status["models"] if one["model"] == "gpt-5"}
    assert (set(shares), shares["slow"]) == ({"fast", "slow"}, 1.0)  # in the last five minutes
    assert [(one["service_name"], one["count"]) for one in status["failures"]] == [("slow", 40)]


def test_what_explains_the_errors_of_one_explains_none_of_another(call) -> None:
    store = Store(CONFIG)
    for number in range(60):
        for service, wrong in (
            ("fast", number % 5 == 0),
            ("slow", True),
        ):  # not enough of one for the provider to be at fault
            error = "rate_limit" if wrong else ""
            store.apply(call(at=AT - 240 + 4 * number, error_type=error, labels=("acme", service)))
    for second in range(-200, 1, 20):
        store.judge(AT + second)
    conditions = [one for one in store.status(AT, {})["conditions"] if "service_name" in one["key"]]
    assert {one["key"]["service_name"] for one in conditions} == {"fast", "slow"}
    assert any(one["folded"] for one in conditions)
    for one in conditions:
        assert {inside["key"]["service_name"] for inside in one["folded"]} <= {one["key"]["service_name"]}


def test_the_summary_says_whose_a_model_is(two: Store) -> None:
    summary = two.summary(AT)
    assert {one["labels"]["service_name"]: one["calls"] for one in summary["models"]} == {"fast": 300, "slow": 340}
    assert {one["labels"]["service_name"] for one in summary["zscores"]} <= {"fast", "slow"}


def test_a_fallback_and_a_look_up_count_for_their_own(two: Store) -> None:
    two.apply(Event("otel_llm_fallbacks_total", AT, ("openai", "gpt-5", "chat", "a", "b", "timeout", "acme", "fast")))
    two.apply(Event("otel_llm_cache_requests_total", AT, ("openai", "gpt-5", "chat", "answers", "hit", "acme", "slow")))
    two.apply(Event("otel_llm_cache_requests_total", AT, ("openai", "gpt-5", "chat", "answers", "hit")))  # nobody's
    assert gauge(two, "otel_llm_fallback_ratio")["fast"] == pytest.approx(1 / 300)
    assert gauge(two, "otel_llm_cache_hit_ratio") == {"slow": 1.0, "": 1.0}


def test_a_checkpoint_keeps_them_apart(two: Store) -> None:
    again = Store(CONFIG)
    again.load(two.dump())
    for name in ("otel_llm_latency_seconds", "otel_llm_baseline_mean"):
        assert gauge(again, name) == gauge(two, name)
    assert [one["service_name"] for one in again.status(AT, {})["failures"]] == ["slow"]


def test_baselines_are_taken_up_by_their_own(two: Store, call) -> None:
    again = Store(CONFIG)
    again.add_baselines(json.loads(json.dumps(two.baselines())))
    again.apply(call(at=AT, duration=60.0, output_tokens=100, labels=("acme", "slow")))
    again.apply(call(at=AT, duration=60.0, output_tokens=100, labels=("acme", "fast")))
    assert [one.call.labels for one in again.drain_verdicts()] == [("acme", "fast")]


def test_a_label_that_calls_do_not_have_is_said() -> None:
    config = Config.from_env({"OTEL_LLM_WINDOW_LABELS": "service_name", "OTEL_LLM_METRIC_LABELS": "tenant"})
    assert config.problems == (
        "OTEL_LLM_WINDOW_LABELS: 'service_name' is not in OTEL_LLM_METRIC_LABELS; it keeps nothing apart",
    )


def test_windows_are_bounded_and_what_is_beyond_shares_one(call, monkeypatch) -> None:
    monkeypatch.setattr(families, "MOST_WINDOWS", 2)
    store = Store(CONFIG)
    for number in range(6):
        store.apply(call(labels=("acme", f"s{number}"), duration=1.0))
    assert {row.labels[-1] for view in store.views(AT) if view.metric.name == "otel_llm_requests_per_second" for row in view.rows} == {
        "s0", "s1", "_other",
    }  # fmt: skip
    (overflow,) = (view for view in store.views(AT) if view.metric.name == "otel_llm_label_overflow_total")
    assert {row.labels: row.cell.value for row in overflow.rows}[("_window",)] == 4


def test_what_is_unusual_since_a_deploy_is_marked_so(call) -> None:
    before, after = Store(Config()), Store(Config())
    for number in range(600):
        before.apply(call(at=AT - 3600 + number * 5, duration=1.0 + number % 10 / 20, output_tokens=100 + number % 7))
    after.add_baselines(json.loads(json.dumps(before.baselines())))
    for store in (after, before):
        for number in range(120):
            store.apply(call(at=AT + number, duration=3.0 + number % 10 / 20, output_tokens=100 + number % 7))
            if number % 15 == 14:
                store.judge(AT + number)
    why = []
    for store in (after, before):
        conditions = store.status(AT + 120, {})["conditions"]
        (slow,) = (one for one in conditions if one["text"].startswith("gpt-5: latency is +"))
        why.append(slow["why"])
    assert why == ["since this start of the service, against what was usual before", None]
