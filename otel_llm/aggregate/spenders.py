"""Who spends most, by any label, in bounded memory: a sketch that keeps the large and says how far off it may be.

The sketch is space-saving (Metwally, Agrawal and El Abbadi, ICDT 2005) with money as weight: a value that is new takes the place of
the smallest one and inherits its amount as its possible error. So every amount is at most too large, by no more than what stands
beside it, which is at most the total divided by the number of places; who spent more than that is always in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from heapq import heapify, heappop, heappush, heapreplace
from math import isfinite
from typing import Any

from otel_llm.core.shapes import NamedTuple

VERSION = 1
MOST_NAMES = 8
"""Labels that are kept of a day or month; what comes under others is left out."""
LONGEST = 64
DAYS, MONTHS = 2, 3
"""That are kept, the present one among them."""
CLOSED = 50
"""Values that are kept of a day or month that is over."""
_FOREIGN = (TypeError, ValueError, KeyError, OverflowError, AttributeError)


class Spender(NamedTuple):
    """What one value spent, in US dollars: at most ``amount``, at least ``amount - error``. ``calls`` since it was last taken up."""

    value: str
    amount: float
    error: float
    calls: int


class Sketch:
    """Amounts by value, for ``most`` values."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.total = 0.0
        self.entries: dict[str, list[float]] = {}  # amount, error, calls
        self._heap: list[tuple[float, str]] = []  # each entry once, at an amount that it has had

    def add(self, value: str, amount: float) -> None:
        self.total += amount
        entry = self.entries.get(value)
        if entry is not None:
            entry[0] += amount
            entry[2] += 1
            return
        least = self._evict() if len(self.entries) >= self.most else 0.0
        self.entries[value] = [least + amount, least, 1]
        heappush(self._heap, (least + amount, value))

    @property
    def bound(self) -> float:
        """US dollars that a value which is not in it can have spent at most."""
        return min(amount for amount, _, _ in self.entries.values()) if len(self.entries) >= self.most else 0.0

    def top(self, most: int) -> list[Spender]:
        """The largest first."""
        ordered = sorted(self.entries.items(), key=lambda one: (-one[1][0], one[0]))
        return [Spender(value, amount, error, int(calls)) for value, (amount, error, calls) in ordered[:most]]

    def merge(self, other: Sketch) -> None:
        """Add what another one holds. Who is not in one of them may have spent its bound there."""
        bounds = self.bound, other.bound
        merged: dict[str, list[float]] = {}
        for value in {**self.entries, **other.entries}:
            ours = self.entries.get(value) or [bounds[0], bounds[0], 0]
            theirs = other.entries.get(value) or [bounds[1], bounds[1], 0]
            merged[value] = [one + more for one, more in zip(ours, theirs, strict=True)]
        self.total += other.total
        self.entries = merged
        self.cut(self.most)

    def cut(self, most: int) -> None:
        """Keep the ``most`` largest."""
        self.entries = {one.value: self.entries[one.value] for one in self.top(most)}
        self._heap = [(amount, value) for value, (amount, _, _) in self.entries.items()]
        heapify(self._heap)

    def dump(self) -> list[Any]:
        return [self.most, self.total, [[value, *entry] for value, entry in self.entries.items()]]

    @classmethod
    def load(cls, state: Any) -> Sketch:
        most, total, entries = state
        sketch = cls(int(most))
        sketch.total = float(total)
        for value, *numbers in entries:
            amount, error, calls = map(float, numbers)
            if not (isfinite(amount) and 0 <= error <= amount):
                raise ValueError("no spender")
            sketch.entries[str(value)[:LONGEST]] = [amount, error, calls]
        sketch.cut(sketch.most)
        return sketch

    def _evict(self) -> float:
        while True:
            amount, value = self._heap[0]
            now = self.entries[value][0]
            if now == amount:
                heappop(self._heap)
                del self.entries[value]
                return amount
            heapreplace(self._heap, (now, value))


class Spenders:
    """Sketches by day or month (``2026-11-29``, ``2026-11``) and label; ``most`` values each, 0 for none at all."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.periods: dict[str, dict[str, Sketch]] = {}
        self._day = -1
        self._now: tuple[str, str] = ("", "")

    def add(self, day: int, named: Iterable[tuple[str, str]], amount: float) -> None:
        """Count US dollars spent on a day (an ordinal) under name and value of each label."""
        if day != self._day:
            self._turn(day)
        for period in self._now:
            sketches = self.periods.setdefault(period, {})
            for name, value in named:
                sketch = sketches.get(name)
                if sketch is None:
                    if len(sketches) >= MOST_NAMES:
                        continue
                    sketch = sketches[name] = Sketch(self.most)
                sketch.add(value, amount)

    def _turn(self, day: int) -> None:
        """Another day: close and forget those before it."""
        self._day = day
        shown = date.fromordinal(day).isoformat()
        self._now = (shown, shown[:7])
        for period in self._now:
            self.periods.setdefault(period, {})
        self._forget()

    def _forget(self) -> None:
        for length, kept in ((10, DAYS), (7, MONTHS)):
            known = sorted(period for period in self.periods if len(period) == length)
            for period in known[:-kept]:
                del self.periods[period]
            for period in known[:-1]:
                if period not in self._now:
                    _close(self.periods.get(period, {}).values())

    def top(self, period: str, most: int) -> Mapping[str, list[Spender]]:
        """The largest of a day or month, by label."""
        return {name: sketch.top(most) for name, sketch in self.periods.get(period, {}).items()}

    def merge(self, state: object) -> None:
        """Add what ``dump`` of another one gave. Raises ValueError for anything else."""
        for period, sketches in Spenders.load(state, self.most).periods.items():
            ours = self.periods.setdefault(period, {})
            for name, sketch in sketches.items():
                if name in ours:
                    ours[name].merge(sketch)
                elif len(ours) < MOST_NAMES:
                    ours[name] = sketch
        self._forget()

    def dump(self) -> list[Any]:
        """Plain values that JSON can hold, for ``load``."""
        kept = self.periods.items()
        return [VERSION, [[period, [[name, one.dump()] for name, one in of.items()]] for period, of in kept]]

    @classmethod
    def load(cls, state: Any, most: int) -> Spenders:
        """What ``dump`` gave. Raises ValueError for anything else."""
        made = cls(most)
        try:
            version, periods = state
            if version != VERSION:
                raise ValueError(f"version {version}")
            for period, sketches in periods:
                date.fromisoformat(period if len(period) > 7 else f"{period}-01")  # noqa: PLR2004 - 2026-11
                made.periods[period] = {str(name): Sketch.load(one) for name, one in sketches[:MOST_NAMES]}
        except _FOREIGN as error:
            raise ValueError(f"no spenders: {error}") from error
        return made


def _close(sketches: Iterable[Sketch]) -> None:
    for sketch in sketches:
        if sketch.most > CLOSED:
            sketch.most = CLOSED
            sketch.cut(CLOSED)
