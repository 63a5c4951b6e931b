"""Quality: answers that went wrong without an error, scores of evaluations, and what guardrails blocked."""

from __future__ import annotations

from otel_llm.core import objectives as normal
from otel_llm.core.catalogue import BY_NAME
from otel_llm.core.series import MODEL
from otel_llm.ops import recorded

from .made import Context, Recording, summed


def quality(it: Context) -> list[Recording]:
    """Counters per second, over five minutes; of gauges the mean, and the lowest distance."""

    def rate(name: str, *labels: str) -> str:
        return summed(it.by(*labels), f"rate({BY_NAME[name].selector()}[{it.over(normal.SHORT)}])")

    of_evaluation = ", ".join(it.by(*MODEL, "gen_ai_evaluation_name"))
    return [
        Recording(recorded.ANSWER_PROBLEMS, rate("otel_llm_answer_problems_total", *MODEL, "kind")),
        Recording(recorded.GUARDRAIL_CHECKS, rate("otel_llm_guardrail_checks_total", "guardrail", "result")),
        Recording(recorded.EVALUATION_MEAN, f"avg by ({of_evaluation}) (otel_llm_evaluation_mean)"),
        Recording(recorded.EVALUATION_ZSCORE, f"min by ({of_evaluation}) (otel_llm_evaluation_zscore)"),
    ]
