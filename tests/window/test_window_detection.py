"""The detection benchmark itself, on a few hours of synthetic traffic: faults are found within two minutes, and no wolf is cried."""

from __future__ import annotations

import numpy as np
import pytest

HOURS = 3600.0


@pytest.fixture(scope="module")
def bench():
    import faults
    import methods
    import traces

    return faults, methods, traces


@pytest.fixture(scope="module")
def trace(bench):
    traces = bench[2]
    return traces.stretch(traces.synthetic(), 0.25, block=27, seed=3)


def test_step_faults_are_found_within_two_minutes(bench, trace):
    faults, methods, traces = bench
    start = traces.EPOCH + 3 * HOURS
    for fault in (fault for fault in faults.FAULTS if fault.minutes == 15 and not fault.drift):
        seen = methods.ours(
            faults.plant(trace, fault, start), start, start + 180, sought=(fault.signal, fault.side)
        ).seen
        found = methods.alarms(seen, fault.signal, fault.side)
        assert len(found), fault.name
        assert found[0] - start <= 120, fault.name


def test_healthy_traffic_is_left_alone(bench, trace):
    _, methods, traces = bench
    said = methods.ours(trace, traces.EPOCH + 2 * HOURS, traces.EPOCH + 4 * HOURS)
    for signal in methods.SIGNALS:
        assert methods.episodes(methods.alarms(said.seen, signal)) == 0
        assert said.critical[signal] <= 0.003


def test_the_textbooks_scores_are_the_textbooks(bench, trace):
    _, methods, _ = bench
    scores = methods.textbook_zscores(trace, "latency")
    at = 20_000
    past = trace.latency[(trace.at >= trace.at[at] - 3600) & (np.arange(len(trace.at)) < at)]
    assert scores[at] == pytest.approx((trace.latency[at] - past.mean()) / past.std(ddof=1), rel=1e-6)


def test_the_synthetic_hour_has_the_quantiles_of_the_real_one(bench):
    traces = bench[2]
    hour = traces.synthetic()
    assert len(hour.at) == traces.CALLS
    assert np.quantile(hour.outputs, (0.25, 0.5, 0.75)) == pytest.approx((85, 129, 395), rel=0.35)


@pytest.mark.parametrize(("times", "alarms"), [([], 0), ([0.0], 1), ([0.0, 200.0, 400.0], 1), ([0.0, 400.0], 2)])
def test_alarms_close_together_are_one(bench, times, alarms):
    assert bench[1].episodes(np.array(times)) == alarms
