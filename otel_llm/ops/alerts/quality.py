"""Alerts on the quality of answers, and on what guards and guardrails hold back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_llm.core import objectives as normal
from otel_llm.ops import recorded

from .alert import COUNT, SHARE, Alert, calls_in, judged

if TYPE_CHECKING:
    from otel_llm.ops.rules import Context

_ELSEWHERE = "truncation|content_filter"  # kinds that alerts on finish reasons judge
_EVALUATION = ("gen_ai_evaluation_name", "gen_ai_request_model")


def quality(it: Context) -> list[Alert]:
    """In the order of the runbook."""
    return [_problems(it), *_evaluations(it), _guardrails(it), _guards(it)]


def _problems(it: Context) -> Alert:
    o, wrong = it.objectives, it.total(f'{recorded.ANSWER_PROBLEMS}{{kind!~"{_ELSEWHERE}"}}', normal.MEDIUM)
    calls = f"({calls_in(it, normal.MEDIUM)} >= {o.min_requests})"
    expr = f"{wrong}\n/ on ({it.model}) group_left ()\n{calls}\n> {o.answer_problems:g}"
    return judged(
        "answer_problem", "warning", "quality", expr, f"wrong answers {SHARE}", SHARE, " ({{ $labels.kind }})"
    )


def _evaluations(it: Context) -> list[Alert]:
    expr = f"{recorded.EVALUATION_ZSCORE} <= -{it.objectives.zscore_critical:g}"
    far = '{{ $value | printf "%.1f" }}'
    return [
        judged("evaluation", severity, "quality", expr, "scores have dropped", far, about=_EVALUATION)
        for severity in ("warning", "critical")
    ]


def _guardrails(it: Context) -> Alert:
    o, names = it.objectives, ", ".join(it.by("guardrail"))

    def summed(result: str, seconds: float) -> str:
        of = f'{recorded.GUARDRAIL_CHECKS}{{result="{result}"}}' if result else recorded.GUARDRAIL_CHECKS
        return f"sum by ({names}) ({it.total(of, seconds)})"

    share = f"{summed('blocked', normal.MEDIUM)}\n/\n({summed('', normal.MEDIUM)} >= {o.min_requests})"
    usual = f"({summed('blocked', normal.BASELINE)}\n/\n{summed('', normal.BASELINE)})"
    expr = f"(\n{share}\n) > {o.guardrail_blocked:g}\n> {o.finish_reason_factor:g} * {usual}"
    return judged(
        "guardrail", "warning", "quality", expr, f"blocked {SHARE}", SHARE, about=("guardrail",), variables={}
    )


def _guards(it: Context) -> Alert:
    held = it.total(f'{recorded.DECISIONS}{{decision=~"refused|switched"}}', normal.MEDIUM)
    return judged(
        "guard", "warning", "cost", f"{held} > 0", f"{COUNT} calls held back", COUNT, " ({{ $labels.decision }})",
        about=("budget",), variables={},
    )  # fmt: skip
