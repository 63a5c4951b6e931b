"""Recording rules: rates, quantiles, costs, baselines, bands and error budgets, ready for alerts and panels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from otel_llm.core import objectives as normal
from otel_llm.core.catalogue import BY_NAME

from . import recorded
from .promql import FAILED, PM, SUCCEEDED, Clock, Vocabulary, fell_back, mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_llm.core.objectives import Objectives

# What providers call an answer that hit its limit, and one that was withheld.
TRUNCATED = "(?i)length|max_(output_|completion_)?tokens|model_context_window_exceeded"
FILTERED = "(?i)content_filter(ed)?|refusal|safety|prohibited_content|blocklist|recitation|spii|guardrail_intervened"
_QUANTILES = ("0.5", "0.95", "0.99")


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording rule."""

    name: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def rule(self) -> dict[str, Any]:
        """As Prometheus reads it."""
        return {"record": self.name, "expr": self.expr, **({"labels": dict(self.labels)} if self.labels else {})}


@dataclass(frozen=True, slots=True)
class Context:
    """What rules are made from."""

    objectives: Objectives
    vocabulary: Vocabulary
    clock: Clock = field(default_factory=Clock)

    def over(self, seconds: float) -> str:
        """A duration on the clock of these rules."""
        return self.clock.text(seconds)


def ratio(part: str, whole: str) -> str:
    """A share that is 0, and not absent, where there is a whole without a part."""
    return f"(\n  {_indent(part)}\n  or\n  0 * {_indent(whole)}\n)\n/\n({_indent(whole)} > 0)"


def _indent(expr: str) -> str:
    return expr.replace("\n", "\n  ")


def recording_groups(it: Context) -> dict[str, list[dict[str, Any]]]:
    """All recording rules: groups of Prometheus by the file that they stand in."""
    return {
        "otel-llm-recording.yml": [_group(it, "aggregate", 30, aggregate(it)), _group(it, "cost", 60, cost(it))],
        "otel-llm-anomaly.yml": [
            _group(it, "anomaly", 60, [*anomaly(it), *baselines(it)]),
            _group(it, "seasonal", 300, seasonal(it)),
        ],
        "otel-llm-slo.yml": [_group(it, "slo", 30, slo(it)), _group(it, "slo_period", 300, slo_period(it))],
    }


def _group(it: Context, name: str, interval: float, rules: list[Recording]) -> dict[str, Any]:
    return {"name": f"otel_llm.{name}", "interval": it.over(interval), "rules": [one.rule() for one in rules]}


def aggregate(it: Context) -> list[Recording]:
    """Rates, errors, quantiles, means and shares by provider and model."""
    v, short, medium = it.vocabulary, it.over(normal.SHORT), it.over(normal.MEDIUM)
    by_type = (*recorded.PROVIDER_MODEL, "error_type")
    errors = f"{v.calls(short, by_type, error_type=FAILED)}\n/ on ({PM}) group_left ()\n({recorded.CALLS} > 0)"
    return [
        Recording(recorded.CALLS, v.calls(short)),
        Recording(recorded.ERRORS, ratio(v.calls(short, error_type=FAILED), recorded.CALLS)),
        Recording(recorded.ERRORS_BY_TYPE, errors),
        *_quantiles(it),
        Recording(recorded.INPUT_TOKENS, v.mean_tokens("input", short)),
        Recording(recorded.OUTPUT_TOKENS, v.mean_tokens("output", short)),
        Recording(recorded.OUTPUT_TOKENS_15M, v.mean_tokens("output", medium)),
        *_signals_beside_calls(short, medium),
    ]


def _quantiles(it: Context) -> list[Recording]:
    v, short = it.vocabulary, it.over(normal.SHORT)
    # ">= 0" drops the NaN of a quantile of nothing
    durations = [
        Recording(recorded.DURATION, f"{v.quantile(q, short, error_type=SUCCEEDED)} >= 0", {"quantile": q})
        for q in _QUANTILES
    ]
    first = v.first_chunk
    return durations + [
        Recording(
            recorded.FIRST_CHUNK,
            f"histogram_quantile({q}, sum by ({PM}, le) (rate({first.selector('_bucket')}[{short}]))) >= 0",
            {"quantile": q},
        )
        for q in _QUANTILES
    ]


def _variation() -> str:
    spread = BY_NAME["otel_llm_output_tokens_stddev"].selector()
    middle = BY_NAME["otel_llm_tokens_per_request"].selector(gen_ai_token_type="output")  # noqa: S106 - tokens of text
    return f"avg by ({PM}) (\n  {spread}\n  / ignoring (gen_ai_token_type)\n  ({middle} > 0)\n)"


