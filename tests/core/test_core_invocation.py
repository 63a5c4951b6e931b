"""The life of a call by itself: what an observer is handed, to the last field, with clocks that only the test moves."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from hashlib import blake2b
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import baggage
from opentelemetry.context import attach, detach
from opentelemetry.trace import get_current_span

from otel_llm.calls import background, invocation, iterate, runs
from otel_llm.calls.context import FALLBACK, labels
from otel_llm.calls.declarations import Later, Stream, Value
from otel_llm.calls.invocation import CURRENT, Invocation, current_call
from otel_llm.calls.iterate import CARRIED, AsyncItems, Step, follow, tap
from otel_llm.calls.observer import Observer
from otel_llm.calls.totals import TOTALS, RequestTotals
from otel_llm.core import dispatch
from otel_llm.core.guard import Guard
from otel_llm.core.model import Event, Expected, Observation, Reader, Request, Response, Usage

NOW = 1_763_711_000.0  # seconds since the epoch
KEY = ("acme", "m-1", "chat")


class Lab:
    """An observer with one sink, a clock, and all that was handed on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at, self.time = 1000.0, NOW
        self.opened: list[Any] = []
        self.closed: list[tuple[Any, Observation]] = []
        self.errors: list[Any] = []  # as sinks see them
        self.records: list[Any] = []
        self.replies: list[tuple[Any, float, Any]] = []
        self.asked: list[tuple[Any, ...]] = []
        self.priced: Any = (0.25, "prices", 0.125, ("image",))
        monkeypatch.setattr(invocation, "_CLOCK", lambda: self.at)
        monkeypatch.setattr(invocation, "time", SimpleNamespace(time=lambda: self.time))
        dispatch.listen(self.records.append)
        sink: Any = SimpleNamespace(opened=self.opened.append, closed=self._closed)
        self.observer = Observer(
            (sink,),
            price=self._price,
            on_reply=lambda *reply: self.replies.append(reply),
            label_names=("tenant", "route"),
        )

    def _closed(self, call: Any, observation: Observation) -> None:
        self.closed.append((call, observation))
        self.errors.append(call.error)

    def _price(self, *about: Any) -> Any:
        self.asked.append(about)
        return self.priced

    def call(self, reader: Reader | None = None, **asks: Any) -> Invocation:
        asked = {"server_address": "api.acme.test", "server_port": 8443, **asks}
        provider, model, operation = asked.pop("key", KEY)
        request = Request(provider, operation, model, reader or Reader(value, chunk), **asked)
        call = Invocation(self.observer, request, ())
        call.open()
        return call

    def over(self) -> Observation:
        """The only observation there is."""
        assert len(self.closed) == 1
        assert [record for record in self.records if isinstance(record, Observation)] == [self.closed[0][1]]
        return self.closed[0][1]


def value(result: Any, into: Response) -> None:
    into.model, into.usage, into.finish_reasons = "m-1-2026", result, ["stop"]


def chunk(piece: Any, into: Response) -> bool:
    """Text is output, a usage is the end, a word after ! is an error, and anything else is nothing."""
    if isinstance(piece, Usage):
        into.usage, into.done = piece, True
    elif str(piece).startswith("!"):
        into.error_code, into.done = piece[1:], True
    return isinstance(piece, str) and piece[:1].isalpha()


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setattr(Guard, "strict", True)
    before = dispatch.recorders
    lab = Lab(monkeypatch)
    yield lab
    for call in lab.opened:
        call.end()  # or it would end in the midst of another test
    dispatch.recorders = before


