"""Every gauge equals what numpy makes of the raw calls, on random traffic and on an hour of real calls."""

from __future__ import annotations

from collections import Counter
from statistics import NormalDist

import numpy as np
import pytest
from window_calls import KEY, Call, added, feed, gauges

from otel_llm.aggregate.window import Engine

SIGNALS = {"latency": "duration", "output_tokens": "output_tokens", "cost": "cost"}
CELL, SLICE = 10.0, 60.0


def mixed(number: int, seed: int, start: float = 1_700_000_000.0) -> list[Call]:
    """Calls of every kind over some 70 minutes: failures, missing usage, fallbacks, ties, zeros, late arrivals."""
    rng = np.random.default_rng(seed)
    calls = []
    for offset in np.sort(rng.uniform(0, 4200, number)).tolist():
        failed = rng.uniform() < 0.1
        usage = rng.uniform() < (0.3 if failed else 0.9)
        output = int(rng.lognormal(5, 0.8)) if rng.uniform() < 0.98 else 0
        calls.append(
            Call(
                start + offset + float(rng.uniform(-1, 0)),
                float(rng.lognormal(0, 0.6)),
                str(rng.choice(["timeout", "rate_limit", "server_error"])) if failed else "",
                int(rng.integers(1, 5000)) if usage else None,
                output if usage else None,
                int(rng.integers(0, 100)) if usage and rng.uniform() < 0.5 else None,
                output * 1e-5 if usage else None,
                bool(rng.uniform() < 0.05),
            )
        )
    return calls


FED: dict[tuple[Call, int, str], tuple[Engine, float]] = {}


def fed(calls: list[Call], scale: str) -> tuple[Engine, float]:
    """An engine that was scraped every minute while the calls came; built once for all tests."""
    name = (calls[0], len(calls), scale)
    if name not in FED:
        engine = Engine(scale=scale)
        now = calls[0].at
        for call in calls:
            if call.at >= now + 60:
                now = call.at
                engine.forget(now)
            feed(engine, [call])
        FED[name] = engine, calls[-1].at + 0.5
    return FED[name]


@pytest.fixture(params=["random", "few", "azure"])
def calls(request):
    if request.param == "azure":
        return request.getfixturevalue("azure")
    return mixed(6000, 1) if request.param == "random" else mixed(150, 2)


