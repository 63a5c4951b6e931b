"""From a page to the facts that ``top`` shows."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from . import agents, latency
from .facts import Budget, RateLimit, Row, View, Zscore
from .latency import Latency
from .samples import MODEL, Page, by_model, latencies

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DURATION = (
    "gen_ai_client_operation_duration_seconds",
    "gen_ai_client_inference_duration_seconds",
    "gen_ai_client_embeddings_duration_seconds",
)
FIRST_CHUNK = (
    "gen_ai_client_operation_time_to_first_chunk_seconds",
    "gen_ai_client_inference_time_to_first_chunk_seconds",
)
USAGE = "gen_ai_client_inference_usage_{}_total"
TOKENS = {
    "input": "input_tokens", "output": "output_tokens", "thinking": "reasoning_output_tokens",
    "cached": "cache_read_input_tokens", "written": "cache_write_input_tokens",
}  # fmt: skip
SIGNALS = ("latency", "output_tokens", "cost")


def read(page: Page, endpoints: tuple[str, ...], group: tuple[str, ...] = MODEL) -> View:
    """The view of ``page``, with a row for each value of the labels ``group``."""
    page = by_model(page)
    rows = _rows(page, group)
    per_model = rows if group == MODEL else _model_rows(page)
    return View(
        at=page.at,
        endpoints=endpoints,
        version=", ".join(sorted({labels.get("version", "?") for labels, _ in page.rows("otel_llm_build_info")})),
        processes=page.total("otel_llm_processes", state="live") or 0.0,
        rows=rows,
        total=_total(per_model),
        first_chunk_p95=latency.from_buckets(buckets(page, FIRST_CHUNK), 0.95),
        in_flight=page.total("otel_llm_in_flight_requests"),
        retries=page.total("otel_llm_retries_total") or 0.0,
        errors=_errors(page),
        fallback_ratio=_weighted(page, "otel_llm_fallback_ratio"),
        fallbacks=_fallbacks(page),
        cache_hit_ratio=_weighted(page, "otel_llm_cache_hit_ratio", by="otel_llm_cache_requests_total"),
        cache_hits=page.total("otel_llm_cache_requests_total", result="hit") or 0.0,
        cache_savings_usd=page.total("otel_llm_cache_savings_usd_total"),
        tokens_per_second={
            kind: value for (kind,), value in page.by("otel_llm_tokens_per_second", "gen_ai_token_type").items()
        },
        budgets=_budgets(page),
        zscores=_zscores(page),
        breakers=_breakers(page),
        unpriced_requests=page.total("otel_llm_unpriced_requests_total") or 0.0,
        usage_unknown=page.total("otel_llm_usage_unknown_total") or 0.0,
        internal_errors=page.total("otel_llm_internal_errors_total") or 0.0,
        conditions=None if page.status is None else tuple(page.status["conditions"]),
        fresh="live" if page.status is None else page.status["fresh"],
        fallback_reasons=_reasons(page),
        rate_limits=_rate_limits(page),
        incomplete=page.total("otel_llm_incomplete_requests_total") or 0.0,
        spenders=_spenders(page),
    )


def _spenders(page: Page) -> tuple[tuple[str, str, float, float], ...]:
    """Who spent most this month, by label; of a service of this version."""
    ranking = [] if page.status is None else page.status.get("top_spenders", ())
    return tuple((one["label"], row["value"], row["usd"], row["error_usd"]) for one in ranking for row in one["rows"])


def _rows(page: Page, group: tuple[str, ...]) -> tuple[Row, ...]:
    if group == MODEL:
        return _model_rows(page)
    return agents.rows(page) if group == (agents.LABEL,) else _label_rows(page, group)


def durations(page: Page) -> tuple[str, ...]:
    """The duration histograms to count calls by: those of one vocabulary, where the page shows both."""
    return DURATION[:1] if f"{DURATION[0]}_count" in page.series else DURATION[1:]


def requests(page: Page, *keys: str) -> tuple[dict[tuple[str, ...], float], dict[tuple[str, ...], float]]:
    """All calls and failed calls, by labels."""
    every: dict[tuple[str, ...], float] = defaultdict(float)
    failed: dict[tuple[str, ...], float] = defaultdict(float)
    for name in durations(page):
        for key, count in page.by(f"{name}_count", *keys, "error_type").items():
            every[key[:-1]] += count
            failed[key[:-1]] += count if key[-1] else 0.0
    return dict(every), dict(failed)


def buckets(page: Page, names: tuple[str, ...], **where: str) -> dict[float, float]:
    """Cumulative counts by upper bound, summed over everything else."""
    sums: dict[float, float] = defaultdict(float)
    histograms = [name for name in names if f"{name}_bucket" in page.series]
    for name in histograms[:1] if names == FIRST_CHUNK else histograms:
        for (bound,), count in page.by(f"{name}_bucket", "le", **where).items():
            sums[float(bound)] += count
    return dict(sums)


def _tokens(page: Page, *keys: str) -> dict[tuple[str, ...], dict[str, float]]:
    counts: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    for kind, part in TOKENS.items():
        for group, count in page.by(USAGE.format(part), *keys).items():
            counts[group][kind] = count
    return dict(counts)


def _model_rows(page: Page) -> tuple[Row, ...]:
    every, failed = requests(page, *MODEL)
    quick = {tuple(dict(model)[key] for key in MODEL): quantiles for model, quantiles in latencies(page).items()}
    gauges = {
        name: page.by(f"otel_llm_{name}", *MODEL)
        for name in ("requests_per_second", "error_ratio", "cost_usd_per_hour", "cost_usd_per_request")
    }
    cost, tokens, unpriced = (
        page.by("otel_llm_cost_usd_total", *MODEL),
        _tokens(page, *MODEL),
        page.by("otel_llm_unpriced_requests_total", *MODEL),
    )
    shifts = _shifts(page)
    return tuple(
        Row(
            name=model[1] or "(no model)",
            provider=model[0],
            requests=every[model],
            failed=failed.get(model, 0.0),
            per_second=gauges["requests_per_second"].get(model),
            latency=quick.get(model),
            error_ratio=gauges["error_ratio"].get(model),
            tokens=tokens.get(model, {}),
            cost_usd=cost.get(model),
            cost_per_hour=gauges["cost_usd_per_hour"].get(model),
            cost_per_request=gauges["cost_usd_per_request"].get(model),
            zscores=shifts.get(model, {}),
            unpriced=unpriced.get(model, 0.0) > 0,
        )
        for model in every
    )


def _label_rows(page: Page, group: tuple[str, ...]) -> tuple[Row, ...]:
    """Rows of any other label: the window's gauges do not have it, so all is since the start."""
    every, failed = requests(page, *group)
    cost, tokens = page.by("otel_llm_cost_usd_total", *group), _tokens(page, *group)
    return tuple(
        Row(
            name=" ".join(key) or "(none)",
            requests=every[key],
            failed=failed.get(key, 0.0),
            latency=_bucket_latency(page, dict(zip(group, key, strict=True))),
            error_ratio=failed.get(key, 0.0) / every[key] if every[key] else None,
            tokens=tokens.get(key, {}),
            cost_usd=cost.get(key),
            cost_per_request=cost[key] / every[key] if key in cost and every[key] else None,
        )
        for key in every
    )


