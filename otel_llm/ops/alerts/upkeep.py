"""Alerts on budgets, on what cannot be priced or counted, and on otel-llm itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_llm.core import objectives as normal
from otel_llm.core.catalogue import BY_NAME
from otel_llm.core.objectives import percent
from otel_llm.ops import recorded
from otel_llm.ops.promql import born, one_line

from .alert import MINUTE, MODEL, Alert, busy

if TYPE_CHECKING:
    from otel_llm.ops.rules import Context

_BORN_WITHIN = 3600  # how long a single event of our own keeps its alert up


def budgets(it: Context) -> list[Alert]:
    o = it.objectives
    return [
        *_budget("Daily", "day", o.daily_budget_factor, o.budget_forecast_factor),
        *_budget("Monthly", "month", o.monthly_budget_factor, o.budget_forecast_factor),
    ]


def _budget(adjective: str, period: str, exceeded: float, forecast: float) -> list[Alert]:
    which, subject = f'{{period="{period}"}}', "{{ $labels.job }}{{ with $labels.budget }} (budget {{ . }}){{ end }}"
    now = {"day": "today", "month": "this month"}[period]
    return [
        Alert(
            f"LLM{adjective}BudgetExceeded",
            f"{recorded.SPEND}{which} > {exceeded:g} * {recorded.BUDGET}{which}",
            "critical",
            "cost",
            f"{adjective} LLM spend is above {percent(exceeded)} of the budget",
            f'{subject} spent ${{{{ $value | printf "%.2f" }}}} {now}.',
            variables={"job": "job"},
        ),
        Alert(
            f"LLM{adjective}BudgetForecast",
            f"{recorded.BUDGET_FORECAST}{which} > {forecast:g}",
            "warning",
            "cost",
            f"{adjective} LLM spend will pass {percent(forecast)} of the budget",
            f"At the present rate {subject} will use {{{{ $value | humanizePercentage }}}} of the {period}'s budget.",
            15 * MINUTE,
            variables={"job": "job"},
        ),
    ]


def unknown(it: Context) -> list[Alert]:
    hour, medium, share = it.over(_BORN_WITHIN), it.over(normal.MEDIUM), it.objectives.usage_unknown_share
    unknown = BY_NAME["otel_llm_usage_unknown_total"].rate(medium, recorded.PROVIDER_MODEL)
    return [
        Alert(
            "LLMUnpricedModel",
            born(BY_NAME["otel_llm_unpriced_requests_total"], hour, recorded.PROVIDER_MODEL),
            "info",
            "cost",
            "LLM calls have no known price: spend is higher than shown",
            f'{{{{ $value | printf "%.0f" }}}} calls to {MODEL} in the last hour could not be priced.',
            15 * MINUTE,
        ),
        Alert(
            "LLMUsageUnknown",
            f"{unknown}\n/\n({it.vocabulary.calls(medium)} > 0)\n> {share:g}{busy(it)}",
            "warning",
            "telemetry",
            f"LLM calls bring no usage: more than {percent(share)}",
            f"{{{{ $value | humanizePercentage }}}} of the calls to {MODEL} do not say how many tokens they used.",
            15 * MINUTE,
            variables={},
        ),
    ]


def own(it: Context) -> list[Alert]:
    hour = it.over(_BORN_WITHIN)
    return [
        Alert(
            "LLMLabelOverflow",
            born(BY_NAME["otel_llm_label_overflow_total"], hour, ("job", "label")),
            "info",
            "telemetry",
            "Label {{ $labels.label }} has too many values",
            '{{ $value | printf "%.0f" }} values of {{ $labels.label }} of {{ $labels.job }} became "_other" in the last hour.',
            15 * MINUTE,
            variables={"job": "job"},
        ),
        Alert(
            "LLMInternalErrors",
            born(BY_NAME["otel_llm_internal_errors_total"], hour, ("job", "component")),
            "warning",
            "telemetry",
            "otel-llm fails in {{ $labels.component }}",
            '{{ $value | printf "%.0f" }} errors of otel-llm itself in {{ $labels.job }} in the last hour; calls are unaffected.',
            15 * MINUTE,
            variables={"job": "job"},
        ),
    ]


def reach(it: Context) -> list[Alert]:
    info = BY_NAME["otel_llm_build_info"].name
    calls = " or ".join(
        metric.name + "_count" for metric in it.vocabulary.durations
    )  # all that a service shows that pushes
    ours = f"and on (job, instance)\nlast_over_time({info}[{it.over(86_400)}])"  # targets that have shown our metrics
    still = f"on () (\n  max(up {one_line(ours)}) == 1\n)"
    text = {"one": "does not answer", "all": "does not answer, nor does any other: no alert about LLM calls can fire"}
    others = {"one": f"and {still}", "all": f"unless {still}"}
    return [
        Alert(
            "LLMTelemetryAbsent",
            f"absent({info} or {calls})",
            "warning",
            "telemetry",
            "There are no LLM metrics at all",
            "No target shows metrics of otel-llm: no alert about LLM calls can fire.",
            15 * MINUTE,
            variables={},
        ),
        *(
            Alert(
                "LLMTelemetryDown",
                f"up == 0\n{ours}\n{others[reach]}",
                "warning",
                "telemetry",
                "/metrics of {{ $labels.job }} is down",
                f"{{{{ $labels.instance }}}} {text[reach]}.",
                5 * MINUTE,
                {"reach": reach},
                {"job": "job"},
            )
            for reach in text
        ),
    ]
