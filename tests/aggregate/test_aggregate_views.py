"""What a scrape and ``otel_llm.stats()`` are given: derived series, verdicts, the summary."""

from __future__ import annotations

import json

import pytest

from otel_llm.aggregate import Store
from otel_llm.aggregate import store as module
from otel_llm.aggregate.views import lines
from otel_llm.core.catalogue import METRICS
from otel_llm.core.config import Config
from otel_llm.core.model import Event
from otel_llm.core.series import DURATION_BUCKETS

AT = 1_763_711_000.0
DURATION = "gen_ai_client_operation_duration_seconds"
BY_EVENT = (
    "otel_llm_gateway_",  # beside the section of events
    "otel_llm_internal_errors_total", "otel_llm_instrumented", "mcp_", "gen_ai_invoke_", "gen_ai_execute_",
)  # fmt: skip


def test_families_come_in_the_catalogues_order_and_none_is_empty(store, call) -> None:
    store.apply(call(input_tokens=3, output_tokens=4, cost=0.1, cost_source="prices"))
    names = [view.metric.name for view in store.views(AT)]
    assert names == [metric.name for metric in METRICS if metric.name in names]
    assert all(view.rows for view in store.views(AT))
    assert all(len(row.labels) == len(view.names) for view in store.views(AT) for row in view.rows)


def test_a_fresh_store_shows_that_it_is_there(store) -> None:
    assert {view.metric.name for view in store.views(AT)} == {
        "otel_llm_build_info",
        "otel_llm_start_time_seconds",
        "otel_llm_series",
    }


def test_the_number_of_series_is_what_is_shown(store, call, read) -> None:
    for model in ("a", "b"):
        store.apply(call(request_model=model, input_tokens=3, output_tokens=4, cost=0.1, cost_source="prices"))
    assert read(store, "otel_llm_series") == lines(store.views(AT))


def test_derived_gauges_disappear_with_the_window(store, call, read) -> None:
    store.apply(call(duration=0.5))
    assert read(store, "otel_llm_latency_seconds", quantile="1") == 0.5
    assert read(store, "otel_llm_latency_seconds", at=AT + 7200, quantile="1") is None


def test_models_that_are_past_the_window_are_forgotten(store, call) -> None:
    for number in range(20):
        store.apply(call(request_model=f"m{number}"))
    store.views(AT)
    assert len(store._state.engine.tracks) == 20
    store.views(AT + 30 * 86400)
    assert not store._state.engine.tracks


def test_rows_of_derived_series_are_kept_for_their_text(store, call) -> None:
    store.apply(call())

    def rows(at: float) -> dict:
        return {(view.metric.name, row.labels): row for view in store.views(at) for row in view.rows
                if view.metric.section == "derived"}  # fmt: skip

    first, second = rows(AT), rows(AT + 1)
    assert first
    assert all(second[key] is row for key, row in first.items())


def unusual(store: Store, call) -> None:
    for number in range(400):
        store.apply(call(at=AT - 3000 + number * 7, duration=1.0 + number % 10 / 100, output_tokens=100 + number % 7))
    store.apply(call(at=AT, duration=60.0, output_tokens=103, trace_id="a" * 32), 42)


def test_an_unusual_call_is_counted_and_told(store, call, read) -> None:
    unusual(store, call)
    assert read(store, "otel_llm_anomalies_total", signal="latency", direction="high", severity="critical") == 1
    verdict = store.drain_verdicts()[-1]
    assert (verdict.source, verdict.call.trace_id) == (42, "a" * 32)
    assert (verdict.finding.signal, verdict.finding.severity, verdict.finding.value) == ("latency", "critical", 60.0)


def test_every_metric_of_the_catalogue_can_be_seen(call) -> None:
    store = Store(Config(semconv="both", budget_daily=10.0, max_label_values=4), price_date=lambda: AT - 1)
    unusual(store, call)
    full = {"stream": True, "first_chunk": 0.2, "chunk_gaps": ((1, 3),), "chunk_gap_sum": 0.3, "input_tokens": 100, "output_tokens": 40,
            "cache_read_tokens": 30, "cache_write_tokens": 10, "thinking_tokens": 8, "cost": 0.002, "cost_source": "prices",
            "cost_saved": 0.0005, "cost_avoidable": 0.0001, "finish_reasons": ("stop",)}  # fmt: skip
    store.apply(call(**full))
    store.apply(call(operation="embeddings", cost_source="unpriced", usage_unknown="missing"))
    store.apply(call(operation="embeddings", input_tokens=8))
    store.apply(call(error_type="timeout"))
    store.set_process(1, {("openai", "gpt-5", "chat"): 2})
    store.scraped(0.01)
    store.behind(0)
    for metric in METRICS:
        if metric.section == "events" or metric.name.startswith(BY_EVENT):
            labels = tuple(
                "open" if label in ("state", "to_state") else "hit" if label == "result" else "gpt-5"
                for label in metric.labels
            )
            store.apply(Event(metric.name, AT, labels))
    for minute in range(90):
        store.apply(Event("otel_llm_evaluation_score", AT - 60 * minute, ("openai", "gpt-5", "faithfulness"), 0.5))
    store.apply(Event("otel_llm_processes", AT, ("live",)))
    for number in range(6):
        store.apply(call(request_model=f"model-{number}"))
    shown = {view.metric.name for view in store.views(AT)}
    late = {"otel_llm_baseline_shifted_seconds"}  # only once a shift has stayed for half an hour: see tests/window
    assert shown == {metric.name for metric in METRICS} - late


