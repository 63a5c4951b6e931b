"""Whether OpenTelemetry's own Prometheus exporter already serves the registry: then nobody needs a second port."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry

from otel_llm.config import Config

_EXPORTER = "opentelemetry.exporter.prometheus"


def served_elsewhere(config: Config, registry: CollectorRegistry = REGISTRY) -> bool:
    """True where ``OTEL_METRICS_EXPORTER`` names the exporter, or a reader of it has joined ``registry``.

    The registry then also holds what the host's MeterProvider records: instruments of ours must not feed it as well.
    """
    if "prometheus" in config.metrics_exporter:
        return True
    joined = getattr(registry, "_collector_to_names", {})
    return any(type(collector).__module__.startswith(_EXPORTER) for collector in tuple(joined))
