"""The call that is open here: current while provider code runs, so that what happens inside finds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar, Token
from typing import Any

from opentelemetry.context import attach, detach
from opentelemetry.trace import NonRecordingSpan, Span, get_current_span

from .invocation import Invocation

CURRENT: ContextVar[Invocation | None] = ContextVar("otel_llm_call", default=None)


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
