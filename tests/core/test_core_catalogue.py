"""A metric's PromQL: names and labels that it has, and none that it has not."""

from __future__ import annotations

import pytest

from otel_llm.core.catalogue import BY_NAME, METRICS

DURATION = BY_NAME["gen_ai_client_operation_duration_seconds"]
RETRIES = BY_NAME["otel_llm_retries_total"]
SERIES = BY_NAME["otel_llm_series"]


def test_a_selector_quotes_its_values_and_keeps_operators() -> None:
    where = {"error_type": "!=", "gen_ai_request_model": "=~gpt-.*"}
    assert DURATION.selector("_count", **where) == (
        'gen_ai_client_operation_duration_seconds_count{error_type!="", gen_ai_request_model=~"gpt-.*"}'
    )
    assert SERIES.selector() == "otel_llm_series"


def test_rates() -> None:
    assert DURATION.rate("1h", by=("error_type",)) == (
        "sum by (error_type) (rate(gen_ai_client_operation_duration_seconds_count[1h]))"
    )
    assert RETRIES.rate() == "sum (rate(otel_llm_retries_total[5m]))"
    assert DURATION.total() == "sum (rate(gen_ai_client_operation_duration_seconds_sum[5m]))"


def test_a_quantile_keeps_the_buckets() -> None:
    assert DURATION.quantile(0.95, by=("gen_ai_request_model",)) == (
        "histogram_quantile(0.95, sum by (gen_ai_request_model, le) (rate(gen_ai_client_operation_duration_seconds_bucket[5m])))"
    )


def test_a_label_that_it_has_not_is_refused() -> None:
    with pytest.raises(ValueError, match=r"otel_llm_series has no label model, tenant"):
        SERIES.selector(tenant="acme", model="x")
    assert DURATION.selector(tenant="acme").endswith('{tenant="acme"}')  # of OTEL_LLM_METRIC_LABELS, perhaps


def test_names_as_they_are_scraped() -> None:
    assert RETRIES.family == "otel_llm_retries"
    assert SERIES.family == "otel_llm_series"
    assert SERIES.samples == ("otel_llm_series",)
    assert [name.removeprefix(DURATION.name) for name in DURATION.samples] == ["_bucket", "_sum", "_count"]


def test_the_catalogue_keeps_prometheus_s_rules() -> None:
    assert len(BY_NAME) == len(METRICS)
    assert [metric.name for metric in METRICS if metric.name.endswith("_total") != (metric.kind == "counter")] == []
    assert [metric.name for metric in METRICS if bool(metric.buckets) != (metric.kind == "histogram")] == []
