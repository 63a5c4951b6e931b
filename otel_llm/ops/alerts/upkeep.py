"""Alerts on budgets, on what cannot be priced or counted, and on otel-llm itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_llm.core import objectives as normal
from otel_llm.core.catalogue import BY_NAME
from otel_llm.ops import recorded
from otel_llm.ops.promql import one_line
from otel_llm.ops.rules.made import summed

from .alert import COUNT, DAY, DURATION, HOUR, KEPT, MINUTE, SHARE, Alert, judged

if TYPE_CHECKING:
    from otel_llm.ops.rules import Context

_KEPT_BUDGET = HOUR  # spend goes away with its pod; the alert outlives that


def budgets(it: Context) -> list[Alert]:
    o = it.objectives
    return [
        *_budget(it, "Daily", "day", o.daily_budget_factor),
        *_budget(it, "Monthly", "month", o.monthly_budget_factor),
    ]


def _budget(it: Context, adjective: str, period: str, exceeded: float) -> list[Alert]:
    o, which = it.objectives, f'{{period="{period}"}}'
    now = {"day": "today", "month": "this month"}[period]
    used = f"{recorded.SPEND}{which} / ({recorded.BUDGET}{which} > 0)"
    more: dict[str, Any] = {"keep": _KEPT_BUDGET, "about": ("budget",), "variables": {}}
    forecast = f"last_over_time({recorded.BUDGET_FORECAST}{which}[{it.over(KEPT)}]) > {o.budget_forecast_factor:g}"
    title = f"budget {now} {SHARE}"
    return [
        judged("budget", "critical", "cost", f"{used} > {exceeded:g}", title, SHARE, name=f"LLM{adjective}BudgetExceeded", **more),
        judged("budget", "critical", "cost", f"{used} >= {o.budget_reached:g}", title, SHARE, name=f"LLM{adjective}BudgetReached", **more),
        judged("budget", "warning", "cost", f"{used} >= {o.budget_warning:g}", title, SHARE, name=f"LLM{adjective}BudgetNear", **more),
        judged(
            "budget_forecast", "warning", "cost", forecast, f"budget {now} forecast {SHARE}", SHARE,
            name=f"LLM{adjective}BudgetForecast", **more,
        ),
        _fleet(it, adjective, period, exceeded),
    ]  # fmt: skip


def _fleet(it: Context, adjective: str, period: str, exceeded: float) -> Alert:
    """By the cost counter: what pods spent that are gone is in it."""
    budget = f'last_over_time({recorded.BUDGET}{{period="{period}", budget=""}}[{it.over(DAY)}])'
    of = ", ".join(label for label in it.service if label != "service_name")  # a budget is of all services of a gateway
    spent = f'sum by ({of}, period) ({recorded.FLEET_SPEND}{{period="{period}"}})'
    return judged(
        "budget", "critical", "cost", f"{spent} / on ({of}, period) group_left ()\n({budget} > 0)\n> {exceeded:g}",
        f"fleet's budget of the {period} {SHARE}", SHARE, name=f"LLMFleet{adjective}BudgetExceeded", keep=_KEPT_BUDGET,
        about=(), variables={},
    )  # fmt: skip


def unknown(it: Context) -> list[Alert]:
    o, medium = it.objectives, normal.MEDIUM
    names = it.by(*recorded.PROVIDER_MODEL)

    def share(counted: str, limit: float) -> str:
        return f"{counted}\n/ on ({it.model})\n({it.total(recorded.CALLS, medium)} >= {o.min_failures})\n> {limit:g}"

    unknown_calls = summed(names, it.total(recorded.USAGE_UNKNOWN, medium))
    return [
        judged(
            "unpriced", "warning", "cost", share(it.parts(recorded.UNPRICED), o.incomplete_share), f"no price for {SHARE}", SHARE,
        ),
        judged(
            "usage_unknown", "warning", "telemetry", share(unknown_calls, o.usage_unknown_share), f"no usage in {SHARE}", SHARE,
        ),
    ]  # fmt: skip


def own(it: Context) -> list[Alert]:
    def counted(record: str) -> str:
        window = it.steps(HOUR - normal.SHORT, MINUTE)
        return f"sum_over_time({record}{window}) / {normal.SHORT // MINUTE} > 0"

    age = f"max by ({it.of_service}) ({BY_NAME['otel_llm_price_table_age_seconds'].name}) > {it.objectives.price_table_age:g}"
    return [
        judged(
            "label_overflow", "warning", "telemetry", counted(recorded.OVERFLOW), f"{COUNT} label values cut", COUNT,
            " of {{ $labels.label }}", about=("label",), variables={},
        ),
        judged(
            "internal_errors", "warning", "telemetry", counted(recorded.INTERNAL_ERRORS), f"{COUNT} own errors", COUNT,
            " in {{ $labels.component }}", about=("component",), variables={},
        ),
        judged("old_prices", "warning", "telemetry", age, f"prices {DURATION} old", DURATION, about=(), variables={}),
        _no_histograms(it),
    ]  # fmt: skip


def _no_histograms(it: Context) -> Alert:
    """Calls are counted, but their durations are not there as the histograms that rules read: latency is not judged at all."""
    kind = f"{'native' if it.read.native else 'classic'} histograms"
    return Alert(
        "LLMHistogramsMissing",
        f"sum by ({it.of_service}) ({recorded.CALLS}) > 0\nunless on ({it.of_service})\n{recorded.BUCKETS}",
        "warning",
        "telemetry",
        "no histograms",
        f"calls are counted but their durations are not there as {kind}, so no alert about latency can fire",
        f"durations of calls were not there as {kind}",
        15 * MINUTE,
        about=(),
        variables={},
    )


def reach(_: Context) -> list[Alert]:
    info = BY_NAME["otel_llm_build_info"].name
    ours = f"and on (job, instance)\n{recorded.SEEN}"  # targets that have shown our metrics
    still = f"on () (\n  max(up {one_line(ours)}) == 1\n)"
    text = {
        "one": "does not answer",
        "all": "does not answer, nor does any other target, so no alert about LLM calls can fire",
    }
    others = {"one": f"and {still}", "all": f"unless {still}"}
    return [
        Alert(
            "LLMTelemetryAbsent",
            f"absent({info} or {recorded.CALLS})",  # calls are all that a service shows that pushes
            "warning",
            "telemetry",
            "no LLM metrics at all",
            "No target shows metrics of otel-llm, so no alert about LLM calls can fire",
            "No target showed metrics of otel-llm",
            15 * MINUTE,
            about=(),
            variables={},
        ),
        *(
            Alert(
                "LLMTelemetryDown",
                f"up == 0\n{ours}\n{others[reach]}",
                "warning",
                "telemetry",
                "/metrics does not answer",
                text[reach],
                "did not answer",
                5 * MINUTE,
                labels={"reach": reach},
                about=("instance",),
                variables={},
            )
            for reach in text
        ),
    ]