def _signals_beside_calls(short: str, medium: str) -> list[Recording]:
    pm = recorded.PROVIDER_MODEL
    lookups = BY_NAME["otel_llm_cache_requests_total"]
    left, limit = BY_NAME["otel_llm_rate_limit_remaining"], BY_NAME["otel_llm_rate_limit_limit"]
    fallbacks, by_cache = BY_NAME["otel_llm_fallbacks_total"], (*pm, "cache")
    return [
        Recording(recorded.FALLBACKS, fell_back(fallbacks.rate(short, ("from_model",)), recorded.CALLS)),
        Recording(
            recorded.CACHE_HITS, ratio(lookups.rate(medium, by_cache, result="hit"), lookups.rate(medium, by_cache))
        ),
        Recording(recorded.RATE_LIMIT_LEFT, f"min by ({PM}, kind) ({left.selector()} / ({limit.selector()} > 0))"),
    ]


def cost(it: Context) -> list[Recording]:
    """Money per second, per call and per calendar period."""
    spent = BY_NAME["otel_llm_cost_usd_total"]
    by_budget = "sum by (job, budget, period)"
    return [
        Recording(recorded.COST, spent.rate(it.over(normal.SHORT), recorded.PROVIDER_MODEL)),
        Recording(recorded.COST_PER_REQUEST, mean(BY_NAME["otel_llm_request_cost_usd"], it.over(normal.SHORT))),
        Recording(recorded.COST_ALL, spent.rate(it.over(3600))),
        Recording(recorded.SPEND, f"{by_budget} ({BY_NAME['otel_llm_spend_usd'].selector()})"),
        # every instance of a service is given the same budget, and spends its part of it
        Recording(recorded.BUDGET, f"max by (job, budget, period) ({BY_NAME['otel_llm_budget_usd'].selector()})"),
        Recording(recorded.BUDGET_FORECAST, f"{by_budget} ({BY_NAME['otel_llm_budget_forecast_ratio'].selector()})"),
    ]


def anomaly(it: Context) -> list[Recording]:
    """Means of the last minutes, what they were over a day, and the distance in standard deviations."""
    v, short = it.vocabulary, it.over(normal.SHORT)
    took = f"{v.seconds(short, error_type=SUCCEEDED)}\n/\n({v.calls(short, error_type=SUCCEEDED)} > 0)"
    means = {"latency": took, "output_tokens": recorded.OUTPUT_TOKENS, "cost": recorded.COST_PER_REQUEST}
    # a deviation of less than 1 % of the mean is a constant, and nothing can be judged by it
    spread = f"({recorded.BASELINE_STDDEV} > 0.01 * {recorded.BASELINE_MEAN})"
    return [
        *(Recording(recorded.SIGNAL, expr, {"signal": signal}) for signal, expr in means.items()),
        Recording(recorded.BASELINE_MEAN, _baseline(it, "avg_over_time", recorded.SIGNAL)),
        Recording(recorded.BASELINE_STDDEV, _baseline(it, "stddev_over_time", recorded.SIGNAL)),
        Recording(recorded.ZSCORE, f"({recorded.SIGNAL} - {recorded.BASELINE_MEAN})\n/\n{spread}"),
    ]


def baselines(it: Context) -> list[Recording]:
    """What else is judged by its own day, and the share of calls that the exporter found anomalous."""
    medium = it.over(normal.MEDIUM)
    odd = BY_NAME["otel_llm_anomalies_total"].rate(medium, recorded.LABELS[recorded.ANOMALOUS])
    share = f"{odd}\n/ on ({PM}) group_left ()\n({it.vocabulary.calls(medium)} > 0)"
    return [
        Recording(recorded.ANOMALOUS, share),
        Recording(recorded.OUTPUT_VARIATION, _variation()),
        *_finish_reasons(medium),
        Recording(recorded.VARIATION_BASELINE, _baseline(it, "avg_over_time", recorded.OUTPUT_VARIATION)),
        Recording(recorded.FINISH_BASELINE, _baseline(it, "avg_over_time", recorded.FINISH_REASONS)),
    ]


def _finish_reasons(medium: str) -> list[Recording]:
    pm, finish = recorded.PROVIDER_MODEL, BY_NAME["otel_llm_finish_reasons_total"]
    return [
        Recording(
            recorded.FINISH_REASONS,
            ratio(finish.rate(medium, pm, finish_reason=f"=~{reasons}"), finish.rate(medium, pm)),
            {"finish_reason": name},
        )
        for name, reasons in (("length", TRUNCATED), ("content_filter", FILTERED))
    ]


