"""Whether OpenTelemetry's own Prometheus exporter already serves the registry: then nobody needs a second port."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from otel_llm.core.config import Config

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_EXPORTER = "opentelemetry.exporter.prometheus"


def served_elsewhere(config: Config, registry: CollectorRegistry | None = None) -> bool:
    """True where ``OTEL_METRICS_EXPORTER`` names the exporter, and it is installed, or a reader of it has joined ``registry`` (the
    default one).

    The registry then also holds what the host's MeterProvider records: instruments of ours must not feed it as well.
    """
    if "prometheus" in config.metrics_exporter and _is_installed():
        return True
    if registry is None and "prometheus_client" in sys.modules:  # else nobody has joined anything yet
        registry = sys.modules["prometheus_client"].REGISTRY
    joined = getattr(registry, "_collector_to_names", {})
    return any(type(collector).__module__.startswith(_EXPORTER) for collector in tuple(joined))


def _is_installed() -> bool:
    return bool(entry_points(group="opentelemetry_metrics_exporter", name="prometheus"))
