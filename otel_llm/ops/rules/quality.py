"""Quality: answers that went wrong without an error."""

from __future__ import annotations

from otel_llm.core import objectives as normal
from otel_llm.core.catalogue import BY_NAME, MODEL
from otel_llm.ops import recorded

from .made import Context, Recording, summed


def quality(it: Context) -> list[Recording]:
    """Per second, over five minutes."""

    def rate(name: str, *labels: str) -> str:
        return summed(it.by(*labels), f"rate({BY_NAME[name].selector()}[{it.over(normal.SHORT)}])")

    return [
        Recording(recorded.ANSWER_PROBLEMS, rate("otel_llm_answer_problems_total", *MODEL, "kind")),
    ]
