"""Names of the recorded metrics: what the rules write and what dashboards may read, the same for both vocabularies."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PROVIDER_MODEL = ("gen_ai_provider_name", "gen_ai_request_model")

CALLS = "provider_model:otel_llm_calls:rate5m"  # calls per second
ERRORS = "provider_model:otel_llm_errors:ratio_rate5m"  # 0 where nothing failed
ERRORS_BY_TYPE = "provider_model_error:otel_llm_errors:ratio_rate5m"
DURATION = "provider_model:otel_llm_duration_seconds:quantile5m"  # successful calls
FIRST_CHUNK = "provider_model:otel_llm_first_chunk_seconds:quantile5m"
INPUT_TOKENS = "provider_model:otel_llm_input_tokens:mean5m"
OUTPUT_TOKENS = "provider_model:otel_llm_output_tokens:mean5m"
OUTPUT_TOKENS_15M = "provider_model:otel_llm_output_tokens:mean15m"
OUTPUT_VARIATION = "provider_model:otel_llm_output_tokens:variation"  # standard deviation over mean
FALLBACKS = "provider_model:otel_llm_fallbacks:ratio_rate5m"
CACHE_HITS = "provider_model_cache:otel_llm_cache_hits:ratio_rate15m"
FINISH_REASONS = "provider_model_finish:otel_llm_finish_reasons:ratio_rate15m"  # length and content_filter only
RATE_LIMIT_LEFT = "provider_model_kind:otel_llm_rate_limit_remaining:ratio"

COST = "provider_model:otel_llm_cost_usd:rate5m"  # US dollars per second
COST_PER_REQUEST = "provider_model:otel_llm_request_cost_usd:mean5m"
COST_ALL = "llm:otel_llm_cost_usd:rate1h"  # US dollars per second, everything together
SPEND = "job_budget:otel_llm_spend_usd:sum"
BUDGET = "job_budget:otel_llm_budget_usd:max"
BUDGET_FORECAST = "job_budget:otel_llm_budget_forecast:ratio"

SIGNAL = "provider_model:otel_llm_signal:mean5m"
BASELINE_MEAN = "provider_model:otel_llm_signal:baseline_mean1d"
BASELINE_STDDEV = "provider_model:otel_llm_signal:baseline_stddev1d"
ZSCORE = "provider_model:otel_llm_signal:zscore1d"  # only with enough samples and spread
ANOMALOUS = "provider_model_signal:otel_llm_anomalies:ratio_rate15m"  # share of calls, by severity
VARIATION_BASELINE = "provider_model:otel_llm_output_tokens:variation_baseline1d"
FINISH_BASELINE = "provider_model_finish:otel_llm_finish_reasons:baseline_ratio1d"

HOUR_STDDEV = "provider_model:otel_llm_signal:stddev1h"
SPREAD = "provider_model:otel_llm_signal:spread1d"  # the deviation that is usual within an hour
SEASON = "provider_model:otel_llm_signal:season_mean1h"  # the hour around this time, one, two, three and seven days ago
LEVEL = "otel_llm_anomaly:level"
UPPER = "otel_llm_anomaly:upper"  # by severity: warning and critical
LOWER = "otel_llm_anomaly:lower"

SLO_CALLS = "provider_model:otel_llm_slo_calls:rate"  # + window, as 5m
SLO_ERRORS = "provider_model:otel_llm_slo_errors:ratio_rate"  # + window
SLO_OBJECTIVE = "llm:otel_llm_slo_objective:ratio"
SLO_BUDGET_LEFT = "provider_model:otel_llm_slo_budget_left:ratio30d"  # 1 is untouched, below 0 is overspent

SIGNALS = ("latency", "output_tokens", "cost")

LABELS: Mapping[str, tuple[str, ...]] = {
    CALLS: PROVIDER_MODEL,
    ERRORS: PROVIDER_MODEL,
    ERRORS_BY_TYPE: (*PROVIDER_MODEL, "error_type"),
    DURATION: (*PROVIDER_MODEL, "quantile"),  # 0.5, 0.95, 0.99
    FIRST_CHUNK: (*PROVIDER_MODEL, "quantile"),
    INPUT_TOKENS: PROVIDER_MODEL,
    OUTPUT_TOKENS: PROVIDER_MODEL,
    OUTPUT_TOKENS_15M: PROVIDER_MODEL,
    OUTPUT_VARIATION: PROVIDER_MODEL,
    FALLBACKS: PROVIDER_MODEL,
    CACHE_HITS: (*PROVIDER_MODEL, "cache"),
    FINISH_REASONS: (*PROVIDER_MODEL, "finish_reason"),
    RATE_LIMIT_LEFT: (*PROVIDER_MODEL, "kind"),
    COST: PROVIDER_MODEL,
    COST_PER_REQUEST: PROVIDER_MODEL,
    COST_ALL: (),
    SPEND: ("job", "budget", "period"),
    BUDGET: ("job", "budget", "period"),
    BUDGET_FORECAST: ("job", "budget", "period"),
    SIGNAL: (*PROVIDER_MODEL, "signal"),
    BASELINE_MEAN: (*PROVIDER_MODEL, "signal"),
    BASELINE_STDDEV: (*PROVIDER_MODEL, "signal"),
    ZSCORE: (*PROVIDER_MODEL, "signal"),
    ANOMALOUS: (*PROVIDER_MODEL, "signal", "direction", "severity"),
    VARIATION_BASELINE: PROVIDER_MODEL,
    FINISH_BASELINE: (*PROVIDER_MODEL, "finish_reason"),
    HOUR_STDDEV: (*PROVIDER_MODEL, "signal"),
    SPREAD: (*PROVIDER_MODEL, "signal"),
    SEASON: (*PROVIDER_MODEL, "signal", "season"),
    LEVEL: (*PROVIDER_MODEL, "signal"),
    UPPER: (*PROVIDER_MODEL, "signal", "severity"),
    LOWER: (*PROVIDER_MODEL, "signal", "severity"),
    SLO_OBJECTIVE: ("slo",),
    SLO_BUDGET_LEFT: (*PROVIDER_MODEL, "slo"),
    **{SLO_CALLS + window: PROVIDER_MODEL for window in ("5m", "30m", "1h", "2h", "6h", "1d", "3d")},
    **{SLO_ERRORS + window: (*PROVIDER_MODEL, "slo") for window in ("5m", "30m", "1h", "2h", "6h", "1d", "3d")},
}  # every recorded metric and its labels
