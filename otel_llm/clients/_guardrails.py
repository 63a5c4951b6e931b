"""What replies say of guardrails: Azure's content filters, OpenAI's moderation, Llama Guard, Bedrock's guardrails."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from otel_llm.core.model import Response

from ._read import attr, fields_of, items, number, text

FILTER = "content_filter"
_LLAMA_GUARD = ("llama-guard", "llama_guard", "llamaguard")


def read_filters(prompt: Any, choices: Iterable[Any], into: Response) -> None:
    """Azure's filters of a prompt and of choices. https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter"""
    results = [attr(one, "content_filter_results") for one in (*items(prompt), *choices)]
    for kinds in results:
        if isinstance(kinds, dict):
            into.checked(
                FILTER, "blocked" if any(attr(kind, "filtered") is True for kind in kinds.values()) else "passed"
            )


def read_moderation(reply: Any, into: Response) -> None:
    """OpenAI's and Mistral's moderation: each input is a check. https://platform.openai.com/docs/api-reference/moderations"""
    fields = fields_of(reply)
    into.model, into.id = text(fields.get("model")), text(fields.get("id"))
    for result in items(fields.get("results")):
        into.checked("moderation", "blocked" if attr(result, "flagged") is True else "passed")


def read_llama_guard(model: str | None, answer: Any, into: Response) -> None:
    """Llama Guard answers ``safe``, or ``unsafe`` with its categories in the next line."""
    if model is not None and isinstance(answer, str) and any(name in model.lower() for name in _LLAMA_GUARD):
        word = answer.strip().split("\n", 1)[0].strip().lower()
        if word in ("safe", "unsafe"):
            into.checked("llama_guard", "blocked" if word == "unsafe" else "passed")


def guardrail_of(params: Any) -> str:
    """The guardrail that a request of Bedrock asks for: Converse has its id in a group, InvokeModel and ApplyGuardrail do not."""
    return (
        text(attr(params.get("guardrailConfig"), "guardrailIdentifier"))
        or text(params.get("guardrailIdentifier"))
        or ""
    )


def read_assessments(trace: Any, into: Response) -> None:
    """Bedrock's guardrails in the trace of a Converse call.

    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_GuardrailTraceAssessment.html
    """
    inputs = attr(trace, "inputAssessment")
    outputs = attr(trace, "outputAssessments")
    for name, assessment in (inputs or {}).items() if isinstance(inputs, dict) else ():
        _assessed(str(name), [assessment], into)
    for name, assessments in (outputs or {}).items() if isinstance(outputs, dict) else ():
        _assessed(str(name), items(assessments), into)


def read_applied(reply: Any, into: Response) -> None:
    """The answer of ApplyGuardrail."""
    _assessed("", items(attr(reply, "assessments")), into)
    if attr(reply, "action") == "GUARDRAIL_INTERVENED" and not any(result != "passed" for _, result, _ in into.checks):
        into.checked("", "blocked")


def _assessed(name: str, assessments: list[Any], into: Response) -> None:
    actions = {action for one in assessments for action in _actions(one)}
    latencies = [number(attr(one, "invocationMetrics", "guardrailProcessingLatency")) for one in assessments]
    measured = [one for one in latencies if one is not None]
    result = "blocked" if "BLOCKED" in actions else "changed" if "ANONYMIZED" in actions else "passed"
    into.checked(name, result, sum(measured) / 1000 if measured else None)


def _actions(value: Any) -> Iterable[str]:
    """Every ``action`` inside of an assessment: of topics, contents, words, entities, grounding."""
    if isinstance(value, dict):
        if isinstance(value.get("action"), str):
            yield value["action"]
        for inner in value.values():
            yield from _actions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _actions(inner)
