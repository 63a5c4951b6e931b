"""The small parts that a window is made of, by their values."""

from __future__ import annotations

from math import exp, log

import pytest

from otel_llm.aggregate.window.length import Joint, Lengths
from otel_llm.aggregate.window.light import Light
from otel_llm.aggregate.window.memory import FULL, MOST, SAMPLE, Memory
from otel_llm.aggregate.window.signals import Edges, Reading
from otel_llm.aggregate.window.sketch import WIDTH, index
from otel_llm.aggregate.window.slices import Slice
from otel_llm.aggregate.window.trend import BLOCK, BLOCKS, FURTHER, LINE, SIZE, Line, Minutes, Trend
from otel_llm.aggregate.window.watch import Alarms, Watch

ANY = (None, None, None)


def block(*latencies: float) -> Slice:
    made = Slice()
    for latency in latencies:
        made.latency.add(latency)
    return made


def test_light_adds_up() -> None:
    one, other = Light(), Light()
    one.add(2.0)
    other.add(3.0)
    one.merge(other)
    places = (index(2.0), index(3.0))
    assert one.dump() == (2, sum(places), sum(place * place for place in places))
    assert Light(*one.dump()).dump() == one.dump()


def joint(*calls: tuple[float, float]) -> Joint:
    made = Joint()
    for tokens, seconds in calls:
        made.add(index(tokens), index(seconds))
    return made


def test_what_is_beyond_the_usual_at_a_length() -> None:
    usual = Lengths([joint(*[(100, 1.0)] * 30, *[(1000, 10.0)] * 30)])
    count, total, squares = usual.rest(joint((100, 2.0), (1000, 20.0)))
    assert (count, total / count, squares / count) == (
        2,
        pytest.approx(log(2), abs=2 * WIDTH),
        pytest.approx(log(2) ** 2, abs=0.04),
    )
    assert usual.trimmed(joint((100, 1.0))) == (1, 0.0)
    calls, rest = usual.trimmed(joint((100, 1.0), (100, 1.0), (1000, 500.0)))
    assert (calls, rest) == (2, pytest.approx(0.0, abs=WIDTH))
    assert Lengths().rest(joint((100, 1.0)))[1] == 0.0  # nothing is known: a second is usual


