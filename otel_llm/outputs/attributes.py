"""Many attributes on a span at once, for less than OpenTelemetry's SDK takes.

The SDK looks at the type of each value three times, which costs more than everything else that a call's end does. Ours are
plain by the time they come here, so they go to where it would put them, as long as that is the place we know: its own kind of
attributes, without a limit that they would meet. In any other case the span is asked to do it. Where a newer SDK has moved the
place, which shows as an AttributeError or a TypeError, that is counted once, and spans are asked for the rest of the process.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from opentelemetry.attributes import BoundedAttributes

from otel_llm.core.guard import guard
from otel_llm.core.model import AttributeValue

_MOVED = (AttributeError, TypeError, ImportError)
_short = True  # whether the short way is there
_PLAIN = frozenset((str, int, float, bool, tuple))


class Onlookers:
    """Who sees the attributes that a tracer's spans start with: its sampler, and processors that get a start.

    Those of OpenTelemetry's SDK look at none. Where there are no others, attributes may as well come right after the start.
    """

    __slots__ = ("_any", "_processors", "_sampler", "_tracer")

    def __init__(self, tracer: Any) -> None:
        self._tracer = tracer
        self._sampler = self._processors = _UNKNOWN
        self._any = True

    def any(self) -> bool:
        """Whether somebody may look. Processors may be added at any time."""
        tracer = self._tracer
        try:
            sampler, processors = tracer.sampler, tracer.span_processor._span_processors  # noqa: SLF001
            if sampler is not self._sampler or processors is not self._processors:
                self._any = True
                self._sampler, self._processors = sampler, processors
                self._any = not (_blind(sampler) and _deaf(tracer.span_processor))
        except _MOVED:  # another kind of tracer, or of SDK
            return True
        return self._any


_UNKNOWN: Any = object()


def _blind(sampler: Any) -> bool:
    """Whether a sampler decides without a look at attributes."""
    from opentelemetry.sdk.trace.sampling import ParentBased, StaticSampler, TraceIdRatioBased  # noqa: PLC0415 - it is loaded

    if hasattr(sampler, "host"):  # ours, which asks it first
        sampler = sampler.host
    if type(sampler) is ParentBased:
        return all(map(_blind, vars(sampler).values()))
    return type(sampler) in (StaticSampler, TraceIdRatioBased)


def _deaf(processor: Any) -> bool:
    """Whether a processor does nothing when a span starts, or only calls others, which are looked at themselves."""
    from opentelemetry.sdk import trace  # noqa: PLC0415 - it is loaded

    exporting = sys.modules.get("opentelemetry.sdk.trace.export")  # there where one of its processors is
    kind = type(processor)
    if kind in (trace.SynchronousMultiSpanProcessor, trace.ConcurrentMultiSpanProcessor):
        return all(map(_deaf, processor._span_processors))  # noqa: SLF001
    if getattr(kind, "reads_own_attributes", True) is False:
        return True
    idle = (
        trace.SpanProcessor,
        *(getattr(exporting, name, None) for name in ("BatchSpanProcessor", "SimpleSpanProcessor")),
    )
    return getattr(kind, "on_start", None) in [each.on_start for each in idle if each is not None]


def put(span: Any, attributes: Mapping[str, AttributeValue]) -> None:
    """What ``span.set_attributes`` does, with the same outcome, on a span that others may be at work on."""
    global _short  # noqa: PLW0603 - one SDK per process
    done = False
    if _short:
        try:
            done = _filled(span, attributes)
        except _MOVED as error:
            _short = False
            guard("end").__exit__(type(error), error, error.__traceback__)
    if not done:
        span.set_attributes(attributes)


def place_for(span: Any, coming: int) -> dict[str, Any] | None:
    """Where a span that is ours to end keeps its attributes, if that is the place we know and has room for ``coming`` more.

    None in any other case: ``put`` is the way then. Values that go there are plain, tuples and no lists. No lock is taken, as each
    goes in by one step and nobody else ends the span.
    """
    try:
        attributes = span._attributes  # noqa: SLF001
        if type(attributes) is not BoundedAttributes or attributes.max_value_len is not None or not _short:
            return None
        into: dict[str, Any] = attributes._dict  # noqa: SLF001
        room = attributes.maxlen
        if span._end_time is not None or (room is not None and len(into) + coming > room):  # noqa: SLF001
            return None
    except _MOVED:  # ``put`` counts it
        return None
    return into


def _filled(span: Any, attributes: Mapping[str, AttributeValue]) -> bool:
    kept = getattr(span, "_attributes", None)
    if type(kept) is not BoundedAttributes:
        return False
    with span._lock:  # noqa: SLF001 - what set_attributes holds
        if span._end_time is not None or kept.max_value_len is not None:  # noqa: SLF001
            return False
        if not _PLAIN.issuperset(map(type, attributes.values())):
            attributes = {key: tuple(value) if isinstance(value, list) else value for key, value in attributes.items()}
        into, room = kept._dict, kept.maxlen  # noqa: SLF001
        if room is not None and len(into) + len(attributes) > room:
            return False
        into.update(attributes)
        return True


def add(span: Any, step: Any, attributes: Mapping[str, AttributeValue]) -> None:
    """Put ``attributes`` on another library's span of the same call, without touching what it has set itself. Tokens that it sets to
    0 before it has read any, as OpenLLMetry and OpenLIT do, are not set.

    A span may stand for several calls, as where a framework tries again: tokens and cost of them are added up.
    """
    there = span.attributes or {}
    sums = step.sums = step.sums or {}
    into: dict[str, AttributeValue] = {}
    for key, value in attributes.items():
        if key.startswith(_ADDS_UP) and isinstance(value, (int, float)):
            ours = key in sums
            sums[key] = sums.get(key, 0) + value
            if ours or not there.get(key):
                into[key] = sums[key]
        elif key not in there:
            into[key] = value
    put(span, into)


_ADDS_UP = ("gen_ai.usage.", "otel_llm.cost.usd")