def test_a_whole_answer(lab: Lab) -> None:
    totals = RequestTotals()
    token = TOTALS.set(totals)
    with labels(tenant="t-1", route="/chat", other="x"):
        call = lab.call()
    TOTALS.reset(token)
    assert lab.opened == [call]
    assert (call.key, call.began, call.done, call.busy, call.since, call.retries) == (
        KEY,
        1000.0,
        False,
        False,
        None,
        0,
    )
    assert lab.observer.in_flight() == {KEY: 1}
    lab.at, lab.time = 1002.5, NOW + 2.5
    usage = Usage(100, 20, 30, 10, thinking_tokens=4)
    call.value(usage)
    assert lab.over() == Observation(
        at=NOW + 2.5, provider="acme", request_model="m-1", operation="chat", response_model="m-1-2026",
        server_address="api.acme.test", error_type="", duration=2.5, labels=("t-1", "/chat"), stream=False, first_chunk=None,
        chunk_gaps=(), chunk_gap_sum=0.0, input_tokens=100, output_tokens=20, cache_read_tokens=30, cache_write_tokens=10,
        thinking_tokens=4, cost=0.25, cost_source="prices", cost_saved=0.125, finish_reasons=("stop",), incomplete=("image",),
        server_port=8443,
    )  # fmt: skip
    assert lab.closed[0][0] is call
    assert lab.asked == [(call.request, call.response, usage, NOW + 2.5)]
    assert (totals.calls, totals.input_tokens, totals.output_tokens, totals.cost) == (1, 100, 20, 0.25)
    assert lab.observer.in_flight() == {}
    call.end("timeout")
    call.fail(ValueError())
    assert len(lab.closed) == 1
    assert (call.done, call.scope, call.error, call.body) == (True, None, None, None)


def test_a_stream_and_its_clock(lab: Lab) -> None:
    call = lab.call(stream=True)
    for at, piece in (
        (1000.5, ""),
        (1001.0, "a"),
        (1001.25, "b"),
        (1001.25, " "),
        (1003.25, "c"),
        (1003.26, Usage(5, 6)),
    ):
        lab.at = at
        call.chunk(piece)
    lab.at = 1004.0
    call.drained()
    seen = lab.over()
    assert (seen.stream, seen.first_chunk, seen.chunk_gap_sum, seen.duration) == (True, 1.0, 2.25, 4.0)
    assert seen.chunk_gaps == ((5, 1), (8, 1))  # 0.25 s is at most 0.32 s, 2 s at most 2.56 s
    assert (seen.input_tokens, seen.output_tokens, seen.error_type) == (5, 6, "")


def test_a_gap_of_a_bound_is_in_the_bucket_below(lab: Lab) -> None:
    call = lab.call(stream=True)
    lab.at = 1000.0
    call.chunk("a")
    lab.at = 1000.0 + 30.0
    call.chunk("b")
    call.left()
    assert (lab.over().chunk_gaps, lab.over().first_chunk) == (((12, 1),), 0.0)


@pytest.mark.parametrize(("word", "kind"), [("rate_limit_exceeded", "rate_limit"), ("who-knows", "server_error")])
def test_an_error_inside_of_a_stream_ends_it_there(lab: Lab, word: str, kind: str) -> None:
    call = lab.call(stream=True)
    lab.at = 1000.5
    call.chunk("!" + word)
    lab.at = 1009.0
    call.drained()
    assert (lab.over().error_type, lab.over().duration, lab.over().finish_reasons) == (kind, 0.5, ())


def test_without_a_reader_of_pieces_they_are_nothing(lab: Lab) -> None:
    call = lab.call(Reader(value), stream=True)
    call.chunk("a")
    call.drained()
    assert (lab.over().first_chunk, lab.over().usage_unknown) == (None, "stream_without_usage")


