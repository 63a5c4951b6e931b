"""What the store knows, in short and in plain values that JSON can hold: behind ``otel_llm.stats()``."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any, TypedDict, cast

from otel_llm.core.measures import TOKEN_KINDS

from .families import Families
from .spenders import Spenders
from .views import View
from .window import Facts, Stats
from .window.facts import Shifted


class Quantiles(TypedDict, total=False):
    """Of the latency of successful calls in the window, in seconds, at most 1 % off; without them, no key is there."""

    p50: float
    p95: float
    p99: float
    max: float


class Latency(Quantiles):
    """Of successful calls in the window, in seconds. None without them; the deviation needs two."""

    mean: float | None
    stddev: float | None


class Tokens(TypedDict, total=False):
    """A key is there where a call has reported such tokens; input includes cached ones, output includes thinking."""

    input: int
    output: int
    thinking: int


class TokensPerRequest(TypedDict, total=False):
    """Means over the successful calls that reported such tokens."""

    input: float
    output: float
    thinking: float


class PromptCache(TypedDict):
    """The provider's prompt cache over the window: cached share of input tokens (0 to 1), US dollars."""

    read_ratio: float | None
    saved_usd: float | None
    avoidable_usd: float | None


class Traffic(TypedDict):
    """The calls of the window: ratios from 0 to 1, money in US dollars. None is "nothing to say", never zero."""

    calls: int
    errors: dict[str, int]  # by error type
    error_ratio: float | None
    fallback_ratio: float | None
    cache_hit_ratio: float | None
    requests_per_second: float
    latency_seconds: Latency
    tokens: Tokens
    tokens_per_request: TokensPerRequest
    output_tokens_stddev: float | None
    cost_usd: float | None
    cost_usd_per_request: float | None
    cost_usd_per_hour: float | None
    cost_usd_median: float | None  # of successful calls
    cost_usd_max: float | None
    cost_count: int  # calls with a known cost
    complete: float | None  # share of calls that reported usage and have a whole price
    prompt_cache: PromptCache


class ModelTraffic(Traffic):
    """The calls of one model, by the name that was asked for."""

    provider: str
    model: str


class Budget(TypedDict):
    """One budget in one period: money in US dollars, ratios of the budget (above 1 it is exceeded). None is unknown."""

    period: str
    budget: str
    spend_usd: float | None
    budget_usd: float | None
    used_ratio: float | None
    forecast_ratio: float | None


class Score(TypedDict):
    """One z-score: signed, in standard errors; of the kinds ``shift`` and ``trend``, 3 is the line of this service."""

    provider: str
    model: str
    signal: str
    kind: str
    zscore: float


class ShiftedBaseline(TypedDict):
    """A shift that has stayed until it was the baseline: mean before and now, in the signal's unit, and how many seconds ago."""

    provider: str
    model: str
    signal: str
    before: float
    now: float
    seconds: float


class TopSpender(TypedDict):
    """Who spent most this month or day, by a label of the caller's: US dollars, too large by ``error_usd`` at most."""

    period: str
    label: str
    value: str
    spend_usd: float
    error_usd: float


class _TokensSinceStart(TypedDict):
    input_tokens: float
    output_tokens: float
    cache_read_tokens: float
    cache_write_tokens: float
    thinking_tokens: float


class _Durations(TypedDict):
    calls: float
    errors: dict[str, int]  # failed calls by error type
    p95_seconds: float | None  # of successful calls


class SinceStart(_TokensSinceStart, _Durations):
    """Counts since the service started, US dollars, tokens; ``complete`` is the share (0 to 1) of calls whose cost is whole."""

    cost_usd: float
    cache_savings_usd: float
    cache_avoidable_usd: float
    unpriced_calls: float
    incomplete_calls: float
    unknown_usage_calls: float
    complete: float | None
    fallbacks: float


class Figures(TypedDict):
    """What the store knows, except for when it was asked."""

    total: Traffic
    models: list[ModelTraffic]
    budgets: list[Budget]
    zscores: list[Score]
    shifted: list[ShiftedBaseline]
    in_flight: float  # calls that have begun and not ended, in all processes
    since_start: SinceStart
    top_spenders: list[TopSpender]  # five of each label, of this day and month, as far as there was spend


class Summary(Figures):
    """What ``otel_llm.stats()`` returns: all workers of the service together."""

    at: float  # seconds since the epoch
    window_seconds: float  # how far back ``total`` and ``models`` reach


def summary(stats: Stats, families: Families, views: list[View], spenders: list[TopSpender]) -> Figures:
    """The window's facts for all calls and by model, money by budget and period, counts since the service started."""
    by_name = {view.metric.name: view for view in views}
    return {
        "total": _facts(stats.total),
        "models": [
            {**_facts(facts), "provider": key[0], "model": key[1], **_labels(key[2:])}
            for key, facts in stats.models.items()
        ],
        "budgets": _budgets(by_name),
        "zscores": _zscores(by_name.get("otel_llm_zscore")),
        "shifted": [_shifted(one) for one in stats.shifted],
        "in_flight": _sum(by_name.get("otel_llm_in_flight_requests")),
        "since_start": _since_start(families, stats.total),
        "top_spenders": spenders,
    }


