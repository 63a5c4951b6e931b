"""Where records go: whoever observes something emits it here, whoever keeps records listens here."""

from __future__ import annotations

from collections.abc import Callable

from .guard import guarded
from .model import Record

Recorder = Callable[[Record], None]
recorders: tuple[Recorder, ...] = ()
"""Who listens, each guarded; a call hands its record to them by itself."""


_on_opening: list[Callable[[str], None]] = []  # called with the name of each circuit breaker that opens


def on_opening(callback: Callable[[str], None]) -> None:
    """Have ``callback`` called at once when a circuit breaker opens: handlers get it in the process where it happened."""
    _on_opening.append(guarded("alerts", callback, 1))


def breaker_opened(name: str) -> None:
    """The circuit breaker ``name`` opened. Never raises."""
    for callback in _on_opening:
        callback(name)


_on_runaway: list[Callable[[str, str, int], None]] = []


def on_runaway(callback: Callable[[str, str, int], None]) -> None:
    """Have ``callback`` called when a run repeats itself, with the agent, the tool that repeats, and how often it did."""
    _on_runaway.append(guarded("alerts", callback, 3))


def runaway(agent: str, tool: str, times: int) -> None:
    """A run of ``agent`` repeats itself. Never raises."""
    for callback in _on_runaway:
        callback(agent, tool, times)


def listen(*wanted: Recorder) -> None:
    """Replace who listens. Called when the service starts and stops watching."""
    global recorders  # noqa: PLW0603
    recorders = tuple([guarded("recorder", recorder, 1) for recorder in wanted])


def emit(record: Record) -> None:
    """Hand ``record`` to everyone who listens. Never raises; without a listener it does nothing."""
    for record_it in recorders:
        record_it(record)
