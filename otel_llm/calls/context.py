"""What surrounds a call: the labels that its caller gave, and the place where it opens."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ContextDecorator, contextmanager, suppress
from contextvars import ContextVar, Token
from types import MappingProxyType, TracebackType
from typing import Any, TypeVar

from opentelemetry.context import Context, attach, detach, get_current

_NONE: Mapping[str, str] = MappingProxyType({})
LABELS: ContextVar[Mapping[str, str]] = ContextVar("otel_llm_labels", default=_NONE)
FALLBACK: ContextVar[list[tuple[str, str, str]] | None] = ContextVar("otel_llm_fallback", default=None)
_metric_labels: tuple[str, ...] = ()
F = TypeVar("F", bound=Callable[..., Any])


class labels(ContextDecorator):  # noqa: N801
    """Give every LLM call made inside these labels, as ``with labels(tenant="acme"):`` or as a decorator.

    Values become text, None takes a label away. Keys allowed by ``OTEL_LLM_METRIC_LABELS`` become metric labels (bounded in
    number by ``OTEL_LLM_MAX_LABEL_VALUES``), all of them attributes ``otel_llm.label.<key>`` of the calls' spans. Nesting adds;
    threads and tasks started inside inherit what their context carries.
    """

    def __init__(self, **values: object) -> None:
        self._values = values
        self._tokens: list[Token[Mapping[str, str]]] = []

    def __enter__(self) -> None:
        merged = {**LABELS.get(), **{key: str(value) for key, value in self._values.items() if value is not None}}
        for key in [key for key, value in self._values.items() if value is None]:
            merged.pop(key, None)
        self._tokens.append(LABELS.set(MappingProxyType(merged)))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for token in reversed(
            self._tokens
        ):  # those that other threads and tasks have entered with are not ours to reset
            with suppress(ValueError):
                LABELS.reset(token)
                self._tokens.remove(token)
                return
        self._tokens.pop()  # left in another context than it was entered in: there is nothing to undo

    def __call__(self, func: F) -> F:
        if inspect.iscoroutinefunction(func):
            return self._asynchronous(func)
        return super().__call__(func)

    def _recreate_cm(self) -> labels:  # each call of a decorated function gets its own
        return labels(**self._values)

    def _asynchronous(self, func: F) -> F:
        @functools.wraps(func)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            with labels(**self._values):
                return await func(*args, **kwargs)

        return wrapped  # type: ignore[return-value]


def allow(names: tuple[str, ...]) -> None:
    """Which labels are metric labels, in order. Said once, by the runtime."""
    global _metric_labels  # noqa: PLW0603 - one set of labels per process
    _metric_labels = names


def custom_values() -> tuple[str, ...]:
    """The values of the metric labels here; empty ones where the caller gave none."""
    given = LABELS.get()
    return tuple([given.get(name, "") for name in _metric_labels])


Place = tuple[Context, Mapping[str, str]]


def here() -> Place:
    """The span and the labels that are current, for a call that will open elsewhere. Nothing else is kept alive by it."""
    return get_current(), LABELS.get()


@contextmanager
def at(place: Place) -> Iterator[None]:
    """Be back at ``place``, for calls that open inside."""
    outer = attach(place[0])
    given = LABELS.set(place[1])
    try:
        yield
    finally:
        LABELS.reset(given)
        detach(outer)
