"""Cells by metric and labels: of the right kind, of known names, and found again without end."""

from __future__ import annotations

import pytest

from otel_llm.aggregate import Store, events
from otel_llm.aggregate.bounds import Bounds
from otel_llm.aggregate.families import Families
from otel_llm.core.catalogue import BY_NAME
from otel_llm.core.config import Config
from otel_llm.core.measures import MEASURES, WORDS, label_sets
from otel_llm.core.model import Event, Observation

AT = 1_763_711_000.0
CALL = ("openai", "gpt-5", "chat")
RETRIES, COST = "otel_llm_retries_total", "otel_llm_request_cost_usd"


def test_a_cell_is_of_its_metric_s_kind() -> None:
    families = Families("released", (), Bounds(10))
    with pytest.raises(TypeError, match="otel_llm_request_cost_usd is a histogram"):
        families.number(COST, CALL)
    with pytest.raises(TypeError, match="otel_llm_retries_total is no histogram"):
        families.histogram(RETRIES, (*CALL, "timeout"))
    cell = families.number(RETRIES, (*CALL, "timeout"))
    assert families.number(RETRIES, (*CALL, "timeout")) is cell


def test_a_bundle_has_the_cells_that_calls_touch_and_no_others(call, store: Store) -> None:
    bundle = store._state.bundle(call())
    assert bundle.per_chunk is bundle.per_chunk
    with pytest.raises(AttributeError, match="durations"):
        _ = bundle.durations


def test_events_count_on_where_more_labels_come_than_are_kept_at_hand(monkeypatch, read) -> None:
    monkeypatch.setattr(events, "MOST_KNOWN", 2)
    store = Store(Config())
    reasons = ("timeout", "overloaded", "rate_limit")
    for reason in reasons * 2:
        store.apply(Event(RETRIES, AT, (*CALL, reason), 1.0))
    assert [read(store, RETRIES, reason=reason) for reason in reasons] == [2, 2, 2]
    assert len(store._state.events._known) <= 2


def test_each_measure_is_in_the_catalogue_under_the_labels_that_it_names() -> None:
    """The table of measures and the catalogue say the same of a metric: its labels are those of the set, and what follows."""
    sets = label_sets(("openai", "gpt-4o", "chat", "gpt-4o-2024", "api.example", "timeout"))
    for measure in (*MEASURES, *WORDS):
        follow = 1 if measure in WORDS else len(measure.more)
        assert len(BY_NAME[measure.metric].labels) == len(sets[measure.labels]) + follow, measure.metric
        assert measure.field in Observation._fields
