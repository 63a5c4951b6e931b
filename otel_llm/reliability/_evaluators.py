"""What the evaluator libraries share: a result counts once, where one evaluator runs another inside."""

from __future__ import annotations

from contextvars import ContextVar, Token
from math import isfinite
from typing import Any

from otel_llm.calls.declarations import Args, Kwargs

from .evaluations import record_evaluation

_INSIDE: ContextVar[bool] = ContextVar("otel_llm_evaluator", default=False)


def began(_: Any, __: Args, ___: Kwargs) -> Token[bool] | None:
    """An evaluator begins; None where another one runs it."""
    return None if _INSIDE.get() else _INSIDE.set(True)


def over(token: Token[bool]) -> None:
    """The outermost evaluator is done."""
    _INSIDE.reset(token)


def record(name: Any, score: Any, label: str = "", model: str = "") -> None:
    """Record a result of a library's, unless it is no result: an evaluator may not know."""
    finite = isinstance(score, bool | int | float) and isfinite(score)
    if isinstance(name, str) and name and (finite or label):
        record_evaluation(name, float(score) if finite else None, label=label or None, model=model)
