"""The last minutes of a live view: counters as they were, and what happened between two moments."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import view
from .latency import from_buckets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .samples import Page

SPAN = 300.0  # seconds kept
KEPT = 600  # pages at most
LATELY = 60.0  # seconds that are now, where they are compared with those before


@dataclass(frozen=True, slots=True)
class Point:
    """Counters of one moment, by name; histograms by upper bound."""

    at: float
    counts: Mapping[str, float]
    durations: Mapping[float, float]
    in_flight: float


def point(page: Page) -> Point:
    """What of ``page`` is kept."""
    every, failed = view.requests(page)
    counts = {
        "requests": sum(every.values()),
        "errors": sum(failed.values()),
        "fallbacks": page.total("otel_llm_fallbacks_total") or 0.0,
        "hits": page.total("otel_llm_cache_requests_total", result="hit") or 0.0,
        "lookups": page.total("otel_llm_cache_requests_total") or 0.0,
        "cost": page.total("otel_llm_cost_usd_total") or 0.0,
        "retries": page.total("otel_llm_retries_total") or 0.0,
    }
    for kind, part in view.TOKENS.items():
        counts[kind] = page.total(view.USAGE.format(part)) or 0.0
    durations = view.buckets(page, view.durations(page), error_type="")
    return Point(page.at, counts, durations, page.total("otel_llm_in_flight_requests") or 0.0)


@dataclass(slots=True)
class History:
    """Points in time order. ``interval`` is how far apart they are meant to be, in seconds."""

    interval: float
    points: deque[Point] = field(default_factory=lambda: deque(maxlen=KEPT))
    spent: deque[tuple[float, Mapping[str, float]]] = field(default_factory=lambda: deque(maxlen=KEPT))
    group: str = ""  # what ``spent`` is by

    def add(self, page: Page) -> None:
        """Append; a service that began again starts a new history."""
        latest = point(page)
        if self.points and latest.counts["requests"] < self.points[-1].counts["requests"]:
            self.points.clear()
        while self.points and latest.at - self.points[0].at > SPAN:
            self.points.popleft()
        self.points.append(latest)

    def note(self, at: float, group: str, spent: Mapping[str, float]) -> None:
        """What each row has spent until ``at``, US dollars; another grouping starts again from zero."""
        if group != self.group or (self.spent and sum(spent.values()) < sum(self.spent[-1][1].values())):
            self.spent.clear()
        self.group = group
        while self.spent and at - self.spent[0][0] > SPAN:
            self.spent.popleft()
        if not self.spent or at > self.spent[-1][0]:
            self.spent.append((at, spent))

    def moved(self, row: str) -> tuple[float, float] | None:
        """US dollars an hour of a row: in the minutes before the last one, and in that; None before there are two minutes."""
        if not self.spent or self.spent[-1][0] - self.spent[0][0] < 2 * LATELY:
            return None
        end = self.spent[-1]
        middle = self.spent[bisect_right(self.spent, end[0] - LATELY, key=lambda spending: spending[0]) - 1]
        return _per_hour(row, self.spent[0], middle), _per_hour(row, middle, end)

    def edges(self, cells: int) -> list[float]:
        """Moments that cut the history into at most ``cells`` equal parts, none shorter than the interval."""
        if len(self.points) <= 1 or cells < 1:
            return []
        start, end = self.points[0].at, self.points[-1].at
        count = max(1, min(cells, round((end - start) / max(self.interval, 1e-3))))
        return [start + (end - start) * step / count for step in range(count + 1)]

    def rates(self, name: str, cells: int) -> list[float | None]:
        """How fast a counter grew in each part, per second."""
        edges = self.edges(cells)
        values = [self._count(name, at) for at in edges]
        return [
            (after - before) / (end - start)
            for before, after, start, end in zip(values, values[1:], edges, edges[1:], strict=False)
        ]

    def ratios(self, part: str, whole: str, cells: int) -> list[float | None]:
        """The growth of one counter over that of another in each part; None where the whole stood still."""
        parts, wholes = self.rates(part, cells), self.rates(whole, cells)
        return [
            share / every if every else None for share, every in zip(parts, wholes, strict=True) if share is not None
        ]

    def quantiles(self, rank: float, cells: int) -> list[float | None]:
        """A percentile of the calls that ended in each part, seconds; None where none did."""
        edges = self.edges(cells)
        histograms = [self._nearest(at).durations for at in edges]
        return [
            from_buckets({bound: count - before.get(bound, 0.0) for bound, count in after.items()}, rank)
            for before, after in itertools.pairwise(histograms)
        ]

    def now(self, name: str, over: float = 15.0) -> float | None:
        """How fast a counter grew in the last ``over`` seconds, per second; None before there are two points."""
        if len(self.points) <= 1:
            return None
        end = self.points[-1].at
        start = max(self.points[0].at, end - over)
        return (self._count(name, end) - self._count(name, start)) / max(end - start, 1e-3)

    def in_flight(self, cells: int) -> list[float | None]:
        """Open calls at the end of each part."""
        return [self._nearest(at).in_flight for at in self.edges(cells)[1:]]

    def _at(self, at: float) -> int:
        return max(0, bisect_right(self.points, at + 1e-6, key=lambda point: point.at) - 1)

    def _nearest(self, at: float) -> Point:
        return self.points[self._at(at)]

    def _count(self, name: str, at: float) -> float:
        index = self._at(at)
        before = self.points[index]
        if index + 1 >= len(self.points):
            return before.counts[name]
        after = self.points[index + 1]
        share = (at - before.at) / max(after.at - before.at, 1e-6)
        return before.counts[name] + (after.counts[name] - before.counts[name]) * min(max(share, 0.0), 1.0)


def _per_hour(row: str, start: tuple[float, Mapping[str, float]], end: tuple[float, Mapping[str, float]]) -> float:
    return (end[1].get(row, 0.0) - start[1].get(row, 0.0)) / (end[0] - start[0]) * 3600