def _bucket_latency(page: Page, where: Mapping[str, str]) -> Latency | None:
    histogram = buckets(page, durations(page), error_type="", **where)
    ranks = [latency.from_buckets(histogram, rank) for rank in (0.5, 0.95, 0.99)]
    p50, p95, p99 = ranks
    if p50 is None or p95 is None or p99 is None:
        return None
    return Latency(p50, p95, p99, math.nan)


def _total(rows: tuple[Row, ...]) -> Row:
    tokens: dict[str, float] = defaultdict(float)
    for row in rows:
        for kind, count in row.tokens.items():
            tokens[kind] += count
    rate = _add(row.per_second for row in rows)
    per_hour = _add(row.cost_per_hour for row in rows)
    parts = [(row.latency, (row.per_second or 0.0) * (1.0 - (row.error_ratio or 0.0))) for row in rows if row.latency]
    bad = [row.error_ratio * (row.per_second or 0.0) for row in rows if row.error_ratio is not None]
    return Row(
        name="all",
        requests=sum(row.requests for row in rows),
        failed=sum(row.failed for row in rows),
        per_second=rate,
        latency=latency.mix(parts),
        error_ratio=sum(bad) / rate if bad and rate else (0.0 if rate else None),
        tokens=dict(tokens),
        cost_usd=_add(row.cost_usd for row in rows),
        cost_per_hour=per_hour,
        cost_per_request=_per_request(rows),
    )


