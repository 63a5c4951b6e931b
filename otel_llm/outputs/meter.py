"""Finds the host's MeterProvider, whenever it is set, and records on it. Without one, nothing is recorded anywhere."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from opentelemetry import metrics
from opentelemetry.metrics import _internal

from otel_llm.core import fork
from otel_llm.core.config import Config
from otel_llm.core.guard import guard
from otel_llm.core.model import Record
from otel_llm.core.semconv.table import SCHEMA_URL
from otel_llm.core.unpatched import RLock
from otel_llm.core.version import __version__

from . import exports
from .leftovers import Leftovers

if TYPE_CHECKING:
    from .instruments import Instruments

SCOPE = "otel_llm"
FORK_SECONDS = 3.0
"""How long a fork waits for a collection to end."""


class HostMeter:
    """A recorder of the hub. A provider that serves the registry we are in is left out, for it would show each
    metric twice; what else it exports to does not get ours then.

    Where the provider pushes, and ``folder`` returns a directory, it also pushes for processes of the service that ended before they
    could: at once where this process ``leads``. It lives as long as a member of the service does.
    """

    def __init__(
        self,
        config: Config,
        folder: Callable[[], Path | None] = lambda: None,
        leads: Callable[[], bool] = lambda: False,
    ) -> None:
        metrics.get_meter_provider()  # one that the environment names is made when it is asked for
        self._config = config
        self._leads = leads
        self._provider: Any = None
        self._instruments: Instruments | None = None
        self._record: Callable[[Record], None] | None = None
        self._leftovers = Leftovers(folder, self._put)
        self._unwatch: Callable[[], None] | None = None
        self._lock = RLock()
        self._fork = ExitStack()
        fork.watch(self)

    def record(self, record: Record) -> None:
        """Record one fact, if the host has somewhere to record it."""
        try:
            provider = _internal._METER_PROVIDER  # noqa: SLF001 - what ``_present`` gives, in this frame
        except AttributeError:
            provider = _present()
        if provider is not self._provider:
            self._attach(provider)
        if self._record is not None:
            self._record(record)

    def round(self) -> None:
        """Now and then: push for those that have ended."""
        with guard("recorder"):
            if (provider := _present()) is not self._provider:
                self._attach(provider)
            if self._unwatch is not None:
                self._leftovers.adopt(at_once=self._leads())

    def close(self) -> None:
        """The process ends, and its provider will push once more: with what others have left."""
        with guard("recorder"):
            if self._unwatch is not None:
                self._leftovers.adopt(at_once=True)

    def end(self) -> None:
        """Leave the provider as it was."""
        fork.forget(self)
        atexit.unregister(self.close)
        if self._unwatch is not None:
            self._unwatch()
        self._leftovers.end()

    def before_fork(self) -> None:
        """Wait until nobody records or collects: locks would stay locked in the child, the SDK's too."""
        self._fork.enter_context(self._leftovers.held(FORK_SECONDS))

    def after_fork_in_parent(self) -> None:
        self._fork.close()

    def after_fork_in_child(self) -> None:
        """Begin with nothing recorded: what the parent has recorded is the parent's to push."""
        self._lock = RLock()
        self._fork = ExitStack()
        self._leftovers.let_go()
        self._leftovers.begin()
        if self._instruments is not None:
            self._instruments.begin()
            exports.begin_at_zero(self._provider, SCOPE)

    def drop_after_fork(self) -> None: ...

    def _put(self, record: Record) -> None:
        if self._instruments is not None:
            self._instruments(record)

    def _attach(self, provider: Any) -> None:
        with self._lock:
            if provider is self._provider:
                return
            if self._unwatch is not None:
                self._unwatch()
            self._unwatch = self._instruments = self._record = None
            if _real(provider):
                from .instruments import Instruments  # noqa: PLC0415 - only where there is somewhere to record

                self._instruments = Instruments(provider.get_meter(SCOPE, __version__, SCHEMA_URL), self._config)
                self._unwatch = exports.watch(provider, self._leftovers)
                self._record = self._instruments if self._unwatch is None else self._leftovers.record
                if self._unwatch is not None:
                    atexit.register(self.close)  # runs before the provider's own, which was registered when it was made
            self._provider = provider


def _present() -> Any:
    """The provider that is set. OpenTelemetry's own answer looks into the environment each time, as long as there is none."""
    try:
        return cast("Any", _internal._METER_PROVIDER)  # noqa: SLF001
    except AttributeError:
        return metrics.get_meter_provider()


def _real(provider: Any) -> bool:
    """Whether ``provider`` keeps what it is given: neither the proxy before one is set, nor the one that does nothing."""
    if provider is None or type(provider).__name__ in ("_ProxyMeterProvider", "NoOpMeterProvider"):
        return False
    return not any("PrometheusMetricReader" in type(reader).__name__ for reader in exports.readers(provider))
