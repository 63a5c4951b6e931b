"""Cases of alerts on calls: slow, failing, falling back, limited, odd."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from otel_llm.ops.promtests import (
    Case,
    Expected,
    anomaly,
    calls,
    exactly,
    histogram,
    level,
    of_model,
    pair,
    ramp,
    series,
)

if TYPE_CHECKING:
    from otel_llm.ops.promql import Vocabulary
    from otel_llm.ops.promtests import Series


def cases(v: Vocabulary) -> list[Case]:
    """In the order of the rules."""
    parts = (_slow, _late, _failing, _fallbacks, _cache, _limits, _breaker, _stuck, _share)
    return [case for part in parts for case in part(v)]


def _slow(v: Vocabulary) -> list[Case]:
    expected = of_model(
        "warning",
        "latency",
        "LLM calls are slow: p95 above 30s",
        "95 % of the calls to gpt-5 (openai) take up to 40.41s.",
        quantile="0.95",
    )
    # all in the bucket from 30 to 40.96, the quantile lies at 95 % of it; then in the one from 20.48 to 30
    fed = calls(v, (60, 30), took=35)
    return pair(
        Case("LLMLatencyP95High", "calls of 35 s", fed, 20, (expected,), (5,)),
        ("p95 is 29.5 s", calls(v, (60, 30), took=25)),
        ("the slow calls failed", (*calls(v, (60, 30)), *calls(v, (60, 30), took=35, error_type="timeout"))),
    )


def _late(v: Vocabulary) -> list[Case]:
    expected = of_model(
        "warning",
        "latency",
        "LLM streams start late: p95 above 5s",
        "95 % of the streams from gpt-5 (openai) start within 9.984s.",
        quantile="0.95",
    )
    first = v.first_chunk
    return pair(
        Case(
            "LLMTimeToFirstChunkHigh",
            "first chunks after 6 s",
            histogram(first.name, first.buckets, 6, (60, 30)),
            20,
            (expected,),
            (5,),
        ),
        ("p95 is 4.99 s", histogram(first.name, first.buckets, 4.9, (60, 30))),
    )


def _failing(v: Vocabulary) -> list[Case]:
    expected = of_model(
        "critical",
        "errors",
        "LLM calls fail: more than 5% with timeout",
        "10% of the calls to gpt-5 (openai) fail with timeout.",
        error_type="timeout",
    )

    def fed(good: float, bad: float, error_type: str = "timeout") -> tuple[Series, ...]:
        return (*calls(v, (good, 30), (good + bad, 30)), *calls(v, (bad, 30), (0, 30), error_type=error_type))

    return pair(
        Case("LLMErrorRateHigh", "10 % time out, then recovery", fed(90, 10), 20, (expected,), (5, 50)),
        ("4.8 % time out", fed(95.2, 4.8)),
        ("too few calls to tell", fed(1, 0.8)),
        ("the callers left", fed(50, 50, "abandoned")),
    )


def _fallbacks(v: Vocabulary) -> list[Case]:
    def fed(fallbacks: float) -> tuple[Series, ...]:
        names = {"gen_ai_provider_name": "anthropic", "gen_ai_request_model": "claude-opus-4-5"}
        told = {"from_model": "gpt-5", "to_model": "claude-opus-4-5", "reason": "timeout"}
        return (*calls(v, (60, 40)), exactly("otel_llm_fallbacks_total", ramp((fallbacks, 40)), **names, **told))

    expected = of_model(
        "warning",
        "reliability",
        "LLM calls fall back: more than 10%",
        "20% of the calls to gpt-5 (openai) fell back to another model.",
    )

    def instead(rate: float, per_minute: float) -> tuple[Series, ...]:
        """Fallbacks from a router's own name for what it calls by other names."""
        served = {"gen_ai_provider_name": "openai", "gen_ai_request_model": "gpt-5", "to_model": "gpt-5"}
        fallbacks = exactly("otel_llm_fallbacks_total", ramp((rate, 40)), **served, from_model="fast", reason="error")
        return (*calls(v, (per_minute, 40)), fallbacks)

    uncalled = replace(
        expected,
        description="fast is not called itself: 20% of all calls fell back from it.",
        dashboard=f"{expected.dashboard.partition('?')[0]}?var-provider=&var-model=fast",
        labels={"gen_ai_request_model": "fast"},
    )
    return [
        *pair(
            Case("LLMFallbackRateHigh", "12 of 60", fed(12), 25, (expected,), (10,)),
            ("5.9 of 60", fed(5.9)),
        ),
        *pair(
            Case("LLMFallbackRateHigh", "12 of 60 from what is not called", instead(12, 60), 25, (uncalled,), (10,)),
            ("5.9 of 60 from what is not called", instead(5.9, 60)),
            ("too few calls to tell of what is not called", instead(0.1, 0.5)),
        ),
    ]


