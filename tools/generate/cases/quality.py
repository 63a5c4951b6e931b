"""Cases of alerts on answers, evaluations, guardrails and guards."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tools.generate.promtests import (
    AND_MODEL,
    OF_MODEL,
    Case,
    calls,
    exactly,
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


_OF_MODEL = {name: value for name, value in OF_MODEL.items() if name != "job"}


def cases(v: Vocabulary) -> list[Case]:
    """In the order of the rules."""
    return [*_problems(v), *_evaluations(), *_guardrails(), *_guards()]


def _problems(v: Vocabulary) -> list[Case]:
    def fed(wrong: float, kind: str = "invalid_json", right: float = 60) -> tuple[Series, ...]:
        count = series("otel_llm_answer_problems_total", ramp((wrong, 60)), gen_ai_operation_name="chat", kind=kind)
        return (count, *calls(v, (right, 60)))

    words = (f"10 % of answers {verb} wrong (invalid_json)" for verb in ("go", "went"))
    expected = of_model("warning", "quality", "wrong answers 10 %", *words, kind="invalid_json")
    return pair(
        Case("LLMAnswerProblems", "6 of 60 are no JSON", fed(6), 30, (expected,), (4,)),
        ("2.9 of 60", fed(2.9)),
        ("6 of 60 are cut off", fed(6, "truncation")),
        ("a few calls", fed(0.1, right=1)),
    )


def _evaluations() -> list[Case]:
    name, labels = "otel_llm_evaluation_zscore", {"gen_ai_evaluation_name": "faithfulness"}
    now, past = (f"scores {verb} -4.2 standard deviations from usual" for verb in ("are", "were"))
    fires = tuple(
        replace(
            of_service(
                severity, "quality", "scores have dropped", now, past, "faithfulness", "gpt-5", **_OF_MODEL, **labels
            ),
            dashboard=f"otel-llm-tokens{AND_MODEL}",
        )
        for severity in ("critical", "warning")
    )

    def fed(low: float) -> tuple[Series, ...]:
        return (series(name, level((0.5, 10), (low, 30)), **labels),)

    return pair(Case("LLMEvaluationDrop", "scores fall", fed(-4.2), 20, fires, (9, 11)), ("a little", fed(-2.9)))


def _guardrails() -> list[Case]:
    def fed(*blocked: tuple[float, int]) -> tuple[Series, ...]:
        return tuple(
            exactly("otel_llm_guardrail_checks_total", ramp(*parts), guardrail="pii", result=result)
            for result, parts in (("passed", tuple((30, minutes) for _, minutes in blocked)), ("blocked", blocked))
        )

    words = (f"25 % of checks {verb} blocked" for verb in ("are", "were"))
    expected = of_service("warning", "quality", "blocked 25 %", *words, "pii", guardrail="pii")
    return pair(
        Case("LLMGuardrailBlocking", "none of 30 become 10 of 40", fed((0, 300), (10, 60)), 330, (expected,), (300,)),
        ("a tenth as ever", fed((10, 360))),
        ("3 of 33", fed((0, 300), (3, 60))),
    )


def _guards() -> list[Case]:
    def fed(refused: float, decision: str = "refused") -> tuple[Series, ...]:
        name = "otel_llm_budget_decisions_total"
        return tuple(
            exactly(name, ramp((count, 60)), budget="nightly", decision=word)
            for word, count in (("allowed", 30), (decision, refused))
        )

    words = (f"a guard {verb} back 15 calls (refused)" for verb in ("holds", "held"))
    expected = of_service(
        "warning", "cost", "15 calls held back", *words, "nightly", budget="nightly", decision="refused"
    )
    return pair(
        Case("LLMCallsHeldBack", "one call a minute is refused", fed(1), 30, (expected,), (0,)),
        ("none is", fed(0)),
    )
