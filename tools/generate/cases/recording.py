"""Some hours of steady traffic, and the value that each recording rule then has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_llm.core.series import COST_BUCKETS
from otel_llm.ops import recorded
from tools.generate.promtests import MODEL, OF_MODEL, aggregated, calls, exactly, histogram, level, means, ramp, series

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_llm.ops.promql import Vocabulary
    from tools.generate.promtests import Series

_MINUTES = 150
_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


def steady(v: Vocabulary) -> dict[str, Any]:
    """60 calls a minute of 2 s succeed and 15 time out; money, look-ups, limits and the rest as in ``_fed``."""
    expected = [
        *_aggregate(),
        *_money(),
        *_anomaly(),
        *_slo(),
    ]
    return {
        "name": "every recorded metric",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in _fed(v)],
        "promql_expr_test": [
            _check(
                name, _all(name, labels), value, to=2 if name == recorded.OUTPUT_TOKENS_15M else 0.0001
            )  # the edge of the window
            for name, labels, value in expected
        ],
    }


def bands() -> dict[str, Any]:
    """2 s now, 2, 2, 2 and 4 s at this time of the days before: a mean of 2.5 and a deviation of 0.866 between them."""
    now, labels = (7 * 24 + 12) * 60, {"signal": "latency"}
    # 0.1 s up and down in every hour, which makes a deviation of 0.1
    hours = [4.0] * 48 + [2.0] * 24 * 6
    values = " ".join(f"{hour + 0.1:g}x14 {hour - 0.1:g}x14" for hour in hours)
    name, text = aggregated(recorded.SIGNAL, values, **labels)
    expected = [
        (recorded.BASELINE_MEAN, labels, 2.0),
        (recorded.BASELINE_STDDEV, labels, 0.1),
        (recorded.ZSCORE, labels, 1.0),
        (recorded.HOUR_STDDEV, labels, 0.1),
        (recorded.SPREAD, labels, 0.1),
        *((recorded.SEASON, {**labels, "season": season}, 2.0) for season in ("1d", "2d", "3d")),
        (recorded.SEASON, {**labels, "season": "7d"}, 4.0),
        (recorded.LEVEL, labels, 2.1),
        (recorded.UPPER, {**labels, "severity": "warning"}, 4.7),
        (recorded.UPPER, {**labels, "severity": "critical"}, 5.65),
        (recorded.LOWER, {**labels, "severity": "warning"}, 0.32),
        (recorded.LOWER, {**labels, "severity": "critical"}, 0),
    ]
    # two days before it are too few for a band
    young = {"expr": f"round({recorded.UPPER}, 0.01)", "eval_time": f"{2 * 24 * 60 + 50}m", "exp_samples": []}
    return {
        "name": "bands of the same time of the days before",
        "interval": "2m",
        "input_series": [{"series": name, "values": text}],
        # rounded: Prometheus 3 has one sample less in a window, which is open on the left, and most of that is in what is multiplied
        "promql_expr_test": [
            young,
            *(
                _check(name, {**OF_MODEL, **more}, value, now, 0.05 if name == recorded.UPPER else 0.01)
                for name, more, value in expected
            ),
        ],
    }


def _check(
    name: str, labels: Mapping[str, str], value: float, at: int = _MINUTES, to: float = 0.0001
) -> dict[str, Any]:
    text = ", ".join(f'{label}="{shown}"' for label, shown in labels.items())
    return {
        "expr": f"round({name}{{{text}}}, {to:g})",
        "eval_time": f"{at}m",
        "exp_samples": [{"labels": f"{{{text}}}", "value": value}],
    }


def _all(name: str, labels: Mapping[str, str]) -> dict[str, str]:
    """The labels of one check, the model's among them where the metric is about a model."""
    of_model, of_service = set(MODEL) <= set(recorded.LABELS[name]), "job" in recorded.LABELS[name]
    return {**({"job": "shop"} if of_service else {}), **(MODEL if of_model else {}), **labels}


