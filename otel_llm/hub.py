"""Where records go: whoever observes something emits it here, whoever keeps records listens here."""

from __future__ import annotations

from collections.abc import Callable

from .guard import guarded
from .model import Record

Recorder = Callable[[Record], None]
_recorders: tuple[Recorder, ...] = ()  # each guarded


def listen(*recorders: Recorder) -> None:
    """Replace who listens. Called when the service starts and stops watching."""
    global _recorders  # noqa: PLW0603
    _recorders = tuple([guarded("recorder", recorder, 1) for recorder in recorders])


def emit(record: Record) -> None:
    """Hand ``record`` to everyone who listens. Never raises; without a listener it does nothing."""
    for record_it in _recorders:
        record_it(record)
