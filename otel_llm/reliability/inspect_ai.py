"""inspect-ai: the scores of every sample, when it has ended."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import Args, Around, Kwargs, ReliabilityLibrary

from ._evaluators import record

_GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}  # as its own value_to_float has them
_SAMPLE = 4  # where the sample is among the arguments


def _sample(_: Any, args: Args, kwargs: Kwargs) -> Any:
    return kwargs.get("sample", args[_SAMPLE] if len(args) > _SAMPLE else None)


def _ended(_: Any, sample: Any, __: Any, ___: BaseException | None) -> None:
    model = getattr(getattr(sample, "output", None), "model", "") or ""
    for name, score in (getattr(sample, "scores", None) or {}).items():
        value = getattr(score, "value", None)
        if isinstance(value, str):
            record(name, _GRADES.get(value), value, model)
        else:
            record(name, value, "", model)


signal = ReliabilityLibrary(
    name="inspect_ai",
    distribution="inspect-ai",
    requires=">=0.3.150,<0.4",
    tested=("0.3.285",),
    hooks=(Around("inspect_ai.hooks._hooks", ("emit_sample_end",), _ended, _sample),),
    notes="Scores that are lists or mappings are left out.",
)
