"""What is judged by what: scales, floors, the least number of calls, exclusion, bursts, and a new normal."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from window_calls import KEY, Call, feed, gauges, steady

from otel_llm.aggregate.window import Engine
from otel_llm.aggregate.window.scales import Calibrated, Linear, Log, of_student
from otel_llm.aggregate.window.sketch import index, middle
from otel_llm.aggregate.window.summary import Summary

START = 1_700_000_040.0
NORMAL = NormalDist()


def summary(numbers) -> Summary:
    made = Summary()
    for number in numbers:
        made.add(number)
    return made


def test_a_latency_jump_shows_while_the_baseline_stands_and_the_series_goes_with_the_traffic():
    engine = Engine()
    feed(engine, steady(START, 3600))
    calm = gauges(engine, START + 3600)
    assert abs(calm["otel_llm_zscore", "latency", "shift"]) < 2
    feed(engine, steady(START + 3600, 120, factor=5, seed=2))
    jump = gauges(engine, START + 3720)
    assert jump["otel_llm_zscore", "latency", "shift"] > 3
    assert jump["otel_llm_zscore", "latency", "peak"] > 3
    assert jump["otel_llm_baseline_mean", "latency"] == pytest.approx(
        calm["otel_llm_baseline_mean", "latency"], rel=0.02
    )
    assert abs(jump["otel_llm_zscore", "output_tokens", "shift"]) < 2
    feed(engine, steady(START + 3720, 300, seed=3))
    assert abs(gauges(engine, START + 4020)["otel_llm_zscore", "latency", "shift"]) < 2
    assert ("otel_llm_zscore", "latency", "peak") not in gauges(engine, START + 4020 + 70)
    assert ("otel_llm_zscore", "latency", "shift") not in gauges(engine, START + 4020 + 730)
    assert not gauges(engine, START + 4020 + 3700)


def test_fewer_output_tokens_are_a_shift_downwards():
    engine = Engine()
    feed(engine, steady(START, 3600))
    unusual = feed(engine, steady(START + 3600, 120, output=0.5, seed=2))
    told = gauges(engine, START + 3720)
    assert told["otel_llm_zscore", "output_tokens", "shift"] < -3
    assert told["otel_llm_output_tokens_change_ratio",] == pytest.approx(-0.5, abs=0.08)
    lows = [one for one in unusual if one.signal == "output_tokens" and one.direction == "low"]
    assert len(lows) > 10
    assert all(one.zscore <= -2 and one.severity == ("critical" if one.zscore <= -3 else "warning") for one in lows)


@pytest.mark.parametrize(("calls", "judged"), [(19, False), (20, True)])
def test_below_twenty_samples_there_is_no_score(calls, judged):
    engine = Engine()
    feed(engine, steady(START, calls))
    feed(engine, [Call(START + 900, 20.0, "", 100, 200)])
    told = gauges(engine, START + 901)
    assert (("otel_llm_zscore", "latency", "shift") in told) is judged
    assert (told.get(("otel_llm_baseline_samples", "latency")) == calls) is judged


def test_a_single_call_is_judged_by_the_calls_before_it():
    engine = Engine()
    feed(engine, steady(START, 3600))
    engine.forget(START + 3600)
    slow = Call(START + 3601, 30.0, "", 100, 200, None, 0.002)
    [verdict] = feed(engine, [slow])
    assert (verdict.signal, verdict.direction, verdict.severity, verdict.value) == ("latency", "high", "critical", 30.0)
    assert verdict.zscore > 4.5
    assert verdict.alarm
    assert verdict.baseline_mean == pytest.approx(1.046, rel=0.02)
    assert verdict.baseline_stddev == pytest.approx(0.32, rel=0.1)
    assert feed(engine, [Call(START + 3602, 0.01, "", 100, 200, None, 0.0001)]) == []  # fast and cheap is no anomaly
    assert feed(engine, [Call(START + 3603, 30.0, "timeout")]) == []  # nor is a failure, which is counted as such


def test_what_is_merely_unusual_is_no_alarm_unless_everything_shifts():
    engine = Engine()
    feed(engine, steady(START, 3600))
    engine.forget(START + 3600)
    alone = feed(engine, [Call(START + 3601, 2.4, "", 100, 200, None, 0.002)])
    assert [one.alarm for one in alone] == [False]
    after = feed(engine, steady(START + 3602, 60, factor=2.5, seed=2))
    assert any(one.alarm for one in after if one.signal == "latency")


def test_without_anybody_asking_baselines_are_made_all_the_same():
    engine = Engine()
    feed(engine, steady(START, 3600))
    assert [one.signal for one in feed(engine, [Call(START + 3600, 60.0)])] == ["latency"]


@pytest.mark.parametrize(("sensitivity", "severity"), [(2.0, "warning"), (2.9, None)])
def test_sensitivity_says_what_is_unusual(sensitivity, severity):
    engine = Engine(sensitivity=sensitivity, scale="log")
    feed(engine, steady(START, 3600))
    engine.forget(START + 3600)
    verdicts = feed(engine, [Call(START + 3601, float(np.exp(0.3 * 2.5)), "", 100, 200)])
    assert [one.severity for one in verdicts] == ([severity] if severity else [])


def test_a_burst_of_outliers_does_not_drag_the_baseline():
    engine, calm = Engine(), Engine()
    healthy = steady(START, 3600)
    feed(calm, healthy)
    burst = [call._replace(duration=call.duration * 50) if 1800 <= call.at - START < 1860 else call for call in healthy]
    feed(engine, burst)
    probe = Call(START + 3601, 4.0, "", 100, 200)
    for one in (engine, calm):
        one.forget(START + 3600)
    [with_burst], [without] = feed(engine, [probe]), feed(calm, [probe])
    assert with_burst.zscore == pytest.approx(without.zscore, abs=0.3)
    assert with_burst.baseline_stddev == pytest.approx(without.baseline_stddev, rel=0.05)


def test_a_sustained_shift_does_not_teach_until_it_is_the_new_normal():
    engine = Engine()
    feed(engine, steady(START, 3600))
    shifts = {}
    for minute in range(45):
        feed(engine, steady(START + 3600 + 60 * minute, 60, factor=2, seed=minute))
        told = gauges(engine, START + 3600 + 60 * (minute + 1))
        shifts[minute + 1] = (told["otel_llm_zscore", "latency", "shift"], told["otel_llm_baseline_mean", "latency"])
    assert all(shifts[minute][0] > 3 for minute in range(2, 30))
    assert all(shifts[minute][1] < 1.15 for minute in range(2, 30))
    assert abs(shifts[40][0]) < 2
    assert shifts[40][1] == pytest.approx(2.09, rel=0.05)


def test_thin_traffic_is_judged_by_the_last_ten_minutes():
    engine = Engine()
    feed(engine, steady(START, 3600, every=20))
    feed(engine, steady(START + 3600, 600, every=20, factor=3, seed=4))
    assert gauges(engine, START + 4200)["otel_llm_zscore", "latency", "shift"] > 3


def test_one_slow_call_is_a_peak_and_no_shift():
    engine = Engine()
    feed(engine, steady(START, 3600, every=10))
    feed(engine, [Call(START + 3601, 500.0, "", 100, 200)])
    told = gauges(engine, START + 3602)
    assert told["otel_llm_zscore", "latency", "peak"] > 3
    assert abs(told["otel_llm_zscore", "latency", "shift"]) < 3


def test_embeddings_have_no_output():
    engine = Engine()
    calls = [call._replace(operation="embeddings", output_tokens=0) for call in steady(START, 3600)]
    feed(engine, calls)
    told = gauges(engine, START + 3600)
    assert ("otel_llm_tokens_per_request", "output") not in told
    assert not [labels for labels in told if "output_tokens" in labels[1:]]
    assert ("otel_llm_zscore", "latency", "shift") in told


@pytest.mark.parametrize(("signal", "floor"), [("latency", 0.001), ("output_tokens", 1.0), ("cost", 0.001)])
def test_linear_has_the_textbooks_floors(signal, floor):
    flat = Linear(signal, summary([5.0] * 30))
    assert flat.z(5.0 + 3 * floor) == pytest.approx(3.0)
    numbers = np.random.default_rng(1).normal(50, 8, 400)
    assert Linear(signal, summary(numbers)).z(70) == pytest.approx((70 - numbers.mean()) / numbers.std(ddof=1))


def test_log_judges_the_logarithm_robustly():
    numbers = np.random.default_rng(1).lognormal(1.0, 0.5, 5000).tolist()
    dirty = Log("latency", summary([*numbers, *[1e6] * 50]))
    assert dirty.z(float(np.exp(1.0 + 1.5))) == pytest.approx(3.0, abs=0.15)
    assert dirty.z(float(np.exp(1.0 - 1.0))) == pytest.approx(-2.0, abs=0.15)


@pytest.mark.parametrize("scale", [Log, Calibrated])
@pytest.mark.parametrize("signal", ["latency", "output_tokens", "cost"])
def test_a_tenth_more_or_less_is_never_unusual(scale, signal):
    flat = scale(signal, summary([200.0] * 100))
    assert flat.z(200.0) == pytest.approx(0.0, abs=0.15)
    assert abs(flat.z(215.0)) < 1
    assert flat.z(400.0) > 3
    assert flat.z(100.0) < -3


SHAPES = {
    "log-normal": lambda rng, size: rng.lognormal(0, 0.7, size),
    "bimodal": lambda rng, size: np.where(
        rng.uniform(size=size) < 0.8, rng.lognormal(0, 0.2, size), rng.lognormal(2, 0.2, size)
    ),
    "Pareto": lambda rng, size: 1 + rng.pareto(2.0, size),
    "exponential": lambda rng, size: rng.exponential(1.0, size),
    "integers": lambda rng, size: rng.geometric(0.05, size).astype(float),
    "uniform": lambda rng, size: rng.uniform(1, 2, size),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_calibrated_calls_few_critical_whatever_the_distribution(shape):
    """Of fresh values 0.27 % beyond 3 and 2.3 % on each side beyond 2, or fewer; the rest is what four draws leave to chance."""
    fresh = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        scale = Calibrated("latency", summary(SHAPES[shape](rng, 20_000).tolist()))
        fresh += [scale.z(value) for value in SHAPES[shape](rng, 20_000).tolist()]
    assert np.mean(np.abs(fresh) >= 3) <= 0.0034
    assert np.mean(np.array(fresh) >= 2) <= 0.026
    assert np.mean(np.array(fresh) <= -2) <= 0.026


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=20, max_size=100), st.floats(0, 1e9), st.floats(0, 1e9))
def test_scores_are_finite_and_rise_with_the_value(numbers, one, other):
    for scale in (Linear, Log, Calibrated):
        judge = scale("output_tokens", summary(numbers))
        low, high = judge.z(min(one, other)), judge.z(max(one, other))
        assert np.isfinite([low, high]).all()
        assert low <= high + 1e-9
        assert all(abs(score) <= 3 or scale is Linear for score in judge.scores({index(one): 1}).values())


@pytest.mark.parametrize(("t", "freedom"), [(1.0, 5), (2.5, 10), (-4.0, 30), (6.0, 3)])
def test_students_t_becomes_a_normal_deviate(t, freedom):
    rng = np.random.default_rng(2)
    drawn = rng.standard_t(freedom, 2_000_000)
    rarity = np.mean(drawn <= t) if t < 0 else np.mean(drawn < t)
    assert of_student(t, freedom) == pytest.approx(NORMAL.inv_cdf(rarity), abs=0.06)


def test_a_bins_middle_lies_in_its_bin():
    assert all(index(middle(place)) == place for place in range(-500, 900))
    assert middle(index(0.0)) == 0.0
    assert KEY == ("openai", "gpt-4o")