SHOWN = 5
"""Spenders of each label."""


def top_spenders(spenders: Spenders, day: date) -> list[TopSpender]:
    """The largest of a day and of its month, by label."""
    return [
        {"period": period, "label": name, "value": one.value, "spend_usd": one.amount, "error_usd": one.error}
        for period, shown in (("day", day.isoformat()), ("month", f"{day:%Y-%m}"))
        for name, largest in spenders.top(shown, SHOWN).items()
        for one in largest
    ]


def _facts(facts: Facts) -> Traffic:
    return {
        "calls": facts.calls,
        "errors": dict(facts.errors),
        "error_ratio": facts.error_ratio,
        "fallback_ratio": facts.fallback_ratio,
        "cache_hit_ratio": facts.cache_hit_ratio,
        "requests_per_second": facts.requests_per_second,
        "latency_seconds": _latency(facts),
        "tokens": cast("Tokens", dict(facts.tokens)),
        "tokens_per_request": cast("TokensPerRequest", dict(facts.tokens_per_request)),
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


def _latency(facts: Facts) -> Latency:
    quantiles = {f"p{100 * quantile:g}" if quantile < 1 else "max": value for quantile, value in facts.latency.items()}
    return {**cast("Quantiles", quantiles), "mean": facts.latency_mean, "stddev": facts.latency_stddev}


def _shifted(one: Shifted) -> ShiftedBaseline:
    return {
        "provider": one.provider,
        "model": one.model,
        "signal": one.signal,
        "before": one.before,
        "now": one.now,
        "seconds": one.seconds,
        **_labels(one.labels),
    }


def _budgets(by_name: dict[str, View]) -> list[Budget]:
    by_labels: dict[tuple[str, ...], dict[str, Any]] = {}
    names = {"spend_usd": "spend_usd", "budget_usd": "budget_usd", "used_ratio": "budget_used_ratio",
             "forecast_ratio": "budget_forecast_ratio"}  # fmt: skip
    for field, name in names.items():
        view = by_name.get(f"otel_llm_{name}")
        for row in view.rows if view is not None else ():
            period, budget = row.labels
            entry = by_labels.setdefault(row.labels, {"period": period, "budget": budget, **dict.fromkeys(names)})
            entry[field] = row.cell.value
    return cast("list[Budget]", list(by_labels.values()))


def _zscores(view: View | None) -> list[Score]:
    scores: list[Score] = []
    for row in view.rows if view is not None else ():
        provider, model, signal, kind, *values = row.labels
        labels = _labels(tuple(zip(view.names[4:], values, strict=True)) if view is not None else ())
        scores.append(
            {"provider": provider, "model": model, "signal": signal, "kind": kind, "zscore": row.cell.value, **labels}
        )
    return scores


def _labels(pairs: tuple[tuple[str, str], ...]) -> Any:
    """The labels that have windows of their own, where there are any."""
    return {"labels": dict(pairs)} if pairs else {}


def _sum(view: View | None) -> float:
    return sum(row.cell.value for row in view.rows) if view is not None else 0


def complete(families: Families) -> float | None:
    """Share of the successful calls whose cost is whole: with usage, and a price for all of it. None before the first one."""
    names = ("otel_llm_usage_unknown_total", "otel_llm_unpriced_requests_total", "otel_llm_incomplete_requests_total")
    lacking = sum(cell.value for name in names for cell in families.numbers(name))
    priced = sum(sum(cell.counts) for cell in families.histograms("otel_llm_request_cost_usd"))
    incomplete = sum(cell.value for cell in families.numbers(names[2]))
    calls = priced - incomplete + lacking
    return max(0.0, 1 - lacking / calls) if calls else None


def _since_start(families: Families, window: Facts) -> SinceStart:
    def total(name: str) -> float:
        return sum(cell.value for cell in families.numbers(name))

    tokens = cast("_TokensSinceStart", {kind.part: total(kind.counter) for kind in TOKEN_KINDS})
    return {
        **_durations(families, window),
        "cost_usd": total("otel_llm_cost_usd_total"),
        "cache_savings_usd": total("otel_llm_cache_savings_usd_total"),
        "cache_avoidable_usd": total("otel_llm_cache_avoidable_usd_total"),
        "unpriced_calls": total("otel_llm_unpriced_requests_total"),
        "incomplete_calls": total("otel_llm_incomplete_requests_total"),
        "unknown_usage_calls": total("otel_llm_usage_unknown_total"),
        "complete": complete(families),
        "fallbacks": total("otel_llm_fallbacks_total"),
        **tokens,
    }


_DURATION = "gen_ai_client_operation_duration_seconds"
_TAIL = 0.95


def _durations(families: Families, window: Facts) -> _Durations:
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
