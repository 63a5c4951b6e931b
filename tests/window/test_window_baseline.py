"""What may teach, what is kept where nobody forgets, and what is no summary."""

from __future__ import annotations

from pathlib import Path

import pytest
from window_calls import Call, feed, gauges, steady

from otel_llm.aggregate.window import Engine
from otel_llm.aggregate.window.baseline import PATIENCE, teachers
from otel_llm.aggregate.window.slices import SLICES
from otel_llm.aggregate.window.summary import Summary

START = 1_700_000_040.0
DAY = 86_400.0
PAGE = (Path(__file__).parents[2] / "docs" / "anomalies.md").read_text(encoding="utf-8")
ROWS = ("  | shift |", "  | baseline mean, s |")


def block(number: int, mean: int) -> tuple[int, tuple[int, int, int]]:
    """A block of 30 calls whose bins spread by 10 around ``mean``."""
    bins = [mean - 10, mean, mean + 10] * 10
    return number, (len(bins), sum(bins), sum(one * one for one in bins))


ORDINARY = [block(number, 100) for number in range(8)]


def test_what_is_far_off_does_not_teach() -> None:
    assert teachers([*ORDINARY, block(8, 200), block(9, 100)]) == {*range(8), 9}


def test_what_stays_far_off_is_the_new_normal() -> None:
    stays = [block(8 + number, 200) for number in range(PATIENCE[1])]
    assert teachers([*ORDINARY, *stays[: PATIENCE[0]]]) == set(range(8))
    assert teachers([*ORDINARY, *stays]) == {number for number, _ in stays}


def test_doubts_to_both_sides_do_not_add_up() -> None:
    wild = [block(8 + number, 200 if number % 2 else 20) for number in range(2 * PATIENCE[1])]
    assert teachers([*ORDINARY, *wild]) == set(range(8))


def test_a_doubled_latency_is_told_as_the_page_says() -> None:
    after = START + 3600
    calls = [
        *steady(START, 3600, seed=7),
        *steady(after, 3600, seed=8, factor=2.0),
        *steady(after + 3600, 180, seed=9),
    ]
    engine, told = Engine(), []
    for minute in (1, 2, 10, 29, 31, 35, 62):
        now = after + minute * 60
        feed(engine, [call for call in calls if call.at < now])
        calls = [call for call in calls if call.at >= now]
        seen = gauges(engine, now)
        told.append((seen["otel_llm_zscore", "latency", "shift"], seen["otel_llm_baseline_mean", "latency"]))
    shifts, means = (
        [float(cell) for cell in row.split("|")[2:-1]] for row in PAGE.splitlines() if row.startswith(ROWS)
    )
    assert [shift for shift, _ in told] == pytest.approx(shifts, abs=0.06)
    assert [mean for _, mean in told] == pytest.approx(means, abs=0.006)


def test_slices_are_bounded_where_nobody_forgets() -> None:
    engine = Engine()
    feed(engine, [Call(START + day * DAY, 1.0) for day in range(10 * SLICES)])
    (track,) = engine.tracks.values()
    assert len(track.slices) <= 3 * SLICES + 1


def test_a_summary_that_does_not_add_up_is_none() -> None:
    summary = Summary()
    summary.add(1.0)
    count, *others = summary.dump()
    assert Summary.load((count, *others)).total == 1.0
    with pytest.raises(ValueError, match="no summary"):
        Summary.load((count + 1, *others))
