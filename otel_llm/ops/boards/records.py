"""The boards' queries where the recording rules are loaded: what those record, and nothing that pods expose.

Reading a record costs the same for one pod and for a thousand. Records are the same for both vocabularies of the conventions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from otel_llm.core.catalogue import BY_NAME
from otel_llm.core.series import MODEL
from otel_llm.ops import recorded
from otel_llm.ops.promql import CLASSIC, VOCABULARIES
from otel_llm.ops.series import Reading

from .queries import FOLDS, LABEL, NAME, PLACES, PROVIDER, RANGE, RATE, Queries, by_names, ratio, series

_OF_FIVE = 300  # seconds that a record named increase5m is over
_USAGE = "gen_ai_client_inference_usage_"
_KINDS = {
    "input": "input", "output": "output", "cache_read_input": "cache_read", "cache_write_input": "cache_write",
    "reasoning_output": "thinking",
}  # fmt: skip

# by what is counted, the records of it: the first that has all labels asked for is read
_COUNTS: Mapping[str, tuple[str, ...]] = {
    "duration": (
        recorded.CALLS, recorded.CALLS_BY_ERROR, recorded.CALLS_BY_CUSTOM, recorded.CALLS_BY_OPERATION, recorded.CALLS_BY_INSTANCE,
    ),
    "input": (recorded.INPUT_COUNT,),
    "output": (recorded.OUTPUT_COUNT,),
    "otel_llm_cost_usd_total": (recorded.COST, recorded.COST_BY_CUSTOM, recorded.COST_BY_SOURCE),
    "otel_llm_cache_savings_usd_total": (recorded.SAVINGS,),
    "otel_llm_cache_avoidable_usd_total": (recorded.AVOIDABLE,),
    "otel_llm_prompt_cache_misses_total": (recorded.PROMPT_CACHE_MISSES,),
    "otel_llm_incomplete_requests_total": (recorded.INCOMPLETE,),
    "otel_llm_budget_decisions_total": (recorded.DECISIONS,),
    "otel_llm_unpriced_requests_total": (recorded.UNPRICED,),
    "otel_llm_usage_unknown_total": (recorded.USAGE_UNKNOWN,),
    "otel_llm_label_overflow_total": (recorded.OVERFLOW,),
    "otel_llm_internal_errors_total": (recorded.INTERNAL_ERRORS,),
    "otel_llm_fallbacks_total": (recorded.FALLBACK_PATHS,),
    "otel_llm_retries_total": (recorded.RETRIES,),
    "otel_llm_retry_wait_seconds_total": (recorded.RETRY_WAIT,),
    "otel_llm_cache_requests_total": (recorded.LOOKUPS,),
    "otel_llm_circuit_breaker_transitions_total": (recorded.BREAKER_STEPS,),
    "otel_llm_finish_reasons_total": (recorded.FINISHED,),
    "otel_llm_answer_problems_total": (recorded.ANSWER_PROBLEMS,),
    "otel_llm_guardrail_checks_total": (recorded.GUARDRAIL_CHECKS,),
    "otel_llm_anomalies_total": (recorded.ODD_CALLS,),
    "gen_ai_invoke_agent_duration_seconds": (recorded.AGENT_ENDS,),
    "gen_ai_invoke_agent_inference_calls": (recorded.MODEL_CALLS_COUNT,),
    "gen_ai_invoke_agent_tool_calls": (recorded.TOOL_CALLS_COUNT,),
    "otel_llm_run_cost_usd": (recorded.PRICED_RUNS,),
    "otel_llm_agent_cost_usd_total": (recorded.AGENT_COST,),
    "otel_llm_agent_tokens_total": (recorded.AGENT_TOKENS,),
    "gen_ai_execute_tool_duration_seconds": (recorded.TOOL_ENDS,),
    "otel_llm_tool_repeats_total": (recorded.TOOL_REPEATS,),
    "mcp_server_operation_duration_seconds": (recorded.SERVER_ENDS,),
    "mcp_client_operation_duration_seconds": (recorded.CLIENT_ENDS,),
    "otel_llm_retrieval_documents": (recorded.RETRIEVED_COUNT,),
    f"{_USAGE}input_tokens_total": (recorded.TOKENS, recorded.MODALITIES),
    **{f"{_USAGE}{name}_tokens_total": (recorded.TOKENS,) for name in _KINDS if name != "input"},
}  # fmt: skip
_SUMS: Mapping[str, tuple[str, ...]] = {
    "duration": (recorded.SECONDS,),
    "input": (recorded.INPUT_SUM,),
    "output": (recorded.OUTPUT_SUM,),
    "otel_llm_http_request_cost_usd": (recorded.COST_BY_ROUTE,),
    "gen_ai_invoke_agent_inference_calls": (recorded.MODEL_CALLS_SUM,),
    "gen_ai_invoke_agent_tool_calls": (recorded.TOOL_CALLS_SUM,),
    "otel_llm_run_cost_usd": (recorded.RUN_COST,),
    "otel_llm_retrieval_documents": (recorded.RETRIEVED_SUM,),
}
_BUCKETS: Mapping[str, tuple[str, ...]] = {
    "duration": (recorded.BUCKETS, recorded.FAILED_BUCKETS, recorded.CUSTOM_BUCKETS),
    "first_chunk": (recorded.FIRST_CHUNK_BUCKETS,),
    "chunk_gap": (recorded.CHUNK_GAP_BUCKETS,),
    "output": (recorded.OUTPUT_BUCKETS,),
    "otel_llm_thinking_tokens": (recorded.THINKING_BUCKETS,),
    "otel_llm_request_cost_usd": (recorded.COST_BUCKETS,),
    "gen_ai_invoke_agent_duration_seconds": (recorded.AGENT_BUCKETS,),
    "otel_llm_run_cost_usd": (recorded.RUN_COST_BUCKETS,),
    "gen_ai_execute_tool_duration_seconds": (recorded.TOOL_BUCKETS,),
    "gen_ai_invoke_workflow_duration_seconds": (recorded.WORKFLOW_BUCKETS,),
    "mcp_server_operation_duration_seconds": (recorded.SERVER_BUCKETS,),
    "mcp_client_operation_duration_seconds": (recorded.CLIENT_BUCKETS,),
    "otel_llm_retrieval_duration_seconds": (recorded.RETRIEVAL_BUCKETS,),
}
_GAUGES: Mapping[str, str] = {
    "otel_llm_zscore": recorded.OWN_ZSCORE,
    "otel_llm_output_tokens_change_ratio": recorded.OUTPUT_CHANGE,
    "otel_llm_in_flight_requests": recorded.IN_FLIGHT,
    "otel_llm_spend_usd": recorded.SPEND,
    "otel_llm_budget_usd": recorded.BUDGET,
    "otel_llm_budget_forecast_ratio": recorded.BUDGET_FORECAST,
    "otel_llm_evaluation_mean": recorded.EVALUATION_MEAN,
    "otel_llm_evaluation_zscore": recorded.EVALUATION_ZSCORE,
    "otel_llm_processes": recorded.PROCESSES,
    "otel_llm_series": recorded.SERIES,
    "otel_llm_scrape_duration_seconds": recorded.SCRAPE,
}
_ONLY_SUCCEEDED = (recorded.SECONDS, recorded.BUCKETS, recorded.CUSTOM_BUCKETS)
_ONLY_FAILED = (recorded.FAILED_BUCKETS,)


@dataclass(frozen=True, slots=True)
class Recorded(Queries):
    """The same questions, asked of the records. A question that no record answers raises ValueError."""

    rules: bool = True

    def pick(self, rule: str, *_raw: str) -> str:
        """What is recorded."""
        return rule

    def first(self, expr: str, *_before: str) -> str:
        """``expr``: rules know of a model's first calls after a minute."""
        return expr

    def rate(self, name: str, by: Iterable[str] = (), over: str = RATE, **where: str) -> str:
        """Events per second of the last five minutes, or on average over ``over``."""
        return self._added(_COUNTS, name, by, over, where)

    def increase(self, name: str, by: Iterable[str] = (), over: str = RANGE, **where: str) -> str:
        """Events within the shown time; over a step of a graph, events per minute."""
        if over == RATE:
            return f"60 * {self.rate(name, by, over, **where)}"
        return f"{self.rate(name, by, over, **where)} * $__range_s"

    def total(self, name: str, by: Iterable[str] = (), over: str = RATE, **where: str) -> str:
        """A histogram's sum of values per second."""
        return self._added(_SUMS, name, by, over, where)

    def buckets(self, name: str, **where: str) -> str:
        """A histogram's buckets, for a heatmap: per second."""
        return self._added(_BUCKETS, name, ("le",), RATE, where)

    def quantile(self, q: float, name: str, by: Iterable[str] = (), over: str = RATE, **where: str) -> str:
        """A quantile, absent (not NaN) where nothing was counted."""
        return f"histogram_quantile({q}, {self._added(_BUCKETS, name, (*by, 'le'), over, where)}) >= 0"

    def mean(self, name: str, by: Iterable[str] = (), over: str = RATE, **where: str) -> str:
        """A histogram's mean, absent where nothing was counted."""
        by = tuple(by)
        if name == "otel_llm_thinking_tokens":
            return ratio(self.rate(f"{_USAGE}reasoning_output_tokens_total", by, over), self.rate("duration", by, over))
        if name == "otel_llm_request_cost_usd":
            return self.rule(recorded.COST_PER_REQUEST, by, **where)
        return ratio(self.total(name, by, over, **where), self.rate(name, by, over, **where))

    def gauge(self, name: str, by: Iterable[str] = (), **where: str) -> str:
        """A record of a gauge, folded over whatever is not in ``by``."""
        return f"{FOLDS[BY_NAME[name].adds]}{by_names(by)} ({self._narrowed(_GAUGES[name], by, where)})"

    def rule(self, name: str, by: Iterable[str] = MODEL, **where: str) -> str:
        """A record, folded to ``by``: rates add up over services, other values show the largest."""
        fold = "sum" if "ratio" not in name and re.search("(rate(5m|1h)|increase5m|:period)$", name) else "max"
        return f"{fold}{by_names(by)} ({self._narrowed(name, by, where)})"

    def record(self, name: str, by: Iterable[str] = (), **where: str) -> str:
        """The selector of a record, narrowed by what the reader picked."""
        return self._narrowed(name, by, where)

    def busiest(self, expr: str) -> str:
        """``expr`` of the one picked model with most calls at the end of the shown time."""
        calls = self._narrowed(recorded.CALLS, MODEL, {})
        names = ", ".join(MODEL)
        return f"({expr}) and on ({names}) topk(1, sum by ({names}) ({calls} @ end()))"

    def exemplars(self, name: str, **where: str) -> tuple[str, ...]:
        """What has the calls' trace ids, to be asked for those only.

        Records have no exemplars. Grafana asks Prometheus for the exemplars of a query's selectors, whatever the query says of
        time: at its epoch there are no samples to read.
        """
        raw = [
            Queries(one, read).selectors(name, "_bucket", where)
            for read in (CLASSIC, Reading(native=True))
            for one in VOCABULARIES.values()
        ]
        return (" or ".join(f"{one} @ 0" for selectors in raw for one in selectors),)

    def _added(
        self, records: Mapping[str, tuple[str, ...]], name: str, by: Iterable[str], over: str, where: Mapping[str, str]
    ) -> str:
        by = tuple(by)
        record, matchers = _record(records, name, by, where)
        expr = self._narrowed(record, by, matchers)
        if over != RATE:
            expr = f"sum_over_time({expr}[{over}:5m]) * 300 / {_seconds(over)}"
        if record.endswith("increase5m"):
            expr = f"{expr} / {_OF_FIVE}"
        return f"sum{by_names(by)} ({expr})"

    def _narrowed(self, name: str, by: Iterable[str], where: Mapping[str, str]) -> str:
        labels = {*recorded.LABELS[name], LABEL}
        if unknown := {*where, *by} - labels:
            raise ValueError(f"{name} has no label {', '.join(sorted(unknown))}")
        scope = {"job": "=~$job"}
        if PROVIDER in labels:
            scope |= {PROVIDER: "=~$provider", NAME: "=~$model"}
        scope |= {one: f"=~${one}" for one in PLACES if one in labels}
        if "tenant" in labels:
            scope[LABEL] = "=~$value"
        return series(name, {**scope, **where})


