"""What surrounds a call: the labels its caller gave, and the call that is open here."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ContextDecorator, contextmanager, suppress
from contextvars import ContextVar, Token
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.trace import NonRecordingSpan, Span, get_current_span

if TYPE_CHECKING:
    from .invocation import Invocation

_NONE: Mapping[str, str] = MappingProxyType({})
LABELS: ContextVar[Mapping[str, str]] = ContextVar("otel_llm_labels", default=_NONE)
CURRENT: ContextVar[Invocation | None] = ContextVar("otel_llm_call", default=None)
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


def enter(call: Invocation) -> tuple[Token[Invocation | None], Any]:
    """Make ``call`` and its span current, while provider code runs; ``leave`` undoes it."""
    return CURRENT.set(call), (attach(call.scope) if call.scope is not None else None)


def leave(tokens: tuple[Token[Invocation | None], Any]) -> None:
    """Undo ``enter``. In another context than it was made in, as when a loop shuts down, there is nothing to undo."""
    try:
        CURRENT.reset(tokens[0])
    except ValueError:
        return
    if tokens[1] is not None:
        detach(tokens[1])


@contextmanager
def outside() -> Iterator[None]:
    """In no call, though one is open: what the host's own code calls inside of it is its own."""
    token = CURRENT.set(None)
    try:
        yield
    finally:
        with suppress(ValueError):  # ended in another context, as when a loop shuts down
            CURRENT.reset(token)


class _Shadow:
    """A tracer that starts no span of its own: each is the open call's, for a library to propagate but not to write on."""

    def start_span(self, *_: Any, **__: Any) -> Span:
        return NonRecordingSpan(get_current_span().get_span_context())


def shadow() -> Any:
    """What a library that traces itself is given while a call of ours with a span is open, or None where none is."""
    call = CURRENT.get()
    return _SHADOW if call is not None and call.scope is not None else None


_SHADOW = _Shadow()
