"""Finds the host's MeterProvider, whenever it is set, and records on it. Without one, nothing is recorded anywhere."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otel_llm.core import fork
from otel_llm.core.config import Config
from otel_llm.core.guard import guard
from otel_llm.core.model import Record
from otel_llm.core.semconv.table import SCHEMA_URL
from otel_llm.core.unpatched import RLock
from otel_llm.core.version import __version__

from . import exports

if TYPE_CHECKING:
    from .instruments import Instruments
    from .leftovers import Leftovers

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
        self._config = config
        self._folder = folder
        self._leads = leads
        self._metrics: Any = None  # OpenTelemetry's module, once there is something to record
        self._provider: Any = None
        self._instruments: Instruments | None = None
        self._record: Callable[[Record], None] | None = None
        self._leftovers: Leftovers | None = None
        self._unwatch: Callable[[], None] | None = None
        self._lock = RLock()
        self._fork = ExitStack()
        fork.watch(self)

    def prepare(self) -> None:
        """Import what recording needs, some milliseconds that a start does without; at the latest the first record does."""
        if self._metrics is None:
            from opentelemetry import metrics  # noqa: PLC0415
            from opentelemetry.metrics import _internal  # noqa: PLC0415

            metrics.get_meter_provider()  # one that the environment names is made when it is asked for
            self._metrics = _internal

    def record(self, record: Record) -> None:
        """Record one fact, if the host has somewhere to record it."""
        try:
            provider = self._metrics._METER_PROVIDER  # noqa: SLF001 - what ``_present`` gives, in this frame
        except AttributeError:
            provider = self._present()
        if provider is not self._provider:
            self._attach(provider)
        if self._record is not None:
            self._record(record)

    def round(self) -> None:
        """Now and then: push for those that have ended."""
        with guard("recorder"):
            if self._metrics is None and "opentelemetry.metrics" not in sys.modules:
                return  # so nobody has set a provider
            if (provider := self._present()) is not self._provider:
                self._attach(provider)
            if self._unwatch is not None and self._leftovers is not None:
                self._leftovers.adopt(at_once=self._leads())

    def close(self) -> None:
        """The process ends, and its provider will push once more: with what others have left."""
        with guard("recorder"):
            if self._unwatch is not None and self._leftovers is not None:
                self._leftovers.adopt(at_once=True)

    def end(self) -> None:
        """Leave the provider as it was."""
        fork.forget(self)
        atexit.unregister(self.close)
        if self._unwatch is not None:
            self._unwatch()
        if self._leftovers is not None:
            self._leftovers.end()

    def before_fork(self) -> None:
        """Wait until nobody records or collects: locks would stay locked in the child, the SDK's too."""
        if self._leftovers is not None:
            self._fork.enter_context(self._leftovers.held(FORK_SECONDS))

    def after_fork_in_parent(self) -> None:
        self._fork.close()

    def after_fork_in_child(self) -> None:
        """Begin with nothing recorded: what the parent has recorded is the parent's to push."""
        self._lock = RLock()
        self._fork = ExitStack()
        if self._leftovers is not None:
            self._leftovers.let_go()
            self._leftovers.begin()
        if self._instruments is not None:
            self._instruments.begin()
            exports.begin_at_zero(self._provider, SCOPE)

    def drop_after_fork(self) -> None: ...

    def _put(self, record: Record) -> None:
        if self._instruments is not None:
            self._instruments(record)

    def _present(self) -> Any:
        """The provider that is set. OpenTelemetry's own answer looks into the environment each time, as long as there is none."""
        self.prepare()
        try:
            return self._metrics._METER_PROVIDER  # noqa: SLF001
        except AttributeError:
            return self._metrics.get_meter_provider()

    def _attach(self, provider: Any) -> None:
        with self._lock:
            if provider is self._provider:
                return
            if self._unwatch is not None:
                self._unwatch()
            self._unwatch = self._instruments = self._record = None
            if _real(provider):
                from .instruments import Instruments  # noqa: PLC0415 - only where there is somewhere to record
                from .leftovers import Leftovers  # noqa: PLC0415 - likewise

                self._leftovers = self._leftovers or Leftovers(self._folder, self._put)
                self._instruments = Instruments(provider.get_meter(SCOPE, __version__, SCHEMA_URL), self._config)
                self._unwatch = exports.watch(provider, self._leftovers)
                self._record = self._instruments if self._unwatch is None else self._leftovers.record
                if self._unwatch is not None:
                    atexit.register(self.close)  # runs before the provider's own, which was registered when it was made
            self._provider = provider


def _real(provider: Any) -> bool:
    """Whether ``provider`` keeps what it is given: neither the proxy before one is set, nor the one that does nothing."""
    if provider is None or type(provider).__name__ in ("_ProxyMeterProvider", "NoOpMeterProvider"):
        return False
    return not any("PrometheusMetricReader" in type(reader).__name__ for reader in exports.readers(provider))
