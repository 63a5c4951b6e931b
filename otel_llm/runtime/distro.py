"""What ``opentelemetry-instrument`` loads: the set-up of OpenTelemetry's SDK, and one instrumentor for all libraries."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import nullcontext
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined,unused-ignore]
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined,unused-ignore]

from otel_llm import runtime
from otel_llm.core.config import Config
from otel_llm.core.guard import guard

from . import exporters

_GROUP = "opentelemetry_distro"


class Distro(BaseDistro):  # type: ignore[misc,unused-ignore]
    """Configures OpenTelemetry's SDK where the environment names an exporter or an OTLP endpoint, and else leaves it alone.

    Where another distribution is installed, that one sets up the SDK.
    """

    _other: BaseDistro | None = None

    def _configure(self, **kwargs: Any) -> None:
        installed = entry_points()  # read once for both: each time, all that is installed is looked through
        self._other = next(_others(installed), None)
        if self._other is not None:
            self._other.configure(**kwargs)
        elif not installed.select(group="opentelemetry_configurator"):
            exporters.set_up(Config.from_env())

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:  # type: ignore[override,unused-ignore]
        """Load an instrumentor, as the other distribution would have it."""
        with guard("start") if entry_point.name.startswith("otel_llm") else nullcontext():
            if self._other is not None:
                self._other.load_instrumentor(entry_point, **kwargs)
            else:
                super().load_instrumentor(entry_point, **kwargs)


def _others(installed: Any) -> Iterator[BaseDistro]:
    for entry_point in installed.select(group=_GROUP):
        if entry_point.name != "otel_llm":
            yield entry_point.load()()


class Instrumentor(BaseInstrumentor):  # type: ignore[misc,unused-ignore]
    """Watches all libraries, except for those that ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS`` names."""

    def instrumentation_dependencies(self) -> Collection[str]:
        return ()  # a library is watched when it is imported, whatever is installed

    def _instrument(self, **_: Any) -> None:
        runtime.instrument()

    def _uninstrument(self, **_: Any) -> None:
        runtime.uninstrument()
