"""A call's span by itself: what it starts with, what comes of the call, and that it ends, whoever owns it."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import copy_context
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode, get_current_span, use_span

from otel_llm.calls import runs
from otel_llm.calls.context import labels
from otel_llm.calls.invocation import Invocation
from otel_llm.calls.observer import Observer
from otel_llm.core.guard import Guard
from otel_llm.core.model import Reader, Request, Response, Usage
from otel_llm.outputs.spans import Spans

NAMES = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "acme", "gen_ai.request.model": "m-1"}


def value(result: Any, into: Response) -> None:
    into.id, into.usage = "id-1", result


class Refused(Exception):
    code = "quota" * 40
    status_code = 429


class Lab:
    """Spans of calls on an SDK of its own."""

    def __init__(self, **kinds: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=kinds.pop("sampler", None))
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("otel_llm")
        self.spans = Spans(kinds.pop("tracer", self.tracer), **kinds)
        self.observer = Observer((self.spans,))

    def call(self, **asks: Any) -> Invocation:
        request = Request("acme", "chat", "m-1", Reader(value), server_address="api.acme.test", **asks)
        call = Invocation(self.observer, request, ())
        call.open()
        return call

    def ended(self) -> list[Any]:
        return list(self.exporter.get_finished_spans())

    def only(self) -> Any:
        (span,) = self.ended()
        return span


@pytest.fixture(autouse=True)
def _strict(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(Guard, "strict", True)
    monkeypatch.setattr(runs.STATE, "used", False)
    monkeypatch.setattr(runs.STATE, "called", 0)
    before = runs.CALLED.set(0)
    yield
    runs.CALLED.reset(before)


@pytest.mark.parametrize("lists", [False, True])
@pytest.mark.parametrize("failed", [False, True])
@pytest.mark.parametrize("replied", [False, True])
def test_the_end_of_a_plain_span_is_that_of_any(replied: bool, failed: bool, lists: bool) -> None:
    lab = Lab()
    lab.observer.sinks_closed = ()

    def closed(close: Any) -> Any:
        parts: Any = {"gen_ai.request.stop_sequences": ["a"]} if lists else {"gen_ai.request.top_k": 4}
        with lab.tracer.start_as_current_span("host"), labels(tenant="t-1"):
            call = lab.call(attributes=parts)
        if replied:
            call.status, call.retries = 200, 1
        call.read(Usage(8, 3, 4))
        close(call, call.observation("server_error" if failed else "", 0.5, 1.0))
        return lab.ended()[-1]

    short, long = closed(lab.spans.closed), closed(lab.spans.closed_any)
    assert dict(short.attributes) == dict(long.attributes)
    assert short.status.status_code is long.status.status_code
    assert short.end_time is not None


def test_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab()
    monkeypatch.setattr("otel_llm.outputs.spans.time_ns", lambda: 77)
    seen: list[Any] = []
    lab.observer.sinks_closed += (lambda _, observation: seen.append((observation.trace_id, observation.span_id)),)
    with lab.tracer.start_as_current_span("host") as host, labels(tenant="t-1"):
        call = lab.call(attributes={"gen_ai.request.top_k": 4})
        before = dict(call.span.attributes)
        with call:
            assert get_current_span() is call.span
        assert get_current_span() is host
    assert (runs.STATE.called, runs.CALLED.get()) == (77, 0)
    assert call.recorded == call.span.get_span_context()
    call.status, call.retries = 200, 2
    call.value(Usage(10, 2))
    span = next(one for one in lab.ended() if one.name == "chat m-1")
    assert seen == [(f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}")]
    assert (span.kind, span.parent.span_id) == (SpanKind.CLIENT, host.get_span_context().span_id)
    assert {key: before[key] for key in NAMES} == NAMES
    assert before["otel_llm.label.tenant"] == "t-1"
    assert dict(span.attributes) == {
        **before, "gen_ai.request.top_k": 4, "gen_ai.response.id": "id-1", "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 2, "http.request.resend_count": 2, "http.response.status_code": 200,
    }  # fmt: skip
    assert span.status.status_code is StatusCode.UNSET


def test_a_call_beside_another_library_is_known_in_its_own_context(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab()
    monkeypatch.setattr("otel_llm.outputs.spans.time_ns", lambda: 78)
    monkeypatch.setattr(runs.STATE, "used", True)
    context = copy_context()
    context.run(lambda: lab.call().end())
    assert (runs.STATE.called, context[runs.CALLED], runs.CALLED.get()) == (0, 78, 0)


def test_no_retry_and_no_reply_are_no_attributes() -> None:
    lab = Lab()
    lab.call().end()
    assert {"http.request.resend_count", "http.response.status_code"}.isdisjoint(lab.only().attributes)


def test_a_call_that_began_before() -> None:
    class Reported(Invocation):
        __slots__ = ()
        since = 1_000

    lab = Lab()
    call = Reported(lab.observer, Request("acme", "chat", None, Reader(value)), ())
    call.open()
    call.end()
    assert (lab.only().start_time, lab.only().name) == (1_000, "chat")


class TestFailure:
    def of(self, error: BaseException, **kinds: Any) -> tuple[Any, list[Any]]:
        reported: list[Any] = []
        lab = Lab(failed=lambda *about: reported.append(about), **kinds)
        call = lab.call()
        call.fail(error)
        return lab.only(), reported

    def test_an_exception(self) -> None:
        span, reported = self.of(Refused("the prompt"))
        expected = {
            "error.type": "quota" if span.attributes["error.type"] == "quota" else "rate_limit",
            "exception.type": f"{__name__}.Refused", "http.response.status_code": 429,
            "otel_llm.provider.error.code": ("quota" * 40)[:128],
        }  # fmt: skip
        assert {key: span.attributes[key] for key in expected} == expected
        assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "Refused")
        ((_, observation, attributes),) = reported
        assert (observation.error_type, attributes) == (expected["error.type"], expected)
        assert "prompt" not in str(dict(span.attributes))

    def test_one_that_says_nothing(self) -> None:
        span, reported = self.of(KeyError("x"))
        assert reported[0][2] == {"error.type": "_OTHER", "exception.type": "builtins.KeyError"}
        assert span.status.description == "KeyError"

    def test_the_callers_own_end_is_an_error_of_nobody(self) -> None:
        lab = Lab()
        lab.call().left()
        assert (lab.only().status.status_code, lab.only().attributes["error.type"]) == (StatusCode.UNSET, "abandoned")

    @pytest.mark.parametrize("kind", ["abandoned", "cancelled"])
    def test_nor_is_it_by_any_other_word(self, kind: str) -> None:
        lab = Lab()
        lab.call().end(kind)
        assert (lab.only().status.status_code, lab.only().attributes["error.type"]) == (StatusCode.UNSET, kind)

    def test_one_inside_of_an_answer(self) -> None:
        lab = Lab()
        call = lab.call()
        call.response.error_code = "o" * 200
        call.end()
        span = lab.only()
        assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "server_error")
        assert span.attributes["otel_llm.provider.error.code"] == "o" * 128
        assert "exception.type" not in span.attributes

    def test_an_end_without_an_exception(self) -> None:
        lab = Lab()
        lab.call().end("connection")
        assert (lab.only().status.description, lab.only().attributes["error.type"]) == ("connection", "connection")
        assert "otel_llm.provider.error.code" not in lab.only().attributes

    def test_a_success_is_reported_to_nobody(self) -> None:
        lab = Lab(failed=lambda *_: pytest.fail("nothing failed"))
        lab.call().value(Usage(1, 2))


class TestContent:
    def test_what_captures_gets_the_attributes(self) -> None:
        kept: list[Any] = []
        lab = Lab(capture=lambda call, observation, attributes: kept.append((call, observation.duration, attributes)))
        call = lab.call()
        call.value(Usage(1, 2))
        assert kept[0][0] is call
        assert kept[0][2]["gen_ai.usage.output_tokens"] == 2
        assert len(kept) == 1

    @pytest.mark.parametrize("how", ["not sampled", "no span"])
    def test_events_need_no_span(self, how: str) -> None:
        kept: list[Any] = []
        lab = Lab(capture=lambda *about: kept.append(about[2]["gen_ai.response.id"]), sampler=ALWAYS_OFF)
        call = lab.call()
        assert (call.recorded, call.scope is not None) == (None, True)
        if how == "no span":
            call.span = None
        call.value(Usage(1, 2))
        assert (kept, lab.ended()) == (["id-1"], [])

    def test_without_capture_nothing_is_made(self, monkeypatch: pytest.MonkeyPatch) -> None:
        lab = Lab(sampler=ALWAYS_OFF)
        monkeypatch.setattr(lab.spans, "_attributes", lambda *_: pytest.fail("nobody reads them"))
        lab.call().end()


def test_whatever_fails_the_span_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guard, "strict", False)
    monkeypatch.setattr(Guard, "errors", {})
    lab = Lab(capture=lambda *_: 1 / 0)
    lab.call().end()
    assert (lab.only().name, Guard.errors) == ("chat m-1", {"end": 1})


def test_another_processor_sees_what_a_span_starts_with() -> None:
    class Onlooker(SpanProcessor):
        seen: Any = None

        def on_start(self, span: Any, parent_context: Any = None) -> None:
            self.seen = dict(span.attributes)

    lab, onlooker = Lab(), Onlooker()
    lab.provider.add_span_processor(onlooker)
    with labels(tenant="t-1"):
        lab.call()
    assert {key: onlooker.seen[key] for key in NAMES} == NAMES
    assert onlooker.seen["otel_llm.label.tenant"] == "t-1"


class TestWaiting:
    """The host may set up tracing later, or never."""

    def test_until_there_is_a_provider_there_is_no_span(self, monkeypatch: pytest.MonkeyPatch) -> None:
        lab = Lab()
        proxy = SimpleNamespace(_real_tracer=None, _tracer=lab.tracer)
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
        lab.spans = Spans(proxy)  # type: ignore[arg-type]
        lab.observer = Observer((lab.spans,))
        first = lab.call()
        assert (first.span, first.recorded, first.scope) == (None, None, None)
        first.end()
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", lab.provider)
        lab.call().end()
        assert lab.only().name == "chat m-1"
        assert lab.spans._tracer is lab.tracer
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)  # looked at until it is there, and not any more
        lab.call().end()
        assert len(lab.ended()) == 2


class TestShared:
    """Another library has a span for the same call: ours are its attributes."""

    def opened(
        self, lab: Lab, kind: runs.Kind = "inference", name: str = "chat m-1"
    ) -> tuple[Any, runs.Step, Invocation]:
        span = lab.tracer.start_span(name)
        step = runs.Step(kind, "", "theirs", None, span)
        runs.mark(span, step)
        with use_span(span):
            call = lab.call()
        return span, step, call

    def test_it_gets_what_we_know_and_ends_when_both_are_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        lab = Lab()
        monkeypatch.setattr("otel_llm.outputs.spans.time_ns", lambda: 88)
        span, step, call = self.opened(lab)
        assert (call.span, call.recorded, step.doubled) == (span, span.get_span_context(), False)
        assert call.foreign is not None
        assert runs.CALLED.get() == 88
        assert {key: span.attributes[key] for key in NAMES} == NAMES
        span.end()
        assert lab.ended() == []
        call.value(Usage(10, 2))
        assert lab.only().attributes["gen_ai.usage.output_tokens"] == 2

    def test_one_for_something_else_is_the_parent(self) -> None:
        lab = Lab()
        span, step, call = self.opened(lab, "agent", "invoke_agent x")
        assert (call.span is span, call.foreign, step.doubled) == (False, None, True)
        call.end()
        assert lab.only().parent.span_id == span.get_span_context().span_id

    def test_one_that_is_named_as_ours_is_the_same(self) -> None:
        span, _, call = self.opened(Lab(), "agent", "chat m-1")
        assert call.span is span

    def test_one_that_lets_nobody_share_it_is_doubled(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("otel_llm.outputs.spans.share", lambda *_: None)
        span, step, call = self.opened(Lab())
        assert (call.span in (None, span), step.doubled) == (False, True)

    def test_one_that_is_over_is_no_place_to_write(self) -> None:
        lab = Lab()
        span = lab.tracer.start_span("chat m-1")
        step = runs.Step("inference", "", "theirs", None, span)
        span.end()
        call = Invocation(lab.observer, Request("acme", "chat", "m-1", Reader(value)), ())
        call.step = step
        assert lab.spans._joins(call) is False
        call.step = runs.Step("inference", "", "theirs", None, None)
        assert lab.spans._joins(call) is False

    @pytest.mark.parametrize("how", ["unread", "read", "no usage"])
    def test_one_that_was_exported_without_the_tokens_gets_a_child(
        self, monkeypatch: pytest.MonkeyPatch, how: str
    ) -> None:
        lab = Lab()
        monkeypatch.setattr("otel_llm.outputs.spans.time_ns", lambda: 5_000_000_000)
        span, _, call = self.opened(lab)
        if how == "read":
            span.set_attribute("gen_ai.usage.input_tokens", 10)
        type(span).end(span)  # past us
        assert len(lab.ended()) == 1
        monkeypatch.setattr("otel_llm.calls.invocation._CLOCK", lambda: call.began + 2.0)
        call.value(None if how == "no usage" else Usage(10, 2))
        if how != "unread":
            assert len(lab.ended()) == 1
            return
        late = lab.ended()[1]
        assert (late.parent.span_id, late.start_time, late.name) == (
            span.get_span_context().span_id,
            3_000_000_000,
            "chat m-1",
        )
        assert (late.kind, late.attributes["gen_ai.usage.output_tokens"]) == (SpanKind.CLIENT, 2)
        assert {key: late.attributes[key] for key in NAMES} == NAMES
