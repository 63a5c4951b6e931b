"""Totals of requests: what is added up, and what it costs to ask."""

from __future__ import annotations

import threading

import pytest

from otel_llm.calls.invocation import Invocation
from otel_llm.calls.observer import Observer
from otel_llm.calls.totals import _MOST_SPANS, TOTALS, RequestTotals
from otel_llm.core import dispatch
from otel_llm.core.model import Observation, Reader, Request
from otel_llm.middleware import WSGIMiddleware


def seen(at=100.0, duration=1.0, **others):
    return Observation(at, "openai", "gpt-4o", "chat", "", "", "", duration, **others)


def test_totals():
    totals = RequestTotals()
    totals.add(seen(input_tokens=100, output_tokens=20, cost=0.5, cost_source="prices", labels=("acme", "a")))
    totals.add(seen(input_tokens=None, output_tokens=3, cost_source="unpriced", labels=("acme", "b")))
    totals.add(seen(labels=("acme", "c")))  # failed: nothing to price
    totals.add(seen(cost=0.0, cost_source="provider", labels=("acme", "c")))
    assert (totals.calls, totals.input_tokens, totals.output_tokens) == (4, 100, 23)
    assert (totals.cost, totals.priced, totals.unpriced) == (0.5, 2, 1)
    assert totals.labels == ("acme", "")


@pytest.mark.parametrize(
    ("spans", "busy"),
    [
        ([(0, 1), (2, 3)], 2),  # one after the other
        ([(0, 2), (1, 3)], 3),  # overlapping
        ([(1, 2), (0, 3)], 3),  # one around the other
        ([(0, 1), (2, 3), (0.5, 4)], 4),  # one around a gap
        ([(n, n + 0.5) for n in range(200)], 100),  # more than are kept apart
    ],
)
def test_time_in_calls_counts_once(spans, busy):
    totals = RequestTotals()
    for start, end in spans:
        totals.add(seen(at=float(end), duration=end - start))
    assert totals.busy() == pytest.approx(busy)
    assert len(totals._spans) <= _MOST_SPANS


def test_many_threads_add_to_one_tally():
    totals = RequestTotals()

    def add():
        for _ in range(500):
            totals.add(seen(cost=1.0, cost_source="prices"))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (totals.calls, totals.cost) == (2000, 2000.0)


def call():
    begun = Invocation(Observer(), Request("openai", "chat", "gpt-4o", Reader(lambda *_: None)), ())
    begun.open()
    return begun


def test_a_call_counts_for_the_request_that_it_began_in_wherever_it_ends():
    outside = call()
    totals = RequestTotals()
    token = TOTALS.set(totals)
    inside, elsewhere = call(), call()
    outside.end()
    inside.end()
    TOTALS.reset(token)
    ending = threading.Thread(target=elsewhere.end)
    ending.start()
    ending.join()
    call().end()
    assert totals.calls == 2


def test_a_request_records_what_its_priced_calls_cost():
    events = []
    dispatch.listen(lambda event: events.append((event.labels, event.value)))

    def serve(route, *calls):
        def app(environ, start_response):
            for call in calls:
                TOTALS.get().add(call)
            start_response("200 OK", [])
            return [b"ok"]

        WSGIMiddleware(app, route=lambda environ: route)({"PATH_INFO": "/"}, lambda *_: None)

    try:
        serve("/x", seen(cost=0.5, cost_source="provider"), seen(cost=0.25, cost_source="prices"))
        serve("/unpriced", seen(cost_source="unpriced"))
        serve("/none")
    finally:
        dispatch.listen()
    assert events == [(("/x",), 0.75)]
