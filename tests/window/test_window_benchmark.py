"""The benchmark of detection: its shortcuts give what the long way gives, and its bound is one."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from otel_llm.aggregate.window import Engine, baseline, signals


@pytest.fixture(scope="module")
def bench():
    import bound
    import faults
    import judging
    import lines
    import mixes
    import rivals
    import run
    import switches
    import traces
    import unseen

    return SimpleNamespace(**{
        one.__name__: one for one in (bound, faults, judging, lines, mixes, rivals, run, switches, traces, unseen)
    })  # fmt: skip


@pytest.fixture(scope="module")
def thin(bench):
    return bench.mixes.tenants(23, 1 / 30, batches=False)


def test_a_look_that_has_found_the_fault_is_the_last(bench, thin):
    fault, start = bench.faults.Fault("latency x3", "latency", 3.0, 15), bench.traces.EPOCH + 6 * 3600
    engine = Engine()
    kept = bench.lines.run(thin, start - 4 * 3600, start, engine, [start]).kept[start]
    broken = bench.faults.plant(thin, fault, start)
    seen = [
        bench.lines.run(broken, start, start + 900, Engine.load(kept), enough=enough)
        for enough in (None, bench.judging.enough(fault, 3.0))
    ]
    whole, short = (bench.judging.ours(one, "latency") for one in seen)
    found = bench.judging.first_beyond(whole, 1, 3.0)
    assert found == bench.judging.first_beyond(short, 1, 3.0) <= 5.0
    looks = round(found * 60 / bench.lines.LOOK)
    assert np.array_equal(whole[:looks], short[:looks])
    assert not short[looks:].any()


def test_rivals_go_on_from_where_the_fault_begins(bench, thin):
    start = bench.traces.EPOCH + 30 * 3600
    of = bench.rivals.binned(thin, "latency", bench.traces.EPOCH, start + 3600)
    names = bench.rivals.RIVALS.keys() & {"MAD", "Welch's t", "EWMA chart", "ADWIN (river)"}
    for name in names:
        judge = bench.rivals.RIVALS[name]()
        healthy = judge.healthy(of, [start])
        assert len(healthy) == 31 * 120
        went_on = judge.broken(thin, "latency", start, start + 3600, 0.0)
        assert went_on == pytest.approx(healthy[-120:], rel=0.02, abs=0.05, nan_ok=True), name


def test_thin_traffic_is_judged_at_twice_as_many_moments(bench, thin):
    assert len(bench.judging.places(thin)) == 16
    busy = bench.unseen.after_weekend(105, 0.5)
    places = bench.judging.places(busy)
    assert len(places) == 8
    assert min(np.diff(np.searchsorted(busy.at, (start, start + 120)))[0] for start in places) >= 15


def test_the_bound_is_that_of_four_calls(bench):
    power = {fault.name: bench.bound.power(fault, 2.0) for fault in bench.judging.FAULTS}
    assert power["latency x2"] == pytest.approx(0.96, abs=0.01)
    assert power["latency x1.5"] == pytest.approx(0.55, abs=0.02)
    assert power["output -60 %"] == pytest.approx(0.58, abs=0.02)
    assert power["output -30 %"] == pytest.approx(0.07, abs=0.02)
    assert power["cost x3"] == 1.0
    drop = bench.faults.Fault("output -60 %", "output_tokens", 0.4, 15)
    assert power["output -60 %"] < bench.bound.power(drop, 5.0) < bench.bound.power(drop, 15.0)


def test_a_detector_without_a_fault_is_right_once_a_day(bench):
    none = bench.faults.Fault("none", "latency", 1.0 + 1e-9, 15)
    assert bench.bound.power(none, 2.0) == pytest.approx(1 / 720, abs=2e-3)


def test_stand_ins_are_what_they_say(bench):
    days = {name: make() for name, make in bench.unseen.UNSEEN.items()}
    assert len(days) == 6
    for trace in days.values():
        assert (np.diff(trace.at) >= 0).all()
        assert (trace.output_tokens >= 1).all()
    code = days["unseen, code completion in bursts"]
    assert np.median(code.input_tokens) > 100 * np.median(code.output_tokens)
    silent = (days["unseen, silent nights"].at - bench.traces.EPOCH) % 86400 / 3600
    assert not ((silent >= 20) | (silent < 3)).any()
    monday = days["unseen, Monday after a weekend"].at - bench.traces.EPOCH >= 2 * 86400
    assert 3 < monday.sum() / (~monday).sum() < 4  # one day of it beside two of a seventh


def test_latency_can_be_judged_without_lengths(bench, monkeypatch):
    trace = bench.mixes.mixed(23, 0.3, 1).trace
    monkeypatch.setattr(baseline.Baseline, "_learn_lengths", baseline.Baseline._learn_lengths)
    monkeypatch.setattr(signals, "_beyond", signals._beyond)

    def lengths() -> dict[str, bool]:
        engine = Engine()
        bench.lines.run(trace, bench.traces.EPOCH, bench.traces.EPOCH + 2 * 3600, engine)
        baselines = engine.tracks[bench.lines.KEY].baselines
        return {signal: baselines[signal].lengths is not None for signal in ("latency", "output_tokens")}

    assert lengths() == {"latency": True, "output_tokens": True}
    bench.switches.off("lengths")
    assert lengths() == {"latency": False, "output_tokens": True}
    with pytest.raises(KeyError):
        bench.switches.off("nothing of that name")


def test_the_report_counts_thin_traffic_and_the_bound(bench):
    names = [fault.name for fault in bench.judging.FAULTS]
    minutes = {key: [0.5, 2.0, 2.5, float("nan")] for key in names}
    pages = bench.judging.Pages(1, 0)
    told = bench.judging.Told(
        300,
        {"otel-llm": {"latency": 1, "cost": 0}},
        {key: {"otel-llm": minutes[names[0]]} for key in names},
        minutes,
        pages,
        pages,
        {"latency": 2, "output_tokens": 1, "cost": 0},
    )
    lines = list(bench.run.report({bench.mixes.THIN: told}))
    assert (
        f"| {bench.mixes.THIN} | 100 | 1, 0 | 1, 0 | 2, 1, 0 | 3, 2 of 4 | " + "3, 2 of 4 | " * 5 + "3, 2 of 4 |"
        in lines
    )
    assert any(line.startswith("| the best possible there | | | | | 100%, 55% | 100%, 96%") for line in lines)
    assert "| all (4 a fault) | | | | | " + " | ".join(["75%, 50%"] * 7) + " |" in lines
    assert "| otel-llm | 0.5 | " + " | ".join(["75%"] * 7) + " |" in lines


def test_constants_move_in_a_process_of_their_own(bench, monkeypatch):
    import sensitivity

    from otel_llm.aggregate.window import track, trend

    monkeypatch.setattr(trend, "WANDER", 0.16)
    monkeypatch.setattr(track, "ALONE", 4.0)
    monkeypatch.setitem(trend.Trend.__init__.__kwdefaults__, "wander", 0.16)
    for constant in ("", "trend.WANDER", "track.ALONE"):
        sensitivity.set_to(constant, 1.25)
    assert (trend.WANDER, trend.Trend(0.1, 0.03).wander, track.ALONE) == (0.2, 0.2, 5.0)
    for constant in sensitivity.CONSTANTS:  # each is still there
        sensitivity.set_to(constant, 1.0)
    pages = bench.judging.Pages(1, 0)
    moved = {
        (constant, factor, half): sensitivity.Moved(pages, 0.5, [0.75, 1.0, 1.0, 0.0])
        for constant, factor in (("", 1.0), ("track.ALONE", 0.75))
        for half in sensitivity.HALVES
    }
    cells = "1, 0; 0.5; 75% 100% 100% 0%"
    assert list(sensitivity.report(moved))[2:] == [
        f"| as shipped | +0% | {cells} | {cells} |",
        f"| track.ALONE | -25% | {cells} | {cells} |",
    ]
