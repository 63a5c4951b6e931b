"""Settings: what each kind of them takes, what is told of those that make no sense, and that nothing raises."""

from __future__ import annotations

import dataclasses
from dataclasses import fields
from typing import Any

import pytest

from otel_llm.core.config import Config, environment

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


def test_nothing_has_to_be_set() -> None:
    config = Config.from_env({})
    assert (config.port, config.window, config.semconv, config.metric_labels) == (9464, 3600.0, "released", ())
    assert (config.problems, config.given) == ((), frozenset())


def test_what_is_read_is_as_what_is_made() -> None:
    """Reading leaves out the method that would be written for it."""
    assert dataclasses.asdict(Config.from_env({})) == dataclasses.asdict(Config())
    read = Config.from_env({"OTEL_LLM_WINDOW_SECONDS": "600", "OTEL_LLM_SEMCONV": "latest"})
    assert read == Config(window=600.0, semconv="latest")
    assert dataclasses.replace(read, window=900.0) == Config(window=900.0, semconv="latest")


def test_the_process_s_own_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_PORT", "9500")
    assert Config.from_env().port == 9500


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("OTEL_SDK_DISABLED", "TRUE", "sdk_disabled", True),
        ("OTEL_SDK_DISABLED", "False", "sdk_disabled", False),
        ("OTEL_METRICS_EXPORTER", " otlp, prometheus,,otlp ", "metrics_exporter", ("otlp", "prometheus")),
        ("OTEL_SERVICE_NAME", " shop ", "service_name", "shop"),
        ("OTEL_LLM_METRICS_SERVER", "OFF", "server", "off"),
        ("OTEL_LLM_METRIC_LABELS", "tenant, feature", "metric_labels", ("tenant", "feature")),
        ("OTEL_LLM_PROVIDERS", "*.acme.example = acme, llm=own", "providers", (("*.acme.example", "acme"), ("llm", "own"))),
        ("OTEL_LLM_MAX_LABEL_VALUES", "1", "max_label_values", 1),
        ("OTEL_LLM_WINDOW_SECONDS", "86400", "window", 86400.0),
        ("OTEL_LLM_BUDGET_DAILY_USD", "12.5", "budget_daily", 12.5),
        ("OTEL_LLM_BUDGET_ACTION", "Refuse", "budget_action", "refuse"),
        ("OTEL_LLM_BUDGET_ACTION", "shop.money:Guards.cheaper", "budget_action", "shop.money:Guards.cheaper"),
        ("OTEL_LLM_TIMEZONE", "Europe/Berlin", "timezone", "Europe/Berlin"),
        (CAPTURE, "true", "content", "span_only"),
        (CAPTURE, "False", "content", "no_content"),
        (CAPTURE, "SPAN_AND_EVENT", "content", "span_and_event"),
    ],
)  # fmt: skip
def test_taken(variable: str, text: str, name: str, value: Any) -> None:
    config = Config.from_env({variable: text})
    assert getattr(config, name) == value
    assert (config.problems, config.given) == ((), {variable})