def _record(
    records: Mapping[str, tuple[str, ...]], name: str, by: tuple[str, ...], where: Mapping[str, str]
) -> tuple[str, Mapping[str, str]]:
    """The first record that has the labels, and what is still to be asked of it."""
    matchers = {key: value for key, value in where.items() if value != ""}
    whole = "error_type" in where
    for record in records.get(name, ()):
        left = dict(matchers)
        labels = {*recorded.LABELS[record], *((LABEL,) if "tenant" in recorded.LABELS[record] else ())}
        if whole and where["error_type"] == "" and "error_type" in labels:
            left["error_type"] = ""
        if record in _ONLY_FAILED and not left.get("error_type"):
            continue
        if record in _ONLY_FAILED and left["error_type"].startswith("!"):
            del left["error_type"]
        kind = _KINDS.get(name.removeprefix(_USAGE).removesuffix("_tokens_total"))
        if record == recorded.TOKENS and kind:
            left["kind"] = kind
        answers = not whole or where["error_type"] == "" or record not in _ONLY_SUCCEEDED
        implied = whole and where["error_type"] == "" and record in _ONLY_SUCCEEDED
        if answers and {*left, *by} <= labels and (not whole or "error_type" in labels or implied):
            return record, left
    raise ValueError(f"no record of {name} has {', '.join(sorted({*by, *where})) or 'its sum'}")


def _seconds(over: str) -> str:
    if over == RANGE:
        return "$__range_s"
    raise ValueError(f"{over} is neither {RATE} nor {RANGE}")
