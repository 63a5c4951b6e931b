"""The life of one call: opened once, its chunks seen, ended once, whatever the caller does."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar, Token
from os import getpid
from types import TracebackType
from typing import Any
from weakref import ref

from opentelemetry.context import attach, detach

from otel_llm.core import dispatch
from otel_llm.core.errors import error_type, failure, from_code
from otel_llm.core.fork import State, check
from otel_llm.core.guard import applying, foreign, guard, guarded
from otel_llm.core.jsonview import view
from otel_llm.core.model import Event, Observation, Request, Response, Usage
from otel_llm.core.semconv import finish_reason
from otel_llm.core.series import DURATION_BUCKETS

from . import answers, background, checks, collected, context, limits, recalled, runs
from .context import FALLBACK, LABELS
from .observer import Observer, Priced
from .totals import TOTALS

Entered = tuple[Token["ref[Invocation] | None"], Any, "Entered | None"]

CURRENT: ContextVar[ref[Invocation] | None] = ContextVar("otel_llm_call", default=None)
"""The call that is open here: current while provider code runs, so that what happens inside finds it. A weak reference, as an event
loop keeps the context of a timeout for its whole time, and with it a call that everybody else has dropped."""


def current_call() -> Invocation | None:
    """The call that is open here."""
    here = CURRENT.get()
    return None if here is None else here()


REPLY_SECONDS = 0.2
"""Between two good replies of one model that ``on_reply`` sees: reading headers costs more than the rest of a call."""
_CLOCK = time.perf_counter
_END = guard("end")
_make = tuple.__new__  # half the time of a named tuple's own


class _Ended:
    """One call. However many ends it meets (drained, closed, failed, dropped), the first counts.

    ``with call:`` is the frame around provider code: inside, the call and its span are current, and what is raised ends it.
    One thread or task enters it at a time.
    """

    since: int | None = None  # when its span begins, nanoseconds since the epoch, where that is not now
    __slots__ = (
        "__weakref__", "along", "answered", "attempt", "began", "body", "busy", "covers", "done", "entered", "epoch", "error",
        "first_chunk", "foreign", "gap_sum", "gaps", "hold", "key", "labels", "last_chunk", "observer", "read_chunk", "recorded", "release",
        "request", "response", "retries", "scope", "span", "status", "step", "totals",
    )  # fmt: skip

    def __init__(self, observer: Observer, request: Request, covers: tuple[str, ...]) -> None:
        self.began = 0.0  # first: an interrupt may come at any line, and ``__del__`` asks for it
        self.done = False
        if getpid() != State.pid:
            check()  # for a fork that no hook announced: what is open there is not this process's
        self.observer = observer
        self.epoch = observer.epoch
        self.request = request
        self.key = (request.provider, request.model or "", request.operation)  # what every metric about calls carries
        self.covers = covers
        self.read_chunk = request.reader.chunk
        keeps = observer.capture or (observer.answers and request.expects is not None)
        self.response = Response.to([] if keeps else None)
        self.totals = TOTALS.get()  # of where the call begins: it may end anywhere
        self.labels = context.given() if context.baggage_keys else LABELS.get()
        self.hold: Any = None  # what a guard has reserved for it
        self.step: runs.Step | None = None  # the agent run or tool call that it is part of
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
        self.foreign: Any = None  # the span is another library's: its SharedSpan
        self.recorded: Any = None  # the context of a span that is recorded
        self.scope: Any = None  # the OpenTelemetry context that is current while provider code runs
        self.entered: Entered | None = None  # what ``__exit__`` undoes
        self.release: Callable[[], None] | None = None  # puts back what was changed on the caller's objects
        self.along: Any = None  # reads along a body that the caller reads by itself
        self.busy = False  # the provider's own code runs: a close seen now is not the caller's

    def open(self) -> None:
        """Start the clock and the span. The parent is whatever span is current now."""
        if collected.ENDED:
            collected.conclude()
        if fallbacks := FALLBACK.get():
            with suppress(IndexError):  # another thread's call may be first
                self.response.fallback = fallbacks.pop()  # the first call inside claims it
        if runs.STATE.used:
            self.step = runs.around_call(self.request.model)
            if self.step is not None:
                self.step.calling()
        observer = self.observer
        self.began = _CLOCK()  # from here on ``__del__`` ends what an interrupt leaves
        if self.request.counted:
            observer.open[id(self)] = self.key
        for opened in observer.sinks_opened:
            opened(self)

    def __enter__(self) -> None:
        this: Any = self  # an open one
        token = CURRENT.set(ref(this))
        try:
            self.entered = (token, None if self.scope is None else attach(self.scope), self.entered)
        except BaseException:
            CURRENT.reset(token)  # an interrupt: the statement is not entered, and nobody will leave it
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.step_out()
        if error is not None:
            self.fail(error)

    def step_out(self) -> None:
        """Undo ``__enter__``. An interrupt may come at any line: what is not undone yet is still in ``entered``."""
        if self.entered is None:
            return
        token, attached, outer = self.entered
        try:
            CURRENT.reset(token)
        except ValueError:  # in another context than it was entered in, as when a loop shuts down: nothing to undo
            attached = None
        except RuntimeError:  # undone before
            pass
        if attached is not None:
            detach(attached)
        self.entered = outer

    def _see(self, chunk: Any) -> None:
        """Note a chunk: its output stops the first-chunk clock, the time since the one before is counted."""
        read = self.read_chunk  # a function in a slot that is called as a method is looked up in full
        if read is None or not read(chunk, self.response):
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

    chunk = guarded("chunk", _see, 2)

    def read(self, result: Any) -> None:
        """A part of the provider's answer, of which more is to come."""
        _read(self.request.reader.value, result, self.response)

    def value(self, result: Any) -> None:
        """The provider's whole answer, or the promise of one that is made in the background."""
        response = self.response
        _read(self.request.reader.value, result, response)
        if response.pending and self.request.background:
            background.keep(self)
        else:
            self.end()

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
        """The call raised ``error`` into the caller, or the caller closed the coroutine or generator that it runs in."""
        if isinstance(error, GeneratorExit):
            self.left()
            return
        self.error = None if self.done else error
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
        self.end(kind)

    def _read_billed(self, reply: Any) -> None:
        """An answer came and was billed, and failed on this side: what it holds is read all the same."""
        if self.request.stream or self.response.usage is not None or not 200 <= (self.status or 0) < 300:  # noqa: PLR2004
            return
        if self.body is not None:
            reply = self.body()
        with foreign(lambda _: None):  # it may be no JSON, or not have been read
            _read(self.request.reader.value, view(reply.content), self.response)

    def replied(self, status: int, headers: Mapping[str, str], body: Callable[[], Any] | None = None) -> None:
        """An HTTP response came, good or bad. ``body`` gives the library's own object for it, whose ``content`` may be read later."""
        self.status = status
        if body is not None:
            self.body = body
        if self.request.on_headers is not None and status < 400:  # noqa: PLR2004
            self.request.on_headers(headers, self.request, self.response)
            self.key = (self.request.provider, self.request.model or "", self.request.operation)
        observer = self.observer
        if observer.on_reply is None:
            return
        due, now, place = observer.due, time.time(), hash(self.key)
        wait = due.get(place, 0.0) - now
        if status < 400 and wait >= 0.0 and wait < REPLY_SECONDS:  # noqa: PLR2004 - chained, they take a slower way
            return
        if len(due) >= 10_000:  # noqa: PLR2004
            due.clear()
        due[place] = now + REPLY_SECONDS
        observer.on_reply(self, now, headers)

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
        if next(reversed(collected.phases), "") == collected.UNDER_WAY:
            collected.submit(self, error, ended)
            return
        self.conclude(error, ended)
        if collected.ENDED:
            collected.conclude()

    def conclude(self, error: str, ended: float) -> None:
        """Show everybody the call that ended at ``ended``, unless it is another process's. No step takes another one with it."""
        if self.epoch != self.observer.epoch:
            return
        request, response = self.request, self.response
        if response.cached or request.recalled:
            recalled.conclude(self)
        else:
            if response.late is not None:
                _late(response.late, response)
            if not error and response.error_code is not None:
                error = from_code(response.error_code) or "server_error"
            fallback = response.fallback
            if fallback is not None and not fallback[0]:
                response.fallback = fallback = (request.model or "", *fallback[1:])
            duration, at = ended - self.began, time.time()
            observation = self.observation(error, duration, at) or self._bare(error, duration, at)
            for closed in self.observer.sinks_closed:
                closed(self, observation)
            if request.counted:
                self._count(observation)
            if response.checks or request.guardrail or fallback is not None or error == "content_filter":
                self._beside(observation)
        if self.release is not None:
            _release(self.release)
        self.scope = self.error = self.body = None  # an error holds frames, and they hold us
        self.__class__ = _Ended

    def _count(self, observation: Observation) -> None:
        if self.totals is not None:
            _add(self.totals, observation)
        if self.step is not None:
            _called(self.step, observation)
        if limits.STATE.on:
            limits.settle(self, observation)
        for record in dispatch.recorders:
            record(observation)

    def _beside(self, observation: Observation) -> None:
        """What few calls report beside themselves: a guardrail's word, a fallback."""
        response = self.response
        if response.checks or self.request.guardrail or observation.error_type == "content_filter":
            _report(self, observation)
        if (fallback := response.fallback) is not None:
            dispatch.emit(
                Event("otel_llm_fallbacks_total", observation.at, (*self.key, *fallback, *observation.labels))
            )

    def _observed(self, error: str, duration: float, at: float) -> Observation:
        request, response, observer = self.request, self.response, self.observer
        usage, unknown, priced = response.usage, "", _NOTHING
        if usage is None:
            usage = _NO_USAGE
            if request.reader.usage and (not error or response.unknown):
                unknown = response.unknown or ("stream_without_usage" if request.stream else "missing")
        elif usage.input_tokens is None and not usage.known and not error and request.reader.usage:
            unknown = "partial"
        fees = (*request.fees, *response.fees) if not error and request.fees else response.fees
        price = observer.price
        if price is not None and (usage.input_tokens is not None or usage.known or usage.cost_usd is not None or fees):
            priced = price(request, response, usage, at) or _UNPRICED
        cost, source, saved, incomplete = priced
        reasons, problems = response.finish_reasons, _NONE
        stopped = len(reasons) == 1 and reasons[0] == "stop"  # why nearly all calls end: nothing is wrong with those
        if not (error or (stopped and usage.output_tokens and response.content is None and not response.refused)):
            problems = _problems(request, response, usage, observer.remembered) or ()
        context = self.recorded
        labels = self.labels
        conversation = (
            response.attributes.get(_TALK)
            or request.attributes.get(_TALK)
            or (labels.get("conversation") if labels else None)
        )
        return _make(Observation, (
            at, request.provider, request.model or "", request.operation, response.model or "", request.server_address or "",
            error, duration, self.label_values() if observer.label_names else (), request.stream, self.first_chunk,
            tuple(self.gaps.items()) if self.gaps else (), self.gap_sum,
            usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens, usage.thinking_tokens,
            usage.by_modality(), unknown, cost, source, saved, _STOP if stopped else tuple(map(finish_reason, reasons)),
            context[0].to_bytes(16, "big").hex() if context is not None else "",
            context[1].to_bytes(8, "big").hex() if context is not None else "",
            fees, incomplete, response.cache_miss, response.cache_missed_tokens,
            self.step.agent if self.step is not None else "", response.cache_avoidable,
            problems,
            observer.spenders(labels) if cost and labels and observer.spenders is not None else (),
            request.server_port,
            runs.turn(conversation, self.step) if conversation is not None else (),
            failure(self.error, self.status, labels.get("route", "")) if error else (),
        ))  # fmt: skip

    observation = guarded("end", _observed, 4)

    def _bare(self, error: str, duration: float, at: float) -> Observation:
        """The call without its answer, which is of a kind that no reader should have left."""
        provider, model, operation = self.key
        address = self.request.server_address or ""
        return Observation(at, provider, model, operation, "", address, error, duration, usage_unknown="partial")


class Invocation(_Ended):
    """A call that is open: one that nobody has any more is over. One that has ended needs no finalizer, in which an interrupt would be
    lost with a message of Python's."""

    __slots__ = ()

    def __del__(self) -> None:
        try:
            self.step_out()
            if not self.done and self.began:
                self.left()
        except AttributeError:  # an interrupt before there was anything to end
            pass


_read = applying("chunk")
_late = guarded("end", lambda late, response: late(response), 2)
_add = guarded("end", lambda totals, observation: totals.add(observation), 2)
_called = guarded("end", lambda step, observation: step.called(observation), 2)
_release = guarded("end", lambda release: release(), 1)
_TALK = "gen_ai.conversation.id"
_report = guarded("end", checks.report, 2)
_problems = guarded("end", answers.problems, 4)
_NO_USAGE = Usage()
_NONE: tuple[str, ...] = ()
_STOP = ("stop",)
_UNANSWERED = frozenset(("cancelled", "connection", "timeout"))  # errors of calls whose answer has not been read whole
_NOTHING: Priced = (None, "", 0.0, ())
_UNPRICED: Priced = (None, "unpriced", 0.0, ())  # pricing failed: it counts as a call whose cost is not known
