"""The values of a track, as gauges and as facts for code. No value is invented: what was not reported is absent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .facts import Facts, Key, Sample, Signal
from .sketch import quantiles
from .slices import SIGNALS, Slice
from .track import Track

QUANTILES = (0.5, 0.95, 0.99)
HOUR = 3600.0


def facts(total: Slice, span: float, cost_bins: Mapping[int, int] | None = None) -> Facts:
    """``total`` of a window, of which ``span`` seconds have passed; ``cost_bins`` is the sketch of the costs, for their median."""
    cost, costs = _cost(total)
    looked_up = total.cache_hits + total.cache_misses
    return Facts(
        calls=total.calls,
        errors=dict(total.errors),
        error_ratio=sum(total.errors.values()) / total.calls if total.calls else None,
        fallback_ratio=total.fallbacks / total.calls if total.calls else None,
        cache_hit_ratio=total.cache_hits / looked_up if looked_up else None,
        requests_per_second=total.calls / span,
        latency=_latency(total),
        latency_mean=total.latency.mean,
        latency_stddev=total.latency.stddev,
        tokens=_tokens(total),
        tokens_per_request=_per_request(total),
        output_tokens_stddev=total.output_tokens.stddev,
        cost=cost if costs else None,
        cost_per_request=cost / costs if costs else None,
        cost_per_hour=cost / span * HOUR if costs else None,
        cost_count=costs,
        cost_median=min(quantiles(cost_bins, (0.5,))[0], total.cost.high) if cost_bins else None,
        cost_max=total.cost.high if total.cost.count else None,
        complete=total.whole / (total.whole + total.lacking) if total.whole + total.lacking else None,
        prompt_cache_read_ratio=total.cached / total.cached_of if total.cached_of else None,
        prompt_cache_saved=total.saved,
        prompt_cache_avoidable=total.avoidable,
    )


def _latency(total: Slice) -> dict[float, float]:
    if not total.latency.count:
        return {}
    values = quantiles(total.latency.bins, QUANTILES)
    return {**dict(zip(QUANTILES, values, strict=True)), 1: total.latency.high}


def _cost(total: Slice) -> tuple[float, int]:
    return total.cost.total + total.failed_cost, total.cost.count + total.failed_costs


def _successful(total: Slice) -> tuple[tuple[str, int, float], ...]:
    output = total.output_tokens
    return (
        ("input", total.input_count, total.input_total),
        ("output", output.count, output.total),
        ("thinking", total.thinking_count, total.thinking_total),
    )


def _tokens(total: Slice) -> dict[str, int]:
    """Of every call that reported it, failed ones too."""
    failed = total.failed_tokens
    return {
        what: int(tokens) + failed.get(what, 0) for what, calls, tokens in _successful(total) if calls or what in failed
    }


def _per_request(total: Slice) -> dict[str, float]:
    """Of successful calls that reported it."""
    return {what: tokens / calls for what, calls, tokens in _successful(total) if calls}


def of(key: Key, *more: str) -> tuple[str, ...]:
    """Label values of a gauge about ``key``: provider, model, ``more``, and those that have windows of their own."""
    return (key[0], key[1], *more, *(value for _, value in key[2:])) if len(key) > 2 else (*key, *more)  # noqa: PLR2004 - both


def samples(key: Key, track: Track, at: int, span: float) -> Iterator[Sample]:
    """The gauges of one model at cell ``at``."""
    total = track.total(at)
    yield from _traffic(key, facts(total, span), span)
    for signal in SIGNALS:
        yield from _anomaly(key, track, signal, at)
    if total.calls:
        for signal, kind, score in track.watch.scores(at // track.grid.per_minute):
            yield "otel_llm_zscore", of(key, signal, kind), score


def _traffic(key: Key, fact: Facts, span: float) -> Iterator[Sample]:
    for quantile, seconds in fact.latency.items():
        yield "otel_llm_latency_seconds", of(key, str(quantile)), seconds
    for what, tokens in fact.tokens.items():
        yield "otel_llm_tokens_per_second", of(key, what), tokens / span
    for what, mean in fact.tokens_per_request.items():
        yield "otel_llm_tokens_per_request", of(key, what), mean
    if fact.calls:
        yield "otel_llm_requests_per_second", of(key), fact.requests_per_second
        for error_type, count in fact.errors.items() or (("", 0),):
            yield "otel_llm_error_ratio", of(key, error_type), count / fact.calls
    for name, value in (
        ("otel_llm_fallback_ratio", fact.fallback_ratio),
        ("otel_llm_cache_hit_ratio", fact.cache_hit_ratio),
        ("otel_llm_prompt_cache_read_ratio", fact.prompt_cache_read_ratio),
        ("otel_llm_output_tokens_stddev", fact.output_tokens_stddev),
        ("otel_llm_cost_usd_per_hour", fact.cost_per_hour),
        ("otel_llm_cost_usd_per_request", fact.cost_per_request),
    ):
        if value is not None:
            yield name, of(key), value


def _anomaly(key: Key, track: Track, signal: Signal, at: int) -> Iterator[Sample]:
    baseline = track.baselines[signal]
    if baseline is None:
        return
    yield "otel_llm_baseline_mean", of(key, signal), baseline.mean
    yield "otel_llm_baseline_stddev", of(key, signal), baseline.stddev
    yield "otel_llm_baseline_samples", of(key, signal), baseline.count
    if signal in track.before:
        since = (at // track.grid.per_slice - track.before[signal][0]) * track.grid.slice
        yield "otel_llm_baseline_shifted_seconds", of(key, signal), since
    peak = track.peak(signal, at)
    if peak is not None:
        yield "otel_llm_zscore", of(key, signal, "peak"), peak
    recent = track.recent(signal, at)
    if not recent.count:
        return
    yield "otel_llm_zscore", of(key, signal, "shift"), track.shift(signal, at, baseline, recent) or 0.0
    if signal == "output_tokens" and baseline.mean > 0:
        yield "otel_llm_output_tokens_change_ratio", of(key), recent.total / recent.count / baseline.mean - 1
