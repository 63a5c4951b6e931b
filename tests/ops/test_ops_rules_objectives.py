"""Thresholds as a user writes them: every form is understood, every bad value is told once and clearly."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_llm.core.objectives import (
    DEFAULT,
    ObjectiveError,
    Objectives,
    _read_duration,
    allowed,
    duration,
    flag,
    percent,
    show,
)


def test_what_is_not_given_keeps_its_default() -> None:
    assert Objectives.parse({"p95": None}) == Objectives.parse({}) == DEFAULT


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("p95", "20s", 20.0),
        ("p95", "1m30s", 90.0),
        ("p95", "500ms", 0.5),
        ("p95", " 2.5s ", 2.5),
        ("breaker_stuck", "1h", 3600.0),
        ("error_rate", "2%", 0.02),
        ("error_rate", "2 %", 0.02),
        ("error_rate", "0.02", 0.02),
        ("slo", "99.5%", 0.995),
        ("daily_budget_factor", "1.2", 1.2),
        ("daily_budget_factor", "1.2x", 1.2),
        ("min_requests", "25", 25),
        ("latency_slo_threshold", "20.48s", 20.48),
        ("grafana_url", "https://grafana.example.com/", "https://grafana.example.com"),
    ],
)
def test_a_value_is_read(name: str, text: str, value: object) -> None:
    assert getattr(Objectives.parse({name: text}), name) == value


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("p95", "20", "--p95 '20': not a duration such as 20s, 500ms or 1m30s"),
        ("p95", "20 seconds", "--p95 '20 seconds': not a duration such as 20s, 500ms or 1m30s"),
        ("p95", "1h", "--p95 1h: must be 0.1s to 10m"),
        ("p95", "0s", "--p95 0s: must be 0.1s to 10m"),
        ("error_rate", "2", "--error-rate '2': not a share; did you mean 2%?"),
        ("error_rate", "lots", "--error-rate 'lots': not a share such as 2% or 0.02"),
        ("error_rate", "-1%", "--error-rate -1%: must be 0.01% to 100%"),
        ("slo", "100%", "--slo 100%: must be 50% to 99.999%"),
        ("slo", "nan", "--slo 'nan': not a share such as 2% or 0.02"),
        ("daily_budget_factor", "150%", "--daily-budget-factor '150%': not a number such as 1.5"),
        ("zscore_critical", "inf", "--zscore-critical 'inf': not a number such as 1.5"),
        ("min_requests", "1.5", "--min-requests '1.5': not a whole number"),
        ("runbook_url", "javascript:1", "--runbook-url 'javascript:1': not an address that begins with http:// or https://"),
        ("grafana_url", 'http://x/"}', "--grafana-url 'http://x/\"}': not an address that begins with http:// or https://"),
        ("p99", "1s", "p99 is no objective"),
        ("zscore_warning", "3", "--zscore-warning 3: must be below --zscore-critical 3"),
    ],
)  # fmt: skip
def test_a_bad_value_is_told_once(name: str, text: str, problem: str) -> None:
    with pytest.raises(ObjectiveError) as error:
        Objectives.parse({name: text})
    assert error.value.problems == [problem]


def test_a_latency_objective_lies_on_a_bound_of_a_bucket() -> None:
    with pytest.raises(
        ObjectiveError, match=r"--latency-slo-threshold 25s: must be one of 0\.01s, .*30s, 40\.96s, 1m, "
    ):
        Objectives.parse({"latency_slo_threshold": "25s"})


def test_all_bad_values_are_told_at_once() -> None:
    with pytest.raises(ObjectiveError) as error:
        Objectives.parse({"p95": "20", "error_rate": "2%", "slo": "1000%"})
    assert len(error.value.problems) == 2


def test_code_is_held_to_the_same_bounds() -> None:
    with pytest.raises(ObjectiveError, match="--p95 0s: must be"):
        Objectives(p95=0)


def test_every_objective_explains_itself() -> None:
    for spec in fields(Objectives):
        assert spec.metadata["help"]
        assert allowed(spec.name) or spec.metadata["unit"] == "url"
        text = show(getattr(DEFAULT, spec.name), spec.metadata["unit"])
        assert Objectives.parse({spec.name: text}) == DEFAULT, flag(spec.name)


@given(st.integers(1, 10**9))
def test_a_duration_is_read_back(milliseconds: int) -> None:
    assert _read_duration(duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


@given(st.floats(0.0001, 1))
def test_a_share_is_read_back(share: float) -> None:
    assert float(percent(share).removesuffix("%")) == pytest.approx(share * 100, rel=1e-5)
