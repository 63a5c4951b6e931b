"""The window of one model: cells for the last minutes, slices for the rest, and the baselines made from them."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

from .baseline import CRITICAL, LEAST, Baseline, Pool, teachers
from .facts import Judgement, Signal
from .sketch import add
from .slices import SIGNALS, SLICES, Grid, Slice
from .summary import Summary

PATIENCE = 30  # cells after which a record makes the baselines itself, where nobody asked for them meanwhile
ALONE = 4.5  # from which z-score on a single call is an alarm: of healthy calls one in 150,000
ENOUGH = 30  # recent calls that a shift is judged from, where the last minutes have fewer


class Track:
    """Slices of one model by number. ``cells`` hold what is not older than a shift looks back, ``slices`` the rest."""

    def __init__(self, grid: Grid, scale: str, sensitivity: float) -> None:
        self.grid = grid
        self.scale = scale
        self.sensitivity = sensitivity
        self.cells: dict[int, Slice] = {}
        self.slices: dict[int, Slice] = {}
        self.folded = 0  # cells before this number are in slices
        self.number = 0  # of the current cell
        self.start, self.end = inf, -inf  # the same in seconds
        self.current = Slice()
        self.shifts: dict[Signal, tuple[int, float]] = dict.fromkeys(SIGNALS, (-1, 0.0))
        self.now = -1  # the slice that the baselines were made in
        self.prepared = -PATIENCE  # the cell of that moment
        self.stale = False  # whether a slice before ``now`` has changed since
        self.baselines: dict[Signal, Baseline | None] = dict.fromkeys(SIGNALS)
        self.bounds = [inf, -inf, inf, inf]  # values beyond which latency, output (low, high) and cost are to be judged
        self.reach = dict.fromkeys(SIGNALS, 0)  # older slices that count as recent where traffic is thin
        self.past = Pool()  # latencies of all slices
        self.closed = Slice()  # all slices, without sketches
        self.pools = {signal: Pool() for signal in SIGNALS}

    def enter(self, at: float) -> Slice:
        """The cell of ``at``, which becomes the current one."""
        number = self.grid.of(at)
        of_slice = number // self.grid.per_slice
        if of_slice < self.now:
            self.stale = True
        elif of_slice > self.now and number - self.prepared >= PATIENCE:
            self.prepare(number)
            self._bound()
        if number < self.folded:
            return self._late(of_slice)
        self.current = self.cells.get(number) or self.cells.setdefault(number, Slice())
        self.number = number
        self.start, self.end = number * self.grid.cell, (number + 1) * self.grid.cell
        return self.current

    def judge(self, latency: float, output_tokens: int | None, cost: float | None) -> tuple[Judgement, ...]:
        """Verdicts on a single call in the current cell, by the baselines as they are."""
        found: list[Judgement] = []
        for signal, value in zip(SIGNALS, (latency, output_tokens, cost), strict=True):
            baseline = self.baselines[signal]
            if baseline is None or value is None:
                continue
            judgement = baseline.judge(value)
            if judgement is not None:
                alarm = abs(judgement.zscore) >= ALONE or self._shifted(signal, baseline, judgement.zscore)
                found.append(judgement._replace(alarm=True) if alarm else judgement)
        return tuple(found)

    def _shifted(self, signal: Signal, baseline: Baseline, zscore: float) -> bool:
        """Whether recent calls have shifted critically to the side of ``zscore``; looked at once per cell."""
        number, shift = self.shifts[signal]
        if number != self.number:
            recent = self.recent(signal, self.number)
            shift = baseline.shift(recent) if recent.count else 0.0
            self.shifts[signal] = (self.number, shift)
        return abs(shift) >= CRITICAL and (shift > 0) == (zscore > 0)

    def _bound(self) -> None:
        """Where nobody forgets, keep the newest slices: by number, not by time, as a call's time may be wrong."""
        for number in sorted(self.slices)[: -3 * SLICES]:
            del self.slices[number]

    def _late(self, of_slice: int) -> Slice:
        """A slice that was thought complete: the pools that hold it begin anew."""
        self._restart_pools()
        return self.slices.setdefault(of_slice, Slice())

    def _restart_pools(self) -> None:
        self.past = Pool()
        self.pools = {signal: Pool() for signal in SIGNALS}

    def prepare(self, at: int) -> None:
        """Make the baselines for the slice of cell ``at``: of slices in the window, older than what is recent."""
        now = at // self.grid.per_slice
        if now == self.now and not self.stale:
            return
        self.now, self.stale, self.prepared = now, False, at
        self._fold(now * self.grid.per_slice - self.grid.recent)
        live = dict(self._window(now))
        self.past.hold({number: one.latency.bins for number, one in live.items()})
        self.closed = Slice()
        for one in live.values():
            self.closed.merge_bare(one)
        for signal in SIGNALS:
            self.baselines[signal] = self._baseline(signal, now)
        latency, output, cost = (self.baselines[signal] for signal in SIGNALS)
        self.bounds = [
            latency.high if latency else inf,
            output.low if output else -inf,
            output.high if output else inf,
            cost.high if cost else inf,
        ]

    def _fold(self, before: int) -> None:
        """Move cells before that number into their slices. After a clock that went back, the number may be a lower one."""
        self.folded = before
        self.start, self.end = inf, -inf
        touched = False
        for number in sorted(number for number in self.cells if number < before):
            of_slice = number // self.grid.per_slice
            touched = touched or of_slice in self.past.members
            self.slices.setdefault(of_slice, Slice()).merge(self.cells.pop(number))
        if touched:
            self._restart_pools()

    def _window(self, now: int) -> Iterator[tuple[int, Slice]]:
        return ((number, one) for number, one in sorted(self.slices.items()) if now - SLICES < number <= now)

    def _baseline(self, signal: Signal, now: int) -> Baseline | None:
        self.reach[signal] = self._reach(signal, now)
        before = self._first_recent(now) - self.reach[signal]
        blocks: dict[int, list[tuple[int, Summary]]] = {}
        for number, one in self._window(now):
            summary: Summary = getattr(one, signal)
            if number < before and summary.count:
                blocks.setdefault(number // self.grid.block, []).append((number, summary))
        taught = teachers([(number, _logs(block)) for number, block in blocks.items()])
        lessons = [blocks[number] for number in sorted(taught)]
        pool = self.pools[signal]
        pool.hold({number: summary.bins for block in lessons for number, summary in block})
        moments = Summary()
        for block in lessons:
            for _, summary in block:
                moments.merge_moments(summary)
        if moments.count < LEAST:
            return None
        moments.bins = pool.bins
        return Baseline(
            signal, self.scale, moments, ([summary.bins for _, summary in block] for block in lessons), self.sensitivity
        )

    def _first_recent(self, now: int) -> int:
        """The first slice that cells which are recent may lie in; those before it are complete."""
        return now + -self.grid.recent // self.grid.per_slice

    def _reach(self, signal: Signal, now: int) -> int:
        """How many slices before the recent cells count as recent, until there are enough calls."""
        calls = sum(
            getattr(one, signal).count for number, one in self.cells.items() if number // self.grid.per_slice < now
        )
        newest = self._first_recent(now) - 1
        for more in range(self.grid.reach):
            if calls >= ENOUGH:
                return more
            if newest - more in self.slices:
                calls += getattr(self.slices[newest - more], signal).count
        return self.grid.reach

    def recent(self, signal: Signal, at: int) -> Summary:
        """The calls that a shift judges at cell ``at``."""
        found = Summary()
        reach = self.reach[signal]
        oldest = self.folded if reach else at - self.grid.recent + 1
        for number, one in self.cells.items():
            if oldest <= number <= at:
                found.merge(getattr(one, signal))
        first = self._first_recent(at // self.grid.per_slice)
        for number in range(first - reach, first):
            if number in self.slices:
                found.merge(getattr(self.slices[number], signal))
        return found

    def peak(self, signal: Signal, at: int) -> float | None:
        """The z-score of the most extreme call of the last minute."""
        baseline = self.baselines[signal]
        cells = [
            getattr(self.cells[number], signal)
            for number in range(at - self.grid.minute + 1, at + 1)
            if number in self.cells
        ]
        low, high = min((one.low for one in cells), default=inf), max((one.high for one in cells), default=-inf)
        return baseline.peak(low, high) if baseline and low <= high else None

    def total(self, at: int) -> Slice:
        """Everything in the window, but of the signals only latency with its sketch. The baselines have been made for ``at``."""
        found = Slice()
        found.merge_bare(self.closed)
        found.latency.bins = dict(self.past.bins)
        now = at // self.grid.per_slice
        for number, one in self.cells.items():
            if now - SLICES < number // self.grid.per_slice and number <= at:
                found.merge_bare(one)
                add(found.latency.bins, one.latency.bins)
        return found

    def forget(self, at: int) -> None:
        """Drop what is past the window, and what a clock that went back left in the future."""
        now = at // self.grid.per_slice
        for kept, per_slice in ((self.slices, 1), (self.cells, self.grid.per_slice)):
            for number in [number for number in kept if not now - SLICES < number // per_slice <= now + SLICES]:
                del kept[number]

    def merge(self, other: Track) -> None:
        for number, one in other.slices.items():
            self.slices.setdefault(number, Slice()).merge(one)
        for number, one in other.cells.items():
            self.cells.setdefault(number, Slice()).merge(one)
        self._restart_pools()
        self.stale = True

    def dump(self) -> tuple[Any, ...]:
        return tuple([(number, one.dump()) for number, one in kept.items()] for kept in (self.slices, self.cells))

    def load(self, state: Any) -> None:
        slices, cells = state
        self.slices = {int(number): Slice.load(one) for number, one in slices}
        self.cells = {int(number): Slice.load(one) for number, one in cells}


def _logs(block: list[tuple[int, Summary]]) -> tuple[int, int, int]:
    counts, firsts, seconds = zip(*(summary.log_moments() for _, summary in block), strict=True)
    return sum(counts), sum(firsts), sum(seconds)
