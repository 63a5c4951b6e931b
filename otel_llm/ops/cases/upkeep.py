"""Cases of alerts on budgets, prices and on otel-llm itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_llm.ops.promtests import Case, Expected, calls, exactly, level, of_model, pair, ramp, series

if TYPE_CHECKING:
    from otel_llm.ops.promql import Vocabulary
    from otel_llm.ops.promtests import Series


def cases(v: Vocabulary) -> list[Case]:
    """In the order of the rules."""
    parts = (_budgets, _unpriced, _usage, _overflow, _internal, _absent, _down)
    return [case for part in parts for case in part(v)]


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
        *pair(
            Case(f"LLM{adjective}BudgetExceeded", "$151 of $100", spent(151), 5, (over,)), ("$150 of $100", spent(150))
        ),
        *pair(
            Case(f"LLM{adjective}BudgetForecast", "120 % expected", forecast(1.2), 20, (soon,), (14,)),
            ("99 % expected", forecast(0.99)),
        ),
    ]


def _unpriced(_: Vocabulary) -> list[Case]:
    def fed(values: str) -> tuple[Series, ...]:
        return (series("otel_llm_unpriced_requests_total", values, gen_ai_operation_name="chat"),)

    expected = of_model(
        "info",
        "cost",
        "LLM calls have no known price: spend is higher than shown",
        "3 calls to gpt-5 (openai) in the last hour could not be priced.",
    )
    return pair(
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
        "LLM calls bring no usage: more than 5%",
        "6% of the calls to gpt-5 (openai) do not say how many tokens they used.",
        "otel-llm-health",
    )
    return pair(
        Case("LLMUsageUnknown", "3.6 of 60", fed(3.6), 30, (expected,), (15,)),
        ("2.9 of 60", fed(2.9)),
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
    return pair(
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
    return pair(
        Case("LLMInternalErrors", "two errors", fed("0x10 2x90"), 30, (expected,), (25, 80)),
        ("none", fed("0x100")),
    )


def _absent(v: Vocabulary) -> list[Case]:
    expected = Expected(
        "warning",
        "telemetry",
        "There are no LLM metrics at all",
        "No target shows metrics of otel-llm: no alert about LLM calls can fire.",
        "otel-llm-health",
        {},
    )
    idle = exactly("otel_llm_build_info", "1x40", version="1")
    return pair(
        Case("LLMTelemetryAbsent", "nothing is scraped", (), 20, (expected,), (14,)),
        ("scraped, without a single call", (idle,)),
        ("pushed, with calls and no page", calls(v, (60, 40))),
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
        *pair(
            Case(name, "all are down", down, 20, (every,), (10, 15)),
            ("a target that never had LLM metrics is down", (exactly("up", up),)),
            ("back after four minutes", (exactly("up", "1x10 0x3 1x30"), down[1])),
        ),
        Case(name, "one of two is down", (*down, *other), 20, (expected("one", "does not answer"),), (15,)),
    ]
