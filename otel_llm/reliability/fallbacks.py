"""Fallbacks from one model to another: counted once, and carried on the span of the call that served."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable
from contextlib import ContextDecorator, suppress
from contextvars import Token
from types import TracebackType
from typing import Any, TypeVar

from otel_llm.calls.context import FALLBACK, custom_values
from otel_llm.core import dispatch
from otel_llm.core.model import Event

METRIC = "otel_llm_fallbacks_total"
F = TypeVar("F", bound=Callable[..., Any])


def record_fallback(
    *, from_model: str, to_model: str, reason: str = "", provider: str = "", operation: str = "chat"
) -> None:
    """Count a fallback that otel-llm could not see: ``to_model`` served what ``from_model`` was asked for.

    ``reason`` is one of few words (an error type, ``refusal``); ``provider`` is who serves ``to_model``, if you know it. Raises
    nothing.
    """
    labels = (provider, to_model, operation, from_model, to_model, reason, *custom_values())
    dispatch.emit(Event(METRIC, time.time(), labels))


class fallback(ContextDecorator):  # noqa: N801 - reads as a function
    """The code inside is a fallback, as ``with otel_llm.fallback("gpt-5", "claude-sonnet-4-5"):`` or as a decorator.

    The first call inside carries it on its span (``otel_llm.fallback.from``, ``otel_llm.fallback.to``) and is counted with
    its provider. Where no call is seen, the fallback is counted without one when the code is left. Raises nothing of its own.
    """

    def __init__(self, from_model: str, to_model: str, reason: str = "") -> None:
        self._switch = (from_model, to_model, reason)
        self._open: list[tuple[list[Any], Token[Any]]] = []

    def __enter__(self) -> None:
        unclaimed = [self._switch]
        self._open.append((unclaimed, FALLBACK.set(unclaimed)))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        unclaimed, token = self._open.pop()
        with suppress(ValueError):  # left in another context than it was entered in, as when a generator is collected
            FALLBACK.reset(token)
        if unclaimed:
            record_fallback(from_model=self._switch[0], to_model=self._switch[1], reason=self._switch[2])

    def __call__(self, func: F) -> F:
        if inspect.iscoroutinefunction(func):
            return self._asynchronous(func)
        return super().__call__(func)

    def _recreate_cm(self) -> fallback:  # each call of a decorated function gets its own
        return fallback(*self._switch)

    def _asynchronous(self, func: F) -> F:
        @functools.wraps(func)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            with fallback(*self._switch):
                return await func(*args, **kwargs)

        return wrapped  # type: ignore[return-value]
