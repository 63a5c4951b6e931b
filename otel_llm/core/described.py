"""The help text of a metric as users read it: what it counts, its unit, and when a series of it is absent."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .metric import Metric

ALWAYS = "Never absent."
_FIRST = "Absent before the first one."
_WINDOW = "Absent without such calls in the window."
_BASELINE = "Absent before there is a baseline of 20 calls."
_LIMIT = "Absent where replies have no such header."
_BUDGET = "Absent without a budget, and before the first cost."
_ABSENT = {
    "otel_llm_in_flight_requests": "Absent before the first call.",
    "otel_llm_rate_limit_remaining": _LIMIT,
    "otel_llm_rate_limit_limit": _LIMIT,
    "otel_llm_circuit_breaker_state": "Absent before the first breaker.",
    "otel_llm_cache_hit_ratio": "Absent without look-ups in the window.",
    "otel_llm_output_tokens_change_ratio": _BASELINE,
    "otel_llm_spend_usd": "Absent before the first cost.",
    "otel_llm_budget_usd": "Absent without a budget.",
    "otel_llm_budget_used_ratio": _BUDGET,
    "otel_llm_budget_forecast_ratio": _BUDGET,
    "otel_llm_evaluation_mean": "Absent without scores in the window.",
    "otel_llm_evaluation_zscore": "Absent before there is a baseline of scores.",
    "otel_llm_zscore": _BASELINE,
    "otel_llm_baseline_mean": _BASELINE,
    "otel_llm_baseline_stddev": _BASELINE,
    "otel_llm_baseline_samples": _BASELINE,
    "otel_llm_baseline_shifted_seconds": "Absent while the level is the former one.",
    "otel_llm_build_info": ALWAYS,
    "otel_llm_start_time_seconds": ALWAYS,
    "otel_llm_processes": ALWAYS,
    "otel_llm_backlog_bytes": ALWAYS,
    "otel_llm_price_table_age_seconds": ALWAYS,
    "otel_llm_series": ALWAYS,
    "otel_llm_internal_errors_total": ALWAYS,
    "otel_llm_scrape_duration_seconds": "Absent in the first scrape.",
    "otel_llm_gateway_held_calls": "Absent where no gateway runs.",
    "otel_llm_instrumented": "Absent before a library is imported.",
}
_UNITS = {
    "s": "seconds",
    "1": "a ratio, 1 is all",
    "{USD}": "US dollars",
    "{USD}/h": "US dollars per hour",
    "{request}/s": "calls per second",
    "{token}/s": "tokens per second",
    "{request}": "calls",
    "{sigma}": "standard deviations",
    "{score}": "the evaluation's own",
    "{unit}": "requests or tokens, by kind",
    "{state}": "0 or 1",
    "{build}": "always 1",
    "{library}": "always 1",
    "{series}": "series",
    "{process}": "processes",
    "{retry}": "retries",
    "{anomaly}": "anomalies",
}
_SIGNALS = "the signal's: seconds, tokens or US dollars"


@cache
def described(metric: Metric) -> str:
    """The help text with unit and absence, in one line."""
    absent = _ABSENT.get(metric.name) or (_WINDOW if metric.section == "derived" else _FIRST)
    return f"{metric.help} Unit: {unit(metric)}. {absent}"


def unit(metric: Metric) -> str:
    """The unit in words."""
    if metric.name.startswith("otel_llm_baseline_") and metric.unit == "{value}":
        return _SIGNALS
    return _UNITS.get(metric.unit) or f"{metric.unit.strip('{}')}s"
