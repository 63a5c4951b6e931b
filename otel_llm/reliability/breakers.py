"""Circuit breakers: the state each is in, its steps, and an alert when one opens."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from opentelemetry.trace import get_current_span

from otel_llm.core import dispatch
from otel_llm.core.model import Event

STATES = ("closed", "half_open", "open")
_breakers: dict[str, Breaker] = {}
_lock = threading.Lock()


class Breaker:
    """One circuit breaker, as its owner reports it. Safe to use from several threads.

    As a context manager it follows a home-made breaker around a call that it lets through: entering an open breaker makes it
    half open, leaving it without an error closes it, and leaving a half open one with an error opens it again.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = "closed"
        self._lock = threading.Lock()
        now = time.time()
        for before in STATES:
            for after in STATES:
                if before != after:  # a counter that is born at 1 is missed by increase()
                    dispatch.emit(Event("otel_llm_circuit_breaker_transitions_total", now, (name, before, after), 0.0))
        dispatch.emit(Event("otel_llm_circuit_breaker_state", now, (name, "closed"), 1.0))

    def opened(self) -> None:
        """It lets nothing through any more."""
        if self._step("open"):
            dispatch.breaker_opened(self.name)

    def half_opened(self) -> None:
        """It lets a trial call through."""
        self._step("half_open")

    def closed(self) -> None:
        """It lets everything through."""
        self._step("closed")

    def __enter__(self) -> Breaker:  # noqa: PYI034 - typing.Self came with Python 3.11
        if self.state == "open":
            self.half_opened()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.closed()
        elif self.state == "half_open":
            self.opened()

    def _step(self, after: str) -> bool:
        with self._lock:
            before, self.state = self.state, after
        if before == after:
            return False
        now = time.time()
        dispatch.emit(Event("otel_llm_circuit_breaker_transitions_total", now, (self.name, before, after)))
        dispatch.emit(Event("otel_llm_circuit_breaker_state", now, (self.name, after), 1.0))
        attributes = {
            "otel_llm.circuit_breaker.name": self.name,
            "otel_llm.circuit_breaker.from": before,
            "otel_llm.circuit_breaker.to": after,
        }
        get_current_span().add_event("otel_llm.circuit_breaker", attributes)
        return True


def circuit_breaker(name: str) -> Breaker:
    """The breaker called ``name``, for one of your own to report its steps: ``.opened()``, ``.half_opened()``, ``.closed()``.

    The same name gives the same breaker. Names become label values: use few. Raises nothing.
    """
    with _lock:
        breaker = _breakers.get(name)
    if breaker is None:
        created = Breaker(name)
        with _lock:
            breaker = _breakers.setdefault(name, created)
    return breaker
