"""What can be wrong: one table that rules, the terminal view, the status page, notifications and ``stats()`` judge by.

A condition says what is measured, over which window, where it becomes a warning or critical, how much traffic it needs, for
whom it is judged and what explains it. The limits themselves are fields of ``Objectives``: a user changes them there, and all
surfaces follow. Rules for Prometheus are generated from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from .objectives import BASELINE, BURN_RATES, DEFAULT, MEDIUM, MINUTE, SHORT, Objectives
from .shapes import dataclass

Unit = Literal["share", "seconds", "sigma", "usd", "factor", "count", "state"]
Severity = Literal["warning", "critical", "info"]

SERVICE = ("job",)
"""The label that names a service. Rules add where it runs (namespace, cluster, environment)."""
MODEL = ("gen_ai_provider_name", "gen_ai_request_model")


@dataclass(frozen=True, slots=True)
class Level:
    """Where a severity begins: the measure is beyond the ``limit`` (a field of ``Objectives``, or a number that no user
    changes) for ``held`` seconds. ``of`` names the part of the measure that is compared, where it has several."""

    limit: str | float
    held: float
    of: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that can be wrong.

    ``id`` is unique; ``kind`` groups conditions that answer the same question in one line. ``measure`` is what is compared with
    the limit, taken over ``window`` seconds (0: the last reading). ``least`` names the fields of ``Objectives`` with the
    minimum of traffic and what it counts; any of several is enough. ``key`` are the labels that one judgement is about.
    ``explained_by`` are conditions that cause this one: while one of them is open for the same service, provider and (where both
    have one) model, a surface folds this one into it. ``now`` and ``past`` are its sentence while it lasts and after it has
    ended, for ``str.format`` with ``who``, ``value`` and ``detail`` (an empty text or one that begins with a space); a surface
    appends since when. ``alert`` is the Prometheus alert and, in lower case, the anchor of its section in the runbook. ``grave`` is
    a second way to be critical: further out, and so sooner; ``slow`` is a third: of a part that follows late, and so later.
    ``by_rules_only`` says why a service cannot know it of itself, and ``rules_longer`` why the alert may fire longer than the
    service says so.
    """

    id: str
    kind: str
    question: str
    measure: str
    window: float
    unit: Unit
    beyond: Literal["above", "below"]
    warning: Level | None
    critical: Level | None
    least: Mapping[str, str]
    key: tuple[str, ...]
    alert: str
    now: str
    past: str
    explained_by: tuple[str, ...] = ()
    grave: Level | None = None
    slow: Level | None = None
    by_rules_only: str = ""
    rules_longer: str = ""

    def limit(self, severity: Severity | Literal["grave", "slow"], objectives: Objectives = DEFAULT) -> float:
        """The value at which ``severity`` begins, in the condition's unit (a share from 0 to 1).

        Raises:
            ValueError: where the condition does not have that severity.

        """
        ways = {"warning": self.warning, "critical": self.critical, "grave": self.grave, "slow": self.slow}
        level = ways.get(severity)
        if level is None:
            raise ValueError(f"{self.id} is never {severity}")
        return float(getattr(objectives, level.limit)) if isinstance(level.limit, str) else level.limit

    def enough(self, counts: Mapping[str, float], objectives: Objectives = DEFAULT) -> bool:
        """Whether ``counts`` within the window (by what ``least`` counts, as ``{"calls": 31}``) suffice to judge."""
        if not self.least:
            return True
        return any(counts.get(what, 0) >= getattr(objectives, name) for name, what in self.least.items())

    def sentence(self, who: str, value: str, detail: str = "", *, ended: bool = False) -> str:
        """The condition in words: ``gpt-4.1: 60 % of calls fail (rate_limit)``."""
        return (self.past if ended else self.now).format(who=who, value=value, detail=detail)


LOW_TOO = ("output_tokens", "output_spread")
"""Signals that are as suspicious below the usual as above it."""

_OF_MODEL = (*SERVICE, *MODEL)
_CALLS = {"min_requests": "calls"}
_SLOWEST = {
    severity: min(rate for rate, *_, of in BURN_RATES if of == severity) for severity in ("warning", "critical")
}


def _table() -> tuple[Condition, ...]:
    return (*_traffic(), *_around(), *_money(), *_answers(), *_work(), *_telemetry())


