"""One request while it is served: what its LLM calls carry, and what they add up to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from otel_llm.calls.context import LABELS
from otel_llm.calls.totals import TOTALS, RequestTotals
from otel_llm.core import dispatch
from otel_llm.core.guard import guard
from otel_llm.core.model import Event

ROUTE = "route"  # the label of calls that holds the route template
_LONGEST = 256  # characters of a label's value: headers are user input
WATCH = guard("middleware")


class Labels(Mapping[str, str]):
    """A request's labels over those around it. The route joins as soon as the framework knows it."""

    __slots__ = ("_find", "_given", "_route")

    def __init__(self, given: Mapping[str, str], find_route: Callable[[], str]) -> None:
        self._given = given
        self._find = find_route
        self._route = ""

    @property
    def route(self) -> str:
        """The route template, or nothing as long as there is none."""
        if not self._route:
            with WATCH:
                self._route = self._find()
        return self._route

    def __getitem__(self, key: str) -> str:
        if key != ROUTE:
            return self._given[key]
        if not self.route:
            raise KeyError(key)
        return self.route

    def __iter__(self) -> Iterator[str]:
        yield from (key for key in self._given if key != ROUTE)
        if self.route:
            yield ROUTE

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Served:
    """A request from its first byte in to the last piece of work for it."""

    def __init__(self, labels: Mapping[str, Any], find_route: Callable[[], str]) -> None:
        around = LABELS.get()
        given = {**around, **{key: str(value)[:_LONGEST] for key, value in labels.items() if value is not None}}
        self.labels = Labels(given, find_route)
        self.tally = RequestTotals(self._called)
        self._began = time.time()
        self._span = _server_span()
        self._done = False

    @contextmanager
    def current(self) -> Iterator[None]:
        """While the host's code runs for this request: its calls carry the labels and are added up."""
        tokens = LABELS.set(self.labels), TOTALS.set(self.tally), _SERVED.set(self)
        try:
            yield
        finally:
            with suppress(ValueError):  # closed in another context, as when a loop shuts down
                LABELS.reset(tokens[0])
                TOTALS.reset(tokens[1])
                _SERVED.reset(tokens[2])

    def started(self, span: Any) -> None:
        """The host's instrumentation has opened the server span, inside of us."""
        if self._span is None:
            self._span = span

    def answering(self) -> None:
        """The framework has a response: the last moment at which the route is certain and the server span is open."""
        with WATCH:
            _ = self.labels.route
            if self.tally.calls:
                self._show()

    def finish(self) -> None:
        """The request is served, streaming and background work included. Later calls of this change nothing."""
        if self._done or not self.tally.calls:
            return
        self._done = True
        with WATCH:
            route = self.labels.route
            self._show()
            context = self._span.get_span_context() if self._span is not None else None
            trace_id = format(context.trace_id, "032x") if context is not None and context.trace_flags.sampled else ""
            if self.tally.priced:
                labels = (route, *self.tally.labels)
                dispatch.emit(Event("otel_llm_http_request_cost_usd", time.time(), labels, self.tally.cost, trace_id))

    def server_timing(self) -> str:
        """An entry for the ``Server-Timing`` header: time, number, tokens and cost of the calls so far; empty without calls."""
        tally = self.tally
        if not tally.calls:
            return ""
        tokens = tally.input_tokens + tally.output_tokens
        return f'llm;dur={tally.busy() * 1000:.1f};desc="{tally.calls} calls, {tokens} tokens, ${tally.cost:.6f}"'

    def _called(self) -> None:
        with WATCH:
            self._show()

    def _show(self) -> None:
        """Write the totals so far on the server span; it may end at any time from here on."""
        span, tally = self._span, self.tally
        if span is None or not span.is_recording():
            return
        elapsed = time.time() - self._began
        attributes = {
            "otel_llm.request.calls": tally.calls,
            "otel_llm.request.input_tokens": tally.input_tokens,
            "otel_llm.request.output_tokens": tally.output_tokens,
            "otel_llm.request.time_ratio": round(min(1.0, tally.busy() / elapsed), 4) if elapsed > 0 else 1.0,
        }
        if tally.priced:
            attributes["otel_llm.request.cost.usd"] = tally.cost
        if tally.unpriced:
            attributes["otel_llm.request.unpriced_calls"] = tally.unpriced
        if tally.unpriced or tally.incomplete or tally.usage_unknown:
            attributes["otel_llm.request.cost.complete"] = False
        span.set_attributes(attributes)


_SERVED: ContextVar[Served | None] = ContextVar("otel_llm_served", default=None)


class _Catcher:
    """A span processor that gives a request its server span, where that opens inside of the middleware."""

    def on_start(self, span: Any, parent_context: Context | None = None) -> None:  # noqa: ARG002 - OpenTelemetry's signature
        if span.kind is SpanKind.SERVER and (served := _SERVED.get()) is not None:
            served.started(span)

    def on_end(self, span: Any) -> None: ...
    def _on_ending(self, span: Any) -> None: ...
    def shutdown(self) -> None: ...
    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 - likewise
        return True


_CAUGHT: WeakSet[Any] = WeakSet()


def _server_span() -> Span | None:
    """The span that the host's instrumentation opened outside of us. Where it opens later, inside of us, its opening is watched."""
    provider = trace.get_tracer_provider()
    if provider not in _CAUGHT:
        _CAUGHT.add(provider)
        if hasattr(provider, "add_span_processor"):
            provider.add_span_processor(_Catcher())
    span = trace.get_current_span()
    return span if span.is_recording() and getattr(span, "kind", None) is SpanKind.SERVER else None
