"""Spans for a process without a TracerProvider: nobody records them, but what they report becomes metrics."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    get_current_span,
    use_span,
)
from opentelemetry.util._decorator import _agnosticcontextmanager

from otel_llm.calls import runs
from otel_llm.core.guard import guard
from otel_llm.core.shapes import NamedTuple

from . import reading
from .bridge import Bridge

_BRIDGE = guard("bridge")


class _Scope(NamedTuple):
    name: str


class _Event(NamedTuple):
    name: str
    attributes: Mapping[str, Any]


class ShadowSpan(Span):
    """A span that is only read by the bridge, when it ends. Its context is invalid: nothing of it is propagated or logged."""

    def __init__(
        self, bridge: Bridge, scope: str, name: str, kind: SpanKind, attributes: Any, began: int | None
    ) -> None:
        self.instrumentation_scope = _Scope(scope)
        self.name = name
        self.kind = kind
        self.context = INVALID_SPAN_CONTEXT
        self.attributes: dict[str, Any] = {}
        self.events: list[_Event] = []
        self.status = Status()
        self.start_time = began or time.time_ns()
        self.end_time = 0
        self._bridge = bridge
        self.set_attributes(attributes or {})

    def get_span_context(self) -> SpanContext:
        """An invalid context: there is nothing to refer to."""
        return INVALID_SPAN_CONTEXT

    def is_recording(self) -> bool:
        """Whether it takes attributes; it does until it ends."""
        return not self.end_time

    def set_attribute(self, key: str, value: Any) -> None:
        """Keep one attribute, unless it is a message."""
        if self.end_time or key.endswith((".messages", "_messages", "instructions", "definitions")):
            return
        self.attributes[str(key)] = value

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Keep attributes."""
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:  # noqa: ARG002 - OpenTelemetry's signature
        """Keep the type of an exception, and what a tool was asked and answered; no other event says anything here."""
        own = attributes or {}
        if name == "exception":
            self.events.append(_Event(name, {"exception.type": own.get("exception.type")}))
        elif name in ("gen_ai.tool.message", "gen_ai.choice") and "tool" in self.name:
            self.events.append(_Event(name, own))

    def record_exception(
        self, exception: BaseException, attributes: Any = None, timestamp: int | None = None, escaped: bool = False,  # noqa: ARG002 - OpenTelemetry's signature
    ) -> None:  # fmt: skip
        """Keep the type of an exception."""
        self.events.append(_Event("exception", {"exception.type": type(exception).__qualname__}))

    def set_status(self, status: Any, description: str | None = None) -> None:  # noqa: ARG002 - OpenTelemetry's signature
        """Keep the status, as the SDK does: ``OK`` is final."""
        if self.status.status_code is not StatusCode.OK:
            self.status = status if isinstance(status, Status) else Status(status)

    def update_name(self, name: str) -> None:
        """Take another name."""
        self.name = name

    def end(self, end_time: int | None = None) -> None:
        """End, once, and be read."""
        if not self.end_time:
            self.end_time = end_time or time.time_ns()
            step: Any = runs.of(self)
            with _BRIDGE:
                if step is not None and step.span is self:
                    self._bridge.finish(step, self)


class ShadowTracer(Tracer):
    """The tracer of one instrumentation scope, as long as the process has no TracerProvider."""

    def __init__(self, bridge: Bridge, scope: str, otherwise: Any) -> None:
        self._bridge, self._scope, self._otherwise = bridge, scope, otherwise

    def start_span(
        self, name: str, context: Context | None = None, kind: SpanKind = SpanKind.INTERNAL, attributes: Any = None,
        links: Any = None, start_time: int | None = None, record_exception: bool = True, set_status_on_exception: bool = True,  # noqa: ARG002
    ) -> Span:  # fmt: skip
        """Start a span of an agent, a tool and the like. Any other is passed through, so that what is inside finds its run."""
        with _BRIDGE:
            if known(self._scope, name, attributes):
                span = ShadowSpan(self._bridge, self._scope, name, kind, attributes, start_time)
                span_step = self._bridge.begin(span, context)
                span_step.shadow = True
                return span
            step = runs.of(get_current_span(context))
            if step is not None:
                through = NonRecordingSpan(INVALID_SPAN_CONTEXT)
                runs.mark(through, step)
                return through
        return self._otherwise.start_span(name, context, kind, attributes, links, start_time)  # type: ignore[no-any-return]

    @_agnosticcontextmanager
    def start_as_current_span(
        self, name: str, context: Context | None = None, kind: SpanKind = SpanKind.INTERNAL, attributes: Any = None,
        links: Any = None, start_time: int | None = None, record_exception: bool = True, set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> Iterator[Span]:  # fmt: skip
        """Start a span and make it current."""
        span = self.start_span(name, context, kind, attributes, links, start_time)
        with use_span(span, end_on_exit, record_exception, set_status_on_exception):
            yield span


def known(scope: str, name: str, attributes: Any) -> bool:
    """Whether a span that starts may be one of ours, by its attributes, its scope, or the form of its name."""
    if attributes and (
        reading.OPERATION in attributes or reading.METHOD in attributes or "llm.request.type" in attributes
    ):
        return True
    return reading.known_scope(scope) or bool(reading.named_by_form(name)[0])


def shadowing(bridge: Callable[[], Bridge | None]) -> Callable[[Any, Any], Any]:
    """What takes the place of ``ProxyTracer._tracer``: the real tracer where there is one, else a shadow of it."""

    def make(original: Any, _: Any) -> Any:
        def tracer(self: Any) -> Any:
            real = original.fget(self)
            active = bridge()
            if active is None or type(real) is not trace.NoOpTracer:
                return real
            mine = self.__dict__.get("_otel_llm_shadow")
            if mine is None or mine._bridge is not active:  # noqa: SLF001 - our own
                mine = self._otel_llm_shadow = ShadowTracer(active, self._instrumenting_module_name, real)
            return mine

        return property(tracer, doc=original.__doc__)

    return make
