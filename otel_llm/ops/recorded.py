"""Names of the recorded metrics: what the rules write and what dashboards may read, the same for both vocabularies.

Each also carries the labels of ``SERVICE``: the level in a name says which other labels there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICE = ("job", "namespace", "cluster", "environment", "service_name")
"""What distinguishes services by default; a label that no series has costs nothing."""
CUSTOM = ("tenant", "feature", "team", "customer")
"""Labels of ``OTEL_LLM_METRIC_LABELS`` that rates are also recorded by; others are named at the export."""
PROVIDER_MODEL = ("gen_ai_provider_name", "gen_ai_request_model")
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")

OWN = "service:otel_llm_calls:count"  # series of otel-llm's own counter: what others emit beside it is not counted
OTHERS = "other:otel_llm_calls:rate5m"  # of targets without otel-llm's own counter: what other packages count
EACH = "call:otel_llm_calls:rate5m"  # calls per second by all but the instance: read by the records of calls
CALLS_BY_ERROR = "provider_model_error:otel_llm_calls:rate5m"  # calls per second, error_type "" where they succeeded
CALLS = "provider_model:otel_llm_calls:rate5m"  # calls per second
FAILED_CALLS = "provider_model:otel_llm_failed_calls:rate5m"  # 0 where nothing failed
ERRORS = "provider_model:otel_llm_errors:ratio_rate5m"  # 0 where nothing failed
ERRORS_BY_TYPE = "provider_model_error:otel_llm_errors:ratio_rate5m"
CALLS_BY_CUSTOM = "provider_model_custom:otel_llm_calls:rate5m"
ENDS_BY_INSTANCE = "instance_error:otel_llm_calls:rate5m"
CALLS_BY_INSTANCE = "instance:otel_llm_calls:rate5m"
FAILED_BY_INSTANCE = "instance:otel_llm_failed_calls:rate5m"
CALLS_BY_OPERATION = "operation:otel_llm_calls:rate5m"

BUCKETS = "provider_model_le:otel_llm_duration_seconds_bucket:rate5m"  # successful calls
SECONDS = "provider_model:otel_llm_duration_seconds_sum:rate5m"  # of successful calls
OK_CALLS = "provider_model:otel_llm_ok_calls:rate5m"
SLOW_CALLS = "provider_model:otel_llm_slow_calls:rate5m"  # successful, but slower than the latency objective
DURATION = "provider_model:otel_llm_duration_seconds:quantile5m"  # successful calls
FAILED_BUCKETS = "error_le:otel_llm_duration_seconds_bucket:rate5m"  # failed calls
CUSTOM_BUCKETS = "custom_le:otel_llm_duration_seconds_bucket:rate5m"  # successful calls, by custom labels
FIRST_CHUNK_BUCKETS = "provider_model_le:otel_llm_first_chunk_seconds_bucket:rate5m"
FIRST_CHUNK = "provider_model:otel_llm_first_chunk_seconds:quantile5m"
CHUNK_GAP_BUCKETS = "le:otel_llm_chunk_gap_seconds_bucket:rate5m"

INPUT_SUM = "provider_model:otel_llm_input_tokens_sum:rate5m"  # of successful calls
INPUT_COUNT = "provider_model:otel_llm_input_tokens_count:rate5m"
INPUT_TOKENS = "provider_model:otel_llm_input_tokens:mean5m"
OUTPUT_SUM = "provider_model:otel_llm_output_tokens_sum:rate5m"
OUTPUT_COUNT = "provider_model:otel_llm_output_tokens_count:rate5m"
OUTPUT_TOKENS = "provider_model:otel_llm_output_tokens:mean5m"
OUTPUT_TOKENS_15M = "provider_model:otel_llm_output_tokens:mean15m"
OUTPUT_BUCKETS = "le:otel_llm_output_tokens_bucket:rate5m"
OUTPUT_VARIATION = "provider_model:otel_llm_output_tokens:variation"  # standard deviation over mean
THINKING_BUCKETS = "le:otel_llm_thinking_tokens_bucket:rate5m"
TOKENS = "provider_model_kind:otel_llm_tokens:rate5m"  # of all calls: input, output, cache_read, cache_write, thinking
MODALITIES = "modality:otel_llm_input_tokens:rate5m"
PROMPT_CACHE = "provider_model:otel_llm_prompt_cache_read:ratio_rate5m"  # cached share of input
PROMPT_CACHE_MISSES = "model_reason:otel_llm_prompt_cache_misses:rate5m"
AVOIDABLE = "service:otel_llm_cache_avoidable_usd:rate5m"
INCOMPLETE = "provider_model:otel_llm_incomplete_requests:rate5m"
DECISIONS = "budget:otel_llm_budget_decisions:rate5m"  # of guards
PROMPT_CACHE_BASELINE = "provider_model:otel_llm_prompt_cache_read:baseline_ratio1d"

FALLBACKS = "provider_model:otel_llm_fallbacks:ratio_rate5m"
FALLBACK_PATHS = "path:otel_llm_fallbacks:rate5m"  # from, to, why
LOOKUPS = "provider_model_cache:otel_llm_cache_requests:rate5m"  # by result
CACHE_HITS = "provider_model_cache:otel_llm_cache_hits:ratio_rate15m"
FINISHED = "provider_model_finish:otel_llm_finish_reasons:rate5m"  # all reasons, as the provider names them
GUARDRAIL_CHECKS = "guardrail:otel_llm_guardrail_checks:rate5m"
EVALUATION_MEAN = "provider_model_evaluation:otel_llm_evaluation_mean:avg"
EVALUATION_ZSCORE = "provider_model_evaluation:otel_llm_evaluation_zscore:min"
ANSWER_PROBLEMS = "provider_model_kind:otel_llm_answer_problems:rate5m"
FINISH_REASONS = "provider_model_finish:otel_llm_finish_reasons:ratio_rate15m"  # length and content_filter only
RATE_LIMIT_LEFT = "provider_model_kind:otel_llm_rate_limit_remaining:ratio"
RETRIES = "provider_model_reason:otel_llm_retries:rate5m"
RETRY_WAIT = "provider_model_reason:otel_llm_retry_wait_seconds:rate5m"
BREAKER_OPEN = "breaker:otel_llm_circuit_breaker_open:max"  # 1 while it is open, 0.5 half open, 0 closed
SEEN = "instance:otel_llm_seen:seconds"  # when a target last showed otel-llm's metrics, for a day
IN_FLIGHT = "provider_model:otel_llm_in_flight_requests:sum"

COST = "provider_model:otel_llm_cost_usd:rate5m"  # US dollars per second
COST_BY_CUSTOM = "provider_model_custom:otel_llm_cost_usd:rate5m"
COST_BY_SOURCE = "source:otel_llm_cost_usd:rate5m"
COST_BY_ROUTE = "route:otel_llm_http_request_cost_usd_sum:rate5m"
COST_BUCKETS = "le:otel_llm_request_cost_usd_bucket:rate5m"
COST_PER_REQUEST = "provider_model:otel_llm_request_cost_usd:mean5m"
SAVINGS = "provider_model:otel_llm_cache_savings_usd:rate5m"
COST_ALL = "llm:otel_llm_cost_usd:rate1h"  # US dollars per second, all models
SPEND = "job_budget:otel_llm_spend_usd:sum"
BUDGET = "job_budget:otel_llm_budget_usd:max"
BUDGET_FORECAST = "job_budget:otel_llm_budget_forecast:ratio"
NOW = "llm:otel_llm_now:seconds"  # the time of the evaluation: calendar periods are worked out from it
FLEET_SPEND = "job:otel_llm_cost_usd:period"  # spent in the calendar day and month (UTC), by the counter
UNPRICED = "provider_model:otel_llm_unpriced_requests:increase5m"
USAGE_UNKNOWN = "provider_model_reason:otel_llm_usage_unknown:rate5m"
OVERFLOW = "label:otel_llm_label_overflow:increase5m"
INTERNAL_ERRORS = "component:otel_llm_internal_errors:increase5m"

AGENT_RUNS = "agent:gen_ai_invoke_agent:increase5m"
FAILED_AGENT_RUNS = "agent:gen_ai_invoke_agent_failed:increase5m"  # absent where nothing failed
RUN_COST = "agent:otel_llm_run_cost_usd:increase5m"
PRICED_RUNS = "agent:otel_llm_run_cost_runs:increase5m"
TOOL_RUNS = "tool:gen_ai_execute_tool:increase5m"
FAILED_TOOL_RUNS = "tool:gen_ai_execute_tool_failed:increase5m"  # absent where nothing failed
TOOL_REPEATS = "agent_tool:otel_llm_tool_repeats:increase5m"  # absent where nothing was repeated

AGENT_ENDS = "agent:gen_ai_invoke_agent:rate5m"  # by error type
AGENT_BUCKETS = "agent:gen_ai_invoke_agent_duration_bucket:rate5m"
MODEL_CALLS_SUM = "agent:gen_ai_invoke_agent_inference_calls_sum:rate5m"
MODEL_CALLS_COUNT = "agent:gen_ai_invoke_agent_inference_calls_count:rate5m"
TOOL_CALLS_SUM = "agent:gen_ai_invoke_agent_tool_calls_sum:rate5m"
TOOL_CALLS_COUNT = "agent:gen_ai_invoke_agent_tool_calls_count:rate5m"
RUN_COST_BUCKETS = "agent:otel_llm_run_cost_usd_bucket:rate5m"
AGENT_COST = "agent:otel_llm_agent_cost_usd:rate5m"
AGENT_TOKENS = "agent:otel_llm_agent_tokens:rate5m"
TOOL_ENDS = "tool:gen_ai_execute_tool:rate5m"  # by error type
TOOL_BUCKETS = "tool:gen_ai_execute_tool_duration_bucket:rate5m"
WORKFLOW_BUCKETS = "workflow:gen_ai_invoke_workflow_duration_bucket:rate5m"
SERVER_ENDS = "method:mcp_server_operation:rate5m"  # by error type
SERVER_BUCKETS = "method:mcp_server_operation_duration_bucket:rate5m"
CLIENT_ENDS = "method:mcp_client_operation:rate5m"  # by error type
CLIENT_BUCKETS = "method:mcp_client_operation_duration_bucket:rate5m"
RETRIEVAL_BUCKETS = "source:otel_llm_retrieval_duration_bucket:rate5m"
RETRIEVED_SUM = "source:otel_llm_retrieval_documents_sum:rate5m"
RETRIEVED_COUNT = "source:otel_llm_retrieval_documents_count:rate5m"

OWN_ZSCORE = "provider_model_signal:otel_llm_zscore:worst"  # of all processes the farthest from zero, by kind
OWN_HIGHEST, OWN_LOWEST = (
    f"provider_model_signal:otel_llm_zscore:{fold}" for fold in ("max", "min")
)  # of all processes, by kind
OWN_BASELINE = "provider_model_signal:otel_llm_baseline:max"  # by part: samples, mean, stddev, shifted_seconds
OUTPUT_CHANGE = "provider_model:otel_llm_output_tokens_change:worst"
BREAKER_STEPS = "breaker:otel_llm_circuit_breaker_transitions:increase5m"
TARGETS = "service:otel_llm_targets:count"  # of the last day, by state: up and down
STARTED = "service:otel_llm_started:count5m"  # targets that began within five minutes; absent where none did
PROCESSES = "service:otel_llm_processes:sum"
SERIES = "instance:otel_llm_series:max"
SCRAPE = "instance:otel_llm_scrape_duration_seconds:max"
WATCHED = "library:otel_llm_instrumented:count"
VERSIONS = "version:otel_llm_build_info:count"

SIGNAL = "provider_model:otel_llm_signal:mean5m"
BASELINE_MEAN = "provider_model:otel_llm_signal:baseline_mean1d"
BASELINE_STDDEV = "provider_model:otel_llm_signal:baseline_stddev1d"
ZSCORE = "provider_model:otel_llm_signal:zscore1d"  # only with enough samples and spread
ODD_CALLS = "provider_model_signal:otel_llm_anomalies:rate5m"  # by severity
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

_OF_MODEL = (*SERVICE, *PROVIDER_MODEL)
_BY_MODEL = (
    CALLS, FAILED_CALLS, ERRORS, SECONDS, OK_CALLS, SLOW_CALLS, INPUT_SUM, INPUT_COUNT, INPUT_TOKENS, OUTPUT_SUM, OUTPUT_COUNT,
    OUTPUT_TOKENS, OUTPUT_TOKENS_15M, OUTPUT_VARIATION, PROMPT_CACHE, PROMPT_CACHE_BASELINE, FALLBACKS, IN_FLIGHT, COST,
    COST_PER_REQUEST, SAVINGS, UNPRICED, VARIATION_BASELINE, OUTPUT_CHANGE, INCOMPLETE, *(SLO_CALLS + window for window in WINDOWS),
)  # fmt: skip
_MORE: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("error_type",): (CALLS_BY_ERROR, ERRORS_BY_TYPE),
    ("le",): (BUCKETS, FIRST_CHUNK_BUCKETS),
    ("quantile",): (DURATION, FIRST_CHUNK),
    ("kind",): (TOKENS, RATE_LIMIT_LEFT, ANSWER_PROBLEMS),
    ("cache",): (CACHE_HITS,),
    ("cache", "result"): (LOOKUPS,),
    ("gen_ai_evaluation_name",): (EVALUATION_MEAN, EVALUATION_ZSCORE),
    ("finish_reason",): (FINISHED, FINISH_REASONS, FINISH_BASELINE),
    ("reason",): (RETRIES, RETRY_WAIT, USAGE_UNKNOWN),
    ("signal",): (SIGNAL, BASELINE_MEAN, BASELINE_STDDEV, ZSCORE, HOUR_STDDEV, SPREAD, LEVEL),
    ("signal", "kind"): (OWN_ZSCORE, OWN_HIGHEST, OWN_LOWEST),
    ("signal", "part"): (OWN_BASELINE,),
    ("signal", "season"): (SEASON,),
    ("signal", "severity"): (UPPER, LOWER),
    ("signal", "direction", "severity"): (ANOMALOUS, ODD_CALLS),
    ("slo",): (SLO_BUDGET_LEFT, *(SLO_ERRORS + window for window in WINDOWS)),
    CUSTOM: (CALLS_BY_CUSTOM, COST_BY_CUSTOM),
    (*CUSTOM, "gen_ai_operation_name", "error_type"): (EACH,),
    (*CUSTOM, "gen_ai_operation_name", "error_type", "instance", "pod"): (OTHERS,),
}  # beside service, provider and model
_OF_SERVICE: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("le",): (CHUNK_GAP_BUCKETS, OUTPUT_BUCKETS, THINKING_BUCKETS, COST_BUCKETS),
    ("error_type", "le"): (FAILED_BUCKETS,),
    (*CUSTOM, "le"): (CUSTOM_BUCKETS,),
    ("instance", "pod"): (CALLS_BY_INSTANCE, FAILED_BY_INSTANCE),
    ("instance", "pod", "error_type"): (ENDS_BY_INSTANCE,),
    ("gen_ai_operation_name",): (CALLS_BY_OPERATION,),
    ("gen_ai_token_modality",): (MODALITIES,),
    ("from_model", "to_model", "reason"): (FALLBACK_PATHS,),
    ("cost_source",): (COST_BY_SOURCE,),
    ("http_route",): (COST_BY_ROUTE,),
    ("instance",): (SEEN, SERIES, SCRAPE),
    ("state",): (TARGETS, PROCESSES),
    ("library", "version"): (WATCHED,),
    ("version",): (VERSIONS,),
    ("budget", "period"): (SPEND, BUDGET, BUDGET_FORECAST),
    ("period",): (FLEET_SPEND,),
    ("breaker",): (BREAKER_OPEN,),
    ("breaker", "to_state"): (BREAKER_STEPS,),
    ("label",): (OVERFLOW,),
    ("gen_ai_request_model", "reason"): (PROMPT_CACHE_MISSES,),
    ("budget", "decision"): (DECISIONS,),
    ("guardrail", "result"): (GUARDRAIL_CHECKS,),
    ("component",): (INTERNAL_ERRORS,),
    ("gen_ai_agent_name",): (
        AGENT_RUNS,
        FAILED_AGENT_RUNS,
        RUN_COST,
        PRICED_RUNS,
        MODEL_CALLS_SUM,
        MODEL_CALLS_COUNT,
        TOOL_CALLS_SUM,
        TOOL_CALLS_COUNT,
        AGENT_COST,
        AGENT_TOKENS,
    ),
    ("gen_ai_agent_name", "error_type"): (AGENT_ENDS,),
    ("gen_ai_agent_name", "le"): (AGENT_BUCKETS, RUN_COST_BUCKETS),
    ("gen_ai_tool_name",): (TOOL_RUNS, FAILED_TOOL_RUNS),
    ("gen_ai_tool_name", "error_type"): (TOOL_ENDS,),
    ("gen_ai_tool_name", "le"): (TOOL_BUCKETS,),
    ("gen_ai_workflow_name", "le"): (WORKFLOW_BUCKETS,),
    ("mcp_method_name", "error_type"): (SERVER_ENDS, CLIENT_ENDS),
    ("mcp_method_name", "le"): (SERVER_BUCKETS, CLIENT_BUCKETS),
    ("gen_ai_data_source_id",): (RETRIEVED_SUM, RETRIEVED_COUNT),
    ("gen_ai_data_source_id", "le"): (RETRIEVAL_BUCKETS,),
    ("gen_ai_agent_name", "gen_ai_tool_name"): (TOOL_REPEATS,),
    (): (COST_ALL, STARTED, AVOIDABLE, OWN),
}  # beside the service

LABELS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(_BY_MODEL, _OF_MODEL),
    **{name: (*_OF_MODEL, *more) for more, names in _MORE.items() for name in names},
    **{name: (*SERVICE, *more) for more, names in _OF_SERVICE.items() for name in names},
    SLO_OBJECTIVE: ("slo",),
    NOW: (),
}  # every recorded metric and its labels
