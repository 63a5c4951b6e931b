from __future__ import annotations

import math

import pytest

from otel_llm.aggregate import Store
from otel_llm.core.config import Config
from otel_llm.core.model import Event

AT = 1_763_711_000.0
CALL = ("openai", "gpt-5", "chat")
STATE = "otel_llm_circuit_breaker_state"
STEPS = "otel_llm_circuit_breaker_transitions_total"
REMAINING = "otel_llm_rate_limit_remaining"


def test_counters_add_up(store, read) -> None:
    for value in (1.0, 2.0, 0.5):
        store.apply(Event("otel_llm_retry_wait_seconds_total", AT, (*CALL, "rate_limit"), value))
    assert read(store, "otel_llm_retry_wait_seconds_total", reason="rate_limit") == 3.5


def test_histograms_observe(store, read) -> None:
    store.apply(Event("otel_llm_http_request_cost_usd", AT, ("/chat/{id}",), 0.02, "a" * 32))
    assert read(store, "otel_llm_http_request_cost_usd", http_route="/chat/{id}") == (1, 0.02)


def test_the_latest_value_of_a_gauge_wins_whatever_the_order(store, read) -> None:
    for at, value in ((AT + 2, 7.0), (AT, 9.0), (AT + 1, 8.0)):
        store.apply(Event(REMAINING, at, (*CALL, "tokens"), value))
    assert read(store, REMAINING, kind="tokens") == 7.0


def test_a_rate_limit_that_nobody_tells_of_disappears(store, read) -> None:
    store.apply(Event(REMAINING, AT, (*CALL, "tokens"), 7.0))
    assert read(store, REMAINING, at=AT + 3600) == 7.0
    assert read(store, REMAINING, at=AT + 3601) is None


def test_a_breaker_is_in_one_state(store, read) -> None:
    for at, now in enumerate(("closed", "open", "half_open")):
        store.apply(Event(STATE, AT + at, ("payments", now)))
    assert [read(store, STATE, breaker="payments", state=s) for s in ("closed", "half_open", "open")] == [0, 1, 0]


def test_news_of_a_breaker_that_come_late_change_nothing(store, read) -> None:
    store.apply(Event(STATE, AT + 5, ("b", "open")))
    store.apply(Event(STATE, AT, ("b", "closed")))
    assert read(store, STATE, state="open") == 1


def test_the_steps_of_a_breaker_are_there_before_the_first(store, read) -> None:
    store.apply(Event(STATE, AT, ("b", "closed")))
    assert read(store, STEPS, from_state="closed", to_state="open") == 0
    assert read(store, STEPS, from_state="half_open", to_state="closed") == 0
    store.apply(Event(STEPS, AT, ("b", "closed", "open")))
    assert read(store, STEPS, from_state="closed", to_state="open") == 1


def test_a_breaker_that_is_only_announced_has_no_state_yet(store, read) -> None:
    store.create(STATE, ("b", "closed"))
    assert [read(store, STATE, state=s) for s in ("closed", "half_open", "open")] == [0, 0, 0]


def test_fallbacks_and_look_ups_reach_the_window(store, call, read) -> None:
    for _ in range(4):
        store.apply(call())
    store.apply(Event("otel_llm_fallbacks_total", AT, (*CALL, "gpt-5", "claude", "error")))
    for result in ("hit", "hit", "hit", "miss"):
        store.apply(Event("otel_llm_cache_requests_total", AT, (*CALL, "redis", result)))
    assert read(store, "otel_llm_fallback_ratio") == 0.25
    assert read(store, "otel_llm_cache_hit_ratio") == 0.75


def test_custom_labels_may_be_left_out(read) -> None:
    store = Store(Config(metric_labels=("tenant",)))
    store.apply(Event("otel_llm_retries_total", AT, (*CALL, "timeout")))
    store.apply(Event("otel_llm_retries_total", AT, (*CALL, "timeout", "acme")))
    assert [read(store, "otel_llm_retries_total", tenant=tenant) for tenant in ("", "acme")] == [1, 1]


@pytest.mark.parametrize(("event", "says"), [
    (Event("otel_llm_latency_seconds", AT, ("openai", "gpt-5", "0.5"), 1.0), "no metric that records can change"),
    (Event("nonsense", AT, ()), "no metric that records can change"),
    (Event("otel_llm_retries_total", AT, ("openai",)), "1 label values"),
    (Event("otel_llm_retries_total", AT, (*CALL, "a", "b")), "5 label values"),
    (Event("otel_llm_retries_total", AT, (*CALL, "a"), -1.0), "cannot fall"),
    (Event("otel_llm_retries_total", AT, (*CALL, "a"), math.nan), "cannot take nan"),
    (Event(REMAINING, AT, (*CALL, "tokens"), math.inf), "cannot take inf"),
    (Event(STATE, AT, ("b", "ajar")), "not 'ajar'"),
])  # fmt: skip
def test_wrong_events_are_refused(store, read, event: Event, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        store.apply(event)
    assert not read(store, event.metric)


def test_open_calls_are_summed_over_processes(store, read) -> None:
    store.set_process(11, {CALL: 2})
    store.set_process(12, {CALL: 3, ("anthropic", "claude", "chat"): 1})
    assert read(store, "otel_llm_in_flight_requests", gen_ai_request_model="gpt-5") == 5
    store.set_process(12, {})
    assert read(store, "otel_llm_in_flight_requests", gen_ai_request_model="gpt-5") == 2
    store.drop_process(11)
    store.drop_process(11)
    assert read(store, "otel_llm_in_flight_requests", gen_ai_request_model="gpt-5") == 0
    assert read(store, "otel_llm_in_flight_requests", at=AT + 3601, gen_ai_request_model="gpt-5") is None


def test_what_processes_say_of_themselves_is_shown(store, read) -> None:
    store.apply(Event("otel_llm_instrumented", AT, ("openai", "3.52.0")))
    store.apply(Event("otel_llm_processes", AT, ("live",), 4.0))
    store.apply(Event("otel_llm_internal_errors_total", AT, ("reader",), 2.0))
    store.scraped(0.012)
    assert read(store, "otel_llm_instrumented", version="3.52.0") == 1
    assert read(store, "otel_llm_processes", state="live") == 4
    assert read(store, "otel_llm_internal_errors_total", component="reader") == 2
    assert read(store, "otel_llm_scrape_duration_seconds") == 0.012
    assert read(store, "otel_llm_build_info") == 1


def test_a_gauge_of_a_clock_that_was_set_back_since_is_set_anew(store, read) -> None:
    labels = (*CALL, "tokens")
    store.apply(Event(REMAINING, AT + 86_400, labels, 5.0), now=AT + 86_400)
    store.apply(Event(REMAINING, AT, labels, 7.0), now=AT)
    store.apply(Event(REMAINING, AT - 120, labels, 9.0), now=AT + 1)  # only late
    assert read(store, REMAINING, kind="tokens") == 7.0


def test_a_breaker_of_a_clock_that_was_set_back_since_goes_on(store, read) -> None:
    store.apply(Event(STATE, AT + 86_400, ("b", "open")), now=AT + 86_400)
    store.apply(Event(STATE, AT, ("b", "half_open")), now=AT)
    store.apply(Event(STATE, AT + 1, ("b", "closed")), now=AT + 1)
    store.apply(Event(STATE, AT - 120, ("b", "open")), now=AT + 2)  # only late
    assert [read(store, STATE, state=s) for s in ("closed", "half_open", "open")] == [1, 0, 0]