def _fed(v: Vocabulary) -> list[Series]:
    always = ((60, _MINUTES),)
    sums, where = v.input_tokens
    output, where_output = v.output_tokens
    names = {"gen_ai_provider_name": "anthropic", "gen_ai_request_model": "claude-opus-4-5", "from_model": "gpt-5"}
    return [
        *calls(v, *always),
        *calls(v, (15, _MINUTES), took=60, error_type="timeout"),
        *histogram(v.first_chunk.name, v.first_chunk.buckets, 0.5, *always),
        *means(sums.name, (1000, _MINUTES), **where),
        *means(output.name, *_waves(), **where_output),
        series("otel_llm_baseline_stddev", level((40, _MINUTES)), signal="output_tokens"),
        series("otel_llm_baseline_mean", level((100, _MINUTES)), signal="output_tokens"),
        series("otel_llm_output_tokens_stddev", level((40, _MINUTES))),
        series("otel_llm_tokens_per_request", level((100, _MINUTES)), gen_ai_token_type="output"),  # noqa: S106 - tokens of text
        exactly("otel_llm_fallbacks_total", ramp((3, _MINUTES)), **names),
        series("otel_llm_cache_requests_total", ramp((30, _MINUTES)), cache="redis", result="hit"),
        series("otel_llm_cache_requests_total", ramp((10, _MINUTES)), cache="redis", result="miss"),
        series("otel_llm_finish_reasons_total", ramp((54, _MINUTES)), finish_reason="stop"),
        series("otel_llm_finish_reasons_total", ramp((6, _MINUTES)), finish_reason="length"),
        series("otel_llm_rate_limit_remaining", level((250, _MINUTES)), kind="tokens"),
        series("otel_llm_rate_limit_limit", level((1000, _MINUTES)), kind="tokens"),
        series("otel_llm_cost_usd_total", ramp((0.6, _MINUTES)), cost_source="prices"),
        *histogram("otel_llm_request_cost_usd", COST_BUCKETS, 0.01, *always),
        exactly("otel_llm_spend_usd", level((40, _MINUTES)), period="day", budget="acme"),
        exactly("otel_llm_budget_usd", level((100, _MINUTES)), period="day", budget="acme"),
        exactly("otel_llm_budget_forecast_ratio", level((0.9, _MINUTES)), period="day", budget="acme"),
        series("otel_llm_anomalies_total", ramp((3, _MINUTES)), signal="cost", direction="high", severity="warning"),
    ]


def _waves() -> list[tuple[float, int]]:
    """Answers of 110 and 90 tokens in turn, twenty minutes each, then 100."""
    return [*[(110, 20), (90, 20)] * 3, (110, 20), (100, 10)]


def _aggregate() -> list[tuple[str, dict[str, str], float]]:
    finish = recorded.FINISH_REASONS
    return [
        (recorded.OWN, {}, 2),
        (recorded.CALLS_BY_ERROR, {"error_type": "timeout"}, 0.25),
        (recorded.CALLS, {}, 1.25),
        (recorded.FAILED_CALLS, {}, 0.25),
        (recorded.BUCKETS, {"le": "+Inf"}, 1),
        (recorded.SECONDS, {}, 2),
        (recorded.OK_CALLS, {}, 1),
        (recorded.SLOW_CALLS, {}, 0),
        (recorded.FIRST_CHUNK_BUCKETS, {"le": "+Inf"}, 1),
        (recorded.INPUT_SUM, {}, 1000),
        (recorded.INPUT_COUNT, {}, 1),
        (recorded.OUTPUT_SUM, {}, 100),
        (recorded.OUTPUT_COUNT, {}, 1),
        (recorded.LOOKUPS, {"cache": "redis", "result": "hit"}, 0.5),
        (recorded.FINISHED, {"finish_reason": "length"}, 0.1),
        (recorded.FALLBACK_PATHS, {"from_model": "gpt-5"}, 0.05),
        (recorded.EACH, {"gen_ai_operation_name": "chat", "error_type": "timeout"}, 0.25),
        (recorded.ENDS_BY_INSTANCE, {"instance": "shop:9464", "error_type": "timeout"}, 0.25),
        (recorded.CALLS_BY_INSTANCE, {"instance": "shop:9464"}, 1.25),
        (recorded.FAILED_BY_INSTANCE, {"instance": "shop:9464"}, 0.25),
        (recorded.CALLS_BY_OPERATION, {"gen_ai_operation_name": "chat"}, 1.25),
        (recorded.CALLS_BY_CUSTOM, {}, 1.25),
        (recorded.FAILED_BUCKETS, {"error_type": "timeout", "le": "+Inf"}, 0.25),
        (recorded.CUSTOM_BUCKETS, {"le": "+Inf"}, 1),
        (recorded.ERRORS, {}, 0.2),
        (recorded.ERRORS_BY_TYPE, {"error_type": "timeout"}, 0.2),
        # all in the bucket from 1.28 s to 2.56 s
        (recorded.DURATION, {"quantile": "0.5"}, 1.92),
        (recorded.DURATION, {"quantile": "0.95"}, 2.496),
        (recorded.DURATION, {"quantile": "0.99"}, 2.5472),
        # and from 0.32 s to 0.64 s
        (recorded.FIRST_CHUNK, {"quantile": "0.5"}, 0.48),
        (recorded.FIRST_CHUNK, {"quantile": "0.95"}, 0.624),
        (recorded.FIRST_CHUNK, {"quantile": "0.99"}, 0.6368),
        (recorded.INPUT_TOKENS, {}, 1000),
        (recorded.OUTPUT_TOKENS, {}, 100),
        (recorded.OUTPUT_TOKENS_15M, {}, 104),
        (recorded.OUTPUT_VARIATION, {}, 0.4),
        (recorded.FALLBACKS, {}, 0.04),
        (recorded.CACHE_HITS, {"cache": "redis"}, 0.75),
        (finish, {"finish_reason": "length"}, 0.1),
        (finish, {"finish_reason": "content_filter"}, 0),
        (recorded.RATE_LIMIT_LEFT, {"kind": "tokens"}, 0.25),
    ]