def _traffic() -> tuple[Condition, ...]:
    return (
        Condition(
            "errors", "errors", "Is it failing?", "failed calls over all calls, of all types", SHORT, "share", "above",
            Level("error_rate", 5 * MINUTE), Level("error_rate_critical", 2 * MINUTE),
            {"min_requests": "calls", "min_failures": "failures"}, _OF_MODEL, "LLMErrorRateHigh",
            "{who}: {value} of calls fail{detail}", "{who}: {value} of calls failed{detail}",
            ("rate_limit", "rate_limit_refused", "breaker", "provider"),
        ),
        Condition(
            "error_type", "errors", "What does it fail with?", "failed calls of one type over all calls", SHORT, "share",
            "above",
            Level("error_rate", 5 * MINUTE), None, {"min_requests": "calls", "min_failures": "failures"},
            (*_OF_MODEL, "error_type"), "LLMErrorTypeRateHigh",
            "{who}: {value} of calls fail{detail}", "{who}: {value} of calls failed{detail}", ("errors", "burn", "provider"),
        ),
        Condition(
            "provider", "errors", "Is a whole provider failing?",
            "failed calls over all calls of a provider with two or more failing models",
            SHORT, "share", "above", None, Level("error_rate_critical", 2 * MINUTE), _CALLS,
            (*SERVICE, "gen_ai_provider_name"), "LLMProviderFailing",
            "{who}: {value} of calls fail, on several models", "{who}: {value} of calls failed, on several models",
        ),
        Condition(
            "burn", "errors", "Does the error budget last?",
            "errors over what the objective allows, over a long and a short window",
            3600, "factor", "above", Level(_SLOWEST["warning"], 15 * MINUTE), Level(_SLOWEST["critical"], 2 * MINUTE), _CALLS,
            (*_OF_MODEL, "slo"), "LLMErrorBudgetBurn",
            "{who}: the {detail} error budget burns, {value} of calls miss the objective",
            "{who}: the {detail} error budget burned, {value} of calls missed the objective", ("provider",),
            rules_longer="Prometheus also knows six hours, a day and three days; a service keeps one hour",
        ),
        Condition(
            "latency", "latency", "Is it slow?", "95th percentile of successful calls", SHORT, "seconds", "above",
            Level("p95", 5 * MINUTE), None, _CALLS, _OF_MODEL, "LLMLatencyP95High",
            "{who}: 5 % of calls take longer than {value}", "{who}: 5 % of calls took longer than {value}", ("burn", "breaker"),
        ),
        Condition(
            "first_chunk", "first_chunk", "Do streams start late?", "95th percentile of the time to a stream's first chunk",
            SHORT,
            "seconds", "above", Level("first_chunk", 5 * MINUTE), None, {"min_requests": "streams"}, _OF_MODEL,
            "LLMTimeToFirstChunkHigh", "{who}: 5 % of streams start after more than {value}",
            "{who}: 5 % of streams started after more than {value}", ("breaker",),
        ),
    )  # fmt: skip


