"""Every metric there is. Instruments, /metrics, docs, rules and dashboards are all made from here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .measures import TOKEN_KINDS
from .metric import Adds, Kind, Metric, Section
from .semconv.instruments import INSTRUMENTS
from .semconv.vocabulary import words
from .series import CALL, COST_BUCKETS, COUNT_BUCKETS, DURATION_BUCKETS, MODEL, SCORE_BUCKETS, TOKEN_BUCKETS, WIDE


def _histogram(name: str, otel: str, help: str, labels: tuple[str, ...], buckets: tuple[float, ...]) -> Metric:
    """A histogram of the conventions: unit and vocabulary are theirs."""
    fact = INSTRUMENTS[otel]
    vocabulary = fact.words[0] if len(fact.words) == 1 else ""
    section: Section = "latest" if vocabulary == "latest" else "conventions"
    return Metric(
        name, otel, "histogram", fact.unit, help, labels, section, buckets, custom=True, vocabulary=vocabulary
    )


def _conventions() -> tuple[Metric, ...]:
    duration, tokens = DURATION_BUCKETS, TOKEN_BUCKETS
    return (
        _histogram("gen_ai_client_operation_duration_seconds", "gen_ai.client.operation.duration",
                   "Duration of an LLM call, retries included.", (*WIDE, "error_type"), duration),
        _histogram("gen_ai_client_token_usage", "gen_ai.client.token.usage",
                   "Tokens per successful call; input includes cached, output includes thinking.",
                   (*WIDE, "gen_ai_token_type"), tokens),
        _histogram("gen_ai_client_operation_time_to_first_chunk_seconds", "gen_ai.client.operation.time_to_first_chunk",
                    "Time from the start of a streamed call to its first chunk of output.", WIDE, duration),
        _histogram("gen_ai_client_operation_time_per_output_chunk_seconds",
                   "gen_ai.client.operation.time_per_output_chunk",
                   "Time between chunks of output of a streamed call.", WIDE, duration),
        _histogram("gen_ai_client_inference_duration_seconds", "gen_ai.client.inference.duration",
                   "Duration of an inference call, retries included.", (*WIDE, "error_type"), duration),
        _histogram("gen_ai_client_embeddings_duration_seconds", "gen_ai.client.embeddings.duration",
                   "Duration of an embeddings call, retries included.", (*WIDE, "error_type"), duration),
        _histogram("gen_ai_client_embeddings_operation_input_tokens", "gen_ai.client.embeddings.operation.input_tokens",
                    "Input tokens per successful embeddings call.", WIDE, tokens),
        _histogram("gen_ai_client_inference_operation_input_tokens", "gen_ai.client.inference.operation.input_tokens",
                    "Input tokens per successful call, cached included.", WIDE, tokens),
        _histogram("gen_ai_client_inference_operation_output_tokens", "gen_ai.client.inference.operation.output_tokens",
                    "Output tokens per successful call, thinking included.", WIDE, tokens),
        _histogram("gen_ai_client_inference_time_to_first_chunk_seconds", "gen_ai.client.inference.time_to_first_chunk",
                    "Time from the start of a streamed call to its first chunk of output.", WIDE, duration),
        _histogram("gen_ai_client_inference_time_per_output_chunk_seconds",
                   "gen_ai.client.inference.time_per_output_chunk",
                   "Time between chunks of output of a streamed call.", WIDE, duration),
    )  # fmt: skip


def _agents() -> tuple[Metric, ...]:
    agent, method = ("gen_ai_agent_name",), ("mcp_method_name", "gen_ai_tool_name", "error_type")

    def step(name: str, otel: str, help: str, labels: tuple[str, ...]) -> Metric:
        return _histogram(
            name, otel, help, labels, DURATION_BUCKETS if INSTRUMENTS[otel].unit == "s" else COUNT_BUCKETS
        )

    return (
        step("gen_ai_invoke_agent_duration_seconds", "gen_ai.invoke_agent.duration",
             "Duration of an agent's run.", (*agent, "error_type")),
        step("gen_ai_invoke_agent_inference_calls", "gen_ai.invoke_agent.inference_calls",
             "Model calls of an agent's run, failed ones included; calls of agents that it calls are not.", agent),
        step("gen_ai_invoke_agent_tool_calls", "gen_ai.invoke_agent.tool_calls",
             "Tool calls of an agent's run, failed ones included; calls of agents that it calls are not.", agent),
        step("gen_ai_invoke_workflow_duration_seconds", "gen_ai.invoke_workflow.duration",
             "Duration of a workflow: a run of several agents or steps.", ("gen_ai_workflow_name", "error_type")),
        step("gen_ai_execute_tool_duration_seconds", "gen_ai.execute_tool.duration",
             "Duration of a tool call.", ("gen_ai_tool_name", "gen_ai_tool_type", *agent, "error_type")),
        step("mcp_client_operation_duration_seconds", "mcp.client.operation.duration",
             "Duration of a request to an MCP server, as its client sees it.", method),
        step("mcp_server_operation_duration_seconds", "mcp.server.operation.duration",
             "Duration of a request that an MCP server answers.", method),
        step("mcp_client_session_duration_seconds", "mcp.client.session.duration",
             "Duration of a session with an MCP server, as its client sees it.", ("error_type",)),
        step("mcp_server_session_duration_seconds", "mcp.server.session.duration",
             "Duration of a session of an MCP server.", ("error_type",)),
    )  # fmt: skip


def _token_counters() -> tuple[Metric, ...]:
    return tuple(
        Metric(kind.counter, f"gen_ai.client.inference.usage.{kind.dotted}", "counter",
               INSTRUMENTS[f"gen_ai.client.inference.usage.{kind.dotted}"].unit, kind.help,
               (*CALL, "gen_ai_token_modality"), "conventions", custom=True)
        for kind in TOKEN_KINDS
    )  # fmt: skip


def _event(
    name: str,
    kind: Kind,
    unit: str,
    help: str,
    labels: tuple[str, ...] = CALL,
    *,
    buckets: tuple[float, ...] = (),
    custom: bool = True,
    adds: Adds = "sum",
    created: bool = False,
    apart: bool = False,
) -> Metric:
    otel = _otel(name, kind, unit)
    return Metric(
        name, otel, kind, unit, help, labels, "events", buckets, custom, adds=adds, created=created, apart=apart
    )


def _events() -> tuple[Metric, ...]:
    return (
        _event("otel_llm_calls_total", "counter", "{call}", "Calls by outcome: ok, failed, cancelled, abandoned.",
               (*CALL, "outcome", "error_type"), created=True),
        _event("otel_llm_cost_usd_total", "counter", "{USD}", "Money spent.", (*CALL, "cost_source")),
        _event("otel_llm_request_cost_usd", "histogram", "{USD}", "Cost per call.", buckets=COST_BUCKETS),
        _event("otel_llm_cache_savings_usd_total", "counter", "{USD}",
               "Money that cached input tokens saved against the uncached price."),
        _event("otel_llm_cache_avoidable_usd_total", "counter", "{USD}",
               "Money that calls would have saved if the input tokens that missed the prompt cache had been cached."),
        _event("otel_llm_unpriced_requests_total", "counter", "{request}", "Calls with usage but without a known price."),
        _event("otel_llm_unpriced_fees_total", "counter", "{fee}",
               "Billable units without a known price: fees beside tokens, or parts of the usage.", (*CALL, "fee")),
        _event("otel_llm_incomplete_requests_total", "counter", "{request}",
               "Calls whose cost lacks a part, because that part has no known price."),
        _event("otel_llm_prompt_cache_misses_total", "counter", "{request}",
               "Calls that missed the provider's prompt cache, by the provider's own reason.", (*CALL, "reason")),
        _event("otel_llm_usage_unknown_total", "counter", "{request}", "Successful calls that reported no usage.", (*CALL, "reason")),
        _event("otel_llm_thinking_tokens", "histogram", "{token}", "Thinking tokens per successful call.", buckets=TOKEN_BUCKETS),
        _event("otel_llm_finish_reasons_total", "counter", "{request}", "Answers by the reason of their end.", (*CALL, "finish_reason")),
        _event("otel_llm_answer_problems_total", "counter", "{answer}", "Answers that went wrong without an error.", (*CALL, "kind")),
        _event("otel_llm_in_flight_requests", "gauge", "{request}", "Calls that are open now.", custom=False),
        _event("otel_llm_retries_total", "counter", "{retry}", "HTTP attempts after the first.", (*CALL, "reason")),
        _event("otel_llm_retry_wait_seconds_total", "counter", "s", "Time spent waiting before a retry.", (*CALL, "reason")),
        _event("otel_llm_rate_limit_remaining", "gauge", "{unit}", "What is left of the provider's rate limit, from response headers.",
               (*CALL, "kind"), custom=False, adds="min"),
        _event("otel_llm_rate_limit_limit", "gauge", "{unit}", "The provider's rate limit, from response headers.",
               (*CALL, "kind"), custom=False, adds="max"),
        _event("otel_llm_fallbacks_total", "counter", "{fallback}", "Fallbacks from one model to another.",
               (*CALL, "from_model", "to_model", "reason")),
        _event("otel_llm_cache_requests_total", "counter", "{request}", "Look-ups in a response cache.", (*CALL, "cache", "result")),
        _event("otel_llm_circuit_breaker_state", "gauge", "{state}", "1 for a circuit breaker's present state, else 0.",
               ("breaker", "state"), custom=False, adds="max"),
        _event("otel_llm_circuit_breaker_transitions_total", "counter", "{transition}", "Changes of a circuit breaker's state.",
               ("breaker", "from_state", "to_state"), custom=False),
        _event("otel_llm_anomalies_total", "counter", "{anomaly}", "Single calls beyond the anomaly sensitivity.",
               (*CALL, "signal", "direction", "severity"), custom=False, apart=True),
        _event("otel_llm_budget_decisions_total", "counter", "{decision}",
               "Decisions of guards about calls: allowed, refused, or switched to another model.", ("budget", "decision"), custom=False),
        _event("otel_llm_evaluation_score", "histogram", "{score}", "Scores of evaluations, on the scale of each.",
               (*MODEL, "gen_ai_evaluation_name"), buckets=SCORE_BUCKETS),
        _event("otel_llm_evaluations_total", "counter", "{evaluation}", "Results of evaluations, by their label.",
               (*MODEL, "gen_ai_evaluation_name", "gen_ai_evaluation_score_label")),
        _event("otel_llm_guardrail_checks_total", "counter", "{check}", "Checks of guardrails: passed, blocked, or changed.",
               (*MODEL, "guardrail", "result")),
        _event("otel_llm_guardrail_duration_seconds", "histogram", "s", "Duration of a guardrail's check, where it is known.",
               (*MODEL, "guardrail"), buckets=DURATION_BUCKETS),
        _event("otel_llm_agent_tokens_total", "counter", "{token}",
               "Input and output tokens by the agent whose run the call is part of; the agent of other calls is _none.",
               ("gen_ai_agent_name", *MODEL, "gen_ai_token_type")),
        _event("otel_llm_agent_cost_usd_total", "counter", "{USD}",
               "Money spent by the agent whose run the call is part of; the agent of other calls is _none.",
               ("gen_ai_agent_name", *MODEL)),
        _event("otel_llm_run_cost_usd", "histogram", "{USD}", "Cost of one outermost agent run.",
               ("gen_ai_agent_name",), buckets=COST_BUCKETS),
        _event("otel_llm_tool_repeats_total", "counter", "{call}",
               "Tool calls with the same arguments and the same result as before in the same agent run.",
               ("gen_ai_agent_name", "gen_ai_tool_name")),
        _event("otel_llm_conversation_turns", "histogram", "{turn}",
               "Turns of a conversation that has ended half an hour ago: outermost agent runs, other calls.", (),
               buckets=COUNT_BUCKETS),
        _event("otel_llm_conversation_cost_usd", "histogram", "{USD}", "Cost of a conversation.", (), buckets=COST_BUCKETS),
        _event("otel_llm_retrieval_duration_seconds", "histogram", "s", "Duration of a retrieval from a vector store.",
               ("gen_ai_data_source_id", "error_type"), buckets=DURATION_BUCKETS),
        _event("otel_llm_retrieval_documents", "histogram", "{document}", "Documents that a retrieval returned.",
               ("gen_ai_data_source_id",), buckets=COUNT_BUCKETS),
        _event("otel_llm_duplicate_spans_total", "counter", "{span}",
               "Spans of other instrumentations for calls that also have a span of otel-llm.", ("scope",), custom=False),
        _event("otel_llm_http_request_cost_usd", "histogram", "{USD}", "LLM cost of one served HTTP request.",
               ("http_route",), buckets=COST_BUCKETS),
    )  # fmt: skip


def _gauge(
    name: str,
    unit: str,
    help: str,
    *labels: str,
    section: Section = "derived",
    on: tuple[str, ...] = MODEL,
    adds: Adds = "sum",
    weight: str = "",
) -> Metric:
    otel = _otel(name, "gauge", unit)
    return Metric(name, otel, "gauge", unit, help, (*on, *labels), section, adds=adds, weight=weight, apart=on == MODEL)


def _mean(weight: str = "otel_llm_requests_per_second") -> Any:
    return {"adds": "mean", "weight": weight}


def _derived() -> tuple[Metric, ...]:
    return (
        _gauge("otel_llm_latency_seconds", "s", "Latency of successful calls over the window.", "quantile", adds="none"),
        _gauge("otel_llm_requests_per_second", "{request}/s", "Calls per second over the window."),
        _gauge("otel_llm_tokens_per_second", "{token}/s", "Tokens per second over the window.", "gen_ai_token_type"),
        _gauge("otel_llm_tokens_per_request", "{token}", "Mean tokens per call over the window.", "gen_ai_token_type", **_mean()),
        _gauge("otel_llm_error_ratio", "1", "Share of calls over the window that failed, by type.", "error_type", **_mean()),
        _gauge("otel_llm_fallback_ratio", "1", "Share of calls over the window that a fallback answered.", **_mean()),
        _gauge("otel_llm_cache_hit_ratio", "1", "Share of response cache look-ups over the window that hit.",
               **_mean("otel_llm_cache_requests_total")),
        _gauge("otel_llm_prompt_cache_read_ratio", "1", "Share of input tokens over the window that the provider's prompt cache held.",
               **_mean()),
        _gauge("otel_llm_output_tokens_stddev", "{token}", "Standard deviation of output tokens over the window.", adds="none"),
        _gauge("otel_llm_output_tokens_change_ratio", "1", "Recent mean of output tokens over the baseline's, minus 1.", adds="none"),
        _gauge("otel_llm_cost_usd_per_hour", "{USD}/h", "Money spent per hour at the window's rate."),
        _gauge("otel_llm_cost_usd_per_request", "{USD}", "Mean cost per call over the window.", **_mean()),
        _gauge("otel_llm_spend_usd", "{USD}", "Money spent in the calendar period.", "period", "budget", on=()),
        _gauge("otel_llm_budget_usd", "{USD}", "The configured budget.", "period", "budget", on=(), adds="max"),
        _gauge("otel_llm_budget_used_ratio", "1", "Spend of the period over its budget.", "period", "budget", on=()),
        _gauge("otel_llm_budget_forecast_ratio", "1", "Spend by the period's end at the present rate, over the budget.",
               "period", "budget", on=()),
        _gauge("otel_llm_evaluation_mean", "{score}", "Mean score of an evaluation over the window.", "gen_ai_evaluation_name",
               adds="mean"),
        _gauge("otel_llm_evaluation_zscore", "{sigma}", "Distance of recent scores from the usual mean.",
               "gen_ai_evaluation_name", adds="none"),
        _gauge("otel_llm_zscore", "{sigma}", "Distance of the last minutes from the baseline.",
               "signal", "kind", adds="none"),
        _gauge("otel_llm_baseline_mean", "{value}", "Mean of the baseline.", "signal",
               adds="none"),
        _gauge("otel_llm_baseline_stddev", "{value}", "Standard deviation of the baseline.", "signal", adds="none"),
        _gauge("otel_llm_baseline_shifted_seconds", "s",
               "Time since a lasting shift became the baseline.", "signal", adds="none"),
        _gauge("otel_llm_baseline_samples", "{sample}", "Calls in the baseline.", "signal", adds="max"),
    )  # fmt: skip


def _self_metrics() -> tuple[Metric, ...]:
    def gauge(name: str, unit: str, help: str, *labels: str, adds: Adds = "sum") -> Metric:
        return _gauge(name, unit, help, *labels, section="self", on=(), adds=adds)

    def counter(name: str, unit: str, help: str, *labels: str) -> Metric:
        return Metric(name, _otel(name, "counter", unit), "counter", unit, help, labels, "self")

    return (
        gauge("otel_llm_build_info", "{build}", "The version of otel-llm, as a label.", "version", adds="max"),
        gauge("otel_llm_start_time_seconds", "s", "When the counters began, as time since 1970.", adds="min"),
        gauge("otel_llm_processes", "{process}", "Processes whose calls this endpoint shows.", "state"),
        gauge(
            "otel_llm_price_table_age_seconds",
            "s",
            "Time since the day of the list prices in use.",
            adds="max",
        ),
        gauge("otel_llm_scrape_duration_seconds", "s", "How long the last scrape took to answer.", adds="max"),
        gauge(
            "otel_llm_backlog_bytes",
            "By",
            "Calls that processes have written down and this endpoint does not show yet.",
        ),
        gauge("otel_llm_series", "{series}", "Series that otel-llm shows."),
        counter("otel_llm_label_overflow_total", "{value}", "Label values that were replaced by _other.", "label"),
        counter(
            "otel_llm_internal_errors_total",
            "{error}",
            "Errors of otel-llm itself, which the host does not see.",
            "component",
        ),
        counter(
            "otel_llm_gateway_requests_total",
            "{request}",
            "OTLP requests that the gateway answered, by outcome.",
            "signal",
            "outcome",
        ),
        counter(
            "otel_llm_gateway_spans_total",
            "{span}",
            "Spans and records that the gateway received, by result; those with the result counted are calls.",
            "result",
        ),
        counter(
            "otel_llm_gateway_ignored_spans_total",
            "{span}",
            "Spans about models, agents or tools that the gateway does not understand, by instrumentation scope.",
            "scope",
        ),
        gauge(
            "otel_llm_gateway_held_calls",
            "{call}",
            "Calls that wait in the gateway for the spans around them.",
        ),
        gauge(
            "otel_llm_instrumented",
            "{library}",
            "A library that is watched, with its version.",
            "library",
            "version",
            adds="max",
        ),
    )


def _otel(name: str, kind: Kind, unit: str) -> str:
    """The instrument's name: a dot for the first underscores, without what exporters add from kind and unit."""
    bare = name.removesuffix("_total") if kind == "counter" else name
    for code, suffix in (
        ("s", "_seconds"),
        ("{request}/s", "_per_second"),
        ("{token}/s", "_per_second"),
        ("{USD}/h", "_per_hour"),
    ):
        if unit == code:
            bare = bare.removesuffix(suffix)
    bare = bare.replace("otel_llm_", "otel_llm.", 1)
    for group in ("circuit_breaker", "rate_limit", "cost_usd", "budget", "baseline", "cache_savings"):
        if bare.startswith(f"otel_llm.{group}_"):
            bare = bare.replace(f"{group}_", f"{group}.", 1)
    return bare.replace("cost_usd", "cost.usd") if bare.startswith("otel_llm.cost_usd") else bare


METRICS: tuple[Metric, ...] = (
    *_conventions(),
    *_agents(),
    *_token_counters(),
    *_events(),
    *_derived(),
    *_self_metrics(),
)
BY_NAME: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}


def shown(semconv: str) -> tuple[Metric, ...]:
    """What a scrape shows under ``semconv``, a value of ``OTEL_LLM_SEMCONV``."""
    vocabularies = words(semconv)
    return tuple(metric for metric in METRICS if not metric.vocabulary or metric.vocabulary in vocabularies)
