"""What ``opentelemetry-instrument`` loads: the set-up of OpenTelemetry's SDK, and an instrumentor for each library."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import nullcontext
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined,unused-ignore]
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined,unused-ignore]

from otel_llm import runtime
from otel_llm.clients import NAMES
from otel_llm.core.config import Config
from otel_llm.core.guard import guard

logger = logging.getLogger("otel_llm")
_GROUP = "opentelemetry_distro"


class Distro(BaseDistro):  # type: ignore[misc,unused-ignore]
    """Configures OpenTelemetry's SDK where the environment names an exporter or an OTLP endpoint, and else leaves it alone.

    Where another distribution is installed, that one keeps its say.
    """

    _other: BaseDistro | None = None

    def _configure(self, **kwargs: Any) -> None:
        self._other = next(_others(), None)
        if self._other is not None:
            self._other.configure(**kwargs)
        elif not list(entry_points(group="opentelemetry_configurator")):
            configure(Config.from_env())

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:  # type: ignore[override,unused-ignore]
        """Load an instrumentor, as the other distribution would have it."""
        with guard("start") if entry_point.name.startswith("otel_llm_") else nullcontext():
            if self._other is not None:
                self._other.load_instrumentor(entry_point, **kwargs)
            else:
                super().load_instrumentor(entry_point, **kwargs)


def _others() -> Iterator[BaseDistro]:
    for entry_point in entry_points(group=_GROUP):
        if entry_point.name != "otel_llm":
            yield entry_point.load()()


def configure(config: Config) -> None:
    """Set up OpenTelemetry's SDK as its own variables say. Without an exporter or endpoint it is not even imported.

    Spans go to OTLP where an endpoint is set; metrics and logs only where they are asked for by name, for /metrics has ours.
    """
    traces = config.traces_exporter or (("otlp",) if config.otlp_endpoint or config.otlp_traces_endpoint else ())
    metrics = config.metrics_exporter or (("otlp",) if config.otlp_metrics_endpoint else ())
    named = [[name for name in names if name != "none"] for names in (traces, metrics, config.logs_exporter)]
    if config.sdk_disabled or not any(named):
        return
    named = [[_otlp(config) if name == "otlp" else name for name in names] for names in named]
    from opentelemetry.sdk import _configuration  # noqa: PLC0415 - 100 ms, and only where it is needed

    try:
        _configuration._initialize_components(  # noqa: SLF001 - what OpenTelemetry's own configurator calls
            trace_exporter_names=named[0], metric_exporter_names=named[1], log_exporter_names=named[2]
        )
    except RuntimeError as error:
        logger.warning("OpenTelemetry's exporters cannot be set up: %s. For OTLP: pip install 'otel-llm[otlp]'", error)


def _otlp(config: Config) -> str:
    """OpenTelemetry's name for OTLP by the protocol asked for; else by what is installed, gRPC first as its own default is."""
    if config.otlp_protocol:
        return "otlp_proto_grpc" if config.otlp_protocol == "grpc" else "otlp_proto_http"
    installed = {found.name for found in entry_points(group="opentelemetry_traces_exporter")}
    return "otlp_proto_grpc" if "otlp_proto_grpc" in installed else "otlp_proto_http"


def _instrumentor(name: str) -> type[BaseInstrumentor]:
    class Instrumentor(BaseInstrumentor):  # type: ignore[misc,unused-ignore]
        """Watches one library, in the runtime that all of them share."""

        def instrumentation_dependencies(self) -> Collection[str]:
            return ()  # a library is watched when it is imported, whatever is installed

        def _instrument(self, **_: Any) -> None:
            runtime.instrument(name)

        def _uninstrument(self, **_: Any) -> None:
            runtime.uninstrument(name)

    Instrumentor.__name__ = Instrumentor.__qualname__ = f"{name}_instrumentor"
    return Instrumentor


_made: dict[str, type[BaseInstrumentor]] = {}


def __getattr__(name: str) -> type[BaseInstrumentor]:
    """``openai`` and the like, as the entry points name them."""
    if name not in NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name not in _made:
        _made[name] = _instrumentor(name)
    return _made[name]