def _baseline(it: Context, function: str, name: str) -> str:
    """A day without its newest minutes, where it holds enough samples.

    Means of 5 minutes that are recorded each minute share most of their calls: only one in five counts as a sample. With
    fewer, the deviation of a quiet quarter of an hour is taken for that of the day.
    """
    window = f"{name}[{it.over(normal.BASELINE)}] offset {it.over(normal.BASELINE_GAP)}"
    samples = it.objectives.min_samples * normal.SHORT // normal.MINUTE
    return f"{function}({window})\nand\ncount_over_time({window}) >= {samples}"


def seasonal(it: Context) -> list[Recording]:
    """Where a signal should be at this time of the day, for services with a rhythm.

    The band lies around the mean of the hours around this time one, two, three and seven days ago, of which there must be three. It
    is as wide as the least change that matters and two (warning) or three (critical) times the deviation between those days and the
    one that is usual within an hour. It holds nothing of the hour judged.
    """
    hour, signal = it.over(normal.SEASON_WINDOW), recorded.SIGNAL
    enough = f">= {it.objectives.min_samples}"
    usual = f"{recorded.HOUR_STDDEV}[{it.over(normal.BASELINE)}] offset {hour}"
    seasons = [
        Recording(
            recorded.SEASON,
            f"avg_over_time({signal}[{hour}] offset {it.over(offset)})\nand\n"
            f"count_over_time({signal}[{hour}] offset {it.over(offset)}) {enough}",
            {"season": season},
        )
        for season, offset in normal.SEASON_OFFSETS.items()
    ]
    return [
        Recording(
            recorded.HOUR_STDDEV, f"stddev_over_time({signal}[{hour}])\nand\ncount_over_time({signal}[{hour}]) {enough}"
        ),
        Recording(recorded.SPREAD, f"avg_over_time({usual})"),
        *seasons,
        Recording(recorded.LEVEL, signal),
        *_bands(it),
    ]


def _bands(it: Context) -> list[Recording]:
    change, season = it.objectives.min_change, recorded.SEASON
    severities = {"warning": it.objectives.zscore_warning, "critical": it.objectives.zscore_critical}
    bands = []
    for severity, sigmas in severities.items():
        margin = f"{sigmas:g} * ({recorded.SPREAD} + stddev without (season) ({season}))"
        days = f"\nand\ncount without (season) ({season}) >= {normal.SEASONS}"
        high = f"{1 + change:g} * avg without (season) ({season}) + {margin}{days}"
        low = f"clamp_min({1 - change:g} * avg without (season) ({season}) - {margin}, 0){days}"
        bands += [
            Recording(recorded.UPPER, high, {"severity": severity}),
            Recording(recorded.LOWER, low, {"severity": severity}),
        ]
    return bands


def slo(it: Context) -> list[Recording]:
    """The share of bad calls over each window, for availability and latency, and the objectives."""
    o = it.objectives
    rules = [Recording(recorded.SLO_OBJECTIVE, f"vector({o.slo:.10g})", {"slo": "availability"})]
    rules.append(Recording(recorded.SLO_OBJECTIVE, f"vector({o.latency_slo:.10g})", {"slo": "latency"}))
    for seconds in normal.SLO_WINDOWS:
        rules += _slo_window(it, normal.duration(seconds), it.over(seconds))
    return rules


def _slo_window(it: Context, name: str, over: str) -> list[Recording]:
    v, calls = it.vocabulary, recorded.SLO_CALLS + name
    fast = v.within(it.objectives.latency_slo_threshold, over, error_type=SUCCEEDED)
    slow = f"1 -\n{fast}\n/\n({v.calls(over, error_type=SUCCEEDED)} > 0)"
    return [
        Recording(calls, v.calls(over)),
        Recording(recorded.SLO_ERRORS + name, ratio(v.calls(over, error_type=FAILED), calls), {"slo": "availability"}),
        Recording(recorded.SLO_ERRORS + name, slow, {"slo": "latency"}),
    ]


def slo_period(it: Context) -> list[Recording]:
    """How much of the error budget of the last 30 days is left, each hour weighing what its calls weigh."""
    period = f"[{it.over(normal.SLO_PERIOD)}:{it.over(3600)}]"
    calls, bad = recorded.SLO_CALLS + "1h", recorded.SLO_ERRORS + "1h"
    weighed = f"({bad} * on ({PM}) group_left () {calls})"
    share = f"(\n  sum_over_time({weighed}{period})\n  / on ({PM}) group_left ()\n  sum_over_time({calls}{period})\n)"
    left = f"1 -\n{share}\n/ on (slo) group_left ()\n(1 - {recorded.SLO_OBJECTIVE})"
    return [Recording(recorded.SLO_BUDGET_LEFT, left)]