def in_window(calls: list[Call], now: float) -> list[Call]:
    newest = now // SLICE
    return [call for call in calls if newest - 60 < call.at // SLICE <= newest]


def test_traffic_gauges_are_those_of_the_raw_calls(calls):
    engine, now = fed(calls, "calibrated")
    found = gauges(engine, now)
    raw = in_window(calls, now)
    good = [call for call in raw if not call.error_type]
    span = now - max((now // SLICE - 59) * SLICE, calls[0].at // CELL * CELL)

    assert found["otel_llm_requests_per_second",] == pytest.approx(len(raw) / span, rel=1e-12)
    assert found["otel_llm_fallback_ratio",] == sum(call.fallback for call in raw) / len(raw)
    errors = Counter(call.error_type for call in raw if call.error_type) or {"": 0}
    told = {labels[1]: value for labels, value in found.items() if labels[0] == "otel_llm_error_ratio"}
    assert told == {error_type: count / len(raw) for error_type, count in errors.items()}
    latencies = [call.duration for call in good]
    for quantile in (0.5, 0.95, 0.99):
        assert found["otel_llm_latency_seconds", str(quantile)] == pytest.approx(
            np.quantile(latencies, quantile), rel=0.01
        )
    assert found["otel_llm_latency_seconds", "1"] == max(latencies)


def test_token_gauges_are_those_of_the_raw_calls(calls):
    engine, now = fed(calls, "calibrated")
    found = gauges(engine, now)
    raw = in_window(calls, now)
    span = now - max((now // SLICE - 59) * SLICE, calls[0].at // CELL * CELL)
    for what in ("input", "output", "thinking"):
        everybody = [tokens for call in raw if (tokens := getattr(call, f"{what}_tokens")) is not None]
        good = [
            tokens for call in raw if not call.error_type and (tokens := getattr(call, f"{what}_tokens")) is not None
        ]
        if not everybody:
            assert ("otel_llm_tokens_per_second", what) not in found
            continue
        assert found["otel_llm_tokens_per_second", what] == pytest.approx(sum(everybody) / span, rel=1e-12)
        assert found["otel_llm_tokens_per_request", what] == sum(good) / len(good)
    outputs = [call.output_tokens for call in raw if not call.error_type and call.output_tokens is not None]
    assert found["otel_llm_output_tokens_stddev",] == pytest.approx(np.std(outputs, ddof=1), rel=1e-9)
    costs = [call.cost for call in raw if call.cost is not None]
    assert found["otel_llm_cost_usd_per_request",] == pytest.approx(np.mean(costs), rel=1e-9)
    assert found["otel_llm_cost_usd_per_hour",] == pytest.approx(sum(costs) / span * 3600, rel=1e-9)


def values(calls: list[Call], field: str) -> np.ndarray:
    return np.array(
        [value for call in calls if not call.error_type and (value := getattr(call, field)) is not None], float
    )


def split(engine: Engine, calls: list[Call], now: float, signal: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The raw values of a signal's baseline, of what a shift judges, and of the last minute."""
    track = engine.tracks[KEY]
    taught = set(track.pools[signal].members)
    assert max(taught) < now // SLICE - 2 - track.reach[signal], "a baseline must not hold what is judged"
    cell = now // CELL
    recent = [call for call in calls if cell - 12 < call.at // CELL <= cell]
    if track.reach[signal]:
        recent = [call for call in calls if now // SLICE - 2 - track.reach[signal] <= call.at // SLICE <= now // SLICE]
    minute = [call for call in calls if cell - 6 < call.at // CELL <= cell]
    field = SIGNALS[signal]
    return (
        values([call for call in calls if call.at // SLICE in taught], field),
        values(recent, field),
        values(minute, field),
    )


@pytest.mark.parametrize("signal", SIGNALS)
def test_baselines_and_linear_scores_are_those_of_the_raw_calls(calls, signal):
    engine, now = fed(calls, "linear")
    found = gauges(engine, now)
    base, recent, minute = split(engine, calls, now, signal)
    mean, stddev = base.mean(), base.std(ddof=1)
    assert found["otel_llm_baseline_samples", signal] == len(base) >= 20
    assert found["otel_llm_baseline_mean", signal] == pytest.approx(mean, rel=1e-9)
    assert found["otel_llm_baseline_stddev", signal] == pytest.approx(stddev, rel=1e-9)
    floored = max(stddev, {"latency": 0.001, "output_tokens": 1.0, "cost": 0.001}[signal])
    shift = (recent.mean() - mean) / (floored / np.sqrt(len(recent)))
    assert found["otel_llm_zscore", signal, "shift"] == pytest.approx(shift, rel=1e-6, abs=1e-9)
    extremes = [
        (minute.max() - mean) / floored,
        (minute.min() - mean) / floored if signal == "output_tokens" else -np.inf,
    ]
    expected = extremes[0] if extremes[1] == -np.inf or abs(extremes[0]) >= abs(extremes[1]) else extremes[1]
    assert found["otel_llm_zscore", signal, "peak"] == pytest.approx(expected, rel=1e-9)
    if signal == "output_tokens":
        assert found["otel_llm_output_tokens_change_ratio",] == pytest.approx(
            recent.mean() / mean - 1, rel=1e-9, abs=1e-12
        )


@pytest.mark.parametrize("scale", ["log", "calibrated"])
@pytest.mark.parametrize("signal", SIGNALS)
def test_robust_scores_are_those_of_the_raw_calls(calls, signal, scale):
    engine, now = fed(calls, scale)
    found = gauges(engine, now)
    base, _, minute = split(engine, calls, now, signal)
    peak = found["otel_llm_zscore", signal, "peak"]
    if scale == "log":
        unit = {"latency": 0.001, "output_tokens": 1.0, "cost": 1e-9}[signal]
        low, middle, high = np.log(np.maximum(np.quantile(base, [NormalDist().cdf(z) for z in (-1, 0, 1)]), unit))
        scores = (np.log(np.maximum(minute, unit)) - middle) / ((high - low) / 2)
    else:
        ranks = (np.searchsorted(np.sort(base), minute) + 0.5) / (len(base) + 1)
        scores = np.array([NormalDist().inv_cdf(rank) for rank in ranks])
    expected = scores.max() if signal != "output_tokens" or abs(scores.max()) >= abs(scores.min()) else scores.min()
    if abs(expected) < 2:
        assert peak == pytest.approx(expected, abs=0.15)
    else:
        assert abs(peak) >= 1.8


def test_a_scrape_in_between_changes_nothing():
    calls = mixed(3000, 5)
    scraped, now = fed(calls, "calibrated")
    quiet = Engine()
    feed(quiet, calls)
    assert added(scraped, now) == pytest.approx(added(quiet, now), rel=1e-9)


def test_stats_are_the_gauges():
    calls = mixed(3000, 6)
    engine, now = fed(calls, "calibrated")
    found, stats = gauges(engine, now), engine.stats(now)
    fact = stats.models[KEY]
    assert fact.latency[0.95] == found["otel_llm_latency_seconds", "0.95"]
    assert fact.requests_per_second == found["otel_llm_requests_per_second",]
    assert fact.fallback_ratio == found["otel_llm_fallback_ratio",]
    assert fact.cost_per_hour == found["otel_llm_cost_usd_per_hour",]
    assert fact.error_ratio == pytest.approx(
        sum(value for labels, value in found.items() if labels[0] == "otel_llm_error_ratio"), rel=1e-12
    )
    assert stats.total.calls == fact.calls == len(in_window(calls, now))


def test_stats_of_two_models_add_up():
    engine = Engine()
    first, second = mixed(800, 7), mixed(500, 8)
    feed(engine, first)
    feed(engine, second, ("anthropic", "claude"))
    now = max(first[-1].at, second[-1].at)
    stats = engine.stats(now)
    raw = in_window([*first, *second], now)
    assert stats.total.calls == len(raw) == sum(fact.calls for fact in stats.models.values())
    latencies = [call.duration for call in raw if not call.error_type]
    assert stats.total.latency[0.5] == pytest.approx(np.quantile(latencies, 0.5), rel=0.01)
    assert stats.total.latency_stddev == pytest.approx(np.std(latencies, ddof=1), rel=1e-9)
