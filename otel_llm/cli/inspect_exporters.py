"""What the doctor finds about OpenTelemetry's exporters: each is made as a service would, and sends one empty request."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from otel_llm.core.config import overridden
from otel_llm.core.guard import foreign
from otel_llm.runtime import exporters

from .findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_llm.core.config import Config

SECONDS = "3"  # for one request, with all that an exporter tries again
DEADLINE = 10.0  # seconds for all of them: some exporters go on past their own timeout, those of SDK 1.30 over gRPC for a minute
ADDRESS = "look at OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS and _PROTOCOL, and whether a collector listens there"


def exporting(config: Config) -> Iterable[Finding]:
    """One finding for each exporter that is asked for, none where none is. They are tried side by side."""
    logged = _Logged()
    logger = logging.getLogger("opentelemetry")
    logger.addHandler(logged)
    try:
        with overridden({"OTEL_EXPORTER_OTLP_TIMEOUT": SECONDS}):
            configured = exporters.names(config).items()
            tried = [_try(signal, name, config, logged) for signal, names in configured for name in names]
            until = time.monotonic() + DEADLINE
            return [one if isinstance(one, Finding) else one.finding(until) for one in tried]
    finally:
        logger.removeHandler(logged)


def _try(signal: str, name: str, config: Config, logged: _Logged) -> Finding | _Attempt:
    entry, problem = exporters.find(signal, name, config)
    if entry is None:
        return Finding("fail", signal, problem, "without it, this exporter sends nothing of this signal")
    attempt = _Attempt(signal, entry.name, logged)
    with foreign(attempt.fail):
        kind = entry.load()
        if _is_reader(kind):
            return Finding("note", signal, f"{entry.name} is set, and sends nothing by itself: it was not tried")
        attempt.start(kind)
    return attempt


class _Attempt:
    """One exporter that is made and sends an empty request, on a thread of its own."""

    def __init__(self, signal: str, name: str, logged: _Logged) -> None:
        self.signal = signal
        self.name = name
        self._logged = logged
        self._failures: list[str] = []
        self._sent = False
        self._thread: threading.Thread | None = None

    def fail(self, error: BaseException) -> None:
        self._failures.append(f"{type(error).__name__}: {error}"[:300])

    def start(self, kind: Any) -> None:
        self._thread = threading.Thread(target=self._send, args=(kind,), daemon=True)
        self._thread.start()

    def finding(self, until: float) -> Finding:
        """What came of it by ``until``, on the monotonic clock."""
        logged: list[str] = []
        if self._thread is not None:
            self._thread.join(max(0.0, until - time.monotonic()))
            if self._thread.is_alive():
                self._failures.append(f"timed out, no answer within {DEADLINE:g} s")
            logged = self._logged.messages.get(self._thread.ident, logged)
        if self._sent and not self._failures:
            return Finding("ok", self.signal, f"{self.name} works: its endpoint accepted an empty request")
        why = "; ".join([*self._failures, *dict.fromkeys(logged)][:2]) or "it gives no reason"
        return Finding("fail", self.signal, f"{self.name} cannot send: {why}", ADDRESS)

    def _send(self, kind: Any) -> None:
        with foreign(self.fail):
            exporter = kind()
            self._sent = exporter.export(_nothing(self.signal)).name == "SUCCESS"
            exporter.shutdown()


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
    """What exporters say while they try, by the thread of each."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: dict[int | None, list[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.setdefault(record.thread, []).append(record.getMessage()[:300])