def _around() -> tuple[Condition, ...]:
    limited = (*_OF_MODEL, "kind")
    return (
        Condition(
            "rate_limit", "rate_limit", "Is the provider pushing back?", "what is left of a rate limit, by the last reading",
            0, "share",
            "below", Level("rate_limit_left", 5 * MINUTE), Level("rate_limit_critical", 5 * MINUTE), {}, limited,
            "LLMRateLimitNear", "{who}: {value} of the rate limit{detail} is left",
            "{who}: {value} of the rate limit{detail} was left",
            rules_longer="a sample does not say how old the provider's word is; a service forgets it after 5 minutes",
        ),
        Condition(
            "rate_limit_refused", "rate_limit", "Does the provider refuse calls?",
            "calls that failed with rate_limit over all calls",
            SHORT, "share", "above", None, Level("rate_limit_refused", 5 * MINUTE),
            {"min_requests": "calls", "min_failures": "failures"}, _OF_MODEL, "LLMRateLimited",
            "{who}: the provider refuses {value} of calls", "{who}: the provider refused {value} of calls",
        ),
        Condition(
            "fallback", "fallback", "Do calls fall back?", "calls served by a fallback over calls of the primary model",
            MEDIUM, "share",
            "above", Level("fallback_rate", 10 * MINUTE), Level("fallback_critical", 10 * MINUTE), _CALLS, _OF_MODEL,
            "LLMFallbackRateHigh", "{who}: {value} of calls fall back to another model",
            "{who}: {value} of calls fell back to another model",
            ("errors", "burn", "provider", "breaker"),
        ),
        Condition(
            "cache", "cache", "Does the response cache help?", "hits over look-ups of a response cache", MEDIUM, "share",
            "below",
            Level("cache_hit_ratio", 10 * MINUTE), None, {"cache_min_lookups": "look-ups"}, (*_OF_MODEL, "cache"),
            "LLMCacheHitRatioLow", "{who}: only {value} of look-ups hit the response cache{detail}",
            "{who}: only {value} of look-ups hit the response cache{detail}",
        ),
        Condition(
            "prompt_cache", "prompt_cache", "Does the prompt cache help?",
            "cached over all input tokens, against the last day; judged where 15 minutes bring enough calls", SHORT,
            "share", "below", Level("prompt_cache_drop", 3 * MINUTE), None, _CALLS, _OF_MODEL, "LLMPromptCacheHitRatioLow",
            "{who}: only {value} of input tokens come from the prompt cache{detail}",
            "{who}: only {value} of input tokens came from the prompt cache{detail}",
        ),
        Condition(
            "breaker", "breaker", "Is a circuit breaker open?", "the state of a circuit breaker", 0, "state", "above",
            None, Level(1.0, 0), {}, (*SERVICE, "breaker"), "LLMCircuitBreakerOpen",
            "{who} is open, calls are refused without being tried",
            "{who} was open, calls were refused without being tried",
            rules_longer="what opens and closes between two scrapes shows in 5 minutes of its counter only",
        ),
        Condition(
            "anomaly", "anomaly", "Is something unusual?",
            "distance of recent means from the baseline, in standard deviations", 2 * MINUTE,
            "sigma", "above", Level("zscore_critical", 1 * MINUTE), Level("zscore_critical", 5 * MINUTE, "shift"),
            {"min_samples": "samples"}, (*_OF_MODEL, "signal", "direction"), "LLMAnomaly",
            "{who}: {detail} is {value} from usual", "{who}: {detail} was {value} from usual", ("prompt_cache",),
            grave=Level("zscore_grave", 2 * MINUTE), slow=Level("zscore_critical", 10 * MINUTE, "trend"),
        ),
        Condition(
            "mix", "anomaly", "Has the mix of requests changed?",
            "distance of recent means from the baseline, in standard deviations", 2 * MINUTE,
            "sigma", "above", Level("zscore_critical", 5 * MINUTE), None,
            {"min_samples": "samples"}, (*_OF_MODEL, "signal", "direction"), "LLMAnomaly",
            "{who}: {detail} is {value} from usual", "{who}: {detail} was {value} from usual", ("prompt_cache",),
        ),
    )  # fmt: skip


def _money() -> tuple[Condition, ...]:
    budget = (*SERVICE, "budget", "period")
    return (
        Condition(
            "budget", "budget", "Are we within the budget?", "spend of the calendar period over its budget", 0, "share",
            "above",
            Level("budget_warning", 0), Level("budget_reached", 0), {"min_priced": "priced calls"}, budget, "LLMBudgetReached",
            "{who}: {value} of the budget is spent", "{who}: {value} of the budget was spent",
        ),
        Condition(
            "budget_forecast", "budget", "Will the budget last?", "spend expected by the period's end over its budget", 0,
            "share", "above",
            Level("budget_forecast_factor", 15 * MINUTE), None, {"min_priced": "priced calls"}, budget,
            "LLMDailyBudgetForecast",
            "{who}: {value} of the budget will be spent by the period's end",
            "{who}: {value} of the budget would have been spent",
            ("budget",),
        ),
        Condition(
            "guard", "guard", "Does a guard hold calls back?", "calls that a guard refused or sent to another model", MEDIUM, "count",
            "above",
            Level(0.5, 0), None, {}, (*SERVICE, "budget", "decision"), "LLMCallsHeldBack",
            "{who}: a guard holds back {value} calls{detail}", "{who}: a guard held back {value} calls{detail}", ("budget",),
        ),
        Condition(
            "cost_per_request", "cost", "Do calls cost more?", "mean cost of a call over its average of the last day", SHORT,
            "factor",
            "above", Level("cost_per_request_factor", 10 * MINUTE), None, _CALLS, _OF_MODEL, "LLMCostPerRequestHigh",
            "{who}: a call costs {value} on average", "{who}: a call cost {value} on average", ("prompt_cache",),
        ),
        Condition(
            "unpriced", "incomplete", "Is a price missing?", "calls without a known price over all calls with usage", MEDIUM,
            "share", "above",
            Level("incomplete_share", 15 * MINUTE), None, {"min_failures": "calls"}, _OF_MODEL, "LLMUnpricedModel",
            "{who}: {value} of calls have no known price, spend is higher than shown",
            "{who}: {value} of calls had no known price, spend is higher than shown",
        ),
    )  # fmt: skip


