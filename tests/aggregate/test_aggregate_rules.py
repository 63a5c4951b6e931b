"""What each kind of call counts: the rules of the metric contract, one by one."""

from __future__ import annotations

import math

import pytest

from otel_llm.aggregate import Store
from otel_llm.core.catalogue import BY_NAME
from otel_llm.core.config import Config
from otel_llm.core.model import Event

DURATION = "gen_ai_client_operation_duration_seconds"
CALLS = "otel_llm_calls_total"
USAGE = "gen_ai_client_token_usage"
INPUT = "gen_ai_client_inference_usage_input_tokens_total"
OUTPUT = "gen_ai_client_inference_usage_output_tokens_total"
FULL = {
    "stream": True, "first_chunk": 0.2, "chunk_gaps": ((1, 3), (4, 1)), "chunk_gap_sum": 0.3, "input_tokens": 100,
    "output_tokens": 40, "cache_read_tokens": 30, "cache_write_tokens": 10, "thinking_tokens": 8, "cost": 0.002,
    "cost_source": "prices", "cost_saved": 0.0005, "finish_reasons": ("stop",),
}  # fmt: skip


def names(store: Store) -> set[str]:
    return {
        view.metric.name
        for view in store.views(1_763_711_000.0)
        if view.metric.section in ("conventions", "latest", "events")
    }


def test_a_successful_stream_counts_everything(store, call, read) -> None:
    store.apply(call(**FULL))
    assert read(store, DURATION) == (1, 0.5)
    assert read(store, USAGE, gen_ai_token_type="input") == (1, 100)
    assert read(store, USAGE, gen_ai_token_type="output") == (1, 40)
    assert read(store, "gen_ai_client_operation_time_to_first_chunk_seconds") == (1, 0.2)
    assert read(store, "gen_ai_client_operation_time_per_output_chunk_seconds") == (4, 0.3)
    assert read(store, INPUT, gen_ai_token_modality="unknown") == 100
    assert read(store, OUTPUT, gen_ai_token_modality="unknown") == 40
    assert read(store, "gen_ai_client_inference_usage_cache_read_input_tokens_total") == 30
    assert read(store, "gen_ai_client_inference_usage_cache_write_input_tokens_total") == 10
    assert read(store, "gen_ai_client_inference_usage_reasoning_output_tokens_total") == 8
    assert read(store, "otel_llm_thinking_tokens") == (1, 8)
    assert read(store, "otel_llm_cost_usd_total", cost_source="prices") == 0.002
    assert read(store, "otel_llm_request_cost_usd") == (1, 0.002)
    assert read(store, "otel_llm_cache_savings_usd_total") == 0.0005
    assert read(store, "otel_llm_finish_reasons_total", finish_reason="stop") == 1
    assert read(store, "otel_llm_unpriced_requests_total") is None


def test_a_failed_call_counts_usage_but_no_sizes(store, call, read) -> None:
    store.apply(call(**{**FULL, "error_type": "abandoned"}))
    assert read(store, DURATION, error_type="abandoned") == (1, 0.5)
    assert read(store, INPUT) == 100
    assert read(store, "gen_ai_client_inference_usage_reasoning_output_tokens_total") == 8
    assert read(store, "otel_llm_cost_usd_total") == 0.002
    assert not names(store) & {USAGE, "otel_llm_thinking_tokens"}


def test_a_call_without_usage_counts_its_duration_only(store, call) -> None:
    store.apply(call(error_type="timeout"))
    assert names(store) == {DURATION, CALLS}


def test_unknown_usage_is_counted_by_reason_and_never_as_zero(store, call, read) -> None:
    store.apply(call(usage_unknown="not_reported"))
    assert read(store, "otel_llm_usage_unknown_total", reason="not_reported") == 1
    assert names(store) == {DURATION, CALLS, "otel_llm_usage_unknown_total"}


def test_zero_tokens_that_the_provider_reports_are_a_series(store, call, read) -> None:
    store.apply(call(input_tokens=12, output_tokens=0, cache_read_tokens=0))
    assert read(store, OUTPUT) == 0
    assert read(store, "gen_ai_client_inference_usage_cache_read_input_tokens_total") == 0
    assert read(store, "gen_ai_client_inference_usage_cache_write_input_tokens_total") is None


def test_what_a_split_leaves_over_is_of_unknown_modality(store, call, read) -> None:
    split = (("input", "text", 60), ("input", "image", 25), ("output", "audio", 40))
    store.apply(call(input_tokens=100, output_tokens=40, modalities=split))
    assert [read(store, INPUT, gen_ai_token_modality=kind) for kind in ("text", "image", "unknown")] == [60, 25, 15]
    assert read(store, OUTPUT, gen_ai_token_modality="audio") == 40
    assert read(store, OUTPUT, gen_ai_token_modality="unknown") is None


def test_a_split_without_a_total_counts_what_it_says(store, call, read) -> None:
    store.apply(call(modalities=(("input", "audio", 7),)))
    assert read(store, INPUT, gen_ai_token_modality="audio") == 7


def test_unpriced_calls_have_no_cost(store, call, read) -> None:
    store.apply(call(input_tokens=1, cost_source="unpriced"))
    assert read(store, "otel_llm_unpriced_requests_total") == 1
    assert not names(store) & {"otel_llm_cost_usd_total", "otel_llm_request_cost_usd"}