def _add(values: Iterable[float | None]) -> float | None:
    reported = [value for value in values if value is not None]
    return sum(reported) if reported else None


def _per_request(rows: tuple[Row, ...]) -> float | None:
    priced = [
        (row.cost_per_request, row.per_second) for row in rows if row.cost_per_request is not None and row.per_second
    ]
    weight = sum(rate for _, rate in priced)
    return sum(cost * rate for cost, rate in priced) / weight if weight else None


def _weighted(page: Page, name: str, by: str = "otel_llm_requests_per_second") -> float | None:
    """The mean of a gauge over the models that have it, weighted by ``by``; None where no model has it."""
    weights = page.by(by, *MODEL)
    pairs = [(value, weights.get(model, 0.0)) for model, value in page.by(name, *MODEL).items()]
    weight = sum(weight for _, weight in pairs)
    return sum(value * share for value, share in pairs) / weight if weight else None


def _errors(page: Page) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for name in durations(page):
        for (kind,), count in page.by(f"{name}_count", "error_type").items():
            if kind and count:
                sums[kind] += count
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


def _fallbacks(page: Page) -> dict[str, float]:
    switches = page.by("otel_llm_fallbacks_total", "from_model", "to_model")
    return {
        f"{start} -> {end}": count
        for (start, end), count in sorted(switches.items(), key=lambda item: -item[1])
        if count
    }


def _reasons(page: Page) -> dict[str, str]:
    most: dict[str, tuple[float, str]] = {}
    for (start, end, reason), count in page.by("otel_llm_fallbacks_total", "from_model", "to_model", "reason").items():
        if reason:
            way = f"{start} -> {end}"
            most[way] = max(most.get(way, (0.0, "")), (count, reason))
    return {way: reason for way, (_, reason) in most.items()}


def _rate_limits(page: Page) -> tuple[RateLimit, ...]:
    """What is left of each limit; of one that several operations have readings of, the least."""
    limits = {tuple(sorted(labels.items())): value for labels, value in page.rows("otel_llm_rate_limit_limit")}
    least: dict[tuple[str, str], float] = {}
    for labels, remaining in page.rows("otel_llm_rate_limit_remaining"):
        if limit := limits.get(tuple(sorted(labels.items()))):
            key = (labels.get(MODEL[1], ""), labels.get("kind", ""))
            least[key] = min(least.get(key, math.inf), remaining / limit)
    return tuple(sorted((RateLimit(*key, left) for key, left in least.items()), key=lambda one: (one.left, one.model)))


def _budgets(page: Page) -> tuple[Budget, ...]:
    keys = ("period", "budget")
    limits, used, forecast = (
        page.by(f"otel_llm_budget_{name}", *keys) for name in ("usd", "used_ratio", "forecast_ratio")
    )
    budgets = [
        Budget(key[0], key[1], spend, limits.get(key), used.get(key), forecast.get(key))
        for key, spend in page.by("otel_llm_spend_usd", *keys).items()
    ]
    return tuple(sorted(budgets, key=lambda budget: (budget.name, budget.period)))


def _zscores(page: Page) -> tuple[Zscore, ...]:
    """By model and signal, the worst shift first."""
    kinds = {
        kind: page.by("otel_llm_zscore", *MODEL, "signal", kind=kind) for kind in ("shift", "peak")
    }  # fmt: skip
    zscores = [
        Zscore(key[1], key[0], key[2], kinds["shift"].get(key), kinds["peak"].get(key))
        for key in dict.fromkeys([*kinds["shift"], *kinds["peak"]])
    ]
    return tuple(sorted(zscores, key=lambda zscore: (-abs(zscore.shift or 0.0), -abs(zscore.peak or 0.0))))


def _shifts(page: Page) -> dict[tuple[str, ...], dict[str, float]]:
    shifts: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    for zscore in _zscores(page):
        if zscore.shift is not None:
            shifts[(zscore.provider, zscore.model)][zscore.signal] = zscore.shift
    return dict(shifts)


def _breakers(page: Page) -> dict[str, str]:
    """State by breaker; where services disagree, the worst."""
    states: dict[str, str] = {}
    for wanted in ("closed", "half_open", "open"):
        for labels, value in page.rows("otel_llm_circuit_breaker_state"):
            if value and labels.get("state") == wanted:
                states[labels.get("breaker", "")] = wanted
    return dict(sorted(states.items()))
