"""deepeval: the score of every metric that is measured, and whether it passed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_llm.calls.declarations import Around, ReliabilityLibrary

from ._evaluators import began, over, record

_BASES = ("BaseMetric", "BaseConversationalMetric")


def _measured(metric: Any, token: Any, _: Any, error: BaseException | None) -> None:
    if token is None:
        return
    over(token)
    if error is None:
        name = getattr(metric, "__name__", None) or type(metric).__name__
        record(
            name,
            getattr(metric, "score", None),
            _LABELS.get(getattr(metric, "success", None), ""),
        )


_LABELS: Mapping[bool | None, str] = {True: "pass", False: "fail"}

signal = ReliabilityLibrary(
    name="deepeval",
    distribution="deepeval",
    requires=">=3,<5",
    tested=("4.3.1",),
    hooks=(
        Around(
            "deepeval.metrics.base_metric",
            tuple(f"{base}.{method}" for base in _BASES for method in ("measure", "a_measure")),
            _measured,
            began,
            heirs=True,
        ),
    ),
    notes="Metrics of your own are seen as well.",
)