def _cache(_: Vocabulary) -> list[Case]:
    def fed(hits: float, misses: float) -> tuple[Series, ...]:
        name = "otel_llm_cache_requests_total"
        return (
            series(name, ramp((hits, 40)), cache="redis", result="hit"),
            series(name, ramp((misses, 40)), cache="redis", result="miss"),
        )

    expected = of_model(
        "warning",
        "reliability",
        "The response cache misses: hit ratio below 50%",
        "40% of the look-ups in redis for gpt-5 hit.",
        cache="redis",
    )
    return pair(
        Case("LLMCacheHitRatioLow", "2 of 5 hit", fed(20, 30), 30, (expected,), (10,)),
        ("51 of 100 hit", fed(51, 49)),
        ("all miss, but only 19 in 15 minutes", fed(0, 19 / 15)),
    )


def _limits(v: Vocabulary) -> list[Case]:
    def fed(left: float, rate: float = 60) -> tuple[Series, ...]:
        return (
            series("otel_llm_rate_limit_remaining", level((left, 30)), kind="requests"),
            series("otel_llm_rate_limit_limit", level((100, 30)), kind="requests"),
            *calls(v, (rate, 30)),
        )

    expected = of_model(
        "warning",
        "reliability",
        "A rate limit is near: less than 10% left",
        "5% of the requests that gpt-5 (openai) allows are left.",
        kind="requests",
    )
    return pair(
        Case("LLMRateLimitNear", "5 of 100 left", fed(5), 20, (expected,), (5,)),
        ("10 of 100 left", fed(10)),
        ("5 of 100 left, but nobody calls any more", fed(5, 0)),
    )


_BREAKER = Expected(
    "critical",
    "reliability",
    "Circuit breaker openai:chat opened",
    "openai:chat is open or was in the last 5 minutes: calls to it are refused without being tried.",
    "otel-llm-reliability",
    {"breaker": "openai:chat", "gen_ai_provider_name": "openai"},
)


def _transitions(values: str, to_state: str) -> Series:
    name = "otel_llm_circuit_breaker_transitions_total"
    return exactly(name, values, breaker="openai:chat", from_state="closed", to_state=to_state)


def _breaker(_: Vocabulary) -> list[Case]:
    scraped = exactly("otel_llm_build_info", "1x40", version="1")
    return [
        *pair(
            Case(
                "LLMCircuitBreakerOpen", "opens once", (_transitions("0x10 1x30", "open"),), 12, (_BREAKER,), (10, 20)
            ),
            ("half opens", (_transitions("0x10 1x30", "half_open"),)),
            ("had opened before this Prometheus looked", (_transitions("_x10 3x30", "open"),)),
        ),
        Case(
            "LLMCircuitBreakerOpen",
            "is born open",
            (_transitions("_x10 1x30", "open"), scraped),
            12,
            (_BREAKER,),
            (9, 20),
        ),
    ]


def _stuck(_: Vocabulary) -> list[Case]:
    def fed(minutes: int) -> tuple[Series, ...]:
        open_ = level((0, 5), (1, minutes), (0, 35 - minutes))
        return (exactly("otel_llm_circuit_breaker_state", open_, breaker="openai:chat", state="open"),)

    expected = replace(
        _BREAKER,
        summary="Circuit breaker openai:chat is open for 15m",
        description="openai:chat does not recover: what it guards is down, or the breaker never tries again.",
    )
    return pair(
        Case("LLMCircuitBreakerStuckOpen", "open for 16 minutes", fed(16), 20, (expected,), (19, 21)),
        ("open for 15 minutes", fed(15)),
    )


def _share(v: Vocabulary) -> list[Case]:
    def fed(odd: float, severity: str) -> tuple[Series, ...]:
        labels = {"signal": "latency", "direction": "high", "severity": severity}
        return (*calls(v, (100, 40)), series("otel_llm_anomalies_total", ramp((odd, 40)), **labels))

    says = "is unusual in {} of the calls"
    warning = anomaly("share", "warning", "latency", "high", says.format("16%"))
    critical = anomaly("share", "critical", "latency", "high", says.format("9%"))
    return [
        Case("LLMAnomaly", "16 % of the calls are odd", fed(16, "warning"), 20, (warning,), (10,)),
        Case("LLMAnomaly", "15 % of the calls are odd", fed(14.9, "warning"), 20),
        Case("LLMAnomaly", "9 % of the calls are critical", fed(9, "critical"), 20, (critical,), (5,)),
        Case("LLMAnomaly", "8 % of the calls are critical", fed(7.9, "critical"), 20),
    ]
