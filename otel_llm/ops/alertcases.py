"""The cases of every alert: numbers in, page out, and the same a little below the line."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from . import recorded
from .promtests import (
    AND_MODEL,
    MODEL,
    Case,
    Expected,
    aggregated,
    calls,
    exactly,
    histogram,
    level,
    means,
    output,
    ramp,
    series,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from .promql import Vocabulary
    from .promtests import Series

_HISTORY = 120  # minutes of an ordinary day before something changes
_SINCE = 30  # minutes after the change


def alert_cases(v: Vocabulary) -> list[Case]:
    """Every alert but those of ``slo_cases`` and ``season_cases``, in the order of the rules."""
    parts: tuple[Callable[[Vocabulary], list[Case]], ...] = (
        _slow, _late, _failing, _long, _short, _varied, _budgets, _dear, _fallbacks, _cache, _limits, _breaker, _stuck,
        _shift, _share, _truncated, _filtered, _unpriced, _usage, _overflow, _internal, _absent, _down,
    )  # fmt: skip
    return [case for part in parts for case in part(v)]


def slo_cases(v: Vocabulary) -> list[Case]:
    """Error budgets, which take the rules of the objectives."""
    return [*_burning(v), *_slow_budget(v)]


def season_cases() -> list[Case]:
    """A service with a daily rhythm, 2 s by night and 6 s from 12 to 14 o'clock, in its second day."""
    noon, night = (24 + 12) * 60 + 50, (24 + 3) * 60 + 50
    says = "is at 4, outside of what is usual at this time"
    odd = [_anomaly("season", severity, "latency", "high", says) for severity in ("critical", "warning")]
    return [
        Case("LLMAnomaly", "6 s at noon, as every day", _rhythm(), noon, every="2m"),
        Case("LLMAnomaly", "4 s by night", _rhythm(4), night, tuple(odd), every="2m"),
        Case("LLMAnomaly", "2.1 s by night", _rhythm(2.1), night, every="2m"),
    ]


def _rhythm(by_night: float = 2) -> tuple[Series, ...]:
    day = [2.0] * 12 + [6.0] * 2 + [2.0] * 10
    today = [*day[:3], by_night, *day[4:]]
    values = " ".join(f"{value:g}x29" for value in day + today)
    return aggregated(recorded.SIGNAL, values, signal="latency"), aggregated(recorded.CALLS, f"1x{30 * 48}")


def _pair(case: Case, *almost: tuple[str, tuple[Series, ...]]) -> list[Case]:
    """The case that fires, and those just short of it, looked at at the same time."""
    return [case, *(replace(case, name=name, series=fed, expected=(), quiet_at=()) for name, fed in almost)]


def _changed(before: float, after: float) -> tuple[tuple[float, int], tuple[float, int]]:
    return (before, _HISTORY), (after, _SINCE)


def _slow(v: Vocabulary) -> list[Case]:
    expected = Expected(
        "warning",
        "latency",
        "LLM calls are slow: p95 above 30s",
        "95 % of the calls to gpt-5 (openai) take up to 40.41s.",
        f"otel-llm-latency{AND_MODEL}",
        {**MODEL, "quantile": "0.95"},
    )
    # all in the bucket from 30 to 40.96, the quantile lies at 95 % of it; then in the one from 20.48 to 30
    fed = calls(v, (60, 30), took=35)
    return _pair(
        Case("LLMLatencyP95High", "calls of 35 s", fed, 20, (expected,), (5,)),
        ("p95 is 29.5 s", calls(v, (60, 30), took=25)),
        ("the slow calls failed", (*calls(v, (60, 30)), *calls(v, (60, 30), took=35, error_type="timeout"))),
    )