def test_verdicts_that_nobody_fetches_are_bounded(call, monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST_VERDICTS", 3)
    store = Store(Config(budget_daily=0.0))
    for number in range(8):
        store.apply(call(at=AT + number * 86400, cost=1.0, cost_source="prices"), number)
    assert [verdict.source for verdict in store.drain_verdicts()] == [5, 6, 7]


def test_the_summary_is_plain_and_complete(call) -> None:
    store = Store(Config(budget_daily=10.0))
    unusual(store, call)
    store.apply(call(error_type="timeout", input_tokens=7, cost=0.5, cost_source="prices"))
    store.apply(Event("otel_llm_fallbacks_total", AT, ("openai", "gpt-5", "chat", "gpt-5", "claude", "error")))
    store.set_process(1, {("openai", "gpt-5", "chat"): 2})
    found = json.loads(json.dumps(store.summary(AT)))
    assert (found["at"], found["window_seconds"]) == (AT, 3600.0)
    (model,) = found["models"]
    assert (model["provider"], model["model"], model["calls"]) == ("openai", "gpt-5", 402)
    assert found["total"]["errors"] == {"timeout": 1}
    assert found["total"]["latency_seconds"]["max"] == 60.0
    assert set(found["total"]["latency_seconds"]) == {"p50", "p95", "p99", "max", "mean", "stddev"}
    assert found["since_start"]["calls"] == 402
    assert found["since_start"]["cost_usd"] == 0.5
    assert found["since_start"]["fallbacks"] == 1
    assert found["in_flight"] == 2
    day = next(entry for entry in found["budgets"] if entry["period"] == "day")
    assert (day["spend_usd"], day["budget_usd"], day["used_ratio"]) == (0.5, 10.0, 0.05)
    assert {entry["signal"] for entry in found["zscores"]} >= {"latency"}


def test_the_summary_of_nothing_is_empty(store) -> None:
    found = store.summary(AT)
    assert (found["models"], found["budgets"], found["zscores"], found["in_flight"]) == ([], [], [], 0)
    assert found["total"]["calls"] == 0


def test_the_summary_since_the_start_knows_errors_and_the_slowest(call) -> None:
    store = Store(Config())
    since = store.summary(AT)["since_start"]
    assert (since["calls"], since["errors"], since["p95_seconds"]) == (0, {}, None)
    for _ in range(100):
        store.apply(call(duration=2.0))
    store.apply(call(error_type="timeout", duration=60.0))
    since = store.summary(AT)["since_start"]
    assert (since["calls"], since["errors"]) == (101, {"timeout": 1})
    assert since["p95_seconds"] == pytest.approx(2.0, rel=0.01)  # the window holds all of them
    later = store.summary(AT + 7200)["since_start"]
    assert later["calls"] == 101
    assert 1.28 < later["p95_seconds"] < 2.56  # between the bounds of the histogram
    slow = Store(Config())
    slow.apply(call(duration=5000.0))
    assert slow.summary(AT + 7200)["since_start"]["p95_seconds"] == 600.0  # the highest bound


def lines_of(store: Store, call) -> tuple[int, set[str], list]:
    for number in range(30):
        store.apply(call(at=AT + number, response_model=f"gpt-5-{number % 3}", output_tokens=100 + number))
    views = store.views(AT + 60)
    told = [row.labels for view in views if view.metric.name == DURATION for row in view.rows]
    return lines(views), {view.metric.name for view in views}, told


def test_response_models_are_told_apart_where_that_is_asked_for(call) -> None:
    lean, names, labels = lines_of(Store(Config()), call)
    full, every, apart = lines_of(Store(Config(series="full")), call)
    assert (len(labels), len(apart)) == (1, 3)
    assert names == every  # nothing that rules and boards read is lost
    assert lean < full - 2 * len(DURATION_BUCKETS)


def test_a_fleet_shows_no_gauges_of_the_window_but_distances_from_usual(call, read) -> None:
    store = Store(Config(series="fleet", budget_daily=5.0))
    fleet, names, _ = lines_of(store, call)
    lean, more, _ = lines_of(Store(Config(budget_daily=5.0)), call)
    gone = more - names
    assert {"otel_llm_latency_seconds", "otel_llm_tokens_per_request", "otel_llm_baseline_mean"} <= gone
    assert {"otel_llm_budget_usd", "otel_llm_calls_total", DURATION} <= names
    assert fleet < lean - 15
    (series,) = [view.rows[0].cell.value for view in store.views(AT + 60) if view.metric.name == "otel_llm_series"]
    assert series == lines(store.views(AT + 60))  # it counts what is shown
    assert store.summary(AT + 60)["models"]  # the process itself still knows its window


def test_a_scrape_and_the_clerk_give_the_lock_away_now_and_then(call) -> None:
    """Others count calls meanwhile, of new models, too; each stretch between two rests is some models long."""
    store, rests = Store(Config()), list[int]()
    for model in range(60):
        for second in range(25):
            store.apply(call(request_model=f"model-{model}", at=AT + second, cost=0.01, cost_source="prices"))
    now = AT + 400

    def rest() -> None:
        assert not store.lock.locked()
        rests.append(sum(len(view.rows) for view in store._state.views.at(now, {}, None, list)) if not rests else 0)
        store.apply(call(request_model=f"new-{len(rests)}", at=now))
        store._state.engine.tracks.pop(("openai", f"model-{59 - len(rests)}"), None)

    shown = store.views(now, rest)  # nobody tends: it makes baselines, too
    window = [view for view in shown if view.metric.section == "derived" and view.metric.apart]
    gauges = sum(len(view.rows) for view in window)
    assert len(rests) > gauges // 150 > 4  # after the baselines of each model, and of those that had none to make
    rests.clear()
    before = len(store._state.engine.tracks)
    store.tend(now + 120, lambda: rests.append(not store.lock.locked()))
    assert rests == [True] * (before // 100 + 1)
