"""Settings: every environment variable is a field here, read once, never again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from typing import Any

from .setting_readers import Read, problem, unknown
from .setting_readers import read_action as _action
from .setting_readers import read_capture as _capture
from .setting_readers import read_labels as _labels
from .setting_readers import read_names as _names
from .setting_readers import read_number as _number
from .setting_readers import read_one_of as _one_of
from .setting_readers import read_otel_truth as _otel_truth
from .setting_readers import read_pairs as _pairs
from .setting_readers import read_signals as _signals
from .setting_readers import read_text as _text
from .setting_readers import read_vocabulary as _vocabulary
from .setting_readers import read_zone as _zone
from .shapes import dataclass, made
from .signals import SIGNALS

_SPECS: list[Any] = []  # of the settings, in the order of ``Config``


def _setting(variable: str, default: Any, read: Read, help: str, allowed: str = "") -> Any:
    spec = field(default=default, metadata={"variable": variable, "read": read, "help": help, "allowed": allowed})
    _SPECS.append(spec)
    return spec


def _protocol(variable: str, help: str) -> Any:
    return _setting(variable, "", _one_of("grpc", "http/protobuf"), help, "grpc, http/protobuf")


_OWN = ("OTEL_LLM_GATEWAY_",)  # of a command, which reads them itself
_USD = "US dollars, 0 or more"
_BIG = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the user set. Built by ``from_env`` in a service, by keywords in tests."""

    sdk_disabled: bool = _setting("OTEL_SDK_DISABLED", False, _otel_truth, "Switch everything off.", "true, false")  # noqa: FBT003
    metrics_exporter: tuple[str, ...] = _setting(
        "OTEL_METRICS_EXPORTER",
        (),
        _names,
        "OpenTelemetry's exporters of metrics; where prometheus is one, /metrics is served by it.",
        "names, comma-separated",
    )
    host: str = _setting("OTEL_EXPORTER_PROMETHEUS_HOST", "localhost", _text, "Address that /metrics listens on.")
    port: int = _setting(
        "OTEL_EXPORTER_PROMETHEUS_PORT",
        9464,
        _number(int, 0, 65535),
        "Port that /metrics listens on.",
        "0 to 65535; 0 picks one",
    )
    server: str = _setting(
        "OTEL_LLM_METRICS_SERVER",
        "auto",
        _one_of("auto", "on", "off"),
        "Whether to serve /metrics ourselves; auto does not where OpenTelemetry's Prometheus exporter already does.",
        "auto, on, off",
    )
    tls_cert: str = _setting("OTEL_LLM_METRICS_TLS_CERT", "", _text, "PEM file with the certificate of /metrics.")
    tls_key: str = _setting("OTEL_LLM_METRICS_TLS_KEY", "", _text, "PEM file with the private key of /metrics.")
    basic_auth_file: str = _setting(
        "OTEL_LLM_METRICS_BASIC_AUTH_FILE", "", _text, "File of user:password lines that /metrics asks for."
    )
    semconv: str = _setting(
        "OTEL_LLM_SEMCONV",
        "released",
        _vocabulary,
        "Vocabulary of the GenAI spans, events and metrics; proposed adds what OpenTelemetry has not decided on, such as a cost.",
        "released, latest, both; proposed beside one of them, comma-separated",
    )
    series: str = _setting(
        "OTEL_LLM_SERIES",
        "lean",
        _one_of("full", "lean", "fleet"),
        "Series on /metrics: full has a label for the response model; lean keeps all that rules and boards read; fleet leaves out the "
        "gauges of the sliding window, except for z-scores of recent calls.",
        "full, lean, fleet",
    )
    metric_labels: tuple[str, ...] = _setting(
        "OTEL_LLM_METRIC_LABELS",
        (),
        _labels,
        "Keys of otel_llm.labels(...) that become metric labels.",
        "names, comma-separated",
    )
    window_labels: tuple[str, ...] = _setting(
        "OTEL_LLM_WINDOW_LABELS",
        (),
        _names,
        "Labels of OTEL_LLM_METRIC_LABELS whose values have windows, baselines, z-scores and alerts of their own, 500 at most. "
        "Also OTEL_LLM_ANOMALY_LABELS.",
        "names, comma-separated",
    )
    baggage_labels: tuple[str, ...] = _setting(
        "OTEL_LLM_BAGGAGE_LABELS",
        (),
        _labels,
        "Keys of the W3C baggage of an incoming request that become labels of its calls, as otel_llm.labels(...) gives them.",
        "names, comma-separated",
    )
    max_label_values: int = _setting(
        "OTEL_LLM_MAX_LABEL_VALUES",
        200,
        _number(int, 1, 100_000),
        "Values a label may take before new ones become _other.",
        "1 to 100000",
    )
    top_spenders: int = _setting(
        "OTEL_LLM_TOP_SPENDERS",
        256,
        _number(int, 0, 4096),
        "Values of each label that the list of top spenders keeps; 0 keeps none.",
        "0 to 4096",
    )
    plain_labels: tuple[str, ...] = _setting(
        "OTEL_LLM_PLAIN_LABELS",
        (),
        _labels,
        "Keys of otel_llm.labels(...) whose values the lists of top spenders show as they are; values of other keys are hashed, except for "
        "metric labels.",
        "names, comma-separated",
    )
    providers: tuple[tuple[str, str], ...] = _setting(
        "OTEL_LLM_PROVIDERS",
        (),
        _pairs,
        "Who is behind an OpenAI-compatible host.",
        "host pattern=name, comma-separated",
    )
    window: float = _setting(
        "OTEL_LLM_WINDOW_SECONDS",
        3600.0,
        _number(float, 300, 86400),
        "How far back the derived gauges look.",
        "300 to 86400 seconds",
    )
    anomaly_scale: str = _setting(
        "OTEL_LLM_ANOMALY_SCALE",
        "calibrated",
        _one_of("linear", "log", "calibrated"),
        "Scale on which a value is unusual.",
        "linear, log, calibrated",
    )
    anomaly_sensitivity: float = _setting(
        "OTEL_LLM_ANOMALY_SENSITIVITY",
        2.0,
        _number(float, 1, 10),
        "Distance from the baseline, in standard deviations, from which a single call is counted as unusual.",
        "1 to 10",
    )
    anomaly_line: float = _setting(
        "OTEL_LLM_ANOMALY_LINE",
        3.0,
        _number(float, 2, 20),
        "Distance of recent calls from the baseline from which handlers are called.",
        "2 to 20",
    )
    anomaly_alarms: int = _setting(
        "OTEL_LLM_ANOMALY_ALARMS",
        3,
        _number(int, 1, 20),
        "Critical calls of a kind within 5 minutes that make a critical anomaly; those before are warnings.",
        "1 to 20",
    )
    anomaly_signals: tuple[str, ...] = _setting(
        "OTEL_LLM_ANOMALY_SIGNALS",
        (),
        _signals,
        "Signals that handlers get; empty is all.",
        f"{', '.join(SIGNALS)}; comma-separated",
    )
    budget_daily: float | None = _setting(
        "OTEL_LLM_BUDGET_DAILY_USD", None, _number(float, 0, _BIG), "Budget of a calendar day.", _USD
    )
    budget_monthly: float | None = _setting(
        "OTEL_LLM_BUDGET_MONTHLY_USD", None, _number(float, 0, _BIG), "Budget of a calendar month.", _USD
    )
    budgets_file: str = _setting(
        "OTEL_LLM_BUDGETS_FILE", "", _text, "YAML or JSON file with budgets by model, tenant or feature."
    )
    budget_action: str = _setting(
        "OTEL_LLM_BUDGET_ACTION",
        "observe",
        _action,
        "What happens to a call that a budget has no money for; observe only counts and alerts.",
        "observe, warn, refuse, or the host's module:function",
    )
    tokens_per_minute: int | None = _setting(
        "OTEL_LLM_TOKENS_PER_MINUTE",
        None,
        _number(int, 1, _BIG),
        "Tokens of a minute beyond which calls are refused.",
        "1 or more",
    )
    run_max_calls: int | None = _setting(
        "OTEL_LLM_RUN_MAX_CALLS",
        None,
        _number(int, 1, _BIG),
        "Model calls that one run of an agent may make.",
        "1 or more",
    )
    run_max_usd: float | None = _setting(
        "OTEL_LLM_RUN_MAX_USD", None, _number(float, 0, _BIG), "Money that one run of an agent may spend.", _USD
    )
    run_max_repeats: int | None = _setting(
        "OTEL_LLM_RUN_MAX_REPEATS",
        None,
        _number(int, 1, _BIG),
        "Repeats of a tool call in one run of an agent.",
        "1 or more",
    )
    run_action: str = _setting(
        "OTEL_LLM_RUN_ACTION",
        "warn",
        _one_of("warn", "refuse"),
        "What happens to the next call of a run that is beyond OTEL_LLM_RUN_MAX_...",
        "warn, refuse",
    )
    answer_checks: str = _setting(
        "OTEL_LLM_ANSWER_CHECKS",
        "asked",
        _one_of("ends", "asked", "all"),
        "Which answers are looked into for problems: none (ends reads finish reasons only), those to requests with JSON or tools, all.",
        "ends, asked, all",
    )
    timezone: str = _setting(
        "OTEL_LLM_TIMEZONE", "UTC", _zone, "Time zone of the budgets' calendar.", "an IANA name such as Europe/Berlin"
    )
    prices_file: str = _setting(
        "OTEL_LLM_PRICES_FILE", "", _text, "YAML or JSON file with prices that come before the built-in ones."
    )
    prices_update: str = _setting(
        "OTEL_LLM_PRICES_UPDATE",
        "off",
        _one_of("off", "daily"),
        "Whether to fetch new prices over the network.",
        "off, daily",
    )
    state_dir: str = _setting(
        "OTEL_LLM_STATE_DIR",
        "",
        _text,
        "Directory that the processes of a service share; empty picks one per user and port.",
    )
    notify_warning: tuple[str, ...] = _setting(
        "OTEL_LLM_NOTIFY_WARNING",
        (),
        _names,
        "Apprise URLs that get warnings and critical anomalies.",
        "URLs, comma-separated",
    )
    notify_critical: tuple[str, ...] = _setting(
        "OTEL_LLM_NOTIFY_CRITICAL", (), _names, "Apprise URLs that get critical anomalies.", "URLs, comma-separated"
    )
    content: str = _setting(
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
        "no_content",
        _capture,
        "Whether prompts and answers go into spans or events.",
        "NO_CONTENT, SPAN_ONLY, EVENT_ONLY, SPAN_AND_EVENT, true, false",
    )
    content_max_length: int = _setting(
        "OTEL_LLM_CONTENT_MAX_LENGTH",
        8192,
        _number(int, 16, 10_000_000),
        "Longest captured text, in characters.",
        "16 to 10000000",
    )
    content_redact: str = _setting(
        "OTEL_LLM_CONTENT_REDACT", "", _text, "Function that every captured text passes through.", "module:function"
    )
    disabled: tuple[str, ...] = _setting(
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
        (),
        _names,
        "Instrumentations not to load, such as otel_llm_openai for one library, otel_llm for all.",
        "names, comma-separated",
    )
    summary: str = _setting(
        "OTEL_LLM_SUMMARY",
        "off",
        _one_of("off", "exit"),
        "`exit` prints one line on standard error when a program ends: its calls, errors, tokens and cost.",
        "off, exit",
    )
    environment: str = _setting(
        "OTEL_LLM_ENVIRONMENT", "", _text, "Where the service runs, such as production; notifications name it."
    )
    service_name: str = _setting("OTEL_SERVICE_NAME", "", _text, "Name of the service, shown by otel-llm doctor.")
    multiproc_dir: str = _setting(
        "PROMETHEUS_MULTIPROC_DIR", "", _text, "prometheus_client's own multiprocess mode, where the host uses it."
    )
    traces_exporter: tuple[str, ...] = _setting(
        "OTEL_TRACES_EXPORTER",
        (),
        _names,
        "Where OpenTelemetry's SDK sends spans; without it and without an OTLP endpoint, nowhere.",
    )
    logs_exporter: tuple[str, ...] = _setting(
        "OTEL_LOGS_EXPORTER", (), _names, "Where OpenTelemetry's SDK sends logs; empty is nowhere."
    )
    otlp_endpoint: str = _setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT", "", _text, "OTLP endpoint; spans go there where it is set."
    )
    otlp_protocol: str = _protocol(
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "Protocol of OTLP; empty takes what is installed, and of both gRPC, unless the endpoint is one of HTTP.",
    )
    otlp_traces_endpoint: str = _setting("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "", _text, "OTLP endpoint for spans.")
    otlp_metrics_endpoint: str = _setting(
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "", _text, "OTLP endpoint for metrics."
    )
    otlp_logs_endpoint: str = _setting("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "", _text, "OTLP endpoint for logs.")
    otlp_traces_protocol: str = _protocol("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "The same for spans.")
    otlp_metrics_protocol: str = _protocol("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "The same for metrics.")
    otlp_logs_protocol: str = _protocol("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "The same for logs.")
    problems: tuple[str, ...] = field(default=(), compare=False)
    given: frozenset[str] = field(default=frozenset(), compare=False)  # variables that were set and taken

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Config:
        """Read ``environ`` (the process's own by default). Never raises: ``problems`` names what is wrong."""
        environ = os.environ if environ is None else environ
        again = {ours: name for name, ours in _SAME.items() if name in environ and not environ.get(ours, "").strip()}
        twice = [name for name, ours in _SAME.items() if name in environ and ours not in again]
        environ = {**environ, **{ours: environ[name] for ours, name in again.items()}}
        given: dict[str, Any] = {}
        problems: list[str] = []
        by_variable = {spec.metadata["variable"]: (name, spec) for name, spec in _settings(cls)}
        for variable, (name, spec) in by_variable.items():
            text = environ.get(variable, "").strip()
            if not text:
                continue
            try:
                given[name] = spec.metadata["read"](text)
            except ValueError as error:
                named = again.get(variable, variable)
                problems.append(problem(named, text, error, spec.metadata["allowed"], spec.default))
        ours = [name for name in environ if name.startswith("OTEL_LLM_") and not name.startswith(_OWN)]
        problems += [unknown(name, by_variable) for name in ours if name not in by_variable and name not in _SAME]
        problems += [
            f"{name} is another name of {_SAME[name]}, which is set, too; using {_SAME[name]}" for name in twice
        ]
        apart = given.get("window_labels", ())
        problems += [
            f"{again.get(_APART, _APART)}: {name!r} is not in OTEL_LLM_METRIC_LABELS; it keeps nothing apart"
            for name in apart
            if name not in given.get("metric_labels", ())
        ]
        taken = frozenset(variable for variable, (name, _) in by_variable.items() if name in given)
        given |= {"problems": tuple(problems), "given": taken}
        return made(cls, {**{name: spec.default for name, spec in _settings(cls)}, **given})


def _settings(cls: type[Config]) -> Iterator[tuple[str, Any]]:
    """The settings with their fields. ``dataclasses.fields`` has them too, and takes some milliseconds of a start to write them."""
    return zip(cls.__annotations__, _SPECS, strict=False)  # what is no setting comes last


_APART = "OTEL_LLM_WINDOW_LABELS"
_SAME = {"OTEL_LLM_ANOMALY_LABELS": _APART}  # settings that have a second name


def environment(**changes: str | None) -> dict[str, str]:
    """The environment for a child of this process, with ``changes``; None takes a variable away."""
    merged: dict[str, str | None] = {**os.environ, **changes}
    return {name: value for name, value in merged.items() if value is not None}


@contextmanager
def overridden(changes: Mapping[str, str]) -> Iterator[None]:
    """While the block runs, the environment of this process has ``changes``: for a library that reads it by itself."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
