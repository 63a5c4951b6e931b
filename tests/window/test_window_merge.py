"""The window is a commutative monoid: who recorded a call, and in which order windows are merged, changes nothing."""

from __future__ import annotations

import marshal

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from window_calls import KEY, Call, added, feed, gauges, steady

from otel_llm.aggregate.window import Budget, Engine, Spend
from otel_llm.aggregate.window.slices import SIGNALS

START = 1_700_000_040.0
QUICK = (Phase.explicit, Phase.reuse, Phase.generate)  # shrinking windows takes minutes

calls = st.lists(
    st.builds(
        Call,
        at=st.floats(0, 4000).map(lambda offset: START + offset),
        duration=st.floats(0, 100),
        error_type=st.sampled_from(["", "", "", "timeout", "_OTHER"]),
        input_tokens=st.none() | st.integers(0, 10**6),
        output_tokens=st.none() | st.integers(0, 10**5),
        thinking_tokens=st.none() | st.integers(0, 1000),
        cost=st.none() | st.floats(0, 10),
        fallback=st.booleans(),
        operation=st.sampled_from(["chat", "embeddings"]),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None, phases=QUICK)
@given(calls, st.integers(1, 5), st.randoms(use_true_random=False), st.integers(4000, 6000))
def test_splitting_over_workers_in_any_order_changes_nothing(stream, workers, shuffle, later):
    one = Engine()
    feed(one, sorted(stream, key=lambda call: call.at))
    parts = [Engine() for _ in range(workers)]
    shuffled = list(stream)
    shuffle.shuffle(shuffled)
    for call in shuffled:
        feed(shuffle.choice(parts), [call])
    shuffle.shuffle(parts)
    merged = parts[0]
    for part in parts[1:]:
        merged.merge(part)
    assert added(merged, START + later) == pytest.approx(added(one, START + later), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("workers", [2, 3, 7])
def test_busy_workers_make_the_same_baselines_and_scores(workers):
    stream = [*steady(START, 3600, every=0.5), *steady(START + 3600, 90, every=0.5, seed=2, factor=4)]
    now = START + 3690
    one = Engine()
    feed(one, stream)
    parts = [Engine() for _ in range(workers)]
    for index, call in enumerate(stream):
        feed(parts[(index * 5) % workers], [call])
    for part in parts:
        part.forget(now)  # each has its own view before they meet
    merged = Engine()
    for part in reversed(parts):
        merged.merge(part)
    expected = added(one, now)
    assert added(merged, now) == pytest.approx(expected, rel=1e-9)
    assert expected["otel_llm_zscore", "latency", "shift"] > 3


def test_merging_twice_what_is_empty_changes_nothing():
    engine = Engine()
    feed(engine, steady(START, 600))
    before = gauges(engine, START + 600)
    engine.merge(Engine())
    assert gauges(engine, START + 600) == before


def test_windows_of_other_lengths_do_not_merge():
    with pytest.raises(ValueError, match="do not merge"):
        Engine().merge(Engine(window=300))


@pytest.mark.parametrize("window", [300.0, 500.0, 3600.0, 86400.0])
def test_a_window_survives_the_dump(window):
    engine = Engine(window=window)
    feed(engine, steady(START, window * 1.2, every=window / 2000))
    now = START + window * 1.2
    again = Engine.load(marshal.loads(marshal.dumps(engine.dump())), window=window)
    engine.tracks[KEY].baselines = dict.fromkeys(SIGNALS)  # one that has settled is kept for five slices
    engine.tracks[KEY].stale = True
    assert gauges(again, now) == pytest.approx(gauges(engine, now), rel=1e-12)
    assert gauges(again, now)["otel_llm_baseline_samples", "latency"] > 1000
    feed(again, steady(now, 60))
    assert again.stats(now + 60).models[KEY].calls >= 60


@pytest.mark.parametrize(
    "state",
    [
        None, 5, "text", (), ("otel_llm.window", 0, 3600.0, 0.0, []), ("other", 1, 3600.0, 0.0, []), ("otel_llm.window", 2, 300.0, 0.0, []),
        ("otel_llm.window", 2, 3600.0, 0.0, [(("a", "b"), ([(1, "junk")], []))]),
        ("otel_llm.window", 2, 3600.0, 0.0, [(("a",), ([], []))]), {"otel_llm.window": 1},
    ],
)  # fmt: skip
def test_foreign_states_are_refused(state):
    with pytest.raises(ValueError, match="no state of a window"):
        Engine.load(state)


@pytest.mark.parametrize(
    "setting", [{"window": 299}, {"window": 86401}, {"window": float("nan")}, {"scale": "cubic"}, {"sensitivity": 0}]
)
def test_impossible_settings_are_refused(setting):
    with pytest.raises(ValueError, match="no window"):
        Engine(**setting)


BUDGETS = (Budget("acme", (("tenant", "acme"),), daily=5.0), Budget("gpt", (("model", "gpt-*"),), monthly=50.0))
spends = st.lists(
    st.tuples(
        st.floats(0, 10 * 86400).map(lambda offset: START + offset),
        st.floats(0, 3),
        st.fixed_dictionaries(
            {"tenant": st.sampled_from(["acme", "other"]), "model": st.sampled_from(["gpt-4o", "claude"])}
        ),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(spends, st.integers(1, 4), st.randoms(use_true_random=False))
def test_spend_of_workers_adds_up_in_any_order(stream, workers, shuffle):
    setting = {"zone": "Europe/Berlin", "daily": 10.0, "monthly": 100.0, "budgets": BUDGETS}
    one, parts = Spend(**setting), [Spend(**setting) for _ in range(workers)]
    for paid in sorted(stream, key=lambda paid: paid[0]):
        one.add(*paid)
        shuffle.choice(parts).add(*paid)
    shuffle.shuffle(parts)
    merged = Spend(**setting)
    for part in parts:
        merged.merge(part)
    now = START + 10 * 86400

    def said(spend):
        return {(name, *labels): value for name, labels, value in spend.gauges(now)}

    assert said(merged) == pytest.approx(said(one), rel=1e-9, abs=1e-9)
    assert said(Spend.load(marshal.loads(marshal.dumps(one.dump())), **setting)) == said(one)
