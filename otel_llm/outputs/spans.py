"""Each call as a span by the GenAI conventions."""

from __future__ import annotations

from collections.abc import Callable
from time import time_ns
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, set_span_in_context

from otel_llm.calls import runs
from otel_llm.calls.invocation import Invocation
from otel_llm.calls.shared_span import share
from otel_llm.core.errors import http_status, provider_code
from otel_llm.core.guard import guard, guarded
from otel_llm.core.model import AttributeValue, Observation
from otel_llm.core.semconv import end_attributes, span_name, start_attributes
from otel_llm.core.semconv.vocabulary import of
from otel_llm.frameworks.reading import named_by_form

from .attributes import Onlookers, add, place_for, put

Attributes = dict[str, AttributeValue]
Capture = Callable[[Invocation, Observation, Attributes], None]
_END = guard("end")
_CLIENT = SpanKind.CLIENT
_FIRST = 5
"""Attributes that a span begins with, beside labels."""
_MOST = 64
"""Those that a call's end puts there at most, beside what request and reply have."""


class Spans:
    """Opens and ends a span for each call, in the words of ``semconv``. ``capture`` adds messages, where OpenTelemetry's switch asks
    for them; ``failed`` gets calls that failed."""

    def __init__(
        self, tracer: Tracer, capture: Capture | None = None, semconv: str = "released", failed: Capture | None = None
    ) -> None:
        self._tracer: Any = tracer
        self._waits = hasattr(tracer, "_real_tracer")  # for the host to set up tracing, which it may never do
        self._onlookers = Onlookers(tracer)
        self._capture = capture
        self._spoken = of(semconv)
        self._unhappy = failed

    def opened(self, call: Invocation) -> None:
        """Start the span under the caller's, with all that a sampler may ask for."""
        if self._waits and not self._has_provider():
            return
        if call.step is not None and self._joins(call):
            runs.CALLED.set(time_ns())
            return
        request, labels = call.request, call.labels
        if self._onlookers.any():
            attributes = start_attributes(request, labels)
            span = self._tracer.start_span(span_name(request), None, _CLIENT, attributes, None, call.since)
            recorded = span.is_recording()
        else:
            span = self._tracer.start_span(span_name(request), None, _CLIENT, None, None, call.since)
            if recorded := span.is_recording():
                if (into := place_for(span, _FIRST + len(labels))) is not None:
                    start_attributes(request, labels, into)
                else:
                    put(span, start_attributes(request, labels))
        call.span, context = span, span.get_span_context()
        if recorded:
            call.recorded = context
            if runs.STATE.used:
                runs.CALLED.set(time_ns())
            else:  # an attribute is cheaper than a context variable, and only the first span of another library asks for it
                runs.STATE.called = time_ns()
        if recorded or context.is_valid:
            call.scope = set_span_in_context(span)

    def _joins(self, call: Invocation) -> bool:
        """Whether the current span is another library's for the same call: ours are its attributes then, not a second span."""
        step = call.step
        span = None if step is None else step.span
        if step is None or span is None or not span.is_recording() or not span.get_span_context().is_valid:
            return False
        if step.resolve() != "inference" and named_by_form(span.name) != ("inference", call.request.model):
            step.doubled = True  # it may turn out to be one when it ends
            return False
        shared = share(span, call)
        if shared is None:
            step.doubled = True
            return False
        call.span, call.foreign = span, shared
        if span.get_span_context().trace_flags.sampled:
            call.recorded = span.get_span_context()
        add(span, step, start_attributes(call.request, call.labels))
        return True

    def written_shared(self, call: Invocation, observation: Observation) -> None:
        """Put on the other library's span what came of the call."""
        if call.span.is_recording():
            add(call.span, call.step, self._attributes(call, observation))
        else:
            self._write_late(call, observation)

    def _write_late(self, call: Invocation, observation: Observation) -> None:
        """A span for a call whose other span ended without its tokens: its owner did not wait for them."""
        if call.response.usage is None or any(
            value for key, value in (call.span.attributes or {}).items() if key.startswith("gen_ai.usage.")
        ):
            return
        began = time_ns() - int(observation.duration * 1e9)
        inside = set_span_in_context(call.span)
        span = self._tracer.start_span(span_name(call.request), inside, SpanKind.CLIENT, None, None, began)
        put(span, {**start_attributes(call.request, call.labels), **self._attributes(call, observation)})
        span.end()

    def _has_provider(self) -> bool:
        """Whether the host has set up tracing by now."""
        if getattr(trace, "_TRACER_PROVIDER", self) is None:
            return False
        self._waits, self._tracer = False, getattr(self._tracer, "_tracer", self._tracer)
        self._onlookers = Onlookers(self._tracer)
        return True

    def closed(self, call: Invocation, observation: Observation) -> None:
        """Write what the reply reported and end the span. One that is not recorded costs nothing more.

        The plain case is written in this one frame; ``closed_any`` writes the same, and all others.
        """
        request, response, span = call.request, call.response, call.span
        if self._capture is not None or observation.error_type or call.foreign is not None:
            self.closed_any(call, observation)
            return
        if call.recorded is None:
            return
        into = None
        if self._spoken.leaves(request.attributes, response.attributes):
            into = place_for(span, _MOST + len(request.attributes) + len(response.attributes))
        if into is None:
            self.closed_any(call, observation)
            return
        try:  # whatever fails on the way, the span ends
            end_attributes(request, response, observation, self._spoken, into)
            if call.retries:
                into["http.request.resend_count"] = call.retries
            if call.status is not None:
                into["http.response.status_code"] = call.status
        finally:
            span.end()

    def closed_any(self, call: Invocation, observation: Observation) -> None:
        """As ``closed``, whatever became of the call, and wherever its span keeps attributes."""
        span = call.span
        if observation.error_type and self._unhappy is not None:
            with _END:
                self._unhappy(call, observation, self._failure(call, observation))
        if span is None:
            self._emit_content(call, observation)
            return
        if call.foreign is not None:
            try:
                _write_shared(self, call, observation)
            finally:
                call.foreign.over(call)
            return
        if not span.is_recording():
            self._emit_content(call, observation)
            return
        try:
            self.written(call, observation)
        finally:
            span.end()

    def written(self, call: Invocation, observation: Observation) -> None:
        """Put on the span what came of the call."""
        attributes = self._attributes(call, observation)
        if observation.error_type:
            attributes.update(self._failure(call, observation))
            self._set_status(call, observation)
        put(call.span, attributes)
        if self._capture is not None:
            self._capture(call, observation, attributes)

    def _emit_content(self, call: Invocation, observation: Observation) -> None:
        """An event of the content does not depend on a recorded span."""
        if self._capture is not None:
            with _END:
                self._capture(call, observation, self._attributes(call, observation))

    def _attributes(self, call: Invocation, observation: Observation) -> Attributes:
        attributes = end_attributes(call.request, call.response, observation, self._spoken)
        if call.retries:
            attributes["http.request.resend_count"] = call.retries
        if call.status is not None:
            attributes["http.response.status_code"] = call.status
        return attributes

    @staticmethod
    def _failure(call: Invocation, observation: Observation) -> Attributes:
        """Class name, provider's code and status of a failure; its message may hold a prompt and stays out."""
        attributes: Attributes = {"error.type": observation.error_type}
        error = call.error
        if error is not None:
            attributes["exception.type"] = f"{type(error).__module__}.{type(error).__qualname__}"
            status, code = http_status(error), provider_code(error)
            if status is not None:
                attributes["http.response.status_code"] = status
            if code:
                attributes["otel_llm.provider.error.code"] = code[:128]
        elif call.response.error_code:
            attributes["otel_llm.provider.error.code"] = call.response.error_code[:128]
        return attributes

    @staticmethod
    def _set_status(call: Invocation, observation: Observation) -> None:
        error = call.error
        if error is not None or observation.error_type not in ("abandoned", "cancelled"):
            call.span.set_status(
                Status(StatusCode.ERROR, type(error).__name__ if error is not None else observation.error_type)
            )


_write_shared = guarded("end", Spans.written_shared, 3)
