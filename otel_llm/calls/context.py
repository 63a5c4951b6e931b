"""What surrounds a call: the labels that its caller gave, and the place where it opens."""

from __future__ import annotations

import functools
import inspect
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from contextlib import ContextDecorator, contextmanager, suppress
from contextvars import ContextVar, Token
from types import MappingProxyType, TracebackType
from typing import Any, TypeVar

from opentelemetry import baggage
from opentelemetry.context import Context, attach, detach, get_current

_NONE: Mapping[str, str] = MappingProxyType({})
LABELS: ContextVar[Mapping[str, str]] = ContextVar("otel_llm_labels", default=_NONE)
FALLBACK: ContextVar[list[tuple[str, str, str]] | None] = ContextVar("otel_llm_fallback", default=None)
_metric_labels: tuple[str, ...] = ()
baggage_keys: tuple[str, ...] = ()
_LONGEST = 256
"""Characters of a value that comes from elsewhere."""
F = TypeVar("F", bound=Callable[..., Any])


class labels(ContextDecorator):  # noqa: N801
    """Give every LLM call made inside these labels, as ``with labels(tenant="acme"):`` or as a decorator.

    Values become text, None removes a label. Raises nothing. Keys allowed by ``OTEL_LLM_METRIC_LABELS`` become metric labels (bounded in
    number by ``OTEL_LLM_MAX_LABEL_VALUES``), all of them attributes ``otel_llm.label.<key>`` of the calls' spans. ``conversation``
    is ``gen_ai.conversation.id`` there, and no metric label. Nesting adds; threads and tasks started inside inherit what their
    context carries.

    ``propagate`` puts them into W3C baggage too, which OpenTelemetry's instrumentations send with every request made inside, to
    whomever it goes. A service that allows a key by ``OTEL_LLM_BAGGAGE_LABELS`` gives its own calls the label.
    """

    def __init__(self, *, propagate: bool = False, **values: object) -> None:
        self._values = values
        self._propagate = propagate
        self._tokens: list[tuple[Token[Mapping[str, str]], Any]] = []

    def __enter__(self) -> None:
        merged = {**LABELS.get(), **{key: str(value) for key, value in self._values.items() if value is not None}}
        for key in [key for key, value in self._values.items() if value is None]:
            merged.pop(key, None)
        attached = attach(self._carried()) if self._propagate else None
        self._tokens.append((LABELS.set(MappingProxyType(merged)), attached))

    def _carried(self) -> Context:
        context = get_current()
        for key, value in self._values.items():
            removed = value is None
            context = baggage.remove_baggage(key, context) if removed else baggage.set_baggage(key, str(value), context)
        return context

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for token in reversed(
            self._tokens
        ):  # those that other threads and tasks have entered with are not ours to reset
            with suppress(ValueError):
                LABELS.reset(token[0])
                if token[1] is not None:
                    detach(token[1])
                self._tokens.remove(token)
                return
        self._tokens.pop()  # left in another context than it was entered in: there is nothing to undo

    def __call__(self, func: F) -> F:
        if inspect.iscoroutinefunction(func):
            return self._asynchronous(func)
        return super().__call__(func)

    def _recreate_cm(self) -> labels:  # each call of a decorated function gets its own
        return labels(propagate=self._propagate, **self._values)

    def _asynchronous(self, func: F) -> F:
        @functools.wraps(func)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self._recreate_cm():
                return await func(*args, **kwargs)

        return wrapped  # type: ignore[return-value]


def allow(names: tuple[str, ...], carried: tuple[str, ...] = ()) -> None:
    """Which labels are metric labels, in order, and which keys of baggage are labels. Set once, by the runtime."""
    global _metric_labels, baggage_keys
    _metric_labels, baggage_keys = names, carried


def given() -> Mapping[str, str]:
    """The labels here: those that the caller gave, and those that came with a request as baggage and are allowed."""
    own = LABELS.get()
    if not baggage_keys:
        return own
    from_baggage = {
        key: str(value)[:_LONGEST] for key in baggage_keys if (value := baggage.get_baggage(key)) is not None
    }
    return ChainMap(own, from_baggage) if from_baggage else own  # type: ignore[arg-type]


def custom_values() -> tuple[str, ...]:
    """The values of the metric labels here; empty ones where the caller gave none."""
    here = given()
    return tuple([here.get(name, "") for name in _metric_labels])


Place = tuple[Context, Mapping[str, str]]


def here() -> Place:
    """The span and the labels that are current, for a call that will open elsewhere. Nothing else is kept alive by it."""
    return get_current(), given()


@contextmanager
def at(place: Place) -> Iterator[None]:
    """Be back at ``place``, for calls that open inside."""
    outer = attach(place[0])
    labelled = LABELS.set(place[1])
    try:
        yield
    finally:
        LABELS.reset(labelled)
        detach(outer)
