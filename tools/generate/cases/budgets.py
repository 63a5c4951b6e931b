"""Cases of error budgets, which take the rules of the objectives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.generate.promtests import Case, calls, of_model, pair

if TYPE_CHECKING:
    from otel_llm.ops.promql import Vocabulary
    from tools.generate.promtests import Expected, Series


_DAYS = "and at this rate the budget of 30 days is gone in five days or less"
_MONTH = "and at this rate the budget does not last 30 days"


def _burn(severity: str, slo: str, share: str, end: str) -> Expected:
    return of_model(
        severity,
        "errors",
        f"{slo} budget burns, {share} missed",
        f"{share} of the calls miss the {slo} objective, {end}",
        f"{share} of the calls missed the {slo} objective",
        slo=slo,
    )


def cases(v: Vocabulary) -> list[Case]:
    """Availability and latency."""
    parts = (_burning, _slow_budget)
    return [case for part in parts for case in part(v)]


def _burning(v: Vocabulary) -> list[Case]:
    def fed(bad: float) -> tuple[Series, ...]:
        return (*calls(v, (100 - bad, 60)), *calls(v, (bad, 60), error_type="server_error"))

    def expected(severity: str, share: str, end: str) -> Expected:
        return _burn(severity, "availability", share, end)

    once = calls(v, (0, 20), (1, 1), (0, 39), error_type="server_error")
    fast, slow = expected("critical", "20 %", _DAYS), expected("warning", "20 %", _MONTH)
    only_slow = expected("warning", "5.9 %", _MONTH)
    name = "LLMErrorBudgetBurn"
    return [
        Case(name, "20 % fail", fed(20), 40, (fast, slow), (2,)),
        Case(name, "5.9 % fail, a ticket and just no page", fed(5.9), 40, (only_slow,), (14,)),
        Case(name, "0.99 % fail, just no ticket", fed(0.99), 40),
        Case(name, "one of fifteen calls failed, and no more", (*calls(v, (0.25, 60)), *once), 40),
    ]


def _slow_budget(v: Vocabulary) -> list[Case]:
    def fed(slow: float) -> tuple[Series, ...]:
        # two kinds of calls are two operations here: one series has one duration only
        embeddings = [(name.replace('"chat"', '"embeddings"'), values) for name, values in calls(v, (100 - slow, 60))]
        return (*calls(v, (slow, 60), took=35), *embeddings)

    page, ticket = _burn("critical", "latency", "40 %", _DAYS), _burn("warning", "latency", "40 %", _MONTH)
    return pair(
        Case("LLMErrorBudgetBurn", "40 % take 35 s", fed(40), 40, (page, ticket)),
        ("4.9 % take 35 s, just no ticket", fed(4.9)),
    )
