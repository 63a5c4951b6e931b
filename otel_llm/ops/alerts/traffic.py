"""Alerts on calls: slow, failing, falling back, limited, refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_llm.core import objectives as normal
from otel_llm.core.catalogue import BY_NAME
from otel_llm.core.conditions import BY_ID
from otel_llm.ops import recorded
from otel_llm.ops.promql import born

from .alert import DURATION, KEPT, SHARE, Alert, busy, failing_enough, judged

if TYPE_CHECKING:
    from otel_llm.core.conditions import Severity
    from otel_llm.ops.rules import Context

_LEVELS: tuple[Severity, ...] = ("critical", "warning")


def slow(it: Context) -> list[Alert]:
    o = it.objectives
    p95, first = (f'{name}{{quantile="0.95"}}' for name in (recorded.DURATION, recorded.FIRST_CHUNK))
    window = f"{it.clock.seconds(normal.SHORT):g}"
    streams = f"{it.read.every(recorded.FIRST_CHUNK_BUCKETS)} * {window} >= {o.min_requests}"
    return [
        judged(
            "latency", "warning", "latency", f"{p95} > {o.p95:g}{busy(it, normal.SHORT)}", f"p95 {DURATION}", DURATION
        ),
        judged(
            "first_chunk",
            "warning",
            "latency",
            f"{first} > {o.first_chunk:g}\nand on ({it.model})\n{streams}",
            f"first chunk p95 {DURATION}",
            DURATION,
        ),
    ]


def _worst_type(it: Context) -> str:
    """Which error it is for the most part, asked for when the alert is written."""
    return _most(it, f"topk(1, {recorded.ERRORS_BY_TYPE}{{{_ASKED}}})", "error_type")


def _miss_reason(it: Context) -> str:
    """Why the prompt cache was missed for the most part, where the provider says so."""
    misses = f"increase(otel_llm_prompt_cache_misses_total{{{_ASKED}}}[{it.over(normal.MEDIUM)}])"
    return _most(it, f"topk(1, sum by (reason) ({misses}) > 0)", "reason")


_ASKED = "<matchers>"


def _most(it: Context, query: str, label: str) -> str:
    names = it.by(*recorded.PROVIDER_MODEL)
    query = query.replace(_ASKED, ",".join(f"{name}=%q" for name in names))
    labels = " ".join(f"$labels.{name}" for name in names)
    return (
        f"{{{{ with printf `{query}` {labels} | query }}}} (mostly {{{{ . | first | label `{label}` }}}}){{{{ end }}}}"
    )


def failing(it: Context) -> list[Alert]:
    overall = [
        judged(
            "errors",
            severity,
            "errors",
            f"{recorded.ERRORS} > {BY_ID['errors'].limit(severity, it.objectives):g}{failing_enough(it)}",
            f"errors {SHARE}",
            SHARE,
            _worst_type(it),
        )
        for severity in _LEVELS
    ]
    by_type = judged(
        "error_type",
        "warning",
        "errors",
        f"{recorded.ERRORS_BY_TYPE} > {it.objectives.error_rate:g}{failing_enough(it)}",
        f"errors {SHARE} · {{{{ $labels.error_type }}}}",
        SHARE,
        " with {{ $labels.error_type }}",
    )
    limited = judged(
        "rate_limit_refused",
        "critical",
        "errors",
        f'{recorded.ERRORS_BY_TYPE}{{error_type="rate_limit"}} > {it.objectives.rate_limit_refused:g}{failing_enough(it)}',
        f"rate limited {SHARE}",
        SHARE,
    )
    return [*overall, by_type, limited, _provider(it)]


def _provider(it: Context) -> Alert:
    provider = ", ".join(it.by("gen_ai_provider_name"))
    limit, window = it.objectives.error_rate_critical, f"{it.clock.seconds(normal.SHORT):g}"
    calls, failed = (f"sum by ({provider}) ({name})" for name in (recorded.CALLS, recorded.FAILED_CALLS))
    several = f"count by ({provider}) ({recorded.ERRORS} > {limit:g} and {recorded.FAILED_CALLS} > 0) >= 2"
    return judged(
        "provider",
        "critical",
        "errors",
        f"{failed}\n/\n({calls} > 0)\n> {limit:g}\nand\n{several}\nand\n{calls} * {window} >= {it.objectives.min_requests}",
        f"errors {SHARE}",
        SHARE,
        about=("gen_ai_provider_name",),
        variables={"provider": "gen_ai_provider_name"},
    )


def burning(it: Context) -> list[Alert]:
    ends = {
        "critical": "and at this rate the budget of 30 days is gone in five days or less",
        "warning": "and at this rate the budget does not last 30 days",
    }
    return [
        Alert(
            "LLMErrorBudgetBurn",
            "\nor\n".join(
                _burn(it, factor, *windows) for factor, *windows, level in normal.BURN_RATES if level == severity
            ),
            severity,
            "errors",
            f"{{{{ $labels.slo }}}} budget burns, {SHARE} missed",
            f"{SHARE} of the calls miss the {{{{ $labels.slo }}}} objective, {ends[severity]}",
            f"{SHARE} of the calls missed the {{{{ $labels.slo }}}} objective",
            level.held if (level := getattr(BY_ID["burn"], severity)) else 0,
        )
        for severity in _LEVELS
    ]


def _burn(it: Context, factor: float, long: float, short: float) -> str:
    """Burning over the long window, and still over the short one, with enough calls to judge; one of them is no trend."""
    allowed = f"on (slo) group_left () ({factor:g} * (1 - {recorded.SLO_OBJECTIVE}))"
    name, recent = normal.duration(long), normal.duration(short)
    calls = f"{recorded.SLO_CALLS}{name} * {it.clock.seconds(long):g}"
    missed = f"{recorded.SLO_ERRORS}{name} * on ({it.model}) group_left () {calls}"
    return (
        f"(\n  {recorded.SLO_ERRORS}{name} > {allowed}\n  and\n"
        f"  {recorded.SLO_ERRORS}{recent} > {allowed}\n  and on ({it.model})\n  {calls} >= {it.objectives.min_requests}\n"
        f"  and\n  {missed} > {_ONE:g}\n)"
    )


_ONE = 1.5  # a call, as a rate over a window that is a little longer or shorter than its samples shows it


def around(it: Context) -> list[Alert]:
    return [*_fallbacks(it), *_caches(it), *_limits(it)]


def _fallbacks(it: Context) -> list[Alert]:
    return [
        judged(
            "fallback",
            severity,
            "reliability",
            f"{recorded.FALLBACKS} > {BY_ID['fallback'].limit(severity, it.objectives):g}{_busy_if_called(it)}",
            f"fallbacks {SHARE}",
            SHARE,
        )
        for severity in _LEVELS
    ]


def _busy_if_called(it: Context) -> str:
    """Enough calls to judge: of the model, where it is called itself, and of all models, where others serve for it."""
    least, calls = it.objectives.min_requests, it.total(recorded.CALLS, normal.MEDIUM)
    return (
        f"\nunless on ({it.model})\n{calls} < {least}\n"
        f"and on ({it.of_service})\nsum by ({it.of_service}) ({calls}) >= {least}"
    )


def _caches(it: Context) -> list[Alert]:
    o, medium = it.objectives, normal.MEDIUM
    lookups = f"sum by ({it.model}, cache) ({it.total(recorded.LOOKUPS, medium)})"
    usual = recorded.PROMPT_CACHE_BASELINE
    return [
        judged(
            "cache",
            "warning",
            "reliability",
            f"{recorded.CACHE_HITS} < {o.cache_hit_ratio:g}\nand\n{lookups} > {o.cache_min_lookups}",
            f"response cache hits {SHARE}",
            SHARE,
            " {{ $labels.cache }}",
        ),
        judged(
            "prompt_cache",
            "warning",
            "cost",
            f"{recorded.PROMPT_CACHE} < {1 - o.prompt_cache_drop:g} * ({usual} > {_CACHED:g}){busy(it)}",
            f"prompt cache {SHARE}",
            SHARE,
            _miss_reason(it),
        ),
    ]


_CACHED = 0.05  # a share of cached input below which there is nothing to lose


def _limits(it: Context) -> list[Alert]:
    left = f"last_over_time({recorded.RATE_LIMIT_LEFT}[{it.over(KEPT)}])"
    used = f"\nand on ({it.model})\nlast_over_time({recorded.CALLS}[{it.over(KEPT)}]) > 0"
    return [
        judged(
            "rate_limit",
            severity,
            "reliability",
            f"{left} < {BY_ID['rate_limit'].limit(severity, it.objectives):g}{used}",
            f"rate limit {SHARE} left",
            SHARE,
            " of {{ $labels.kind }}",
        )
        for severity in _LEVELS
    ]


def breakers(it: Context) -> list[Alert]:
    names = it.by("breaker")
    opened = born(BY_NAME["otel_llm_circuit_breaker_transitions_total"], it.over(300), names, to_state="open")
    is_open = f"last_over_time({recorded.BREAKER_OPEN}[{it.over(KEPT)}]) == 1"
    stuck = normal.show(it.objectives.breaker_stuck, "duration")
    refused = BY_ID["breaker"]
    return [
        Alert(
            "LLMCircuitBreakerOpen",
            _of_provider(f"{is_open}\nor\n{opened}"),
            "critical",
            "reliability",
            "circuit breaker open",
            refused.sentence("", "").strip().replace("is open", "is open or was in the last 5 minutes", 1),
            refused.sentence("", "", ended=True).strip(),
            about=("breaker",),
            variables={},
        ),
        Alert(
            "LLMCircuitBreakerStuckOpen",
            _of_provider(is_open),
            "critical",
            "reliability",
            f"circuit breaker open for {stuck}",
            "does not recover, what it guards is down or the breaker never tries again",
            f"was open for {stuck} or longer",
            it.objectives.breaker_stuck,
            about=("breaker",),
            variables={},
        ),
    ]


def _of_provider(expr: str) -> str:
    """Name the provider, which is how a breaker's name begins (``openai``, ``openai:chat``), so that inhibition finds it."""
    inner = expr.replace("\n", "\n  ")
    return f'label_replace(\n  {inner},\n  "gen_ai_provider_name", "$1", "breaker", "([^:/]+).*"\n)'
