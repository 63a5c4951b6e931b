"""OpenTelemetry's exporters: each is resolved once, from what is installed, and one that cannot be imported stops no other."""

from __future__ import annotations

import logging
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from typing import Any
from urllib.parse import urlsplit

from otel_llm.core.config import Config, overridden
from otel_llm.core.guard import guard

logger = logging.getLogger("otel_llm")

SIGNALS = ("traces", "metrics", "logs")
_GRPC, _HTTP = "otlp_proto_grpc", "otlp_proto_http"
_HTTP_PORT = 4318
_REMEDIES = {
    _GRPC: "pip install opentelemetry-exporter-otlp-proto-grpc",
    _HTTP: "pip install 'otel-llm[otlp]'",
    "prometheus": "pip install opentelemetry-exporter-prometheus; until then /metrics is otel-llm's own",
}


def names(config: Config) -> dict[str, tuple[str, ...]]:
    """The exporters that are asked for, by signal: spans go to OTLP where an endpoint is set, metrics and logs only by name,
    for /metrics has ours."""
    asked = {
        "traces": config.traces_exporter or (("otlp",) if config.otlp_endpoint or config.otlp_traces_endpoint else ()),
        "metrics": config.metrics_exporter or (("otlp",) if config.otlp_metrics_endpoint else ()),
        "logs": config.logs_exporter,
    }
    return {signal: tuple(name for name in asked[signal] if name != "none") for signal in SIGNALS}


def find(signal: str, name: str, config: Config) -> tuple[EntryPoint | None, str]:
    """The exporter of ``signal`` that is installed for ``name``, or why there is none and what to do."""
    installed = {entry.name: entry for entry in entry_points(group=f"opentelemetry_{signal}_exporter")}
    if name == "otlp":
        name = _otlp(signal, config, set(installed))
    if name in installed:
        return installed[name], ""
    remedy = _REMEDIES.get(name, "install the package that has it")
    return None, f"OTEL_{signal.upper()}_EXPORTER: no exporter {name!r} is installed ({remedy}); it is left out"


def _otlp(signal: str, config: Config, installed: set[str]) -> str:
    """OpenTelemetry's name for OTLP by the protocol asked for; else by what is installed. Of both it is gRPC, as its own default
    is, unless the endpoint can be one of HTTP only."""
    if protocol := getattr(config, f"otlp_{signal}_protocol") or config.otlp_protocol:
        return _GRPC if protocol == "grpc" else _HTTP
    endpoint = getattr(config, f"otlp_{signal}_endpoint") or config.otlp_endpoint
    if _HTTP in installed and _speaks_http(endpoint):
        return _HTTP
    return _GRPC if _GRPC in installed else _HTTP


def _speaks_http(endpoint: str) -> bool:
    """GRPC knows no paths, and 4318 is OTLP's port for HTTP."""
    with suppress(ValueError):
        parts = urlsplit(endpoint)
        return bool(parts.netloc) and (parts.port == _HTTP_PORT or bool(parts.path.strip("/")))
    return False


def set_up(config: Config) -> None:
    """Set up OpenTelemetry's SDK as its own variables say. Without an exporter or endpoint it is not even imported."""
    asked = names(config)
    if config.sdk_disabled or not any(asked.values()):
        return
    entries: dict[str, list[EntryPoint]] = {signal: [] for signal in SIGNALS}
    for signal in SIGNALS:
        for name in asked[signal]:
            entry, problem = find(signal, name, config)
            if entry is not None:
                entries[signal].append(entry)
            else:
                logger.warning("%s.", problem)
    with guard("start"):
        if not _by_configurator(entries):
            _by_hand(entries)


def _by_configurator(entries: dict[str, list[EntryPoint]]) -> bool:
    """What OpenTelemetry's own configurator calls, which reads the variables again: so they hold what was resolved meanwhile.

    It is private: where it is not there or not as it was, False is returned.
    """
    from opentelemetry.sdk import _configuration  # noqa: PLC0415 - 100 ms, and only where it is needed

    resolved = {
        f"OTEL_{signal.upper()}_EXPORTER": ",".join(entry.name for entry in entries[signal]) or "none"
        for signal in SIGNALS
    }
    with overridden(resolved):
        try:
            _configuration._initialize_components()  # noqa: SLF001 - see above
        except (AttributeError, TypeError, RuntimeError, ImportError, ValueError) as error:
            logger.warning(
                "OpenTelemetry's own set-up failed (%s); otel-llm sets up its exporters.", type(error).__qualname__
            )
            return False
    return True


def _by_hand(entries: dict[str, list[EntryPoint]]) -> None:
    """The same by public names; each exporter that fails costs itself only."""
    from opentelemetry import metrics, trace  # noqa: PLC0415 - likewise
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415 - likewise
    from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader  # noqa: PLC0415 - likewise
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - likewise
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - likewise

    if spans := _made(entries["traces"]):
        provider = TracerProvider()
        for exporter in spans:
            provider.add_span_processor(BatchSpanProcessor(exporter))
        trace.set_tracer_provider(provider)
    if readers := _made(entries["metrics"]):
        metrics.set_meter_provider(
            MeterProvider(
                [one if isinstance(one, MetricReader) else PeriodicExportingMetricReader(one) for one in readers]
            )
        )
    if logs := _made(entries["logs"]):
        from opentelemetry import _logs  # noqa: PLC0415 - likewise
        from opentelemetry.sdk._logs import LoggerProvider  # noqa: PLC0415 - likewise
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor  # noqa: PLC0415 - likewise

        logging_provider = LoggerProvider()
        for exporter in logs:
            logging_provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
        _logs.set_logger_provider(logging_provider)


def _made(entries: list[EntryPoint]) -> list[Any]:
    made = []
    for entry in entries:
        with guard("start"):
            made.append(entry.load()())
    return made