class TestEnds:
    def left(self, lab: Lab, *, usage_asked: bool = False, **response: Any) -> Observation:
        call = lab.call(stream=True, usage_asked=usage_asked)
        for name, one in response.items():
            setattr(call.response, name, one)
        call.left()
        return lab.over()

    def test_left_in_the_middle(self, lab: Lab) -> None:
        seen = self.left(lab, usage_asked=True)
        assert (seen.error_type, seen.usage_unknown, seen.cost, seen.cost_source) == ("abandoned", "", None, "")

    def test_left_after_all_was_there(self, lab: Lab) -> None:
        seen = self.left(lab, done=True, usage=Usage(1, 2))
        assert (seen.error_type, seen.usage_unknown, seen.output_tokens) == ("", "", 2)

    @pytest.mark.parametrize("usage_asked", [True, False])
    def test_left_before_the_usage_that_was_asked_for(self, lab: Lab, usage_asked: bool) -> None:
        seen = self.left(lab, usage_asked=usage_asked, finish_reasons=["length"])
        assert seen.error_type == ""
        assert seen.usage_unknown == ("left_early" if usage_asked else "stream_without_usage")

    @pytest.mark.parametrize(
        ("response", "error"),
        [
            ({}, "connection"),
            ({"done": True}, ""),
            ({"finish_reasons": ["stop"]}, ""),
            ({"error_code": "500"}, "server_error"),
        ],
    )
    def test_a_stream_that_ends_before_its_end_was_cut(self, lab: Lab, response: Any, error: str) -> None:
        call = lab.call(Reader(value, chunk, terminal=True), stream=True)
        for name, one in response.items():
            setattr(call.response, name, one)
        call.drained()
        assert lab.over().error_type == error

    def test_dropped(self, lab: Lab) -> None:
        call = lab.call(stream=True)
        lab.at = 1007.0
        lab.observer.sinks_closed = (lambda _, observation: lab.records.append(observation),)
        del call
        lab.opened.clear()
        gc.collect()
        kinds = {(record.error_type, record.duration) for record in lab.records}
        assert (kinds, lab.observer.in_flight()) == ({("abandoned", 7.0)}, {})

    def test_closed_as_a_generator_it_was_left(self, lab: Lab) -> None:
        call = lab.call()
        call.response.done = True
        call.fail(GeneratorExit())
        assert (lab.over().error_type, lab.over().failure) == ("", ())

    @pytest.mark.parametrize(
        ("error", "kind"), [(TimeoutError(), "timeout"), (KeyError("x"), "_OTHER"), (KeyboardInterrupt(), "cancelled")]
    )
    def test_failed(self, lab: Lab, error: BaseException, kind: str) -> None:
        with labels(route="/chat"):
            call = lab.call()
        with pytest.raises(type(error)), call:
            raise error
        assert lab.errors == [error]
        assert (lab.over().error_type, lab.over().failure, lab.over().usage_unknown) == (kind, (0, "/chat"), "")
        assert call.error is None

    @pytest.mark.parametrize("name", ["response", "raw_response"])
    def test_failed_with_a_reply(self, lab: Lab, name: str) -> None:
        call = lab.call()
        headers = {"x-limit": "7"}
        error: Any = RuntimeError("429")
        setattr(error, name, SimpleNamespace(status_code=429, headers=headers))
        call.fail(error)
        assert lab.over().failure == (429, "")
        assert lab.replies == [(call, NOW, headers)]
        assert call.status == 429

    def test_an_answer_that_came_and_failed_here_was_billed(self, lab: Lab) -> None:
        call = lab.call(Reader(lambda reply, into: setattr(into, "usage", Usage(reply.asked, 3)), chunk))
        call.replied(200, {}, lambda: SimpleNamespace(content=b'{"asked": 11}'))
        call.fail(ValueError("the host's own validation"))
        assert (lab.over().error_type, lab.over().input_tokens, lab.over().output_tokens) == ("_OTHER", 11, 3)
        assert (lab.over().cost, lab.over().usage_unknown) == (0.25, "")

    @pytest.mark.parametrize(("status", "error"), [(300, ValueError()), (199, ValueError()), (200, TimeoutError())])
    def test_one_that_did_not_come_was_not(self, lab: Lab, status: int, error: Exception) -> None:
        call = lab.call(Reader(lambda *_: pytest.fail("nothing to read"), chunk))
        call.replied(status, {}, lambda: SimpleNamespace(content=b"{}"))
        call.fail(error)
        assert lab.over().input_tokens is None

    def test_what_is_no_answer_costs_nothing_more(self, lab: Lab) -> None:
        call = lab.call()
        call.replied(200, {}, lambda: SimpleNamespace(content=b"<html>"))
        call.fail(ValueError())
        assert (lab.over().error_type, lab.over().input_tokens) == ("_OTHER", None)

    def test_a_call_that_is_not_open_cannot_end(self, lab: Lab) -> None:
        call = Invocation(lab.observer, Request(*KEY[::2], KEY[1], Reader(value)), ())
        call.end()
        call.value(Usage(1, 2))
        assert lab.closed == []

    def test_what_was_answered_ends_when_it_was(self, lab: Lab) -> None:
        call = lab.call()
        call.answered, lab.at = 1001.0, 1060.0
        call.end()
        assert lab.over().duration == 1.0

    def test_another_processs_calls_are_not_shown(self, lab: Lab) -> None:
        call = lab.call()
        lab.observer.disown()
        call.value(Usage(1, 2))
        assert (lab.closed, lab.records, lab.observer.in_flight()) == ([], [], {})

    def test_what_was_changed_on_the_callers_objects_is_put_back(self, lab: Lab) -> None:
        call, done = lab.call(), []
        call.release = lambda: done.append(lab.closed[0][1].error_type)
        call.end("timeout")
        assert done == ["timeout"]


