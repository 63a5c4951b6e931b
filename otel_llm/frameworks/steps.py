"""Steps that a framework's hooks open and close: metrics always, a span by the conventions where the host records spans."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.context import attach, detach
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from otel_llm.calls import runs
from otel_llm.calls.context import given
from otel_llm.calls.runs import Kind, Step
from otel_llm.core.semconv.steps import OPERATIONS, STEPS
from otel_llm.core.semconv.table import SCHEMA_URL
from otel_llm.core.semconv.vocabulary import words
from otel_llm.core.version import __version__

from . import reading
from .report import Ending, report


class _Spoken:
    words: tuple[str, ...] = ("released",)  # the vocabularies of our spans


def speak(switch: str) -> None:
    """Make spans in the vocabulary of a value of ``OTEL_LLM_SEMCONV`` from now on."""
    _Spoken.words = words(switch)


PROVIDER = "gen_ai.provider.name"
CONVERSATION = "gen_ai.conversation.id"
_TYPES: Mapping[str, type] = {"int": int, "double": float}
HERE: Any = object()
"""As a parent: the step that is current."""


class Open:
    """An open step. ``end`` it once; later ends change nothing, and one in a forked child is the parent's to report."""

    __slots__ = ("_began", "_pid", "_tokens", "step")

    def __init__(self, step: Step, *, enter: bool) -> None:
        self.step = step
        self._pid = os.getpid()
        self._tokens: Any = None
        if enter:
            token = runs.enter(step)
            span = _nearest(step)
            self._tokens = token, attach(set_span_in_context(span)) if span is not None else None
        self._began = time.perf_counter()

    def end(self, error: BaseException | str | None = None, **details: Any) -> None:
        """End the step. ``error`` is an exception or an error type of the closed set; ``details`` are fields of ``Ending``."""
        step = self.step
        if step.ended:
            return
        seconds = time.perf_counter() - self._began
        error_type = error if isinstance(error, str) else reading.raised(error)
        self._leave()
        if self._pid != os.getpid():
            step.ended = True
            return
        trace_id = _close(step, error_type, error, str(details.get("tool_type", "")))
        report(step, Ending(seconds, error_type, trace_id=trace_id, **details))

    @contextmanager
    def current(self) -> Iterator[None]:
        """While the block runs, the step and its span are current: for a run whose code is entered again and again."""
        span = _nearest(self.step)
        token = runs.enter(self.step)
        scope = attach(set_span_in_context(span)) if span is not None else None
        try:
            yield
        finally:
            if runs.leave(self.step, token) and scope is not None:
                detach(scope)

    def _leave(self) -> None:
        if self._tokens is None:
            return
        (token, scope), self._tokens = self._tokens, None
        if runs.leave(self.step, token) and scope is not None:
            detach(scope)


def begin(
    kind: Kind, name: str, source: str, *, parent: Step | None = HERE, enter: bool = True, **attributes: Any
) -> Open:
    """Open a step below ``parent`` (the current one by default), and make it and its span current in this context.

    ``attributes`` are span attributes with underscores for dots.
    """
    above = runs.current() if parent is HERE else parent
    step = Step(kind, name, source, above)
    if kind in OPERATIONS:
        record(step, attributes)
    return Open(step, enter=enter)


def record(step: Step, attributes: Mapping[str, Any], since: int | None = None) -> None:
    """Give ``step`` a span of ours, begun at ``since`` (nanoseconds since the epoch) or now."""
    step.span = _span(step, attributes, since)
    if step.span is not None:
        runs.mark(step.span, step)


def _span(step: Step, more: Mapping[str, Any], since: int | None) -> Any:
    """A span of ours for the step, where the process has a provider and nobody else makes one."""
    if getattr(trace, "_TRACER_PROVIDER", None) is None:
        return None
    operation, subject, kind = OPERATIONS[step.kind]
    attributes = {reading.OPERATION: operation}
    if step.kind == "agent":
        attributes[PROVIDER] = step.source  # which the provider of its first model call takes the place of
        if (conversation := given().get("conversation")) is not None:  # a framework's own, below, comes first
            attributes[CONVERSATION] = conversation
    if step.name or step.kind == "tool":
        attributes[subject] = step.label()
    for key, value in more.items():
        if value:
            name = key.replace("__", ".")
            attributes[name] = _TYPES.get(STEPS[name].type_in(*_Spoken.words), str)(value)
    outer = _nearest(step.parent)
    context = set_span_in_context(outer) if outer is not None else None
    tracer = trace.get_tracer("otel_llm", __version__, schema_url=SCHEMA_URL)
    span_name = f"{operation} {attributes.get(subject, '')}".strip()
    span = tracer.start_span(span_name, context, SpanKind[kind], attributes, (), since)
    return span if span.get_span_context().is_valid else None


def _nearest(step: Step | None) -> Any:
    while step is not None and (step.span is None or step.ended):
        step = step.parent
    return None if step is None else step.span


@contextmanager
def inside(step: Step | None) -> Iterator[None]:
    """The nearest span of ``step`` and those around it is current, for a span that is made when its time is over."""
    span = _nearest(step)
    scope = attach(set_span_in_context(span)) if span is not None else None
    try:
        yield
    finally:
        if scope is not None:
            detach(scope)


def _close(step: Step, error_type: str, error: Any, tool_type: str) -> str:
    span = step.span
    if span is None or not span.is_recording():
        return ""
    if step.kind == "agent" and step.provider:
        span.set_attribute(PROVIDER, step.provider)
    if tool_type:
        span.set_attribute("gen_ai.tool.type", tool_type)
    if error_type:
        span.set_attribute("error.type", error_type)
        if isinstance(error, BaseException):
            span.set_attribute("exception.type", f"{type(error).__module__}.{type(error).__qualname__}")
        if error_type not in ("cancelled", "abandoned"):
            span.set_status(
                Status(StatusCode.ERROR, type(error).__name__ if isinstance(error, BaseException) else error_type)
            )
    span.end()
    context = span.get_span_context()
    return format(context.trace_id, "032x") if context.trace_flags.sampled else ""
