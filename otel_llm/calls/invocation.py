"""The life of one call: opened once, its chunks seen, ended once, whatever the caller does."""

from __future__ import annotations

import gc
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from threading import get_ident
from typing import Any, Protocol

from otel_llm.core import dispatch
from otel_llm.core.catalogue import DURATION_BUCKETS
from otel_llm.core.errors import error_type, from_code, from_status
from otel_llm.core.fork import check
from otel_llm.core.guard import foreign, guard, guarded
from otel_llm.core.jsonview import view
from otel_llm.core.model import Event, Observation, ReadValue, Request, Response, Usage
from otel_llm.core.semconv import finish_reason

from . import background, runs
from .context import FALLBACK, LABELS
from .totals import TOTALS

Priced = tuple[
    float | None, str, float, tuple[str, ...]
]  # cost, who says so, what the cache saved, what the cost lacks
Price = Callable[[Request, Response, Usage, float], Priced]
OnReply = Callable[["Invocation", int, Mapping[str, str]], None]

_CLOCK = time.perf_counter
_END = guard("end")
_make = tuple.__new__  # half the time of a named tuple's own

_LATE: deque[tuple[Invocation, str, float]] = (
    deque()
)  # calls that a garbage collection has ended: (call, error type, when)
_collecting = 0  # the thread in which one is under way


def _collects(phase: str, _: object) -> None:
    global _collecting  # noqa: PLW0603 - there is one collector
    _collecting = get_ident() if phase == "start" else 0


gc.callbacks.append(_collects)


def settle() -> None:
    """Conclude the calls that a garbage collection has ended. It may come while its thread holds any lock, so it only tells."""
    while _LATE:
        with suppress(IndexError):  # another thread was faster
            call, error, ended = _LATE.popleft()
            call.concluded(error, ended)


class Sink(Protocol):
    """Somewhere that calls are shown as they happen. What it raises is counted and goes no further."""

    def opened(self, call: Invocation) -> None: ...
    def closed(self, call: Invocation, seen: Observation) -> None: ...


class Observer:
    """Who watches the calls of this process: sinks, what is open now, and the settings that calls need."""

    __slots__ = (
        "__weakref__",
        "capture",
        "epoch",
        "label_names",
        "on_reply",
        "open",
        "price",
        "sinks",
        "sinks_closed",
        "sinks_opened",
    )

    def __init__(
        self,
        sinks: Sequence[Sink] = (),
        *,
        label_names: tuple[str, ...] = (),
        price: Price | None = None,
        capture: bool = False,
        on_reply: OnReply | None = None,
    ) -> None:
        self.sinks = tuple(sinks)
        self.sinks_opened = tuple([guarded("open", sink.opened, 1) for sink in sinks])
        self.sinks_closed = tuple([guarded("end", sink.closed, 2) for sink in sinks])
        self.on_reply = on_reply
        self.label_names = label_names
        self.price = price
        self.capture = capture  # whether readers shall keep messages
        self.open: dict[int, tuple[str, str, str]] = {}
        self.epoch = 0

    def disown(self) -> None:
        """The calls that are open are not ours to count, however they end: in a forked child, they are the parent's."""
        self.epoch += 1
        self.open.clear()

    def in_flight(self) -> Mapping[tuple[str, str, str], int]:
        """Open calls by (provider, request model, operation). Concludes what a garbage collection has ended before."""
        settle()
        background.expire()
        counts: dict[tuple[str, str, str], int] = {}
        for key in list(self.open.values()):
            counts[key] = counts.get(key, 0) + 1
        return counts


