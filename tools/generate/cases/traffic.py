"""Cases of alerts on calls: slow, failing, falling back, limited, odd."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from tools.generate.promtests import (
    Case,
    Expected,
    anomaly,
    calls,
    exactly,
    histogram,
    level,
    of_model,
    of_service,
    pair,
    ramp,
    series,
)

if TYPE_CHECKING:
    from otel_llm.ops.promql import Vocabulary
    from tools.generate.promtests import Series


def slow(v: Vocabulary) -> list[Case]:
    return [*_slow(v), *_late(v)]


def failing(v: Vocabulary) -> list[Case]:
    return [case for part in (_failing, _types, _limited, _provider) for case in part(v)]


def around(v: Vocabulary) -> list[Case]:
    return [case for part in (_fallbacks, _cache, _limits, _breaker, _stuck, _share) for case in part(v)]


def _slow(v: Vocabulary) -> list[Case]:
    expected = of_model(
        "warning",
        "latency",
        "p95 40.41s",
        "5 % of calls take longer than 40.41s",
        "5 % of calls took longer than 40.41s",
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
        "first chunk p95 9.984s",
        "5 % of streams start after more than 9.984s",
        "5 % of streams started after more than 9.984s",
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


def _of_errors(v: Vocabulary, good: float, bad: float, error_type: str = "timeout") -> tuple[Series, ...]:
    """Half an hour in which ``bad`` calls a minute fail, then half an hour of recovery."""
    return (*calls(v, (good, 30), (good + bad, 30)), *calls(v, (bad, 30), (0, 30), error_type=error_type))


def _failing(v: Vocabulary) -> list[Case]:
    def expected(severity: str, share: str, error_type: str = "timeout") -> Expected:
        words = (f"{share} of calls {verb} (mostly {error_type})" for verb in ("fail", "failed"))
        return of_model(severity, "errors", f"errors {share}", *words)

    fed, name = partial(_of_errors, v), "LLMErrorRateHigh"
    both = expected("warning", "30 %"), expected("critical", "30 %")
    return [
        *pair(
            Case(name, "10 % time out, then recovery", fed(90, 10), 20, (expected("warning", "10 %"),), (5, 50)),
            ("4.8 % time out", fed(95.2, 4.8)),
            ("too few calls to tell, and too few failures", fed(3, 0.6)),
            ("the callers left", fed(50, 50, "abandoned")),
        ),
        Case(name, "30 % time out", fed(70, 30), 20, both, (50,)),
        Case(
            name,
            "few calls, and all of them fail",
            fed(0, 1.2),
            20,
            (expected("warning", "100 %"), expected("critical", "100 %")),
        ),
        Case(
            name,
            "another package's series is born with 20 failures",
            _born(v),
            14,
            (expected("critical", "33 %"),),
            (9, 20),
        ),
    ]


def _born(v: Vocabulary) -> tuple[Series, ...]:
    count, chat = f"{v.durations[0].name}_count", {"gen_ai_operation_name": "chat"}
    return (
        series(count, ramp((8, 40)), **chat, error_type=""),
        series(count, "_x10 20x30", **chat, error_type="timeout"),
    )


def _types(v: Vocabulary) -> list[Case]:
    words = (f"10 % of calls {verb} with timeout" for verb in ("fail", "failed"))
    expected = of_model("warning", "errors", "errors 10 % · timeout", *words, error_type="timeout")
    fed = partial(_of_errors, v)
    return pair(
        Case("LLMErrorTypeRateHigh", "10 % time out", fed(90, 10), 20, (expected,), (5, 50)),
        ("4.8 % time out", fed(95.2, 4.8)),
    )


def _limited(v: Vocabulary) -> list[Case]:
    words = (f"the provider {verb} 6 % of calls" for verb in ("refuses", "refused"))
    expected = of_model("critical", "errors", "rate limited 6 %", *words, error_type="rate_limit")
    fed = partial(_of_errors, v, error_type="rate_limit")
    return pair(
        Case("LLMRateLimited", "6 % are refused", fed(94, 6), 20, (expected,), (5, 50)),
        ("4.8 % are refused", fed(95.2, 4.8)),
    )


def _provider(v: Vocabulary) -> list[Case]:
    def fed(second: float) -> tuple[Series, ...]:
        other = [(name.replace('"gpt-5"', '"gpt-4o"'), values) for name, values in _of_errors(v, 60 - second, second)]
        return (*_of_errors(v, 30, 30), *other)

    expected = Expected(
        "critical",
        "errors",
        "errors 50 %",
        "50 % of calls fail, on several models",
        "50 % of calls failed, on several models",
        "otel-llm-reliability?var-job=shop&var-provider=openai",
        " · openai · shop",
        "openai in shop – ",  # noqa: RUF001 - a dash is meant
        {"job": "shop", "gen_ai_provider_name": "openai"},
    )
    return pair(
        Case("LLMProviderFailing", "half of the calls to two models fail", fed(30), 20, (expected,), (50,)),
        ("half of the calls to one model fail, and few to another", fed(14)),
    )


def _fallbacks(v: Vocabulary) -> list[Case]:
    def fed(fallbacks: float) -> tuple[Series, ...]:
        names = {"gen_ai_provider_name": "anthropic", "gen_ai_request_model": "claude-opus-4-5"}
        labels = {"from_model": "gpt-5", "to_model": "claude-opus-4-5", "reason": "timeout"}
        return (*calls(v, (60, 40)), exactly("otel_llm_fallbacks_total", ramp((fallbacks, 40)), **names, **labels))

    def expected(severity: str, share: str) -> Expected:
        words = (f"{share} of calls {verb} back to another model" for verb in ("fall", "fell"))
        return of_model(severity, "reliability", f"fallbacks {share}", *words)

    def instead(rate: float, per_minute: float) -> tuple[Series, ...]:
        """Fallbacks from a router's own name for what it calls by other names."""
        served = {"gen_ai_provider_name": "openai", "gen_ai_request_model": "gpt-5", "to_model": "gpt-5"}
        fallbacks = exactly("otel_llm_fallbacks_total", ramp((rate, 40)), **served, from_model="fast", reason="error")
        return (*calls(v, (per_minute, 40)), fallbacks)

    uncalled = replace(
        expected("warning", "20 %"),
        dashboard="otel-llm-reliability?var-job=shop&var-model=fast",
        about=" · fast · shop",
        who="fast in shop – ",  # noqa: RUF001 - a dash is meant
        labels={"job": "shop", "gen_ai_request_model": "fast"},
    )
    name, most = "LLMFallbackRateHigh", (expected("critical", "60 %"), expected("warning", "60 %"))
    return [
        *pair(
            Case(name, "12 of 60", fed(12), 25, (expected("warning", "20 %"),), (10,)),
            ("5.9 of 60", fed(5.9)),
        ),
        Case(name, "36 of 60", fed(36), 25, most, (10,)),
        *pair(
            Case(name, "12 of 60 from what is not called", instead(12, 60), 25, (uncalled,), (10,)),
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
        "response cache hits 40 %",
        "only 40 % of look-ups hit the response cache redis",
        "only 40 % of look-ups hit the response cache redis",
        cache="redis",
    )
    return pair(
        Case("LLMCacheHitRatioLow", "2 of 5 hit", fed(20, 30), 30, (expected,), (10,)),
        ("51 of 100 hit", fed(51, 49)),
        ("all miss, but only 18 in 15 minutes", fed(0, 18 / 15)),
    )


def _limits(v: Vocabulary) -> list[Case]:
    def fed(left: float, rate: float = 60) -> tuple[Series, ...]:
        return (
            series("otel_llm_rate_limit_remaining", level((left, 30)), kind="requests"),
            series("otel_llm_rate_limit_limit", level((100, 30)), kind="requests"),
            *calls(v, (rate, 30)),
        )

    def expected(severity: str, share: str) -> Expected:
        words = (f"{share} of the rate limit of requests {verb} left" for verb in ("is", "was"))
        return of_model(severity, "reliability", f"rate limit {share} left", *words, kind="requests")

    name, least = "LLMRateLimitNear", (expected("critical", "1 %"), expected("warning", "1 %"))
    return [
        *pair(
            Case(name, "5 of 100 left", fed(5), 20, (expected("warning", "5 %"),), (5,)),
            ("10 of 100 left", fed(10)),
            ("5 of 100 left, but nobody calls any more", fed(5, 0)),
        ),
        Case(name, "1 of 100 left", fed(1), 20, least, (5,)),
        Case(
            name,
            "5 of 100 left, and then the service restarts",
            _restarted(v),
            35,
            (expected("warning", "5 %"),),
            (5, 50),
        ),
    ]


def _restarted(v: Vocabulary) -> tuple[Series, ...]:
    """A service that is gone after half an hour."""
    return (
        series("otel_llm_rate_limit_remaining", "5x29 _x30", kind="requests"),
        series("otel_llm_rate_limit_limit", "100x29 _x30", kind="requests"),
        *((name, f"{values} _x30") for name, values in calls(v, (60, 29))),
    )


_BREAKER = of_service(
    "critical",
    "reliability",
    "circuit breaker open",
    "is open or was in the last 5 minutes, calls are refused without being tried",
    "was open, calls were refused without being tried",
    "openai:chat",
    breaker="openai:chat",
    gen_ai_provider_name="openai",
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
        closed = level((1, 5), (0, minutes), (1, 35 - minutes))
        return (
            exactly("otel_llm_circuit_breaker_state", open_, breaker="openai:chat", state="open"),
            exactly("otel_llm_circuit_breaker_state", closed, breaker="openai:chat", state="closed"),
        )

    expected = replace(
        _BREAKER,
        title="circuit breaker open for 15m",
        text="does not recover, what it guards is down or the breaker never tries again",
        past="was open for 15m or longer",
    )
    return pair(
        Case("LLMCircuitBreakerStuckOpen", "open for 17 minutes", fed(17), 21, (expected,), (19, 23)),
        ("open for 14 minutes", fed(14)),
    )


def _share(v: Vocabulary) -> list[Case]:
    def fed(odd: float, severity: str) -> tuple[Series, ...]:
        labels = {"signal": "latency", "direction": "high", "severity": severity}
        return (*calls(v, (100, 40)), series("otel_llm_anomalies_total", ramp((odd, 40)), **labels))

    says = "is unusual in {} of calls"
    warning = anomaly("share", "warning", "latency", "high", says.format("16 %"))
    critical = anomaly("share", "critical", "latency", "high", says.format("9 %"))
    return [
        Case("LLMAnomaly", "16 % of the calls are odd", fed(16, "warning"), 20, (warning,), (10,)),
        Case("LLMAnomaly", "15 % of the calls are odd", fed(14.9, "warning"), 20),
        Case("LLMAnomaly", "9 % of the calls are critical", fed(9, "critical"), 20, (critical,), (5,)),
        Case("LLMAnomaly", "8 % of the calls are critical", fed(7.9, "critical"), 20),
    ]
