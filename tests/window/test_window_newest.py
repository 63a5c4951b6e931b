"""What a token costs, and thin traffic by its newest calls: faults that a mean of recent calls hides."""

from __future__ import annotations

import json
import random
from operator import ge

import pytest
from window_calls import Call, feed, gauges

from otel_llm.aggregate.window import Engine
from otel_llm.aggregate.window.trend import Trend

START = 1_700_000_040.0
COST, LATENCY = (("otel_llm_zscore", signal, "shift") for signal in ("cost", "latency"))


def mixed(
    start: float, seconds: int, every: float = 30.0, *, price: float = 1.0, longer: float = 1.0, slower: float = 1.0
) -> list[Call]:
    """Four kinds of requests in turn at random, of lengths and prices that differ by the tenfold."""
    dice = random.Random(int(start))
    calls = []
    for number in range(int(seconds / every)):
        kind = dice.randrange(4)
        asked = int(300 * 2.5**kind * dice.lognormvariate(0, 0.5) * longer) + 1
        answered = int((80, 500, 30, 900)[kind] * dice.lognormvariate(0, 0.6)) + 1
        cost = (asked * 2.5e-6 + answered * 1e-5) * price
        latency = (0.3 + 0.018 * answered) * dice.lognormvariate(0, 0.3) * slower
        calls.append(Call(start + number * every, latency, "", asked, answered, None, cost))
    return calls


@pytest.fixture(scope="module")
def healthy() -> Engine:
    """Six hours of two calls a minute."""
    engine = Engine()
    for hour in range(6):
        feed(engine, mixed(START + 3600 * hour, 3600))
        engine.forget(START + 3600 * (hour + 1))
    return engine


NOW = START + 6 * 3600


def taken_up(engine: Engine) -> Engine:
    return Engine.load(engine.dump())


def test_a_more_expensive_token_shows_within_two_calls_a_minute(healthy: Engine) -> None:
    engine = taken_up(healthy)
    assert gauges(engine, NOW)[COST] < 3
    unusual = feed(engine, mixed(NOW, 120, price=1.5))
    assert gauges(engine, NOW + 120)[COST] > 3
    for minute in range(2, 20):
        unusual += feed(engine, mixed(NOW + 60 * minute, 60, price=1.5))
        engine.forget(NOW + 60 * (minute + 1))
    assert "critical" in {one.severity for one in unusual if one.signal == "cost" and one.kind == "shift"}


def test_longer_prompts_do_not_make_a_token_more_expensive(healthy: Engine) -> None:
    engine = taken_up(healthy)
    feed(engine, mixed(NOW, 600, longer=4.0))
    engine.forget(NOW + 600)
    (track,) = engine.tracks.values()
    minute = engine.grid.of(NOW + 600) // engine.grid.per_minute
    assert track.watch.larger("cost", "shift", 0.5, minute) == 0.5


def test_what_a_token_costs_outlives_a_restart_and_free_calls_cost_nothing(healthy: Engine) -> None:
    kept = json.loads(json.dumps(healthy.learned()))
    after = Engine()
    after.take_up(kept)
    feed(after, mixed(NOW + 300, 120, price=2.0))
    after.forget(NOW + 420)
    (track,) = after.tracks.values()
    assert track.watch.larger("cost", "trend", 0.5, track.minute) > 3
    assert track.watch.larger("cost", "trend", 0.5, track.minute + 4) == 0.5  # nothing is recent then

    free = Engine()
    feed(free, [call._replace(cost=0.0) for call in mixed(START, 3600)])
    assert COST in gauges(free, START + 3600)
    assert not next(iter(free.tracks.values())).watch.beside["cost"].known


def test_of_thin_traffic_the_newest_calls_are_judged_by_themselves(healthy: Engine) -> None:
    engine = taken_up(healthy)
    assert gauges(engine, NOW)[LATENCY] < 3
    feed(engine, mixed(NOW, 180, slower=4.0))
    (track,) = engine.tracks.values()
    at = engine.grid.of(NOW + 180)
    engine.forget(NOW + 180)
    sizes = [one.count for one in track.newest("latency", at)]
    assert sizes[0] >= 5
    assert sizes == sorted(sizes)
    assert gauges(engine, NOW + 180)[LATENCY] > 3


def found_by(engine: Engine, seed: int, slower: float, calls: int) -> int:
    """How many calls a fault takes until the gauge of latency shows it; one more than ``calls`` where none does."""
    begin = NOW + 30 * seed
    for number, call in enumerate(mixed(begin, 30 * calls, slower=slower), 1):
        feed(engine, [call])
        engine.forget(call.at + 1)
        if gauges(engine, call.at + 1)[LATENCY] >= 3:
            return number
    return calls + 1


def test_of_two_calls_a_minute_a_doubled_latency_takes_few(healthy: Engine) -> None:
    """Within 4, 5 and 8 calls, of 20 faults."""
    calls = [found_by(taken_up(healthy), seed, 2.0, 8) for seed in range(20)]
    found = [sum(one <= within for one in calls) for within in (4, 5, 8)]
    assert all(map(ge, found, (8, 10, 16))), found
    assert sum(found_by(taken_up(healthy), seed, 1.0, 8) <= 8 for seed in range(20)) == 0


def test_one_call_that_hangs_is_no_shift_of_the_newest(healthy: Engine) -> None:
    for place in range(3):
        engine = taken_up(healthy)
        calls = mixed(NOW, 120)
        calls[place] = calls[place]._replace(duration=600.0)
        feed(engine, calls)
        engine.forget(NOW + 120)
        assert gauges(engine, NOW + 120)[LATENCY] < 3


def test_the_newest_have_a_line_of_their_own_that_outlives_a_restart(healthy: Engine) -> None:
    (track,) = healthy.tracks.values()
    line = track.newest_lines["latency"]
    assert len(line.maxima) >= 2
    assert line.maxima != track.lines["latency"].maxima
    after = Engine()
    after.take_up(json.loads(json.dumps(healthy.learned())))
    (restarted,) = after.tracks.values()
    assert restarted.newest_lines["latency"].maxima.tolist() == pytest.approx(line.maxima.tolist(), abs=0.005)
    assert taken_up(healthy).tracks.popitem()[1].newest_lines["latency"].level == line.level


def test_the_newest_are_held_against_as_much_of_four_hours_as_there_is() -> None:
    trend = Trend(0.1, 0.03)
    assert trend.of_newest(1.0, 4, 0) == 0.0  # nothing is known
    for minute in range(200):
        trend.close(minute, 1.0, 0.0, 0.01)
    assert trend.of_newest(0.0, 4, 200) == 0.0
    far = trend.of_newest(4.0, 4, 200)
    assert far > 5
    assert trend.of_newest(4.0, 4, 500) == pytest.approx(far, rel=0.2)  # by the day, where hours are silent


def test_without_lengths_the_newest_latencies_are_judged_by_the_mean(healthy: Engine) -> None:
    engine = taken_up(healthy)
    (track,) = engine.tracks.values()
    calls = [call._replace(output_tokens=None) for call in mixed(NOW + 4000, 240, slower=4.0)]
    feed(engine, calls)
    engine.forget(NOW + 4240)
    at = engine.grid.of(NOW + 4240)
    for cell in track.cells.values():
        assert cell.latency.joint is None
    assert list(track._of_newest_latencies(at)) == []