class TestBackground:
    @pytest.fixture
    def pending(self, lab: Lab) -> Iterator[Invocation]:
        call = lab.call(Reader(lambda name, into: setattr(into, "pending", name), chunk), background=True)
        call.value("answer-1")
        yield call
        background.expire(0)

    def test_a_promise_does_not_end_it(self, lab: Lab, pending: Invocation) -> None:
        assert (pending.done, background.waiting("answer-1"), lab.closed) == (False, pending, [])

    @pytest.mark.parametrize("how", ["left", "failed"])
    def test_nor_does_its_caller(self, lab: Lab, pending: Invocation, how: str) -> None:
        pending.left() if how == "left" else pending.fail(TimeoutError())
        assert (pending.done, lab.closed) == (False, [])

    def test_given_up_is_unknown(self, lab: Lab, pending: Invocation) -> None:
        background.expire(0)
        assert pending.done
        assert lab.over().usage_unknown != ""

    def test_one_that_is_no_promise_ends(self, lab: Lab) -> None:
        call = lab.call(Reader(lambda name, into: setattr(into, "pending", name), chunk))
        call.value("answer-1")
        assert call.done


class TestUsage:
    def seen(
        self, lab: Lab, usage: Usage | None, reader: Reader | None = None, error: str = "", **asks: Any
    ) -> Observation:
        call = lab.call(reader, **asks)
        call.response.usage = usage
        call.end(error)
        return lab.over()

    def test_none_is_unknown_and_has_no_price(self, lab: Lab) -> None:
        seen = self.seen(lab, None)
        assert (seen.usage_unknown, seen.cost, seen.cost_source, seen.cost_saved) == ("missing", None, "", 0.0)
        assert lab.asked == []

    def test_of_an_operation_that_has_none_nothing_is_missing(self, lab: Lab) -> None:
        assert self.seen(lab, None, Reader(value, usage=False)).usage_unknown == ""

    def test_of_a_failed_call_nothing_is_missing(self, lab: Lab) -> None:
        assert self.seen(lab, None, error="timeout").usage_unknown == ""

    def test_one_without_counts_is_partial(self, lab: Lab) -> None:
        assert (self.seen(lab, Usage(thinking_tokens=3)).usage_unknown, lab.asked) == ("partial", [])

    @pytest.mark.parametrize("usage", [Usage(output_tokens=3), Usage(audio_seconds=1.5), Usage(cost_usd=0.0), Usage(0)])
    def test_what_is_known_is_priced(self, lab: Lab, usage: Usage) -> None:
        assert (self.seen(lab, usage).cost, len(lab.asked)) == (0.25, 1)

    def test_a_price_that_fails_is_unpriced(self, lab: Lab) -> None:
        lab.priced = None
        seen = self.seen(lab, Usage(1, 2))
        assert (seen.cost, seen.cost_source, seen.cost_saved, seen.incomplete) == (None, "unpriced", 0.0, ())

    @pytest.mark.parametrize("error", ["", "timeout"])
    def test_fees(self, lab: Lab, error: str) -> None:
        call = lab.call(fees=(("rerank", 2.0),))
        call.response.fees = (("web_search", 1.0),)
        call.end(error)
        fees = (("rerank", 2.0), ("web_search", 1.0))
        assert lab.over().fees == (fees[1:] if error else fees)  # what failed is not billed by what was asked
        assert lab.over().cost == 0.25

    def test_by_modality(self, lab: Lab) -> None:
        seen = self.seen(lab, Usage(100, 20, input_audio_tokens=40, output_audio_tokens=15))
        assert seen.modalities == (("input", "audio", 40), ("output", "audio", 15))

    def test_reasons_are_in_one_spelling(self, lab: Lab) -> None:
        call = lab.call()
        call.response.finish_reasons = ["MAX_TOKENS", "stop"]
        call.end()
        assert lab.over().finish_reasons == ("length", "stop")
        assert lab.over().problems == ("truncation",)

    def test_an_answer_that_was_cut_is_a_problem_however_long_it_is(self, lab: Lab) -> None:
        call = lab.call()
        call.response.usage, call.response.finish_reasons = Usage(5, 6), ["length"]
        call.end()
        assert lab.over().problems == ("truncation",)

    def test_baggage_gives_labels_where_it_is_allowed(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("otel_llm.calls.context.baggage_keys", ("tenant",))
        token = attach(baggage.set_baggage("tenant", "t-9"))
        call = lab.call()
        detach(token)
        call.end()
        assert lab.over().labels == ("t-9", "")

    def test_an_empty_answer_is_a_problem(self, lab: Lab) -> None:
        call = lab.call()
        call.value(Usage(5, 0))
        assert lab.over().problems == ("empty",)


def test_what_came_beside(lab: Lab) -> None:
    call = lab.call()
    response = call.response
    response.cache_miss, response.cache_missed_tokens, response.cache_avoidable = "model_changed", 70, 0.5
    response.attributes["gen_ai.conversation.id"] = "c-1"
    call.value(Usage(1, 2))
    seen = lab.over()
    assert (seen.cache_miss, seen.cache_missed_tokens, seen.cost_avoidable) == ("model_changed", 70, 0.5)
    assert seen.conversation == (blake2b(b"c-1", digest_size=8).hexdigest(), 1)


def test_a_late_reader_is_asked_at_the_end(lab: Lab) -> None:
    call = lab.call()
    call.response.late = lambda response: setattr(response, "usage", Usage(8, 9))
    call.end()
    assert (lab.over().input_tokens, lab.over().output_tokens) == (8, 9)


def test_a_fallback_is_of_the_first_call_inside(lab: Lab) -> None:
    token = FALLBACK.set([("m-0", "m-1", "timeout")])
    try:
        first, second = lab.call(), lab.call()
    finally:
        FALLBACK.reset(token)
    second.end()
    assert second.response.fallback is None
    first.end()
    assert lab.records[-1] == Event("otel_llm_fallbacks_total", NOW, (*KEY, "m-0", "m-1", "timeout", "", ""))


def test_a_fallback_within_a_provider_is_from_what_was_asked(lab: Lab) -> None:
    call = lab.call()
    call.response.fallback = ("", "m-2", "overloaded")
    call.end()
    assert lab.records[-1].labels == (*KEY, "m-1", "m-2", "overloaded", "", "")


@pytest.mark.parametrize("how", ["asked", "withheld", "said", "nothing"])
def test_checks_of_guardrails_are_reported(lab: Lab, how: str) -> None:
    call = lab.call(guardrail="g-1" if how == "asked" else "")
    if how == "said":
        call.response.checked("g-2", "changed")
    call.end("content_filter" if how == "withheld" else "")
    checks = [record.labels[2:4] for record in lab.records if isinstance(record, Event)]
    expected = {"asked": ("g-1", "passed"), "withheld": ("content_filter", "blocked"), "said": ("g-2", "changed")}
    assert checks == [expected[how]] if how in expected else checks == []


def test_a_call_of_an_agents_run_is_the_agents(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs.STATE, "used", True)
    step = runs.Step("agent", "planner", "lab", None)
    token = runs.enter(step)
    with labels(conversation="c-1"):
        call = lab.call()
    runs.leave(step, token)
    assert (call.step, step.begun, step.own_begun) == (step, 1, 1)
    call.value(Usage(1, 2))
    assert (lab.over().agent, lab.over().conversation[1]) == ("planner", 1)
    assert step.inference_calls == 1


def test_what_is_not_counted_is_shown_only(lab: Lab) -> None:
    call = lab.call(counted=False)
    assert lab.observer.in_flight() == {}
    call.end()
    assert (len(lab.closed), lab.records) == (1, [])


@pytest.mark.parametrize("how", ["cached", "recalled"])
def test_a_cached_answer_is_no_call(lab: Lab, how: str) -> None:
    call = lab.call(recalled=how == "recalled", attributes={"a": 1})
    call.response.cached = how == "cached"
    ended: list[Any] = []
    call.span = SimpleNamespace(set_attributes=ended.append, end=lambda: ended.append("end"))
    call.hold = SimpleNamespace(settle=lambda *used: ended.append(used))
    call.value(Usage(1, 2))
    assert (ended, lab.closed, lab.records) == ([(0, 0), {"a": 1, "otel_llm.cache.hit": True}, "end"], [], [])


def test_a_cached_answer_on_another_librarys_span_ends_it_there(lab: Lab) -> None:
    call, over = lab.call(recalled=True), []
    call.span = SimpleNamespace(set_attributes=lambda _: None, end=lambda: pytest.fail("it is not ours to end"))
    call.foreign = SimpleNamespace(over=over.append)
    call.end()
    assert over == [call]


def test_a_reader_that_leaves_nonsense_costs_its_numbers_only(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guard, "strict", False)
    monkeypatch.setattr(Guard, "errors", {})
    call = lab.call()
    lab.at = 1001.5
    call.response.usage = object()  # type: ignore[assignment]
    call.end("timeout")
    assert lab.over() == Observation(NOW, *KEY, "", "api.acme.test", "timeout", 1.5, usage_unknown="partial")
    assert Guard.errors == {"end": 1}


class TestReplies:
    def test_good_ones_of_a_model_are_shown_five_times_a_second(self, lab: Lab) -> None:
        call = lab.call()
        for after, status in ((0.0, 200), (0.1, 200), (0.15, 500), (0.2, 200), (0.36, 200), (0.57, 399)):
            lab.time = NOW + after
            call.replied(status, {"after": str(after)})
        assert [headers["after"] for _, _, headers in lab.replies] == ["0.0", "0.15", "0.36", "0.57"]
        assert call.status == 399

    def test_another_models_are_shown_beside_them(self, lab: Lab) -> None:
        for model in ("m-1", "m-2", "m-1"):
            lab.time += 0.0625
            lab.call(key=("acme", model, "chat")).replied(200, {"of": model})
        assert [headers["of"] for _, _, headers in lab.replies] == ["m-1", "m-2"]

    def test_a_clock_that_was_set_back_does_not_silence_them(self, lab: Lab) -> None:
        call = lab.call()
        call.replied(200, {})
        lab.time = NOW - 3600
        call.replied(200, {})
        assert len(lab.replies) == 2

    def test_keys_are_bounded(self, lab: Lab) -> None:
        lab.observer.due.update(dict.fromkeys(range(10_000), NOW + 9))
        lab.call().replied(200, {})
        assert (list(lab.observer.due.values()), len(lab.replies)) == ([NOW + invocation.REPLY_SECONDS], 1)

    @pytest.mark.parametrize("status", [200, 400])
    def test_headers_may_say_who_answers(self, lab: Lab, status: int) -> None:
        def read(headers: Any, request: Request, _: Response) -> None:
            request.provider = headers["who"]

        call = lab.call(on_headers=read)
        call.replied(status, {"who": "zeta"})
        assert call.key == ((("zeta" if status == 200 else "acme"), *KEY[1:]))

    def test_nobody_may_listen(self, lab: Lab) -> None:
        lab.observer.on_reply = None
        lab.call().replied(200, {})
        assert lab.observer.due == {}


class TestCurrent:
    def test_inside_it_is_current_and_outside_it_is_not(self, lab: Lab) -> None:
        outer, inner = lab.call(), lab.call()
        with outer:
            with inner:
                assert current_call() is inner
            assert current_call() is outer
            with outer:
                assert current_call() is outer
            assert current_call() is outer
        assert current_call() is None
        assert get_current_span().get_span_context().is_valid is False
        assert outer.entered is None

    def test_leaving_in_another_context_undoes_nothing(self, lab: Lab) -> None:
        import contextvars

        call = lab.call()
        contextvars.copy_context().run(call.__enter__)
        call.__exit__(None, None, None)
        assert (current_call(), call.entered, call.done) == (None, None, False)

    def test_one_that_is_dropped_inside_is_not_current_any_more(self, lab: Lab) -> None:
        lab.observer.sinks_closed = ()
        call = lab.call()
        call.__enter__()
        del call
        lab.opened.clear()
        gc.collect()
        assert CURRENT.get() is None

    def test_it_is_held_weakly(self, lab: Lab) -> None:
        call = lab.call()
        call.__enter__()
        token = CURRENT.get()
        call.step_out()
        lab.observer.sinks_closed = ()
        del call
        lab.opened.clear()
        gc.collect()
        assert token is not None
        assert token() is None


def test_content_is_kept_where_somebody_looks(lab: Lab) -> None:
    expects = {"expects": lambda: Expected(json=True, tools=None)}
    assert (lab.call().response.content, lab.call(**expects).response.content) == (None, [])
    lab.observer.answers = False
    assert lab.call(**expects).response.content is None
    lab.observer.capture = True
    assert lab.call().response.content == []


class TestIterate:
    """Items pass as they are, each is shown, and between two of them the caller has the thread."""

    @pytest.mark.parametrize("covers", [(), ("requests",)])
    def test_items(self, lab: Lab, covers: tuple[str, ...]) -> None:
        call, current = lab.call(stream=True), []
        call.covers = covers

        def source() -> Iterator[Any]:
            for piece in ("a", "b", Usage(1, 2)):
                lab.at += 0.25
                current.append((current_call() is call, call.busy))
                yield piece

        pieces = []
        for piece in iterate.iterate(source(), call):
            pieces.append(piece)
            assert (call.busy, call.done, current_call()) == (False, False, None)
        assert (pieces, call.busy) == (["a", "b", Usage(1, 2)], False)
        assert current == [(bool(covers), True)] * 3
        assert (lab.over().first_chunk, lab.over().chunk_gap_sum, lab.over().error_type) == (0.25, 0.25, "")

    @pytest.mark.parametrize("covers", [(), ("requests",)])  # the plain way, and any
    def test_an_error_on_the_way(self, lab: Lab, covers: tuple[str, ...]) -> None:
        def source() -> Iterator[Any]:
            yield "a"
            raise TimeoutError

        call = lab.call(stream=True)
        call.covers = covers
        with pytest.raises(TimeoutError) as raised:
            list(iterate.iterate(source(), call))
        assert (lab.over().error_type, lab.over().first_chunk, call.busy) == ("timeout", 0.0, False)
        assert [entry.name for entry in raised.traceback].count("source") == 1

    @pytest.mark.parametrize("covers", [(), ("requests",)])
    def test_closed_between_two(self, lab: Lab, covers: tuple[str, ...]) -> None:
        call = lab.call(stream=True)
        call.covers = covers
        items = iterate.iterate(iter("ab"), call)
        next(items)
        items.close()
        assert (lab.over().error_type, call.busy) == ("abandoned", False)

    def test_a_call_that_has_not_begun_opens_with_the_first_item(self, lab: Lab) -> None:
        call = Invocation(lab.observer, Request("acme", "chat", "m-1", Reader(value, chunk), stream=True), ())
        items = iterate.iterate(iter("ab"), call)
        assert (call.began, next(items), bool(call.began)) == (0.0, "a", True)
        assert (list(items), lab.over().error_type) == (["b"], "")

    def test_the_first_step_opens_a_call_that_has_not_begun(self, lab: Lab) -> None:
        call = Invocation(lab.observer, Request("acme", "chat", "m-1", Reader(value, chunk), stream=True), ())
        step, current = Step(call, covers=False), []

        def proceed(*sent: Any) -> Any:
            current.append((current_call() is call, call.busy))
            if len(current) == 3:
                raise StopIteration
            return (*sent, "a")[0]

        assert iterate.advance(step, proceed, "x") == "x"
        lab.at = 1001.0
        assert iterate.advance(step, proceed) == "a"
        with pytest.raises(StopIteration):
            iterate.advance(step, proceed)
        assert current == [(True, True), (False, True), (False, True)]
        assert (lab.over().error_type, lab.over().first_chunk, lab.over().chunk_gap_sum, call.busy) == (
            "",
            0.0,
            1.0,
            False,
        )

    async def test_async_items(self, lab: Lab) -> None:
        class Source:
            name = "mine"

            def __init__(self) -> None:
                self.left = ["a", "b"]

            async def __anext__(self) -> str:
                assert current_call() is call
                lab.at += 0.5
                if not self.left:
                    raise StopAsyncIteration
                return self.left.pop(0)

        call = lab.call(stream=True)
        call.covers = ("requests",)
        items = AsyncItems(Source(), call)
        assert (aiter(items), items.name) == (items, "mine")
        assert [piece async for piece in items] == ["a", "b"]
        assert current_call() is None
        assert (lab.over().first_chunk, lab.over().chunk_gap_sum, lab.over().error_type, lab.over().duration) == (
            0.5,
            0.5,
            "",
            1.5,
        )

    @pytest.mark.parametrize("began", [True, False])
    async def test_async_items_of_a_call_that_covers_nothing(self, lab: Lab, began: bool) -> None:
        current: list[Any] = []

        class Source:
            def __init__(self) -> None:
                self.left = ["a", "b"]

            async def __anext__(self) -> str:
                current.append((current_call() is call, call.busy))
                lab.at += 0.5
                if not self.left:
                    raise StopAsyncIteration
                return self.left.pop(0)

        call = Invocation(lab.observer, Request("acme", "chat", "m-1", Reader(value, chunk), stream=True), ())
        if began:
            call.open()
        pieces = []
        async for piece in AsyncItems(Source(), call):
            pieces.append(piece)
            assert (call.busy, call.done) == (False, False)
        assert (pieces, call.busy) == (["a", "b"], False)
        assert current == [(not began, True), (False, True), (False, True)]  # what opens a call sends it
        seen = lab.over()
        assert (seen.first_chunk, seen.chunk_gap_sum, seen.error_type, seen.duration) == (0.5, 0.5, "", 1.5)

    async def test_a_task_that_is_cancelled_between_two_items(self, lab: Lab) -> None:
        class Source:
            async def __anext__(self) -> str:
                raise asyncio.CancelledError

        call = lab.call(stream=True)
        with pytest.raises(asyncio.CancelledError):
            await anext(AsyncItems(Source(), call))
        assert (lab.over().error_type, call.busy) == ("cancelled", False)

    async def test_an_async_error(self, lab: Lab) -> None:
        class Source:
            async def __anext__(self) -> str:
                raise ConnectionError

        with pytest.raises(ConnectionError):
            await anext(AsyncItems(Source(), lab.call(stream=True)))
        assert lab.over().error_type == "connection"


class Closable:
    closed = 0

    def close(self) -> None:
        self.closed += 1


class TestFollow:
    def test_what_a_stream_reads_from_is_exchanged(self, lab: Lab) -> None:
        call, owner, closer, carrier = lab.call(), SimpleNamespace(items=iter("ab")), Closable(), {}
        follow(call, Stream(owner, "items", closer=closer, carrier=carrier))
        assert (carrier, call.request.stream) == ({CARRIED: call}, True)
        assert next(owner.items) == "a"
        closer.close()
        assert (lab.over().error_type, lab.over().stream, lab.over().first_chunk) == ("abandoned", True, 0.0)
        assert (closer.closed, "close" in vars(closer)) == (1, False)

    def test_an_object_that_another_call_follows_next_has_its_class_back(self, lab: Lab) -> None:
        closer = Closable()
        for number in (1, 2):
            call, owner = lab.call(), SimpleNamespace(items=iter("ab"))
            follow(call, Stream(owner, "items", closer=closer))
            assert (type(closer) is Closable, type(closer).__name__) == (False, "Closable")
            assert (list(owner.items), type(closer), vars(closer)) == (["a", "b"], Closable, {})
            assert len(lab.closed) == number

    def test_an_async_one(self, lab: Lab) -> None:
        class Source:
            async def __anext__(self) -> str:
                return "a"

        owner = SimpleNamespace(items=Source())
        tap(lab.call(), Stream(owner, "items"))
        assert type(owner.items) is AsyncItems

    @pytest.mark.parametrize("answer", [Value(Usage(3, 4)), None])
    def test_a_body_that_is_read_later(self, lab: Lab, answer: Value | None) -> None:
        call, closer, carrier = lab.call(), Closable(), {}
        follow(call, Later(closer=closer, carrier=carrier, read=lambda: answer))
        assert carrier == {CARRIED: call}
        closer.close()
        seen = lab.over()
        assert (seen.error_type, seen.output_tokens) == (("", 4) if answer else ("abandoned", None))

    def test_one_that_is_no_answer_fails(self, lab: Lab) -> None:
        call, closer = lab.call(), Closable()

        def read() -> Value:
            raise ValueError("no JSON")

        follow(call, Later(closer=closer, carrier={}, read=read))
        closer.close()
        assert lab.over().error_type == "_OTHER"

    @pytest.mark.parametrize(("stream", "along"), [(True, "Events"), (False, "Whole")])
    def test_what_reads_along(self, lab: Lab, stream: bool, along: str) -> None:
        call = lab.call(stream=stream)
        follow(call, Later(closer=Closable(), carrier={}, read=lambda: None))
        assert type(call.along).__name__ == along
