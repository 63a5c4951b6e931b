"""What a restart with other settings keeps, and what a scrape leaves out."""

from __future__ import annotations

from math import inf

from otel_llm.aggregate import Store
from otel_llm.core.config import Config

AT = 1_763_711_000.0
DURATION, PER_SECOND = "gen_ai_client_operation_duration_seconds", "otel_llm_requests_per_second"


def test_another_window_begins_anew_and_the_counters_go_on(call, read) -> None:
    before = Store(Config(window=3600.0))
    before.apply(call())
    after = Store(Config(window=7200.0))
    after.load(before.dump())
    assert read(after, DURATION)[0] == 1
    assert read(after, PER_SECOND) is None
    after.apply(call())
    assert read(after, DURATION)[0] == 2
    assert read(after, PER_SECOND) == 1 / 60
    same = Store(Config(window=3600.0))
    same.load(before.dump())
    assert read(same, PER_SECOND) == read(before, PER_SECOND) == 1 / 60


def test_what_has_no_number_is_left_out(call, read, monkeypatch) -> None:
    store = Store(Config())
    store.apply(call())
    engine = store._state.engine
    gauges = [("otel_llm_error_ratio", ("openai", "gpt-5", ""), inf), (PER_SECOND, ("openai", "gpt-5"), 0.5)]
    monkeypatch.setattr(type(engine), "gauges", lambda *_: gauges)
    assert read(store, "otel_llm_error_ratio") is None
    assert read(store, PER_SECOND) == 0.5
