"""Conversations: turns and cost of each as histograms, when nothing more comes of it; bounded, and nobody is named."""

from __future__ import annotations

import pytest

from otel_llm.aggregate import Histogram, Store, conversations
from otel_llm.aggregate.conversations import IDLE, Conversations
from otel_llm.core.config import Config
from otel_llm.core.model import Event, Observation

AT = 1_763_711_000.0


def call(key: str, at: float, *, turn: int = 1, cost: float | None = 0.25, tenant: str = "acme") -> Observation:
    plain = Observation(AT + at, "openai", "gpt-x", "chat", "gpt-x", "", "", 0.5, (tenant,))
    return plain._replace(cost=cost, cost_source="prices" if cost is not None else "", conversation=(key, turn))


def told(events: list[Event]) -> list[tuple[str, tuple[str, ...], float]]:
    return [(event.metric.removeprefix("otel_llm_conversation_"), event.labels, event.value) for event in events]


def test_a_conversation_ends_when_nothing_more_comes() -> None:
    talks = Conversations()
    assert talks.add(call("a", 0)) == []
    assert talks.add(call("a", 10, turn=0)) == []
    assert talks.add(call("a", 20)) == []
    assert talks.ended(AT + 20 + IDLE) == []
    ended = talks.ended(AT + 20.5 + IDLE)
    assert told(ended) == [("turns", ("acme",), 2), ("cost_usd", ("acme",), 0.75)]
    assert {event.at for event in ended} == {AT + 20}
    assert talks.ended(AT + 1e6) == []


def test_one_that_goes_on_later_is_another() -> None:
    talks = Conversations()
    talks.add(call("a", 0))
    assert told(talks.add(call("a", IDLE + 1, cost=None))) == [("turns", ("acme",), 1), ("cost_usd", ("acme",), 0.25)]
    assert told(talks.ended(AT + 3 * IDLE)) == [("turns", ("acme",), 1)]


def test_calls_of_another_conversation_end_the_quiet_one() -> None:
    talks = Conversations()
    talks.add(call("a", 0))
    assert told(talks.add(call("b", IDLE + 1, tenant="globex"))) == [
        ("turns", ("acme",), 1),
        ("cost_usd", ("acme",), 0.25),
    ]


def test_one_whose_turn_began_before_anybody_looked_has_one() -> None:
    talks = Conversations()
    talks.add(call("a", 0, turn=0))
    assert told(talks.ended(AT + 2 * IDLE))[0] == ("turns", ("acme",), 1)


def test_they_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "MOST", 2)
    talks = Conversations()
    assert [told(talks.add(call(key, at))) for at, key in enumerate("abc")][-1][0] == ("turns", ("acme",), 1)


def test_a_store_shows_them() -> None:
    store = Store(Config(metric_labels=("tenant",)))
    for at in (0, 5):
        store.apply(call("a", at))
    views = {view.metric.name: view for view in store.views(AT + 2 * IDLE)}
    (turns,), (cost,) = views["otel_llm_conversation_turns"].rows, views["otel_llm_conversation_cost_usd"].rows
    assert turns.labels == cost.labels == ("acme",)
    assert isinstance(turns.cell, Histogram)
    assert isinstance(cost.cell, Histogram)
    assert (turns.cell.sum, cost.cell.sum) == (2.0, 0.5)
