"""Alerts on calls: slow, failing, falling back, limited, refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_llm.core import objectives as normal
from otel_llm.core.catalogue import BY_NAME
from otel_llm.core.objectives import percent
from otel_llm.ops import recorded
from otel_llm.ops.promql import PM, born

from .alert import MINUTE, MODEL, Alert, busy

if TYPE_CHECKING:
    from otel_llm.ops.rules import Context


def slow(it: Context) -> list[Alert]:
    o = it.objectives
    return [
        Alert(
            "LLMLatencyP95High",
            f'{recorded.DURATION}{{quantile="0.95"}} > {o.p95:g}',
            "warning",
            "latency",
            f"LLM calls are slow: p95 above {normal.show(o.p95, 'duration')}",
            f"95 % of the calls to {MODEL} take up to {{{{ $value | humanizeDuration }}}}.",
            5 * MINUTE,
        ),
        Alert(
            "LLMTimeToFirstChunkHigh",
            f'{recorded.FIRST_CHUNK}{{quantile="0.95"}} > {o.first_chunk:g}',
            "warning",
            "latency",
            f"LLM streams start late: p95 above {normal.show(o.first_chunk, 'duration')}",
            f"95 % of the streams from {MODEL} start within {{{{ $value | humanizeDuration }}}}.",
            5 * MINUTE,
        ),
    ]


def failing(it: Context) -> list[Alert]:
    share = it.objectives.error_rate
    return [
        Alert(
            "LLMErrorRateHigh",
            f"{recorded.ERRORS_BY_TYPE} > {share:g}{busy(it, seconds=normal.SHORT)}",
            "critical",
            "errors",
            f"LLM calls fail: more than {percent(share)} with {{{{ $labels.error_type }}}}",
            f"{{{{ $value | humanizePercentage }}}} of the calls to {MODEL} fail with {{{{ $labels.error_type }}}}.",
            5 * MINUTE,
        )
    ]


def burning(it: Context) -> list[Alert]:
    text = {
        "critical": ("is burning fast", "at this rate the budget of 30 days is gone in five days or less"),
        "warning": ("is burning", "at this rate the budget does not last 30 days"),
    }
    return [
        Alert(
            "LLMErrorBudgetBurn",
            "\nor\n".join(
                _burn(it, factor, *windows) for factor, *windows, level in normal.BURN_RATES if level == severity
            ),
            severity,
            "errors",
            f"The {{{{ $labels.slo }}}} error budget of {{{{ $labels.gen_ai_request_model }}}} {how}",
            f"{{{{ $value | humanizePercentage }}}} of the calls to {MODEL} miss the {{{{ $labels.slo }}}} objective: "
            f"{consequence}.",
            wait,
        )
        for (severity, (how, consequence)), wait in zip(text.items(), (2 * MINUTE, 15 * MINUTE), strict=True)
    ]


def _burn(it: Context, factor: float, long: float, short: float) -> str:
    """Burning over the long window, and still over the short one, with enough calls to tell; one of them is no trend."""
    allowed = f"on (slo) group_left () ({factor:g} * (1 - {recorded.SLO_OBJECTIVE}))"
    name, recent = normal.duration(long), normal.duration(short)
    calls = f"{recorded.SLO_CALLS}{name} * {it.clock.seconds(long):g}"
    missed = f"{recorded.SLO_ERRORS}{name} * on ({PM}) group_left () {calls}"
    return (
        f"(\n  {recorded.SLO_ERRORS}{name} > {allowed}\n  and\n"
        f"  {recorded.SLO_ERRORS}{recent} > {allowed}\n  and on ({PM})\n  {calls} >= {it.objectives.min_requests}\n"
        f"  and\n  {missed} > {_ONE:g}\n)"
    )


_ONE = 1.5  # a call, as a rate over a window that is a little longer or shorter than its samples tells it


def around(it: Context) -> list[Alert]:
    o, medium = it.objectives, it.over(normal.MEDIUM)
    lookups = f"sum by ({PM}, cache) (increase({BY_NAME['otel_llm_cache_requests_total'].name}[{medium}]))"
    return [
        Alert(
            "LLMFallbackRateHigh",
            f"{recorded.FALLBACKS} > {o.fallback_rate:g}{_busy_if_called(it)}",
            "warning",
            "reliability",
            f"LLM calls fall back: more than {percent(o.fallback_rate)}",
            "{{ with $labels.gen_ai_provider_name }}{{ $value | humanizePercentage }} of the calls to "
            "{{ $labels.gen_ai_request_model }} ({{ . }}) fell back to another model."
            "{{ else }}{{ $labels.gen_ai_request_model }} is not called itself: {{ $value | humanizePercentage }} of all calls "
            "fell back from it.{{ end }}",
            10 * MINUTE,
        ),
        Alert(
            "LLMCacheHitRatioLow",
            f"{recorded.CACHE_HITS} < {o.cache_hit_ratio:g}\nand\n{lookups} > {o.cache_min_lookups}",
            "warning",
            "reliability",
            f"The response cache misses: hit ratio below {percent(o.cache_hit_ratio)}",
            "{{ $value | humanizePercentage }} of the look-ups in {{ $labels.cache }}"
            "{{ with $labels.gen_ai_request_model }} for {{ . }}{{ end }} hit.",
            10 * MINUTE,
        ),
        Alert(
            "LLMRateLimitNear",
            f"{recorded.RATE_LIMIT_LEFT} < {o.rate_limit_left:g}\nand on ({PM})\n{recorded.CALLS} > 0",
            "warning",
            "reliability",
            f"A rate limit is near: less than {percent(o.rate_limit_left)} left",
            f"{{{{ $value | humanizePercentage }}}} of the {{{{ $labels.kind }}}} that {MODEL} allows are left.",
            5 * MINUTE,
        ),
    ]


def _busy_if_called(it: Context) -> str:
    """Enough calls to tell: of the model, where it is called itself, and of all models, where others serve for it."""
    window, least = it.clock.seconds(normal.MEDIUM), it.objectives.min_requests
    calls = f"avg_over_time({recorded.CALLS}[{it.over(normal.MEDIUM)}])"
    return f"\nunless on ({PM})\n{calls} * {window:g} < {least}\nand on ()\nsum ({calls}) * {window:g} >= {least}"


def breakers(it: Context) -> list[Alert]:
    opened = born(BY_NAME["otel_llm_circuit_breaker_transitions_total"], it.over(300), ("breaker",), to_state="open")
    is_open = f"max by (breaker) ({BY_NAME['otel_llm_circuit_breaker_state'].selector(state='open')}) == 1"
    stuck = normal.show(it.objectives.breaker_stuck, "duration")
    return [
        Alert(
            "LLMCircuitBreakerOpen",
            _of_provider(f"{is_open}\nor\n{opened}"),
            "critical",
            "reliability",
            "Circuit breaker {{ $labels.breaker }} opened",
            "{{ $labels.breaker }} is open or was in the last 5 minutes: calls to it are refused without being tried.",
            variables={},
        ),
        Alert(
            "LLMCircuitBreakerStuckOpen",
            _of_provider(is_open),
            "critical",
            "reliability",
            f"Circuit breaker {{{{ $labels.breaker }}}} is open for {stuck}",
            "{{ $labels.breaker }} does not recover: what it guards is down, or the breaker never tries again.",
            it.objectives.breaker_stuck,
            variables={},
        ),
    ]


def _of_provider(expr: str) -> str:
    """Name the provider, which is how a breaker's name begins (``openai``, ``openai:chat``), so that inhibition finds it."""
    inner = expr.replace("\n", "\n  ")
    return f'label_replace(\n  {inner},\n  "gen_ai_provider_name", "$1", "breaker", "([^:/]+).*"\n)'
