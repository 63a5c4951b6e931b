"""What the work of one request adds up to: each call that begins inside is added when it ends, wherever in the process that is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar

from otel_llm.core.model import Observation

_MOST_SPANS = 64  # stretches of time kept apart; only calls in parallel need older ones


class RequestTotals:
    """Totals of the calls made while something else was served; added to from any thread or task of it.

    ``labels`` are the custom label values that all the calls had in common. ``changed`` is called after each call.
    """

    __slots__ = (
        "_busy", "_changed", "_lock", "_spans", "calls", "cost", "incomplete", "input_tokens", "labels", "output_tokens", "priced",
        "unpriced", "usage_unknown",
    )  # fmt: skip

    def __init__(self, changed: Callable[[], None] | None = None) -> None:
        self.calls = 0
        self.input_tokens = 0
        self.output_tokens = 0
        self.cost = 0.0  # US dollars, of the calls that have a price
        self.priced = 0  # calls that have one
        self.unpriced = 0  # calls with usage that have none
        self.usage_unknown = 0  # calls that reported no usage
        self.incomplete = 0  # calls whose cost lacks a part
        self.labels: tuple[str, ...] = ()
        self._spans: list[tuple[float, float]] = []
        self._busy = 0.0
        self._lock = threading.Lock()
        self._changed = changed

    def add(self, observation: Observation) -> None:
        """Count a finished call."""
        with self._lock:
            self.labels = _common(self.labels, observation.labels) if self.calls else observation.labels
            self.calls += 1
            self.input_tokens += observation.input_tokens or 0
            self.output_tokens += observation.output_tokens or 0
            self._cover(observation.at - observation.duration, observation.at)
            if observation.cost is not None:
                self.cost += observation.cost
                self.priced += 1
            elif observation.cost_source == "unpriced":
                self.unpriced += 1
            self.usage_unknown += bool(observation.usage_unknown)
            self.incomplete += bool(observation.incomplete and observation.cost is not None)
        if self._changed is not None:
            self._changed()

    def busy(self) -> float:
        """Seconds during which at least one call was open."""
        with self._lock:
            return self._busy + sum(end - start for start, end in self._spans)

    def _cover(self, start: float, end: float) -> None:
        """Add a stretch of time, once where it overlaps with others. Calls come in the order in which they end."""
        spans = self._spans
        while spans and spans[-1][1] >= start:
            start = min(start, spans[-1][0])
            end = max(end, spans.pop()[1])
        spans.append((start, end))
        if len(spans) > _MOST_SPANS:
            oldest = spans.pop(0)
            self._busy += oldest[1] - oldest[0]


class NestedTotals(RequestTotals):
    """Adds each call to the totals of all the blocks that it was made in, once to each."""

    __slots__ = ("each",)

    def __init__(self, block: RequestTotals, outer: RequestTotals) -> None:
        super().__init__()
        around = outer.each if isinstance(outer, NestedTotals) else (outer,)
        self.each: tuple[RequestTotals, ...] = (block, *(totals for totals in around if totals is not block))

    def add(self, observation: Observation) -> None:
        for totals in self.each:
            totals.add(observation)


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return one if one == other else tuple(a if a == b else "" for a, b in zip(one, other, strict=False))


TOTALS: ContextVar[RequestTotals | None] = ContextVar("otel_llm_totals", default=None)
