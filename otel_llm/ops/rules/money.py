"""Money per second, per call and per calendar period, and what could not be counted."""

from __future__ import annotations

from otel_llm.core import objectives as normal
from otel_llm.core.catalogue import BY_NAME
from otel_llm.ops import recorded
from otel_llm.ops.promql import born

from .made import LONG_STEP, Context, Recording, summed

_PM = recorded.PROVIDER_MODEL
_DAYS = {"day": 86_400, "month": 31 * 86_400}


def cost(it: Context) -> list[Recording]:
    """Rates of the cost counter, the spend that services themselves keep, and their budgets."""
    short = it.over(normal.SHORT)
    spent, each, routes = (
        BY_NAME[f"otel_llm_{name}"] for name in ("cost_usd_total", "request_cost_usd", "http_request_cost_usd")
    )
    money, priced = (it.added(it.by(*_PM), each, suffix) for suffix in ("_sum", "_count"))
    budget = ", ".join(it.by("budget", "period"))
    hourly = f"{summed(it.service, it.total(recorded.COST, 3600))} / {it.clock.seconds(3600):g}"
    return [
        Recording(recorded.COST_BY_CUSTOM, spent.rate(short, it.by(*_PM, *it.custom))),
        Recording(recorded.COST, summed(it.by(*_PM), recorded.COST_BY_CUSTOM)),
        Recording(recorded.COST_BY_SOURCE, spent.rate(short, it.by("cost_source"))),
        Recording(recorded.COST_BY_ROUTE, it.added(it.by("http_route"), routes, "_sum")),
        Recording(recorded.COST_BUCKETS, it.added(it.by("le"), each, "_bucket")),
        Recording(recorded.COST_PER_REQUEST, f"{money}\n/\n({priced} > 0)"),
        Recording(recorded.SAVINGS, BY_NAME["otel_llm_cache_savings_usd_total"].rate(short, it.by(*_PM))),
        Recording(recorded.COST_ALL, hourly),
        Recording(recorded.SPEND, f"sum by ({budget}) ({BY_NAME['otel_llm_spend_usd'].selector()})"),
        # every instance of a service is given the same budget, and spends its part of it
        Recording(recorded.BUDGET, f"max by ({budget}) ({BY_NAME['otel_llm_budget_usd'].selector()})"),
        Recording(
            recorded.BUDGET_FORECAST, f"sum by ({budget}) ({BY_NAME['otel_llm_budget_forecast_ratio'].selector()})"
        ),
        *_uncounted(it),
        *_around(it),
    ]


def fleet(it: Context) -> list[Recording]:
    """What a service spent in the calendar day and month (UTC), pods that are gone included: by the counter's records.

    A step counts where it falls into the same day as the evaluation, whose time is recorded first.
    """
    rules = [Recording(recorded.NOW, "vector(time())")]
    for period, function in (("day", "day_of_month"), ("month", "month")):
        same = f"{function}() == on () {function}({recorded.NOW} @ end())"
        step = LONG_STEP if period == "day" else 3600
        rate = summed(it.service, recorded.COST) if period == "day" else recorded.COST_ALL
        window = it.steps(_DAYS[period], step)
        expr = f"sum_over_time(({rate} and on () ({same})){window}) * {it.clock.seconds(step):g}"
        rules.append(Recording(recorded.FLEET_SPEND, expr, {"period": period}))
    return rules


def _around(it: Context) -> list[Recording]:
    """What prompt caches missed, what amounts lack, and what guards decided."""

    def rate(name: str, *labels: str) -> str:
        counter = BY_NAME[f"otel_llm_{name}_total"].selector()
        return summed(it.by(*labels), f"rate({counter}[{it.over(normal.SHORT)}])")

    return [
        Recording(recorded.PROMPT_CACHE_MISSES, rate("prompt_cache_misses", "gen_ai_request_model", "reason")),
        Recording(recorded.AVOIDABLE, rate("cache_avoidable_usd")),
        Recording(recorded.INCOMPLETE, rate("incomplete_requests", *_PM)),
        Recording(recorded.DECISIONS, rate("budget_decisions", "budget", "decision")),
    ]


def _uncounted(it: Context) -> list[Recording]:
    short = it.over(normal.SHORT)

    def events(name: str, *labels: str) -> str:
        return born(BY_NAME[name], short, it.by(*labels))

    return [
        Recording(recorded.UNPRICED, events("otel_llm_unpriced_requests_total", *_PM)),
        Recording(recorded.OVERFLOW, events("otel_llm_label_overflow_total", "label")),
        Recording(recorded.INTERNAL_ERRORS, events("otel_llm_internal_errors_total", "component")),
    ]