def _late(v: Vocabulary) -> list[Case]:
    expected = Expected(
        "warning",
        "latency",
        "LLM streams start late: p95 above 5s",
        "95 % of the streams from gpt-5 (openai) start within 9.984s.",
        f"otel-llm-latency{AND_MODEL}",
        {**MODEL, "quantile": "0.95"},
    )
    first = v.first_chunk
    return _pair(
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
    expected = Expected(
        "critical",
        "errors",
        "LLM calls fail: more than 5% with timeout",
        "10% of the calls to gpt-5 (openai) fail with timeout.",
        f"otel-llm-reliability{AND_MODEL}",
        {**MODEL, "error_type": "timeout"},
    )

    def fed(good: float, bad: float, error_type: str = "timeout") -> tuple[Series, ...]:
        return (*calls(v, (good, 30), (good + bad, 30)), *calls(v, (bad, 30), (0, 30), error_type=error_type))

    return _pair(
        Case("LLMErrorRateHigh", "10 % time out, then recovery", fed(90, 10), 20, (expected,), (5, 50)),
        ("4.8 % time out", fed(95.2, 4.8)),
        ("too few calls to tell", fed(1, 0.8)),
        ("the callers left", fed(50, 50, "abandoned")),
    )


def _burning(v: Vocabulary) -> list[Case]:
    def fed(bad: float) -> tuple[Series, ...]:
        return (*calls(v, (100 - bad, 60)), *calls(v, (bad, 60), error_type="server_error"))

    def expected(severity: str, how: str, share: str, end: str) -> Expected:
        return Expected(
            severity,
            "errors",
            f"The availability error budget of gpt-5 {how}",
            f"{share} of the calls to gpt-5 (openai) miss the availability objective: at this rate {end}.",
            f"otel-llm-reliability{AND_MODEL}",
            {**MODEL, "slo": "availability"},
        )

    days, month = "the budget of 30 days is gone in five days or less", "the budget does not last 30 days"
    fast, slow = expected("critical", "is burning fast", "20%", days), expected("warning", "is burning", "20%", month)
    only_slow = expected("warning", "is burning", "5.9%", month)
    name = "LLMErrorBudgetBurn"
    return [
        Case(name, "20 % fail", fed(20), 40, (fast, slow), (2,)),
        Case(name, "5.9 % fail, a ticket and just no page", fed(5.9), 40, (only_slow,), (14,)),
        Case(name, "0.99 % fail, just no ticket", fed(0.99), 40),
    ]


def _slow_budget(v: Vocabulary) -> list[Case]:
    def fed(slow: float) -> tuple[Series, ...]:
        # two kinds of calls are two operations here: one series has one duration only
        embeddings = [(name.replace('"chat"', '"embeddings"'), values) for name, values in calls(v, (100 - slow, 60))]
        return (*calls(v, (slow, 60), took=35), *embeddings)

    page = Expected(
        "critical",
        "errors",
        "The latency error budget of gpt-5 is burning fast",
        "40% of the calls to gpt-5 (openai) miss the latency objective: "
        "at this rate the budget of 30 days is gone in five days or less.",
        f"otel-llm-reliability{AND_MODEL}",
        {**MODEL, "slo": "latency"},
    )
    ticket = replace(
        page,
        severity="warning",
        summary="The latency error budget of gpt-5 is burning",
        description="40% of the calls to gpt-5 (openai) miss the latency objective: "
        "at this rate the budget does not last 30 days.",
    )
    return _pair(
        Case("LLMErrorBudgetBurn", "40 % take 35 s", fed(40), 40, (page, ticket)),
        ("4.9 % take 35 s, just no ticket", fed(4.9)),
    )


def _long(v: Vocabulary) -> list[Case]:
    expected = Expected(
        "warning",
        "tokens",
        "LLM answers are long: more than 2 times the daily average",
        "The mean answer of gpt-5 (openai) has 400 tokens.",
        f"otel-llm-tokens{AND_MODEL}",
    )
    return _pair(
        Case(
            "LLMOutputTokensHigh", "100 tokens become 400", output(v, *_changed(100, 400)), 145, (expected,), (119, 128)
        ),
        ("100 tokens become 195", output(v, *_changed(100, 195))),
    )


def _short(v: Vocabulary) -> list[Case]:
    expected = Expected(
        "warning",
        "quality",
        "LLM answers are short: 30% below the daily average, the model may have degraded",
        "The mean answer of gpt-5 (openai) has 60 tokens.",
        f"otel-llm-tokens{AND_MODEL}",
    )
    return _pair(
        Case(
            "LLMOutputLengthDrop", "100 tokens become 60", output(v, *_changed(100, 60)), 145, (expected,), (119, 135)
        ),
        ("100 tokens become 71", output(v, *_changed(100, 71))),
    )


def _varied(v: Vocabulary) -> list[Case]:
    def fed(before: float, after: float) -> tuple[Series, ...]:
        return (
            series("otel_llm_output_tokens_stddev", level(*_changed(before, after))),
            series("otel_llm_tokens_per_request", level((100, _HISTORY + _SINCE)), gen_ai_token_type="output"),  # noqa: S106 - tokens of text
            *calls(v, (60, _HISTORY + _SINCE)),
        )

    expected = Expected(
        "warning",
        "quality",
        "LLM answers vary: spread of lengths above 2 times the daily average",
        "The lengths of gpt-5 (openai)'s answers spread by 160% of their mean.",
        f"otel-llm-tokens{AND_MODEL}",
    )
    return _pair(
        Case("LLMOutputVarianceHigh", "50 % of the mean become 160 %", fed(50, 160), 145, (expected,), (119, 129)),
        ("50 % of the mean become 99 %", fed(50, 99)),
    )


def _budgets(_: Vocabulary) -> list[Case]:
    return [*_budget("Daily", "day", "today"), *_budget("Monthly", "month", "this month")]


def _budget(adjective: str, period: str, now: str) -> list[Case]:
    def spent(money: float) -> tuple[Series, ...]:
        budget = exactly("otel_llm_budget_usd", level((100, 40)), period=period)
        return budget, exactly("otel_llm_spend_usd", level((money, 40)), period=period)

    def forecast(ratio: float) -> tuple[Series, ...]:
        return (exactly("otel_llm_budget_forecast_ratio", level((ratio, 40)), period=period, budget="acme"),)

    labels = {"job": "shop", "period": period}
    over = Expected(
        "critical",
        "cost",
        f"{adjective} LLM spend is above 150% of the budget",
        f"shop spent $151.00 {now}.",
        "otel-llm-cost?var-job=shop",
        labels,
    )
    soon = Expected(
        "warning",
        "cost",
        f"{adjective} LLM spend will pass 100% of the budget",
        f"At the present rate shop (budget acme) will use 120% of the {period}'s budget.",
        "otel-llm-cost?var-job=shop",
        {**labels, "budget": "acme"},
    )
    return [
        *_pair(
            Case(f"LLM{adjective}BudgetExceeded", "$151 of $100", spent(151), 5, (over,)), ("$150 of $100", spent(150))
        ),
        *_pair(
            Case(f"LLM{adjective}BudgetForecast", "120 % expected", forecast(1.2), 20, (soon,), (14,)),
            ("99 % expected", forecast(0.99)),
        ),
    ]


def _dear(v: Vocabulary) -> list[Case]:
    def fed(after: float) -> tuple[Series, ...]:
        money = means("otel_llm_request_cost_usd", *_changed(0.01, after), gen_ai_operation_name="chat")
        return (*money, *calls(v, (60, _HISTORY + _SINCE)))

    expected = Expected(
        "warning",
        "cost",
        "LLM calls are expensive: more than 3 times the daily average",
        "A call to gpt-5 (openai) costs $0.1000 on average.",
        f"otel-llm-cost{AND_MODEL}",
    )
    expected = replace(expected, labels={**MODEL, "signal": "cost"})
    return _pair(
        Case("LLMCostPerRequestHigh", "one cent becomes ten", fed(0.1), 145, (expected,), (119, 128)),
        ("one cent becomes 2.9", fed(0.029)),
    )


def _fallbacks(v: Vocabulary) -> list[Case]:
    def fed(fallbacks: float) -> tuple[Series, ...]:
        names = {"from_model": "gpt-5", "to_model": "claude-opus-4-5", "reason": "timeout"}
        return (*calls(v, (60, 40)), series("otel_llm_fallbacks_total", ramp((fallbacks, 40)), **names))

    expected = Expected(
        "warning",
        "reliability",
        "LLM calls fall back: more than 10%",
        "20% of the calls to gpt-5 (openai) end in a fallback.",
        f"otel-llm-reliability{AND_MODEL}",
    )
    return _pair(
        Case("LLMFallbackRateHigh", "12 of 60", fed(12), 25, (expected,), (10,)),
        ("5.9 of 60", fed(5.9)),
    )


def _cache(_: Vocabulary) -> list[Case]:
    def fed(hits: float, misses: float) -> tuple[Series, ...]:
        name = "otel_llm_cache_requests_total"
        return (
            series(name, ramp((hits, 40)), cache="redis", result="hit"),
            series(name, ramp((misses, 40)), cache="redis", result="miss"),
        )

    expected = Expected(
        "warning",
        "reliability",
        "The response cache misses: hit ratio below 50%",
        "40% of the look-ups for gpt-5 (openai) hit the cache redis.",
        f"otel-llm-reliability{AND_MODEL}",
        {**MODEL, "cache": "redis"},
    )
    return _pair(
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

    expected = Expected(
        "warning",
        "reliability",
        "A rate limit is near: less than 10% left",
        "5% of the requests that gpt-5 (openai) allows are left.",
        f"otel-llm-reliability{AND_MODEL}",
        {**MODEL, "kind": "requests"},
    )
    return _pair(
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
        *_pair(
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
    return _pair(
        Case("LLMCircuitBreakerStuckOpen", "open for 16 minutes", fed(16), 20, (expected,), (19, 21)),
        ("open for 15 minutes", fed(15)),
    )


def _anomaly(kind: str, severity: str, signal: str, direction: str, says: str) -> Expected:
    return Expected(
        severity,
        "anomaly",
        f"LLM {signal} is unusually {direction}",
        f"{signal} of gpt-5 (openai) {says}.",
        f"otel-llm-anomalies{AND_MODEL}&var-signal={signal}",
        {**MODEL, "signal": signal, "direction": direction, "kind": kind},
    )


def _shift(v: Vocabulary) -> list[Case]:
    def fed(*after: tuple[float, int]) -> tuple[Series, ...]:
        # an ordinary day: 90 to 110 tokens, ten minutes each, a deviation of about 8
        waves = [(100 + 10 * (wave % 3 - 1), 10) for wave in range(12)]
        return output(v, *waves, *after)

    def expected(severity: str, direction: str, sigmas: str) -> Expected:
        says = f"is {sigmas} standard deviations from its daily average"
        return _anomaly("shift", severity, "output_tokens", direction, says)

    # promtool evaluates groups in any order: the values stay the same to one digit a minute earlier or later
    name, constant = "LLMAnomaly", [(100 + 2 * (wave % 2), 10) for wave in range(12)]
    return [
        Case(name, "2.6 deviations above", fed((120, 30)), 134, (expected("warning", "high", "2.6"),), (119, 129)),
        Case(name, "6.2 deviations below", fed((54.6, 20)), 129, (expected("critical", "low", "-6.2"),), (119, 125)),
        Case(name, "1.9 deviations above", fed((115, 20)), 137),
        Case(name, "far in deviations, but a change of 9 %", output(v, *constant, (110, 20)), 137),
    ]


def _share(v: Vocabulary) -> list[Case]:
    def fed(odd: float, severity: str) -> tuple[Series, ...]:
        labels = {"signal": "latency", "direction": "high", "severity": severity}
        return (*calls(v, (100, 40)), series("otel_llm_anomalies_total", ramp((odd, 40)), **labels))

    says = "is unusual in {} of the calls"
    warning = _anomaly("share", "warning", "latency", "high", says.format("16%"))
    critical = _anomaly("share", "critical", "latency", "high", says.format("9%"))
    return [
        Case("LLMAnomaly", "16 % of the calls are odd", fed(16, "warning"), 20, (warning,), (10,)),
        Case("LLMAnomaly", "15 % of the calls are odd", fed(14.9, "warning"), 20),
        Case("LLMAnomaly", "9 % of the calls are critical", fed(9, "critical"), 20, (critical,), (5,)),
        Case("LLMAnomaly", "8 % of the calls are critical", fed(7.9, "critical"), 20),
    ]


def _finish(v: Vocabulary, reason: str, before: float, after: float) -> tuple[Series, ...]:
    name = "otel_llm_finish_reasons_total"
    good, bad = _changed(60 - before, 60 - after), _changed(before, after)
    return (
        series(name, ramp(*good), finish_reason="stop"),
        series(name, ramp(*bad), finish_reason=reason),
        *calls(v, (60, _HISTORY + _SINCE)),
    )


def _truncated(v: Vocabulary) -> list[Case]:
    expected = Expected(
        "warning",
        "quality",
        "LLM answers are cut off: more than 3 times the daily average",
        "50% of the answers of gpt-5 (openai) end at the token limit.",
        f"otel-llm-tokens{AND_MODEL}",
        {**MODEL, "finish_reason": "length"},
    )
    return _pair(
        Case("LLMTruncatedOutputs", "2 of 60 become 30", _finish(v, "length", 2, 30), 148, (expected,), (119, 130)),
        ("2 of 60 become 5.9", _finish(v, "length", 2, 5.9)),
        ("none of 60 become 2.9", _finish(v, "max_tokens", 0, 2.9)),
    )


def _filtered(v: Vocabulary) -> list[Case]:
    expected = Expected(
        "warning",
        "quality",
        "LLM answers are filtered: more than 3 times the daily average",
        "10% of the answers of gpt-5 (openai) are withheld by a filter.",
        f"otel-llm-tokens{AND_MODEL}",
        {**MODEL, "finish_reason": "content_filter"},
    )
    return _pair(
        Case("LLMContentFiltered", "none of 60 become 6", _finish(v, "refusal", 0, 6), 148, (expected,), (119, 130)),
        ("none of 60 become 2.9", _finish(v, "content_filter", 0, 2.9)),
    )


def _unpriced(_: Vocabulary) -> list[Case]:
    def fed(values: str) -> tuple[Series, ...]:
        return (series("otel_llm_unpriced_requests_total", values, gen_ai_operation_name="chat"),)

    expected = Expected(
        "info",
        "cost",
        "LLM calls have no known price: spend is higher than shown",
        "3 calls to gpt-5 (openai) in the last hour could not be priced.",
        f"otel-llm-cost{AND_MODEL}",
    )
    return _pair(
        Case("LLMUnpricedModel", "three calls", fed("0x10 3x90"), 30, (expected,), (25, 80)),
        ("no call", fed("0x100")),
    )


def _usage(v: Vocabulary) -> list[Case]:
    def fed(unknown: float) -> tuple[Series, ...]:
        name = "otel_llm_usage_unknown_total"
        return (*calls(v, (60, 40)), series(name, ramp((unknown, 40)), reason="stream_without_usage"))

    expected = Expected(
        "warning",
        "telemetry",
        "LLM calls bring no usage: more than 1%",
        "2% of the calls to gpt-5 (openai) do not say how many tokens they used.",
        "otel-llm-health",
    )
    return _pair(
        Case("LLMUsageUnknown", "1.2 of 60", fed(1.2), 30, (expected,), (15,)),
        ("0.59 of 60", fed(0.59)),
    )


def _overflow(_: Vocabulary) -> list[Case]:
    def fed(values: str) -> tuple[Series, ...]:
        return (exactly("otel_llm_label_overflow_total", values, label="gen_ai_request_model"),)

    expected = Expected(
        "info",
        "telemetry",
        "Label gen_ai_request_model has too many values",
        '4 values of gen_ai_request_model of shop became "_other" in the last hour.',
        "otel-llm-health?var-job=shop",
        {"job": "shop", "label": "gen_ai_request_model"},
    )
    return _pair(
        Case("LLMLabelOverflow", "four values", fed("0x10 4x90"), 30, (expected,), (25, 80)),
        ("none", fed("0x100")),
    )


def _internal(_: Vocabulary) -> list[Case]:
    def fed(values: str) -> tuple[Series, ...]:
        return (exactly("otel_llm_internal_errors_total", values, component="reader"),)

    expected = Expected(
        "warning",
        "telemetry",
        "otel-llm fails in reader",
        "2 errors of otel-llm itself in shop in the last hour; calls are unaffected.",
        "otel-llm-health?var-job=shop",
        {"job": "shop", "component": "reader"},
    )
    return _pair(
        Case("LLMInternalErrors", "two errors", fed("0x10 2x90"), 30, (expected,), (25, 80)),
        ("none", fed("0x100")),
    )


def _absent(_: Vocabulary) -> list[Case]:
    expected = Expected(
        "warning",
        "telemetry",
        "There are no LLM metrics at all",
        "No target shows metrics of otel-llm: no alert about LLM calls can fire.",
        "otel-llm-health",
        {},
    )
    idle = exactly("otel_llm_build_info", "1x40", version="1")
    return _pair(
        Case("LLMTelemetryAbsent", "nothing is scraped", (), 20, (expected,), (14,)),
        ("scraped, without a single call", (idle,)),
    )


def _down(_: Vocabulary) -> list[Case]:
    up, info = "1x10 0x30", "1x10 _x30"
    down = (exactly("up", up), exactly("otel_llm_build_info", info, version="1"))
    other = (
        ('up{job="mail", instance="mail:9464"}', "1x40"),
        ('otel_llm_build_info{job="mail", instance="mail:9464"}', "1x40"),
    )

    def expected(reach: str, text: str) -> Expected:
        return Expected(
            "warning",
            "telemetry",
            "/metrics of shop is down",
            f"shop:9464 {text}.",
            "otel-llm-health?var-job=shop",
            {"job": "shop", "instance": "shop:9464", "reach": reach},
        )

    every = expected("all", "does not answer, nor does any other: no alert about LLM calls can fire")
    name = "LLMTelemetryDown"
    return [
        *_pair(
            Case(name, "all are down", down, 20, (every,), (10, 15)),
            ("a target that never had LLM metrics is down", (exactly("up", up),)),
            ("back after four minutes", (exactly("up", "1x10 0x3 1x30"), down[1])),
        ),
        Case(name, "one of two is down", (*down, *other), 20, (expected("one", "does not answer"),), (15,)),
    ]