def test_few_calls_of_a_length_are_judged_by_their_neighbours() -> None:
    usual = Lengths([joint((100, 1.0), *[(150, 4.0)] * 40)])
    near = usual.usual(index(100) // 10) * WIDTH
    assert exp(near) == pytest.approx(4.0 ** (40 / 41), rel=0.02)
    assert usual.usual(index(100) // 10) * WIDTH == near


def test_the_past_of_lengths_fades_and_keeps() -> None:
    usual = Lengths([joint(*[(100, 2.0)] * 40)])
    usual.fade(0.5)
    assert (usual.count, list(usual.calls.values())) == (20.0, [20.0])
    again = Lengths.load(usual.short())
    assert (again.calls, again.totals, again.count) == (usual.calls, usual.totals, 20.0)
    usual.fade(1e-5)
    assert (usual.calls, usual.totals) == ({}, {})


def test_a_joint_freezes_merges_and_loads() -> None:
    one, other = joint((100, 1.0), (100, 2.0)), joint((100, 4.0), (900, 3.0))
    one.freeze()
    one.freeze()
    assert sum(calls for _, calls, _ in one.items()) == 2
    one.merge(other)
    assert sorted(one.items()) == sorted(joint((100, 1.0), (100, 2.0), (100, 4.0), (900, 3.0)).items())
    assert (one.count, one.top) == (4, (index(4.0), index(100) // 10))
    assert sorted(Joint.load(one.dump()).items()) == sorted(one.items())
    with pytest.raises(ValueError, match="no table of lengths"):
        Joint.load((9, *one.dump()[1:]))


def test_memory_of_busy_traffic_is_a_sample_each_ten_slices() -> None:
    memory = Memory()
    for number in range(200):
        memory.take(number, block(*range(1, 101)))
    memory.take(200, Slice())
    assert [number for number, _ in memory.blocks] == list(range(120, 200, 10))
    assert len(memory.blocks) == MOST
    assert {summary.count for _, summary in memory.of("latency")} == {SAMPLE}
    assert list(memory.of("cost")) == []
    memory.forget(170)
    assert [number for number, _ in memory.blocks] == [170, 180, 190]
    again = Memory.load(memory.dump())
    assert again.dump() == memory.dump()


def test_memory_of_thin_traffic_fills_a_block() -> None:
    memory = Memory()
    for number in range(FULL + 1):
        memory.take(number, block(1.0 + number))
    assert [(number, kept["latency"].count) for number, kept in memory.blocks] == [(FULL - 1, FULL), (FULL, 1)]
    costs = Slice()
    costs.cost.add(0.5)
    memory.take(FULL + 1, costs)
    assert {signal: kept.count for signal, kept in memory.blocks[-1][1].items()} == {"latency": 1, "cost": 1}
    for place in (-10_000, 40_000):
        with pytest.raises(ValueError, match="no sample"):
            Memory.load([[1, {"latency": [place]}]])
    assert Memory.load([[1, {"unknown": [1], "latency": [1]}]]).blocks[0][1].keys() == {"latency"}


def test_a_line_lies_where_the_service_gets_by_itself() -> None:
    line = Line()
    assert line.shown(3.0) == 3.0
    for number in range(2 * BLOCKS):
        line.see(number * BLOCK, 1.0 if number % 2 else 5.0)
    assert line.level > 10
    assert line.shown(line.level) == pytest.approx(LINE)
    assert len(line.maxima) == BLOCKS
    again = Line()
    again.load(line.dump())
    assert (again.level, again.largest, again.block) == (line.level, line.largest, line.block)
    young = Line()
    young.take_up([])
    assert young.level == LINE
    for further, level in ((1.0, 2.8), (FURTHER, 4.0)):
        alike = Line(further)
        alike.take_up([2.8] * BLOCKS)
        assert alike.level == pytest.approx(level)
    calm = Line()
    calm.take_up([0.5] * BLOCKS)
    assert calm.level == pytest.approx(2.3)


def test_minutes_between() -> None:
    minutes = Minutes()
    minutes.push(10, (1, 2, 4))
    minutes.push(13, (1, 3, 9))
    assert minutes.between(9, 13) == (2, 5, 13)
    assert minutes.between(10, 12) == (0, 0, 0)
    assert minutes.between(12, 13) == (1, 3, 9)
    minutes.push(13 + SIZE, (1, 1, 1))  # longer silent than is kept
    assert minutes.between(0, 13 + SIZE) == (1, 1, 1)


def wandering(trend: Trend, minutes: range, mean: float) -> None:
    for minute in minutes:
        shown = mean + (0.01 if minute % 2 else -0.01)
        trend.close(minute, 60, 60 * shown, 60 * (shown * shown + 0.04))


def test_a_trend_scores_a_step_and_keeps_what_it_learned() -> None:
    trend = Trend(0.1, 0.03)
    assert (trend.centre, trend.spread) == (0.0, 0.1)
    wandering(trend, range(1, 400), 1.0)
    assert abs(trend.score) < 1
    assert trend.spread == pytest.approx(0.2, rel=0.02)
    assert trend.centre == pytest.approx(1.0, abs=0.001)
    trend.close(399, 60, 0.0, 0.0)  # a minute that was closed
    assert abs(trend.score) < 1
    wandering(trend, range(400, 402), 2.0)
    assert (trend.quick > 3, trend.score >= trend.quick) == (True, True)
    again = Trend(0.1, 0.03)
    again.load(trend.dump())
    assert (again.score, again.quick, again.line.level) == (trend.score, trend.quick, trend.line.level)
    young = Trend(0.1, 0.03)
    young.take_up(trend.learned())
    wandering(young, range(5000, 5002), 2.0)
    assert young.score > 3  # against the day before the restart
    with pytest.raises(ValueError, match="no learned errors"):
        young.take_up(([1.0], *trend.learned()[1:]))
    last, sums, *rest = trend.dump()
    with pytest.raises(ValueError, match="no minutes"):
        young.load((last, [sums[0][:-1], *sums[1:]], *rest))


def test_low_counts_where_both_sides_do() -> None:
    low = {both: Trend(0.1, 0.03, both=both) for both in (False, True)}
    for trend in low.values():
        wandering(trend, range(1, 200), 1.0)
        wandering(trend, range(200, 202), 0.0)
    assert low[True].score < -3
    assert low[False].score > low[True].score


def test_edges_need_calls() -> None:
    assert Edges.of({index(10): 199}, {index(1): 199}) is None
    tokens = {index(value): 1 for value in (10, 1000)} | {index(100): 300}
    assert Edges.of(tokens, {index(1): 300}) == (index(100), index(100), index(1))


def test_a_minute_is_read_as_shares_rates_and_errors() -> None:
    reading, watch = Reading(), Watch()
    minute = Slice()
    minute.calls = 4
    for tokens, seconds, cost in ((10, 1.0, 0.5), (100, 1.0, 0.5), (1000, 9.0, 0.5)):
        minute.output_tokens.add(tokens)
        minute.latency.add(seconds)
        minute.cost.add(cost)
    minute.failed("server_error", ANY, None)
    minute.failed("cancelled", ANY, None)
    reading.edges = Edges(index(50), index(500), index(5.0))
    values = reading.read(minute, watch.trends)
    assert {signal: values[signal][:2] for signal in ("output_short", "output_long", "latency_slow", "errors")} == {
        "output_short": (3, 1), "output_long": (3, 1), "latency_slow": (3, 1), "errors": (4, 1),
    }  # fmt: skip
    assert values["calls"][1] == pytest.approx(log(5))
    assert values["spend"][1] == pytest.approx(log(1_500_001))
    assert values["output_tokens"][1] / 3 == pytest.approx(log(100), abs=WIDTH)
    assert reading.read(Slice(), watch.trends)["calls"] == (0.0, 0.0, 0.0)


def test_what_has_lasted_pages() -> None:
    watch = Watch()
    assert [watch.lasting("latency", "shift", 3.5) for _ in range(5)] == [None, "warning", "warning", "warning", "critical"]  # fmt: skip
    assert [watch.lasting("cost", "shift", 6.5) for _ in range(2)] == [None, "critical"]
    assert [watch.lasting("output_long", "shift", 9.0) for _ in range(6)] == [*[None] * 4, *["warning"] * 2]
    assert watch.lasting("latency", "shift", -9.0) is None
    assert [watch.lasting("output_tokens", "trend", -7.0) for _ in range(2)] == [None, "critical"]
    deaf = Watch(Alarms(signals=frozenset(("cost",))))
    assert [deaf.lasting("latency", "shift", 9.0) for _ in range(6)] == [None] * 6


def test_three_alarms_within_five_minutes_are_critical() -> None:
    watch = Watch()
    critical = watch.judgement("latency", "call", 5.0, "critical")
    assert (critical.value, critical.baseline_mean, critical.direction) == (0.0, 0.0, "high")
    urgencies = [watch.urgency(at, critical, 0.0, 0) for at in (0.0, 200.0, 301.0, 400.0)]
    assert urgencies == ["warning", "warning", "warning", "critical"]
    assert watch.urgency(401.0, critical._replace(severity="warning"), 3.0, 0) == "warning"
    assert watch.judgement("output_tokens", "shift", -5.0, "warning").direction == "low"


def test_a_watch_loads_what_it_dumped() -> None:
    watch = Watch()
    watch.draw_edges(0, {index(100): 300}, {index(1): 300})
    watch.draw_edges(10, {index(900): 300}, {index(1): 300})  # once a day
    for minute in range(1, 70):
        full = block(*[1.0] * 40)
        full.calls = 40
        watch.close(minute, full)
    again = Watch()
    again.load(watch.dump())
    assert list(again.scores(69)) == list(watch.scores(69)) != []
    assert again.reading.edges == watch.reading.edges == (index(100), index(100), index(1))
    assert list(watch.scores(73)) == []
    bare = Watch()
    bare.load(Watch().dump())
    assert bare.reading.edges is None
    later = Watch()
    later.take_up({**watch.learned(), "trends": {**watch.learned()["trends"], "unknown": ()}})
    assert later.trends["latency"].learned() == watch.trends["latency"].learned()