@pytest.mark.parametrize(
    ("variable", "text", "told"),
    [
        ("OTEL_LLM_BUDGET_ACTION", "shop.money", "not one of observe, warn, refuse"),
        ("OTEL_LLM_BUDGET_ACTION", "9:x", "using 'observe'"),
        ("OTEL_SDK_DISABLED", "1", "='1': OpenTelemetry knows only true and false (allowed: true, false); using false"),
        ("OTEL_SDK_DISABLED", "off", "='off': OpenTelemetry knows only true and false (allowed: true, false); using false"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "70000", "='70000': not between 0 and 65535 (allowed: 0 to 65535; 0 picks one); using 9464"),
        ("OTEL_LLM_METRICS_SERVER", "maybe", "='maybe': not one of auto, on, off (allowed: auto, on, off); using 'auto'"),
        ("OTEL_LLM_METRIC_LABELS", "a-b", ": 'a-b' is no Prometheus label name"),
        ("OTEL_LLM_METRIC_LABELS", "grün", ": 'grün' is no Prometheus label name"),
        ("OTEL_LLM_METRIC_LABELS", "__name__", ": '__name__' is no Prometheus label name"),
        ("OTEL_LLM_METRIC_LABELS", "team,le", ": 'le' is a label that metrics have already"),
        ("OTEL_LLM_METRIC_LABELS", "error_type", ": 'error_type' is a label that metrics have already"),
        ("OTEL_LLM_PROVIDERS", "host=", ": 'host' is not pattern=name"),
        ("OTEL_LLM_WINDOW_SECONDS", "nan", ": not between 300 and 86400"),
        ("OTEL_LLM_WINDOW_SECONDS", "1e9", ": not between 300 and 86400"),
        ("OTEL_LLM_WINDOW_SECONDS", "abc", ": not a number (allowed: 300 to 86400 seconds); using 3600.0"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "94.64", ": not a whole number (allowed: 0 to 65535; 0 picks one); using 9464"),
        ("OTEL_LLM_METRIC_LABELS", "a b", ": 'a b' is no Prometheus label name (allowed: names, comma-separated); using none"),
        ("OTEL_LLM_BUDGET_DAILY_USD", "-1", ": not between 0 and 1e+12 (allowed: US dollars, 0 or more); using none"),
        ("OTEL_LLM_TIMEZONE", "Mars/Olympus", ": no known time zone (allowed: an IANA name such as Europe/Berlin); using 'UTC'"),
        ("OTEL_LLM_TIMEZONE", "../etc/passwd", ": no known time zone"),
        (CAPTURE, "all", ": not one of no_content, span_only, event_only, span_and_event"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told_and_the_default_is_used(variable: str, text: str, told: str) -> None:
    config = Config.from_env({variable: text})
    assert config == Config()
    (problem,) = config.problems
    assert problem.startswith(f"{variable}={text!r}")
    assert told in problem
    assert config.given == frozenset()


def test_a_long_value_is_shortened() -> None:
    (problem,) = Config.from_env({"OTEL_LLM_SEMCONV": "x" * 500}).problems
    assert f"'{'x' * 77}...'" in problem
    assert len(problem) < 250


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("OTEL_LLM_BUDGT_DAILY_USD", "is not a setting of otel-llm; did you mean OTEL_LLM_BUDGET_DAILY_USD?"),
        ("OTEL_LLM_QQQQQQQQQQQQQQQQQQQQ", "is not a setting of otel-llm"),
    ],
)
def test_a_misspelt_setting_is_told(variable: str, told: str) -> None:
    assert Config.from_env({variable: "1"}).problems == (f"{variable} {told}",)


def test_what_is_others_is_none_of_our_business() -> None:
    assert Config.from_env({"OTEL_WHATEVER": "1", "PATH": "/bin"}).problems == ()


def test_each_setting_says_what_it_does() -> None:
    settings = [spec.metadata for spec in fields(Config) if spec.metadata]
    assert len({meta["variable"] for meta in settings}) == len(settings)
    assert [meta["variable"] for meta in settings if not meta["help"].endswith(".")] == []


def test_a_child_s_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_LLM_A", "1")
    monkeypatch.setenv("OTEL_LLM_B", "2")
    child = environment(OTEL_LLM_B=None, OTEL_LLM_C="3")
    assert (child["OTEL_LLM_A"], child["OTEL_LLM_C"]) == ("1", "3")
    assert "OTEL_LLM_B" not in child


def test_a_setting_with_two_names() -> None:
    named = {"OTEL_LLM_METRIC_LABELS": "tenant,feature", "OTEL_LLM_ANOMALY_LABELS": "tenant"}
    assert Config.from_env(named).window_labels == ("tenant",)
    assert Config.from_env(named).problems == ()
    both = Config.from_env({**named, "OTEL_LLM_WINDOW_LABELS": "feature"})
    assert both.window_labels == ("feature",)
    assert both.problems == (
        "OTEL_LLM_ANOMALY_LABELS is another name of OTEL_LLM_WINDOW_LABELS, which is set, too; using OTEL_LLM_WINDOW_LABELS",
    )
    strange = Config.from_env({**named, "OTEL_LLM_ANOMALY_LABELS": "tenant,team,route"})
    assert strange.problems == (  # by the name that was set
        "OTEL_LLM_ANOMALY_LABELS: 'team' is not in OTEL_LLM_METRIC_LABELS; it keeps nothing apart",
        "OTEL_LLM_ANOMALY_LABELS: 'route' is not in OTEL_LLM_METRIC_LABELS; it keeps nothing apart",
    )


ALLOWED = (
    "latency, output_tokens, cost, time_to_first_chunk, errors, calls, spend, input_tokens, latency_slow, output_long, "
    "output_short, output_spread, answer_problems; comma-separated"
)


SETTINGS = [
    ("sensitivity", "2.5", 2.5, ""),
    ("sensitivity", "0.5", 2.0, "not between 1 and 10 (allowed: 1 to 10); using 2.0"),
    ("sensitivity", "high", 2.0, "not a number (allowed: 1 to 10); using 2.0"),
    ("sensitivity", "nan", 2.0, "not between 1 and 10 (allowed: 1 to 10); using 2.0"),
    ("line", "4", 4.0, ""),
    ("line", "1", 3.0, "not between 2 and 20 (allowed: 2 to 20); using 3.0"),
    ("alarms", "1", 1, ""),
    ("alarms", "2.5", 3, "not a whole number (allowed: 1 to 20); using 3"),
    ("scale", "linear", "linear", ""),
    (
        "scale",
        "z",
        "calibrated",
        "not one of linear, log, calibrated (allowed: linear, log, calibrated); using 'calibrated'",
    ),
    ("signals", "latency, errors", ("latency", "errors"), ""),
    ("signals", "latency,error", (), f"'error' is no signal; did you mean errors? (allowed: {ALLOWED}); using none"),
    ("signals", "mood", (), f"'mood' is no signal (allowed: {ALLOWED}); using none"),
]


@pytest.mark.parametrize(("name", "text", "value", "problem"), SETTINGS)
def test_settings_of_anomalies(name: str, text: str, value: object, problem: str) -> None:
    variable = f"OTEL_LLM_ANOMALY_{name.upper()}"
    config = Config.from_env({variable: text})
    assert getattr(config, f"anomaly_{name}") == value
    assert config.problems == ((f"{variable}={text!r}: {problem}",) if problem else ())