def _money() -> list[tuple[str, dict[str, str], float]]:
    budget = {"job": "shop", "period": "day", "budget": "acme"}
    return [
        (recorded.COST, {}, 0.01),
        (recorded.COST_BY_CUSTOM, {}, 0.01),
        (recorded.COST_BY_SOURCE, {"cost_source": "prices"}, 0.01),
        (recorded.COST_BUCKETS, {"le": "+Inf"}, 1),
        (recorded.COST_PER_REQUEST, {}, 0.01),
        (recorded.COST_ALL, {}, 0.01),
        (recorded.SPEND, budget, 40),
        (recorded.BUDGET, budget, 100),
        (recorded.BUDGET_FORECAST, budget, 0.9),
    ]


def _anomaly() -> list[tuple[str, dict[str, str], float]]:
    output = {"signal": "output_tokens"}
    return [
        (recorded.SIGNAL, {"signal": "latency"}, 2),
        (recorded.SIGNAL, output, 100),
        (recorded.SIGNAL, {"signal": "cost"}, 0.01),
        (recorded.BASELINE_MEAN, {"signal": "latency"}, 2),
        (recorded.BASELINE_STDDEV, {"signal": "latency"}, 0),
        (recorded.ODD_CALLS, {"signal": "cost", "direction": "high", "severity": "warning"}, 0.05),
        (recorded.ANOMALOUS, {"signal": "cost", "direction": "high", "severity": "warning"}, 0.04),
        (recorded.VARIATION_BASELINE, {}, 0.4),
        (recorded.FINISH_BASELINE, {"finish_reason": "length"}, 0.1),
    ]


def _slo() -> list[tuple[str, dict[str, str], float]]:
    return [
        *((recorded.SLO_CALLS + window, {}, 1.25) for window in ("5m", "30m", "1h", "2h")),
        # 150 minutes of calls in longer windows
        (recorded.SLO_CALLS + "6h", {}, 0.5208),
        (recorded.SLO_CALLS + "1d", {}, 0.1302),
        (recorded.SLO_CALLS + "3d", {}, 0.0434),
        *((recorded.SLO_ERRORS + window, {"slo": "availability"}, 0.2) for window in _WINDOWS),
        *((recorded.SLO_ERRORS + window, {"slo": "latency"}, 0) for window in _WINDOWS),
        (recorded.SLO_OBJECTIVE, {"slo": "availability"}, 0.99),
        (recorded.SLO_OBJECTIVE, {"slo": "latency"}, 0.95),
        (recorded.SLO_BUDGET_LEFT, {"slo": "availability"}, -19),
        (recorded.SLO_BUDGET_LEFT, {"slo": "latency"}, 1),
    ]
