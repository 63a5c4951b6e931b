"""Finds the host's MeterProvider, whenever it is set, and records on it. Without one, nothing is recorded anywhere."""

from __future__ import annotations

from typing import Any, cast

from opentelemetry import metrics
from opentelemetry.metrics import _internal

from otel_llm.core.config import Config
from otel_llm.core.model import Record
from otel_llm.core.semconv.table import SCHEMA_URL
from otel_llm.core.version import __version__

from .instruments import Instruments


class HostMeter:
    """A recorder of the hub. A provider that serves the registry we are in is left out, for it would show each
    metric twice; what else it exports to does not get ours then."""

    def __init__(self, config: Config) -> None:
        metrics.get_meter_provider()  # one that the environment names is made when it is asked for
        self._config = config
        self._provider: Any = None
        self._instruments: Instruments | None = None

    def record(self, record: Record) -> None:
        """Record one fact, if the host has somewhere to record it."""
        try:  # OpenTelemetry's own answer looks into the environment each time, as long as no provider is set
            provider = cast("Any", _internal._METER_PROVIDER)  # noqa: SLF001
        except AttributeError:
            provider = metrics.get_meter_provider()
        if provider is not self._provider:
            self._provider = provider
            self._instruments = (
                Instruments(provider.get_meter("otel_llm", __version__, SCHEMA_URL), self._config)
                if _real(provider)
                else None
            )
        if self._instruments is not None:
            self._instruments(record)


def _real(provider: Any) -> bool:
    """Whether ``provider`` keeps what it is given: neither the proxy before one is set, nor the one that does nothing."""
    if provider is None or type(provider).__name__ in ("_ProxyMeterProvider", "NoOpMeterProvider"):
        return False
    config = getattr(provider, "_sdk_config", None)  # where the SDK kept its readers in older versions
    readers: Any = getattr(provider, "_metric_readers", None) or getattr(config, "metric_readers", ())
    return not any("PrometheusMetricReader" in type(reader).__name__ for reader in readers)
