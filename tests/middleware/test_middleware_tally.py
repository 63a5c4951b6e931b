"""Totals: what is added up, what waits for prices, and what it costs to ask."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from otel_llm import runtime
from otel_llm.calls.invocation import Invocation, Observer
from otel_llm.calls.totals import _MOST_SPANS, TOTALS, RequestTotals
from otel_llm.core import dispatch
from otel_llm.core.model import Observation, Reader, Request
from otel_llm.middleware import WSGIMiddleware, request
from otel_llm.pricing import Price

BILL = ("openai", "gpt-4o", "", (), 0.0, "chat", None, "")


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


def test_bills_are_settled_when_prices_are_there():
    totals = RequestTotals()
    totals.add(seen(cost_source="pending", bill=BILL))
    totals.add(seen(cost_source="pending", bill=(*BILL[:1], "unheard-of", *BILL[2:])))
    totals.settle(lambda bill: Price(None, "pending"))
    assert (len(totals.pending), totals.priced) == (2, 0)
    totals.settle(lambda bill: Price(0.25, "prices") if bill[1] == "gpt-4o" else Price(None, "unpriced"))
    assert (totals.pending, totals.cost, totals.priced, totals.unpriced) == ([], 0.25, 1, 1)


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


class Prices:
    """Prices that take until ``loaded`` to load."""

    def __init__(self):
        self.loaded = threading.Event()

    @property
    def ready(self):
        return self.loaded.is_set()

    def load(self):
        assert self.loaded.wait(20)

    def settle(self, bill):
        return Price(0.25, "prices") if self.ready else Price(None, "pending")


@pytest.fixture
def prices(monkeypatch):
    prices = Prices()
    monkeypatch.setattr(runtime, "current", lambda: SimpleNamespace(prices=prices))
    return prices


@pytest.fixture
def costs():
    events, told = [], threading.Semaphore(0)

    def keep(event):
        events.append((event.labels, event.value))
        told.release()

    dispatch.listen(keep)
    yield SimpleNamespace(events=events, wait=lambda: told.acquire(timeout=20))
    dispatch.listen()


def serve(route):
    def app(environ, start_response):
        TOTALS.get().add(seen(cost=0.5, cost_source="provider"))
        TOTALS.get().add(seen(cost_source="pending", bill=BILL))
        start_response("200 OK", [])
        return [b"ok"]

    WSGIMiddleware(app, route=lambda environ: route)({"PATH_INFO": "/"}, lambda *_: None)


def test_a_request_whose_calls_wait_for_prices_is_recorded_once_they_are_there(prices, costs):
    serve("/first")
    serve("/second")
    assert costs.events == []
    prices.loaded.set()
    assert costs.wait()
    assert costs.wait()
    assert costs.events == [(("/first",), 0.75), (("/second",), 0.75)]


def test_prices_that_came_meanwhile_are_used_at_the_request_s_end(prices, costs):
    prices.loaded.set()
    serve("/x")
    assert costs.events == [(("/x",), 0.75)]


def test_what_waits_is_bounded(prices):
    assert request._WAITING.maxlen == 1000


def test_a_forked_child_leaves_the_waiting_to_its_parent(prices):
    request._settling.acquire()  # as the parent's thread held it
    serve("/parent")
    assert len(request._WAITING) == 1
    request._after_fork()
    assert not request._WAITING
    assert not request._settling.locked()


def test_where_nothing_watches_what_is_known_is_told(costs):
    serve("/x")
    assert costs.events == [(("/x",), 0.5)]
