"""What is current inside of a call, and what is not: the host's own code, and the tracer of a library that traces itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from opentelemetry.trace import NonRecordingSpan, Span, get_current_span

from .invocation import CURRENT, current_call


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
        call = current_call()
        span = get_current_span() if call is None or call.span is None else call.span
        return NonRecordingSpan(span.get_span_context())


def shadow() -> Any:
    """What a library that traces itself is given while a call with a span is open, ours or another's; None where none is."""
    call = current_call()
    return _SHADOW if call is not None and (call.scope is not None or call.foreign is not None) else None


_SHADOW = _Shadow()