def _answers() -> tuple[Condition, ...]:
    def shares(name: str, alert: str, words: tuple[str, str]) -> Condition:
        return Condition(
            name, "answers", "Are answers complete?", f"answers that are {name} over all answers", MEDIUM, "share", "above",
            Level("finish_reason_share", 15 * MINUTE), None, _CALLS, _OF_MODEL, alert,
            f"{{who}}: {{value}} of answers {words[0]}", f"{{who}}: {{value}} of answers {words[1]}",
        )  # fmt: skip

    return (
        Condition(
            "length", "length", "Have answers become short?", "mean output tokens against their average of the last day",
            MEDIUM, "factor",
            "below", Level("output_drop", 10 * MINUTE), None, {"min_answers": "calls"}, _OF_MODEL, "LLMOutputLengthDrop",
            "{who}: the mean answer has {value} tokens, shorter than usual",
            "{who}: the mean answer had {value} tokens, shorter than usual",
        ),
        Condition(
            "length_high", "length", "Have answers become long?", "mean output tokens against their average of the last day",
            MEDIUM, "factor",
            "above", Level("output_tokens_factor", 10 * MINUTE), None, {"min_answers": "calls"}, _OF_MODEL,
            "LLMOutputTokensHigh",
            "{who}: the mean answer has {value} tokens, longer than usual",
            "{who}: the mean answer had {value} tokens, longer than usual",
        ),
        Condition(
            "variance", "variance", "Do answers vary more?",
            "deviation of output tokens over their mean in the sliding window, against the last day", BASELINE,
            "factor", "above", Level("output_variance_factor", 10 * MINUTE), None, {"min_answers": "calls"}, _OF_MODEL,
            "LLMOutputVarianceHigh", "{who}: lengths of answers spread by {value} of their mean",
            "{who}: lengths of answers spread by {value} of their mean",
        ),
        Condition(
            "variance_low", "variance", "Do answers become alike?",
            "deviation of output tokens over their mean in the sliding window, against the last day", BASELINE,
            "factor", "below", Level("output_variance_drop", 10 * MINUTE), None, {"min_answers": "calls"}, _OF_MODEL,
            "LLMOutputVarianceDrop", "{who}: lengths of answers are alike, they spread by {value} of their mean",
            "{who}: lengths of answers were alike, they spread by {value} of their mean",
        ),
        Condition(
            "answer_problem", "answers", "Do answers go wrong?", "answers of one kind that went wrong over all calls", MEDIUM, "share",
            "above",
            Level("answer_problems", 5 * MINUTE), None, _CALLS, (*_OF_MODEL, "kind"), "LLMAnswerProblems",
            "{who}: {value} of answers go wrong{detail}", "{who}: {value} of answers went wrong{detail}",
        ),
        Condition(
            "evaluation", "evaluation", "Have evaluations dropped?", "standard deviations that recent scores lie below the usual",
            0, "sigma", "above", Level("zscore_critical", 2 * MINUTE), Level("zscore_critical", 5 * MINUTE), {},
            (*_OF_MODEL, "gen_ai_evaluation_name"),
            "LLMEvaluationDrop", "{who}: scores are {value} standard deviations from usual",
            "{who}: scores were {value} standard deviations from usual",
        ),
        Condition(
            "guardrail", "guardrail", "Do guardrails block more?", "blocked checks over all checks", MEDIUM, "share", "above",
            Level("guardrail_blocked", 5 * MINUTE), None, {"min_requests": "checks"}, (*SERVICE, "guardrail"), "LLMGuardrailBlocking",
            "{who}: {value} of checks are blocked", "{who}: {value} of checks were blocked",
        ),
        shares("truncated", "LLMTruncatedOutputs", ("end at the token limit", "ended at the token limit")),
        shares("refused", "LLMContentFiltered", ("are withheld by a filter", "were withheld by a filter")),
    )  # fmt: skip