def test_equal_calls_add_up_in_one_series(store, call, read) -> None:
    for _ in range(1000):
        store.apply(call(**FULL))
    count, total = read(store, DURATION)
    assert count == 1000
    assert total == pytest.approx(500)
    assert read(store, INPUT) == 100_000


@pytest.mark.parametrize("bound", BY_NAME[DURATION].buckets)
def test_a_bound_belongs_to_its_bucket(store, call, bound: float) -> None:
    store.apply(call(duration=bound))
    store.apply(call(duration=math.nextafter(bound, math.inf)))
    cell = next(view for view in store.views(1_763_711_000.0) if view.metric.name == DURATION).rows[0].cell
    place = BY_NAME[DURATION].buckets.index(bound)
    assert cell.counts[place : place + 2] == [1, 1]


def test_the_last_exemplar_of_a_bucket_stays(store, call) -> None:
    store.apply(call(duration=0.5, trace_id="a" * 32, span_id="b" * 16))
    store.apply(call(duration=0.6, trace_id="c" * 32, span_id="d" * 16, at=1_763_711_001.0))
    store.apply(call(duration=0.61))  # not recorded: no exemplar
    store.apply(call(duration=5.0, trace_id="e" * 32, span_id="f" * 16))
    cell = next(view for view in store.views(1_763_711_000.0) if view.metric.name == DURATION).rows[0].cell
    assert cell.exemplars == {
        6: ("c" * 32, "d" * 16, 0.6, 1_763_711_001.0),
        9: ("e" * 32, "f" * 16, 5.0, 1_763_711_000.0),
    }


@pytest.mark.parametrize("semconv", ["released", "latest", "both"])
def test_each_vocabulary_shows_its_own_names(call, semconv: str) -> None:
    store = Store(Config(semconv=semconv))
    store.apply(call(**FULL))
    store.apply(call(**{**FULL, "operation": "embeddings", "stream": False}))
    released = {name for name in names(store) if BY_NAME[name].vocabulary == "released"}
    latest = {name for name in names(store) if BY_NAME[name].vocabulary == "latest"}
    assert len(released) == (0 if semconv == "latest" else 4)
    assert len(latest) == (0 if semconv == "released" else 7)


def test_the_latest_vocabulary_tells_embeddings_apart(call, read) -> None:
    store = Store(Config(semconv="both"))
    store.apply(call(**FULL))
    store.apply(call(operation="embeddings", duration=0.1, input_tokens=9))
    assert read(store, "gen_ai_client_inference_duration_seconds") == (1, 0.5)
    assert read(store, "gen_ai_client_embeddings_duration_seconds") == (1, 0.1)
    assert read(store, DURATION, gen_ai_operation_name="embeddings") == (1, 0.1)
    latest = "gen_ai_client_inference_operation_{}_tokens"
    assert read(store, latest.format("input"), gen_ai_operation_name="chat") == (1, 100)
    assert read(store, latest.format("output")) == (1, 40)


def test_custom_labels_follow_the_catalogues(call) -> None:
    store = Store(Config(metric_labels=("tenant", "feature")))
    store.apply(call(labels=("acme", ""), input_tokens=3, cost=0.1, cost_source="provider"))
    for view in store.views(1_763_711_000.0):
        if view.metric.custom:
            assert view.names[-2:] == ("tenant", "feature")
            assert all(row.labels[-2:] == ("acme", "") for row in view.rows)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, -1.0, 1e300])
def test_impossible_numbers_never_reach_a_series(store, call, read, wrong: float) -> None:
    store.apply(call(duration=wrong, first_chunk=wrong, stream=True, input_tokens=wrong, output_tokens=wrong, thinking_tokens=wrong,
                     cache_read_tokens=wrong, cache_write_tokens=wrong, cost=wrong, cost_source="prices", cost_saved=wrong))  # fmt: skip
    assert read(store, DURATION) == (1, 0.0)
    assert names(store) == {DURATION, CALLS}


@pytest.mark.parametrize("record", [None, (), ("x",), "record", 7])
def test_what_is_no_record_is_refused(store, record) -> None:
    with pytest.raises(TypeError, match="takes records"):
        store.apply(record)


def test_a_call_with_wrong_labels_changes_nothing(store, call) -> None:
    with pytest.raises(ValueError, match="1 label values"):
        store.apply(call(labels=("tenant",)))
    assert not names(store)


def test_an_event_can_be_created_at_zero(store, read) -> None:
    labels = ("openai", "gpt-5", "chat", "gpt-5", "claude", "error")
    store.create("otel_llm_fallbacks_total", labels)
    assert read(store, "otel_llm_fallbacks_total") == 0
    store.apply(Event("otel_llm_fallbacks_total", 1.0, labels))
    assert read(store, "otel_llm_fallbacks_total") == 1


def test_impossible_numbers_of_fees_are_no_units(store, call, read) -> None:
    counts = (("a", float("nan")), ("b", -1.0), ("c", float("inf")), ("d", 2.0))
    store.apply(call(fees=counts, incomplete=("a", "b", "c", "d"), cost=1.0, cost_source="prices"))
    assert [read(store, "otel_llm_unpriced_fees_total", fee=name) for name, _ in counts] == [1, 1, 1, 2]
