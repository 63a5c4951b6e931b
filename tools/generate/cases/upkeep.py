"""Cases of alerts on budgets, prices and on otel-llm itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tools.generate.promtests import Case, Expected, calls, exactly, level, of_model, of_service, pair, ramp, series

if TYPE_CHECKING:
    from otel_llm.ops.promql import Vocabulary
    from tools.generate.promtests import Series


def cases(v: Vocabulary) -> list[Case]:
    """In the order of the rules."""
    parts = (_budgets, _unpriced, _usage, _overflow, _internal, _old, _histograms, _absent, _down)
    return [case for part in parts for case in part(v)]


def fleet_cases() -> list[Case]:
    """What a service spent by its counter, pods that are gone included."""
    return [*_fleet("Daily", "day"), *_fleet("Monthly", "month")]


def _budgets(_: Vocabulary) -> list[Case]:
    return [*_budget("Daily", "day", "today"), *_budget("Monthly", "month", "this month")]


_TWELVE = f"0x33 12x{6 * 60}"  # between two scrapes that are both within a window of whole minutes


def _budget(adjective: str, period: str, now: str) -> list[Case]:
    # the budget of a team, and that of all calls, which has no name
    labels = {"period": period, **({"budget": "acme"} if period == "day" else {})}
    who = ("acme",) if period == "day" else ()

    def spent(values: str) -> tuple[Series, ...]:
        budget = exactly("otel_llm_budget_usd", level((100, 200)), **labels)
        return budget, exactly("otel_llm_spend_usd", values, **labels)

    def forecast(ratio: float) -> tuple[Series, ...]:
        return (exactly("otel_llm_budget_forecast_ratio", level((ratio, 40)), **labels),)

    def expected(severity: str, share: str) -> Expected:
        words = (f"{share} of the budget {verb} spent" for verb in ("is", "was"))
        return of_service(severity, "cost", f"budget {now} {share}", *words, *who, **labels)

    soon = of_service(
        "warning", "cost", f"budget {now} forecast 120 %", "120 % of the budget will be spent by the period's end",
        "120 % of the budget would have been spent", *who, **labels,
    )  # fmt: skip
    name = f"LLM{adjective}Budget"
    return [
        *pair(
            Case(f"{name}Exceeded", "$151 of $100", spent(level((151, 40))), 5, (expected("critical", "151 %"),)),
            ("$150 of $100", spent(level((150, 40)))),
        ),
        Case(
            f"{name}Exceeded", "$151 of $100, and the service is killed", spent("151x30 _x90"), 80,
            (expected("critical", "151 %"),), (100,),
        ),
        *pair(
            Case(f"{name}Reached", "$100 of $100", spent(level((100, 40))), 5, (expected("critical", "100 %"),)),
            ("$99 of $100", spent(level((99, 40)))),
        ),
        *pair(
            Case(f"{name}Near", "$80 of $100", spent(level((80, 40))), 5, (expected("warning", "80 %"),)),
            ("$79 of $100", spent(level((79, 40)))),
        ),
        *pair(
            Case(f"{name}Forecast", "120 % expected", forecast(1.2), 20, (soon,), (14,)),
            ("99 % expected", forecast(0.99)),
        ),
    ]  # fmt: skip


def _fleet(adjective: str, period: str) -> list[Case]:
    """Pods that are replaced every hour spend a dollar a minute between them; none of them has spent much itself."""

    def fed(per_minute: float) -> tuple[Series, ...]:
        budget = exactly("otel_llm_budget_usd", level((100, 400)), period=period)
        return budget, series("otel_llm_cost_usd_total", ramp((per_minute, 400)), gen_ai_operation_name="chat")

    # a month is added up by whole hours: six of them have passed when the day's case is looked at after five and a half
    at, share = (325, "162 %") if period == "day" else (385, "178 %")
    words = (f"{share} of the budget {verb} spent" for verb in ("is", "was"))
    expected = of_service("critical", "cost", f"fleet's budget of the {period} {share}", *words, period=period)
    return pair(
        Case(f"LLMFleet{adjective}BudgetExceeded", "$160 of $100", fed(0.5), at, (expected,), (200,)),
        ("$130 of $100", fed(0.4)),
    )


def _unpriced(v: Vocabulary) -> list[Case]:
    def fed(unpriced: float) -> tuple[Series, ...]:
        name = "otel_llm_unpriced_requests_total"
        return (*calls(v, (60, 40)), series(name, ramp((unpriced, 40)), gen_ai_operation_name="chat"))

    words = (f"6 % of calls {verb} no known price, spend is higher than shown" for verb in ("have", "had"))
    expected = of_model("warning", "cost", "no price for 6 %", *words)
    return pair(
        Case("LLMUnpricedModel", "3.6 of 60", fed(3.6), 35, (expected,), (15,)),
        ("2.9 of 60", fed(2.9)),
    )


def _usage(v: Vocabulary) -> list[Case]:
    def fed(unknown: float) -> tuple[Series, ...]:
        name = "otel_llm_usage_unknown_total"
        return (*calls(v, (60, 40)), series(name, ramp((unknown, 40)), reason="stream_without_usage"))

    words = (f"6 % of calls {verb} no usage" for verb in ("report", "reported"))
    expected = replace(
        of_model("warning", "telemetry", "no usage in 6 %", *words),
        dashboard="otel-llm-health?var-job=shop&var-provider=openai&var-model=gpt-5",
    )
    return pair(
        Case("LLMUsageUnknown", "3.6 of 60", fed(3.6), 35, (expected,), (15,)),
        ("2.9 of 60", fed(2.9)),
    )


def _own(title: str, words: tuple[str, str], severity: str, *about: str, **labels: str) -> Expected:
    expected = of_service(severity, "telemetry", title, *words, *about, **labels)
    return replace(expected, dashboard="otel-llm-health?var-job=shop")


def _overflow(_: Vocabulary) -> list[Case]:
    def fed(values: str) -> tuple[Series, ...]:
        return (exactly("otel_llm_label_overflow_total", values, label="gen_ai_request_model"),)

    text = "12 label values of gen_ai_request_model became _other"
    expected = _own(
        "12 label values cut", (text, text), "warning", "gen_ai_request_model", label="gen_ai_request_model"
    )
    return pair(
        Case("LLMLabelOverflow", "twelve values", fed(_TWELVE), 40, (expected,), (20, 95), every="15s"),
        ("none", fed("0x100")),
    )


def _internal(_: Vocabulary) -> list[Case]:
    def fed(values: str) -> tuple[Series, ...]:
        return (exactly("otel_llm_internal_errors_total", values, component="reader"),)

    words = (
        "otel-llm has 12 errors of its own in reader, calls are unaffected",
        "otel-llm had 12 errors of its own in reader, calls were unaffected",
    )
    expected = _own("12 own errors", words, "warning", "reader", component="reader")
    return pair(
        Case("LLMInternalErrors", "twelve errors", fed(_TWELVE), 40, (expected,), (20, 95), every="15s"),
        ("none", fed("0x100")),
    )


def _old(_: Vocabulary) -> list[Case]:
    def fed(days: float) -> tuple[Series, ...]:
        return (exactly("otel_llm_price_table_age_seconds", level((days * 86_400, 100))),)

    words = ("the price table is 91d 0h 0m 0s old", "the price table was 91d 0h 0m 0s old")
    expected = _own("prices 91d 0h 0m 0s old", words, "warning")
    return pair(
        Case("LLMPriceTableOld", "91 days", fed(91), 80, (expected,), (30,)),
        ("89 days", fed(89)),
    )


def _histograms(v: Vocabulary) -> list[Case]:
    counter = calls(v, (60, 60))[:1]
    words = (
        "calls are counted but their durations are not there as classic histograms, so no alert about latency can fire",
        "durations of calls were not there as classic histograms",
    )
    return pair(
        Case(
            "LLMHistogramsMissing", "the counter alone", counter, 40, (_own("no histograms", words, "warning"),), (10,)
        ),
        ("counter and histogram", calls(v, (60, 60))),
    )


def _absent(v: Vocabulary) -> list[Case]:
    expected = Expected(
        "warning",
        "telemetry",
        "no LLM metrics at all",
        "No target shows metrics of otel-llm, so no alert about LLM calls can fire",
        "No target showed metrics of otel-llm",
        "otel-llm-health?var-job=",
        "",
        "",
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
        words = (text, "did not answer")
        return _own("/metrics does not answer", words, "warning", "shop:9464", instance="shop:9464", reach=reach)

    every = expected("all", "does not answer, nor does any other target, so no alert about LLM calls can fire")
    name = "LLMTelemetryDown"
    return [
        *pair(
            Case(name, "all are down", down, 20, (every,), (10, 15)),
            ("a target that never had LLM metrics is down", (exactly("up", up),)),
            ("back after four minutes", (exactly("up", "1x10 0x3 1x30"), down[1])),
        ),
        Case(name, "one of two is down", (*down, *other), 20, (expected("one", "does not answer"),), (15,)),
    ]
