"""What the store knows, in short and in plain values that JSON can hold: behind ``otel_llm.stats()``."""

from __future__ import annotations

from collections import Counter
from typing import Any

from otel_llm.core.measures import TOKEN_KINDS

from .families import Families
from .views import View
from .window import Facts, Stats


def summary(stats: Stats, families: Families, views: list[View]) -> dict[str, Any]:
    """The window's facts for all calls and by model, money by budget and period, counts since the service started."""
    by_name = {view.metric.name: view for view in views}
    return {
        "total": _facts(stats.total),
        "models": [{"provider": key[0], "model": key[1], **_facts(facts)} for key, facts in stats.models.items()],
        "budgets": _budgets(by_name),
        "zscores": _zscores(by_name.get("otel_llm_zscore")),
        "shifted": [one._asdict() for one in stats.shifted],
        "in_flight": _sum(by_name.get("otel_llm_in_flight_requests")),
        "since_start": {**_since_start(families), **_durations(families, stats.total)},
    }


def _facts(facts: Facts) -> dict[str, Any]:
    return {
        "calls": facts.calls,
        "errors": dict(facts.errors),
        "error_ratio": facts.error_ratio,
        "fallback_ratio": facts.fallback_ratio,
        "cache_hit_ratio": facts.cache_hit_ratio,
        "requests_per_second": facts.requests_per_second,
        "latency_seconds": {
            **{f"p{100 * quantile:g}" if quantile < 1 else "max": value for quantile, value in facts.latency.items()},
            "mean": facts.latency_mean,
            "stddev": facts.latency_stddev,
        },
        "tokens": dict(facts.tokens),
        "tokens_per_request": dict(facts.tokens_per_request),
        "output_tokens_stddev": facts.output_tokens_stddev,
        "cost_usd": facts.cost,
        "cost_usd_per_request": facts.cost_per_request,
        "cost_usd_per_hour": facts.cost_per_hour,
        "cost_usd_median": facts.cost_median,
        "cost_usd_max": facts.cost_max,
        "cost_count": facts.cost_count,
        "complete": facts.complete,
        "prompt_cache": {
            "read_ratio": facts.prompt_cache_read_ratio,
            "saved_usd": facts.prompt_cache_saved,
            "avoidable_usd": facts.prompt_cache_avoidable,
        },
    }


def _budgets(by_name: dict[str, View]) -> list[dict[str, Any]]:
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    names = {"spend_usd": "spend_usd", "budget_usd": "budget_usd", "used_ratio": "budget_used_ratio",
             "forecast_ratio": "budget_forecast_ratio"}  # fmt: skip
    for field, name in names.items():
        view = by_name.get(f"otel_llm_{name}")
        for row in view.rows if view is not None else ():
            period, budget = row.labels
            entry = found.setdefault(row.labels, {"period": period, "budget": budget, **dict.fromkeys(names)})
            entry[field] = row.cell.value
    return list(found.values())


def _zscores(view: View | None) -> list[dict[str, Any]]:
    if view is None:
        return []
    names = ("provider", "model", "signal", "kind")
    return [{**dict(zip(names, row.labels, strict=True)), "zscore": row.cell.value} for row in view.rows]


def _sum(view: View | None) -> float:
    return sum(row.cell.value for row in view.rows) if view is not None else 0


def _complete(families: Families) -> float | None:
    """Share of the successful calls whose cost is whole: with usage, and a price for all of it. None before the first one."""
    names = ("otel_llm_usage_unknown_total", "otel_llm_unpriced_requests_total", "otel_llm_incomplete_requests_total")
    lacking = sum(cell.value for name in names for cell in families.numbers(name))
    priced = sum(sum(cell.counts) for cell in families.histograms("otel_llm_request_cost_usd"))
    incomplete = sum(cell.value for cell in families.numbers(names[2]))
    calls = priced - incomplete + lacking
    return max(0.0, 1 - lacking / calls) if calls else None


def _since_start(families: Families) -> dict[str, Any]:
    def total(name: str) -> float:
        return sum(cell.value for cell in families.numbers(name))

    tokens = {kind.part: total(kind.counter) for kind in TOKEN_KINDS}
    return {
        "cost_usd": total("otel_llm_cost_usd_total"),
        "cache_savings_usd": total("otel_llm_cache_savings_usd_total"),
        "cache_avoidable_usd": total("otel_llm_cache_avoidable_usd_total"),
        "unpriced_calls": total("otel_llm_unpriced_requests_total"),
        "incomplete_calls": total("otel_llm_incomplete_requests_total"),
        "unknown_usage_calls": total("otel_llm_usage_unknown_total"),
        "complete": _complete(families),
        "fallbacks": total("otel_llm_fallbacks_total"),
        **tokens,
    }


_DURATION = "gen_ai_client_operation_duration_seconds"
_TAIL = 0.95


def _durations(families: Families, window: Facts) -> dict[str, Any]:
    """Calls, those that failed by error type, and the 95th percentile of the seconds that the others took.

    The window knows it within 1 % where it holds every call since the start; else it is interpolated between the bounds of the
    histogram, as PromQL's ``histogram_quantile`` does.
    """
    place = families.names(_DURATION).index("error_type")
    calls, errors = 0, Counter[str]()
    slowness: Counter[float] = Counter()
    for labels in families.cells(_DURATION):
        cell = families.histogram(_DURATION, labels)
        calls += sum(cell.counts)
        if labels[place]:
            errors[labels[place]] += sum(cell.counts)
        else:
            slowness.update(dict(zip((*cell.bounds, float("inf")), cell.counts, strict=True)))
    whole = window.calls == calls and _TAIL in window.latency
    p95 = window.latency[_TAIL] if whole else _quantile(_TAIL, slowness)
    return {"calls": calls, "errors": dict(errors), "p95_seconds": p95}


def _quantile(level: float, counts: dict[float, int]) -> float | None:
    """The value below which a share of ``level`` lies, of ``counts`` by upper bound; the highest finite bound where it lies above."""
    rank, below, lower = level * sum(counts.values()), 0, 0.0
    for bound in sorted(bound for bound in counts if bound < float("inf")):
        if rank and below + counts[bound] >= rank:
            return lower + (bound - lower) * (rank - below) / counts[bound]
        below, lower = below + counts[bound], bound
    return lower if rank else None
