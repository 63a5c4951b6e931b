"""/metrics and the host's own MeterProvider are told the same: every series, every value."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader

from otel_llm.aggregate import Histogram, Store
from otel_llm.core.catalogue import METRICS
from otel_llm.core.config import Config
from otel_llm.core.model import Event, Observation
from otel_llm.core.semconv.labels import attribute
from otel_llm.outputs.instruments import Instruments

AT = 1_763_711_000.0
COUNT = st.none() | st.integers(0, 5000)
MONEY = st.none() | st.sampled_from([0.0, 2**-10, 2**-4])
CALLS = st.builds(
    Observation,
    at=st.just(AT), provider=st.sampled_from(["openai", "anthropic"]), request_model=st.sampled_from(["a", "b", ""]),
    operation=st.sampled_from(["chat", "embeddings"]), response_model=st.sampled_from(["a-1", ""]), server_address=st.just("host"),
    error_type=st.sampled_from(["", "", "timeout", "SomethingElse"]), duration=st.integers(0, 4000).map(lambda n: n / 4),
    labels=st.sampled_from([("acme",), ("",)]), stream=st.booleans(), first_chunk=st.none() | st.sampled_from([0.25, 4.0]),
    chunk_gaps=st.just(()), chunk_gap_sum=st.just(0.0), input_tokens=COUNT, output_tokens=COUNT, cache_read_tokens=COUNT,
    cache_write_tokens=COUNT, thinking_tokens=COUNT,
    modalities=st.sampled_from([(), (("input", "text", 3), ("output", "audio", 4)), (("output", "text", 9000),)]),
    usage_unknown=st.sampled_from(["", "missing"]), cost=MONEY, cost_source=st.sampled_from(["prices", "provider", "unpriced"]),
    cost_saved=st.sampled_from([0.0, 0.5]), finish_reasons=st.sampled_from([(), ("stop",), ("stop", "length", "stop")]),
    trace_id=st.just(""), span_id=st.just(""), cost_avoidable=st.sampled_from([0.0, 0.25]), cache_miss=st.sampled_from(["", "expired"]),
    fees=st.sampled_from([(), (("web_search", 2.0),)]), incomplete=st.sampled_from([(), ("web_search",), ("audio",)]),
    agent=st.sampled_from(["", "helper"]), cache_missed_tokens=COUNT, server_port=st.none(),
)  # fmt: skip
CALL = ("openai", "a", "chat")
EVENTS = st.sampled_from([
    Event("otel_llm_retries_total", AT, (*CALL, "timeout", "")),
    Event("otel_llm_retry_wait_seconds_total", AT, (*CALL, "timeout", ""), 0.5),
    Event("otel_llm_fallbacks_total", AT, (*CALL, "a", "b", "error", "acme")),
    Event("otel_llm_rate_limit_limit", AT, (*CALL, "tokens"), 7.0),
    Event("otel_llm_http_request_cost_usd", AT, ("/chat", ""), 0.25),
])  # fmt: skip
RECORDED = {metric.name: metric for metric in METRICS if metric.section in ("conventions", "latest", "events")}


def of_store(store: Store) -> Iterator[tuple[object, object]]:
    for view in store.views(AT):
        if view.metric.name in RECORDED:
            for row in view.rows:
                cell = row.cell
                labels = frozenset((name, value) for name, value in zip(view.names, row.labels, strict=True) if value)
                yield (
                    (view.metric.otel, labels),
                    (tuple(cell.counts), cell.sum) if isinstance(cell, Histogram) else cell.value,
                )


def of_instruments(reader: InMemoryMetricReader) -> Iterator[tuple[object, object]]:
    label = {attribute(name): name for metric in METRICS for name in metric.labels}
    told = reader.get_metrics_data()
    for metric in told.resource_metrics[0].scope_metrics[0].metrics if told is not None else ():
        for point in metric.data.data_points:
            labels = frozenset((label.get(name, name), value) for name, value in point.attributes.items())
            value = (tuple(point.bucket_counts), point.sum) if isinstance(point, HistogramDataPoint) else point.value
            yield (metric.name, labels), value


@pytest.mark.parametrize("semconv", ["released", "both"])
@settings(max_examples=60, deadline=None)
@given(records=st.lists(CALLS | EVENTS, max_size=12))
def test_both_show_the_same(semconv: str, records: list[Observation | Event]) -> None:
    config = Config(semconv=semconv, series="full", metric_labels=("tenant",))
    store = Store(config)
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    instruments = Instruments(provider.get_meter("otel_llm"), config)
    for record in records:
        store.apply(record)
        instruments(record)
    assert dict(of_store(store)) == dict(of_instruments(reader))
    provider.shutdown()


def recorded(*records: Observation | Event, semconv: str = "released") -> dict[str, list[dict[str, object]]]:
    """The attributes of each instrument's points."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    instruments = Instruments(provider.get_meter("otel_llm"), Config(semconv=semconv, metric_labels=("tenant",)))
    for record in records:
        instruments(record)
    metrics = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    provider.shutdown()
    return {metric.name: [dict(point.attributes) for point in metric.data.data_points] for metric in metrics}


def test_a_port_stands_beside_each_address() -> None:
    call = Observation(AT, "openai", "a", "chat", "a-1", "host", "", 0.5, ("acme",), input_tokens=3, server_port=8443)
    told = recorded(call)
    known = {
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "a",
        "gen_ai.operation.name": "chat",
        "tenant": "acme",
    }
    wide = {**known, "gen_ai.response.model": "a-1", "server.address": "host", "server.port": 8443}
    assert told["gen_ai.client.operation.duration"] == [wide]
    assert told["gen_ai.client.token.usage"] == [{**wide, "gen_ai.token.type": "input"}]
    assert told["gen_ai.client.inference.usage.input_tokens"] == [{**known, "gen_ai.token.modality": "unknown"}]
    without = recorded(call._replace(server_address=""))
    assert "server.port" not in without["gen_ai.client.operation.duration"][0]


def test_labels_of_ours_have_a_namespace() -> None:
    told = recorded(Event("otel_llm_retries_total", AT, ("openai", "a", "chat", "timeout", "acme")))
    assert told == {"otel_llm.retries": [{
        "gen_ai.provider.name": "openai", "gen_ai.request.model": "a", "gen_ai.operation.name": "chat", "otel_llm.reason": "timeout",
        "tenant": "acme",
    }]}  # fmt: skip


def test_embeddings_are_no_inference_in_the_latest_vocabulary() -> None:
    call = Observation(AT, "openai", "a", "embeddings", "a-1", "host", "", 0.5, ("",), input_tokens=3)
    told = set(recorded(call, semconv="latest"))
    assert {name for name in told if name.startswith("gen_ai.client.embeddings")} == {
        "gen_ai.client.embeddings.duration", "gen_ai.client.embeddings.operation.input_tokens",
    }  # fmt: skip
    assert {name for name in told if name.startswith("gen_ai.client.inference")} == {
        "gen_ai.client.inference.usage.input_tokens"
    }