def _work() -> tuple[Condition, ...]:
    def failing(name: str, label: str, alert: str, limit: str) -> Condition:
        return Condition(
            name, name, f"Do {name} runs fail?", f"failed {name} runs over all of them", MEDIUM, "share", "above",
            Level(limit, 5 * MINUTE), None, {"min_runs": "runs"}, (*SERVICE, label), alert,
            f"{{who}}: {{value}} of {name} runs fail{{detail}}", f"{{who}}: {{value}} of {name} runs failed{{detail}}",
        )  # fmt: skip

    return (
        failing("agent", "gen_ai_agent_name", "LLMAgentFailing", "agent_failures"),
        failing("tool", "gen_ai_tool_name", "LLMToolFailing", "tool_failures"),
        Condition(
            "run_cost", "run_cost", "Do runs cost too much?", "mean cost of an agent's outermost run", MEDIUM, "usd", "above",
            Level("run_cost", 5 * MINUTE), None, {"min_runs": "runs"}, (*SERVICE, "gen_ai_agent_name"), "LLMRunExpensive",
            "{who}: a run costs {value}{detail}", "{who}: a run cost {value}{detail}",
        ),
        Condition(
            "runaway", "runaway", "Does an agent repeat itself?",
            "the same tool called again with the same arguments within one run",
            MEDIUM, "count", "above", Level("tool_repeats", 0), Level("runaway_repeats", 0), {},
            (*SERVICE, "gen_ai_agent_name", "gen_ai_tool_name"), "LLMToolRepeats",
            "{who}: {value} calls of a tool repeat an earlier one{detail}",
            "{who}: {value} calls of a tool repeated an earlier one{detail}",
        ),
    )  # fmt: skip


def _telemetry() -> tuple[Condition, ...]:
    def counted(name: str, question: str, measure: str, alert: str, words: tuple[str, str]) -> Condition:
        return Condition(
            name, "telemetry", question, measure, 3600, "count", "above", Level(1.0, 15 * MINUTE), None, {}, SERVICE,
            alert, f"{{who}}: {words[0]}", f"{{who}}: {words[1]}",
        )  # fmt: skip

    return (
        Condition(
            "usage_unknown", "incomplete", "Is usage missing?", "successful calls without usage over all calls", MEDIUM,
            "share", "above",
            Level("usage_unknown_share", 15 * MINUTE), None, {"min_failures": "calls"}, _OF_MODEL, "LLMUsageUnknown",
            "{who}: {value} of calls report no usage", "{who}: {value} of calls reported no usage",
        ),
        Condition(
            "endpoint", "telemetry", "Is the telemetry there?", "scrapes of the metrics port", 0, "state", "above",
            Level(1.0, 5 * MINUTE), None, {}, SERVICE, "LLMTelemetryDown", "{who} does not answer", "{who} did not answer",
            by_rules_only="a service that does not answer cannot say so",
        ),
        counted(
            "internal_errors", "Does otel-llm itself fail?", "errors of otel-llm, swallowed", "LLMInternalErrors",
            ("otel-llm has {value} errors of its own{detail}, calls are unaffected",
             "otel-llm had {value} errors of its own{detail}, calls were unaffected"),
        ),
        counted(
            "label_overflow", "Has a label too many values?", "label values that became _other", "LLMLabelOverflow",
            ("{value} label values{detail} became _other", "{value} label values{detail} became _other"),
        ),
        Condition(
            "old_prices", "telemetry", "Are prices up to date?", "age of the price table", 0, "seconds", "above",
            Level("price_table_age", 3600), None, {}, SERVICE, "LLMPriceTableOld",
            "{who}: the price table is {value} old", "{who}: the price table was {value} old",
        ),
    )  # fmt: skip


CONDITIONS: tuple[Condition, ...] = _table()
BY_ID: Mapping[str, Condition] = {condition.id: condition for condition in CONDITIONS}
