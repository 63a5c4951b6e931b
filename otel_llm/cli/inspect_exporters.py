"""What the doctor finds about OpenTelemetry's exporters: each is made as a service would, and sends one empty request."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from otel_llm.core.config import overridden
from otel_llm.core.guard import foreign
from otel_llm.runtime import exporters

from .findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import EntryPoint

    from otel_llm.core.config import Config

SECONDS = "3"  # for one request, with all that an exporter tries again
ADDRESS = "look at OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS and _PROTOCOL, and whether a collector listens there"


def exporting(config: Config) -> Iterable[Finding]:
    """One finding for each exporter that is asked for, none where none is."""
    for signal, names in exporters.names(config).items():
        for name in names:
            entry, problem = exporters.find(signal, name, config)
            if entry is None:
                yield Finding("fail", signal, problem, "without it, nothing of this signal is sent by it")
            else:
                yield _tried(signal, entry)


def _tried(signal: str, entry: EntryPoint) -> Finding:
    failures: list[str] = []
    logged = _Logged()
    logger = logging.getLogger("opentelemetry")
    logger.addHandler(logged)
    try:
        with overridden({"OTEL_EXPORTER_OTLP_TIMEOUT": SECONDS}), foreign(_into(failures)):
            kind = entry.load()
            if _is_reader(kind):
                return Finding("note", signal, f"{entry.name} is asked and sends nothing by itself: it was not tried")
            exporter = kind()
            result = exporter.export(_nothing(signal))
            exporter.shutdown()
            if result.name == "SUCCESS":
                return Finding("ok", signal, f"{entry.name} was made, and what it sends to took an empty request")
    finally:
        logger.removeHandler(logged)
    why = "; ".join([*failures, *dict.fromkeys(logged.messages)][:2]) or "it gives no reason"
    return Finding("fail", signal, f"{entry.name} cannot send: {why}", ADDRESS)


def _into(failures: list[str]) -> Any:
    return lambda error: failures.append(f"{type(error).__name__}: {error}"[:300])


def _is_reader(kind: Any) -> bool:
    from opentelemetry.sdk.metrics.export import MetricReader  # noqa: PLC0415 - 100 ms, only where exporters are asked for

    return isinstance(kind, type) and issubclass(kind, MetricReader)


def _nothing(signal: str) -> Any:
    """What an exporter of ``signal`` is given where there is nothing to send."""
    if signal != "metrics":
        return []
    from opentelemetry.sdk.metrics.export import MetricsData  # noqa: PLC0415 - as above

    return MetricsData([])


class _Logged(logging.Handler):
    """What the exporter says while it tries."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage()[:300])