class Invocation:
    """One live call. However many ends it meets (drained, closed, failed, dropped), the first counts."""

    __slots__ = (
        "__weakref__", "answered", "attempt", "began", "body", "busy", "covers", "done", "epoch", "error", "first_chunk", "foreign",
        "gap_sum", "gaps", "key", "labels", "last_chunk", "observer", "read_chunk", "recorded", "release", "request", "response", "retries",
        "scope", "span", "status", "step", "tally",
    )  # fmt: skip

    def __init__(self, observer: Observer, request: Request, covers: tuple[str, ...]) -> None:
        check()  # for a fork that no hook announced: what is open there is not this process's
        self.observer = observer
        self.epoch = observer.epoch
        self.request = request
        self.key = (request.provider, request.model or "", request.operation)  # what every metric about calls carries
        self.covers = covers
        self.read_chunk = request.reader.chunk
        self.response = Response.to([] if observer.capture else None)
        self.labels, self.tally = LABELS.get(), TOTALS.get()  # of where the call begins: it may end anywhere
        self.step: runs.Step | None = None  # the agent run or tool call that it is part of
        self.began = 0.0
        self.first_chunk: float | None = None
        self.last_chunk = 0.0
        self.gaps: dict[int, int] | None = None
        self.gap_sum = 0.0
        self.retries = 0
        self.attempt: tuple[int | str, float] | None = None  # why and when the attempt before failed
        self.status: int | None = None
        self.body: Callable[[], Any] | None = None  # gives the library's response, where there is one still
        self.answered = 0.0  # when the answer was there, of a call that is open for what the caller does with it
        self.error: BaseException | None = None
        self.span: Any = None
        self.foreign = False  # the span is another library's, which ends it
        self.recorded: Any = None  # the context of a span that is recorded
        self.scope: Any = None  # the OpenTelemetry context that is current while provider code runs
        self.release: Callable[[], None] | None = None  # puts back what was changed on the caller's objects
        self.done = False
        self.busy = False  # the provider's own code runs: a close seen now is not the caller's

    def open(self) -> None:
        """Start the clock and the span. The parent is whatever span is current now."""
        if _LATE:
            settle()
        observer = self.observer
        observer.open[id(self)] = self.key
        if told := FALLBACK.get():
            with suppress(IndexError):  # another thread's call may be first
                self.response.fallback = told.pop()  # the first call inside claims it
        self.step = runs.current()
        self.began = _CLOCK()
        for opened in observer.sinks_opened:
            opened(self)

    def _chunk(self, chunk: Any) -> None:
        """See a chunk go by: its output stops the first-chunk clock, the time since the one before is counted."""
        if self.read_chunk is None or not self.read_chunk(chunk, self.response):
            if self.response.error_code is not None and self.response.done:
                self.end()
            return
        now = _CLOCK()
        gaps = self.gaps
        if gaps is None:
            self.gaps = {}
            self.first_chunk = now - self.began
        else:
            gap = now - self.last_chunk
            bucket = bisect_left(DURATION_BUCKETS, gap)
            gaps[bucket] = gaps.get(bucket, 0) + 1
            self.gap_sum += gap
        self.last_chunk = now

    chunk = guarded("chunk", _chunk, 2)

    def _value(self, result: Any) -> None:
        self.request.reader.value(result, self.response)

    _read = guarded("chunk", _value, 2)

    def read(self, result: Any) -> None:
        """A part of the provider's answer, of which more is to come."""
        self._read(result)

    def value(self, result: Any) -> None:
        """The provider's whole answer, or the promise of one that is made in the background."""
        self._read(result)
        if self.response.pending and self.request.background:
            background.keep(self)
        else:
            self.end()

    def unseen(self, answer: Any) -> None:
        """Count an answer whose request nobody waited for: it has no span and no duration, but it has a price."""
        self.done = True
        self._read(answer)
        self.response.service_tier = self.request.service_tier
        observation = self._observation("", 0.0, time.time())
        if self.tally is not None:
            self.tally.add(observation)
        dispatch.emit(observation)

    def left(self) -> None:
        """The caller closed or dropped the stream: the provider may have been done, or not."""
        response = self.response
        if response.pending and self.request.background and not self.done:
            background.keep(self)
            return
        finished = response.done or response.finish_reasons
        if finished and response.usage is None and self.request.usage_asked:
            response.unknown = "left_early"
        self.end("" if finished else "abandoned")

    def drained(self) -> None:
        """The stream is over: one whose reader knows its end, and that ended before it, was cut off on its way."""
        response, reader = self.response, self.request.reader
        cut = reader.terminal and not (response.done or response.finish_reasons or response.error_code)
        self.end("connection" if cut else "")

    def fail(self, error: BaseException) -> None:
        """The call raised ``error`` into the caller."""
        self.error = error
        kind = "_OTHER"
        with _END:
            kind = error_type(error)
            response = getattr(error, "response", None) or getattr(error, "raw_response", None)
            headers = getattr(response, "headers", None)
            if headers is not None:
                self.replied(getattr(response, "status_code", 0), headers)
            if kind not in _UNANSWERED:
                self._read_billed(response)
        if self.response.pending and self.request.background and not self.done:
            background.keep(self)  # the answer is made all the same, and the caller may come back for it
            return
        self.end("abandoned" if isinstance(error, GeneratorExit) else kind)

    def _read_billed(self, reply: Any) -> None:
        """An answer came and was billed, and failed on this side: what it holds is read all the same."""
        if self.request.stream or self.response.usage is not None or not 200 <= (self.status or 0) < 300:  # noqa: PLR2004
            return
        if self.body is not None:
            reply = self.body()
        with foreign(lambda _: None):  # it may be no JSON, or not have been read
            self._read(view(reply.content))

    def replied(self, status: int, headers: Mapping[str, str], body: Callable[[], Any] | None = None) -> None:
        """An HTTP response came, good or bad. ``body`` gives the library's own object for it, whose ``content`` may be read later."""
        self.status = status
        if body is not None:
            self.body = body
        if self.request.hear is not None and status < 400:  # noqa: PLR2004
            self.request.hear(headers, self.request, self.response)
            self.key = (self.request.provider, self.request.model or "", self.request.operation)
        if self.observer.on_reply is not None:
            self.observer.on_reply(self, status, headers)

    def retried(self, cause: int | BaseException | str | None, waited: float) -> None:
        """An attempt after the first came, ``waited`` seconds after the one before failed with ``cause``."""
        self.retries += 1
        reason = "_OTHER"
        if isinstance(cause, int):
            reason = from_status(cause)
        elif isinstance(cause, BaseException):
            reason = error_type(cause)
        elif cause:
            reason = from_code(cause) or "_OTHER"
        labels = (*self.key, reason, *self.label_values())
        now = time.time()
        dispatch.emit(Event("otel_llm_retries_total", now, labels))
        dispatch.emit(Event("otel_llm_retry_wait_seconds_total", now, labels, waited))

    def attempting(self) -> None:
        """An attempt begins: a retry, if the one before failed."""
        if self.attempt is not None:
            (cause, failed), self.attempt = self.attempt, None
            self.retried(cause, _CLOCK() - failed)

    def attempted(self, cause: int | BaseException | None) -> None:
        """An attempt is over, with an HTTP status or an exception where it failed."""
        if cause is not None:  # its type alone is kept: an exception holds frames
            self.attempt = (error_type(cause) if isinstance(cause, BaseException) else cause, _CLOCK())

    def part(self, result: Any, read: ReadValue) -> None:
        """One of the requests that the call makes by itself was answered: what it consumed is added to the ones before."""
        self.response.requests += 1
        self.response.earlier = self.response.usage
        read(result, self.response)

    def label_values(self) -> tuple[str, ...]:
        """The custom labels' values in the configuration's order; empty where the caller gave none."""
        names = self.observer.label_names
        return tuple([self.labels.get(name, "") for name in names]) if names else ()

    def end(self, error: str = "") -> None:
        """End the call, once: later ends are ignored."""
        if self.done or not self.began:
            return
        self.done = True
        self.observer.open.pop(id(self), None)
        ended = self.answered or _CLOCK()
        if _collecting and _collecting == get_ident():
            _LATE.append((self, error, ended))
            return
        self.concluded(error, ended)
        if _LATE:
            settle()

    def concluded(self, error: str, ended: float) -> None:
        """Tell what there is to tell of a call that ended at ``ended``, unless it is another process's."""
        if self.epoch == self.observer.epoch:
            self._conclude(error, ended)
            self.scope = self.error = self.body = None  # an error holds frames, and they hold us

    def _concluded(self, error: str, ended: float) -> None:
        response = self.response
        if response.cached or self.request.recalled:
            self._recalled()
            return
        if response.late is not None:
            response.late(response)
        if not error and response.error_code is not None:
            error = from_code(response.error_code) or "server_error"
        if response.fallback is not None and not response.fallback[0]:
            response.fallback = (self.request.model or "", *response.fallback[1:])
        seen = self._observation(error, ended - self.began, time.time())
        for closed in self.observer.sinks_closed:
            closed(self, seen)
        self._tell(seen)
        if response.fallback is not None:
            dispatch.emit(Event("otel_llm_fallbacks_total", seen.at, (*self.key, *response.fallback, *seen.labels)))
        if self.release is not None:
            self.release()

    _conclude = guarded("end", _concluded, 3)

    def _tell(self, seen: Observation) -> None:
        if self.tally is not None:
            self.tally.add(seen)
        if self.step is not None:
            self.step.called(seen)
        dispatch.emit(seen)

    def reported(self, error: str, duration: float) -> None:
        """Count a call that was never open here: somebody else reports it whole, ``duration`` seconds after its start."""
        self.done = True
        self._tell(self._observation(error, duration, time.time()))

    def _recalled(self) -> None:
        """A response cache answered: the span says so, and there is no call of a provider to count."""
        if self.span is not None:
            self.span.set_attributes({**self.request.attributes, "otel_llm.cache.hit": True})
            if not self.foreign:
                self.span.end()
        if self.release is not None:
            self.release()

    def _observation(self, error: str, duration: float, at: float) -> Observation:
        request, response, observer = self.request, self.response, self.observer
        usage, unknown, priced = response.usage, "", _NOTHING
        if usage is None:
            usage = _NO_USAGE
            if request.reader.usage and (not error or response.unknown):
                unknown = response.unknown or ("stream_without_usage" if request.stream else "missing")
        elif not usage.known and not error and request.reader.usage:
            unknown = "partial"
        fees = (*request.fees, *response.fees) if not error and request.fees else response.fees
        if observer.price is not None and (usage.cost_usd is not None or usage.known or fees):
            priced = observer.price(request, response, usage, at)
        cost, source, saved, incomplete = priced
        context = self.recorded
        return _make(Observation, (
            at, request.provider, request.model or "", request.operation, response.model or "", request.server_address or "",
            error, duration, self.label_values() if observer.label_names else (), request.stream, self.first_chunk,
            tuple(self.gaps.items()) if self.gaps else (), self.gap_sum,
            usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens, usage.thinking_tokens,
            _modalities(usage), unknown, cost, source, saved, tuple(map(finish_reason, response.finish_reasons)),
            context.trace_id.to_bytes(16, "big").hex() if context is not None else "",
            context.span_id.to_bytes(8, "big").hex() if context is not None else "",
            fees, incomplete, response.cache_miss, response.cache_missed_tokens,
            self.step.agent if self.step is not None else "",
        ))  # fmt: skip

    def __del__(self) -> None:
        if not self.done and self.began:
            self.left()


_UNANSWERED = frozenset(("cancelled", "connection", "timeout"))  # errors of calls whose answer has not been read whole
_NO_USAGE = Usage()
_NOTHING: Priced = (None, "", 0.0, ())


def _modalities(usage: Usage) -> tuple[tuple[str, str, int], ...]:
    if (
        usage.input_audio_tokens is usage.output_audio_tokens is usage.input_video_tokens is None
        and usage.input_image_tokens is usage.output_image_tokens is None
    ):
        return ()
    parts = (
        ("input", "text", usage.input_text_tokens), ("input", "audio", usage.input_audio_tokens),
        ("input", "image", usage.input_image_tokens), ("input", "video", usage.input_video_tokens),
        ("output", "text", usage.output_text_tokens), ("output", "audio", usage.output_audio_tokens),
        ("output", "image", usage.output_image_tokens),
    )  # fmt: skip
    return tuple((direction, modality, count) for direction, modality, count in parts if count)
