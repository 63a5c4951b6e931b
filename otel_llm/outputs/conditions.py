"""Who judges the service regularly, and hands what changed to the handlers of the process that leads."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from otel_llm.core.guard import guard

from .alerts import deliver
from .anomaly import Anomaly

if TYPE_CHECKING:
    from otel_llm.aggregate.judgement import Change

PERIOD = 15.0
"""Seconds between two judgements: twice in an evaluation of the rules."""
TOLD_BY_CALL = ("breaker", "budget")
"""Conditions that the process of the call has delivered at once, when it opened the breaker or crossed the line."""


class ConditionWatch:
    """Lives as long as a member; ``judge`` returns what has changed where this process leads, and nothing elsewhere."""

    def __init__(self, judge: Callable[[], list[Change]], clock: Callable[[], float] = time.monotonic) -> None:
        self._judge = judge
        self._clock = clock
        self._next = 0.0

    def round(self) -> None:
        """Judge, if it is time to."""
        if self._clock() >= self._next:
            self._next = self._clock() + PERIOD
            with guard("alerts"):
                for change in self._judge():
                    if change.kind == "ended" or change.entry.reading.condition not in TOLD_BY_CALL:
                        deliver(Anomaly.of_change(change))

    def drop_after_fork(self) -> None:
        """There is nothing of the parent's here."""

    def close(self) -> None:
        """There is nothing to give back."""
