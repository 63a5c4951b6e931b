"""Labels stay few and short, whatever clients and servers call things."""

from __future__ import annotations

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_llm.aggregate import Store, families, state
from otel_llm.aggregate.bounds import LONGEST, Bounds
from otel_llm.core.config import Config
from otel_llm.core.model import Event
from otel_llm.core.series import ERROR_TYPES

AT = 1_763_711_000.0
DURATION = "gen_ai_client_operation_duration_seconds"
OVERFLOW = "otel_llm_label_overflow_total"


def models(store: Store) -> set[str]:
    view = next(view for view in store.views(AT) if view.metric.name == DURATION)
    return {row.labels[1] for row in view.rows}


def test_ten_thousand_models_stay_within_the_bound(call, read) -> None:
    store = Store(Config(max_label_values=50))
    for number in range(10_000):
        store.apply(call(request_model=f"model-{number}", response_model="one"))
    assert models(store) == {f"model-{number}" for number in range(50)} | {"_other"}
    assert read(store, DURATION, gen_ai_request_model="_other")[0] == 9950
    assert read(store, OVERFLOW, label="gen_ai_request_model") == 9950
    assert len(store._state._bundles) == 50


def test_known_values_stay_known_when_the_label_is_full(call, read) -> None:
    store = Store(Config(max_label_values=1))
    for model in ("a", "b", "a"):
        store.apply(call(request_model=model, response_model=""))
    assert read(store, DURATION, gen_ai_request_model="a")[0] == 2


@pytest.mark.parametrize(("label", "fields"), [
    ("gen_ai_provider_name", {"provider": "{}"}), ("gen_ai_response_model", {"response_model": "{}"}),
    ("server_address", {"server_address": "{}"}), ("gen_ai_operation_name", {"operation": "{}"}),
    ("finish_reason", {"finish_reasons": ("{}",)}), ("reason", {"usage_unknown": "{}"}),
    ("gen_ai_token_modality", {"modalities": (("input", "{}", 1),)}),
])  # fmt: skip
def test_every_label_of_a_call_is_bounded(call, read, label: str, fields: dict) -> None:
    store = Store(Config(max_label_values=3, series="full"))
    for number in range(5):
        store.apply(call(**eval(repr(fields).replace("{}", f"v{number}"))))
    assert read(store, OVERFLOW, label=label) == 2


def test_custom_labels_are_bounded(call, read) -> None:
    store = Store(Config(max_label_values=2, metric_labels=("tenant",)))
    for number in range(5):
        store.apply(call(labels=(f"t{number}",)))
    assert read(store, OVERFLOW, label="tenant") == 3
    assert read(store, DURATION, tenant="_other")[0] == 3


def test_labels_of_events_are_bounded(read) -> None:
    store = Store(Config(max_label_values=2))
    for number in range(4):
        store.apply(Event("otel_llm_retries_total", AT, ("openai", "gpt-5", "chat", f"reason-{number}")))
    assert read(store, "otel_llm_retries_total", reason="_other") == 2
    assert read(store, OVERFLOW, label="reason") == 2


def test_open_calls_do_not_count_overflows_again_and_again(read) -> None:
    store = Store(Config(max_label_values=1))
    for _ in range(5):
        store.set_process(1, {("openai", "a", "chat"): 1, ("openai", "b", "chat"): 2, ("openai", "c", "chat"): 3})
    assert read(store, "otel_llm_in_flight_requests", gen_ai_request_model="_other") == 5
    assert read(store, OVERFLOW) is None


def test_error_types_are_a_closed_set(store, call) -> None:
    for error in (*ERROR_TYPES, "openai.RateLimitError", "x" * 500):
        store.apply(call(error_type=error))
    view = next(view for view in store.views(AT) if view.metric.name == DURATION)
    assert {row.labels[5] for row in view.rows} == set(ERROR_TYPES)


@given(st.text(st.characters(), max_size=300))
def test_a_value_is_short_printable_and_encodable(value: str) -> None:
    shown = Bounds(10).value("server_address", value)
    assert len(shown) <= LONGEST
    assert shown.isprintable()
    shown.encode()


def test_long_values_that_begin_alike_are_one(call) -> None:
    store = Store(Config())
    for number in range(3 * 128):
        store.apply(call(request_model="m" * LONGEST + str(number)))
    assert models(store) == {"m" * LONGEST}
    assert not store._state._bundles  # what is not shown as it came is looked up anew, or it would have no bound


def test_the_number_of_series_is_bounded(call, read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(families, "MOST_LINES", 500)
    store = Store(Config())
    for model in range(20):
        for server in range(20):
            store.apply(call(request_model=f"m{model}", server_address=f"s{server}", error_type="timeout"))
    assert store._state.families.lines < 600
    assert read(store, DURATION, gen_ai_request_model="_other", error_type="timeout")[0] > 300
    assert read(store, OVERFLOW, label="_combination") > 300
    total = sum(sum(row.cell.counts) for view in store.views(AT) if view.metric.name == DURATION for row in view.rows)
    assert total == 400


def test_what_is_kept_at_hand_is_bounded(call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "MOST_IDENTITIES", 10)
    store = Store(Config())
    for number in range(35):
        store.apply(call(request_model=f"m{number}"))
        store.apply(call(request_model=f"m{number}"))
    assert len(store._state._bundles) <= 10
    assert len(store._state._bounded) <= 10
    assert len(models(store)) == 35


def test_calls_leave_nothing_behind(call) -> None:
    store = Store(Config())
    one = call(stream=True, first_chunk=0.1, chunk_gaps=((1, 3),), chunk_gap_sum=0.1, input_tokens=5, output_tokens=7, thinking_tokens=1,
               cost=0.1, cost_source="prices", finish_reasons=("stop",), trace_id="a" * 32, span_id="b" * 16)  # fmt: skip

    def objects(calls: int) -> int:
        for number in range(calls):
            store.apply(one._replace(duration=0.1 + number % 13, at=AT + number % 600))
        store.views(AT + 600)
        gc.collect()
        return len(gc.get_objects())

    before = objects(3000)
    assert objects(12_000) - before < 50
