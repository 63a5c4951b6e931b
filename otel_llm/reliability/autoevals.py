"""autoevals: the score of every scorer, sync and async."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import Around, ReliabilityLibrary

from ._evaluators import began, over, record


def _scored(_: Any, token: Any, result: Any, error: BaseException | None) -> None:
    if token is None:
        return
    over(token)
    if error is None:
        record(getattr(result, "name", None), getattr(result, "score", None))


signal = ReliabilityLibrary(
    name="autoevals",
    distribution="autoevals",
    requires=">=0.0.120,<1",
    tested=("0.4.1",),
    hooks=(Around("autoevals.score", ("Scorer.eval", "Scorer.eval_async"), _scored, began),),
    notes="A scorer that another one runs is part of it. A score of None is no result.",
)
