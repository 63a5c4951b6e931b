"""pydantic-ai: ``FallbackModel``, which notes each model that failed."""

from __future__ import annotations

from contextvars import Token
from typing import Any

from otel_llm.calls.context import FALLBACK
from otel_llm.calls.declarations import Args, Around, Kwargs, ReliabilityLibrary
from otel_llm.core.errors import error_type

from ._naming import name_of
from .fallbacks import record_fallback


def _asks(_: Any, __: Args, ___: Kwargs) -> tuple[list[Any], Token[Any]]:
    unclaimed: list[Any] = []
    return unclaimed, FALLBACK.set(unclaimed)


def _asked(_: Any, state: tuple[list[Any], Token[Any]], __: Any, ___: BaseException | None) -> None:
    unclaimed, token = state
    FALLBACK.reset(token)
    _count(unclaimed)


def _fails(model: Any, args: Args, kwargs: Kwargs) -> None:
    """The model after the one that failed is asked next; the call to it, wherever it is made, claims the fallback."""
    failed = kwargs.get("model", args[1] if len(args) > 1 else None)
    failure = kwargs.get("failure", args[2] if len(args) > 2 else None)  # noqa: PLR2004
    models = list(model.models)
    position = next((index for index, candidate in enumerate(models) if candidate is failed), len(models))
    if position + 1 >= len(models):
        return
    unclaimed = FALLBACK.get()
    if unclaimed is None:  # a stream: it is asked for outside of ``request``
        unclaimed = []
        FALLBACK.set(unclaimed)
    _count(unclaimed)
    reason = error_type(failure) if isinstance(failure, BaseException) else "rejected"
    unclaimed.append((name_of(failed), name_of(models[position + 1]), reason))


def _count(unclaimed: list[Any]) -> None:
    """Count the fallbacks that no call of a library we watch has claimed."""
    while unclaimed:
        source, target, reason = unclaimed.pop()
        record_fallback(from_model=source, to_model=target, reason=reason)


signal = ReliabilityLibrary(
    name="pydantic_ai",
    distribution="pydantic-ai-slim",
    requires=">=2.60,<3",
    tested=("2.68.0",),
    hooks=(
        Around("pydantic_ai.models.fallback", ("FallbackModel.request",), _asked, _asks),
        Around("pydantic_ai.models.fallback", ("FallbackModel._record_failed_attempt",), lambda *_: None, _fails),
    ),
)
