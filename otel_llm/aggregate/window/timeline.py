"""What happened, by time: cells for the last minutes, slices for the rest of the window, and a little of what was before."""

from __future__ import annotations

from math import inf
from typing import Any

from .baseline import Pool
from .complete import Complete
from .facts import Signal
from .memory import KEPT, Memory
from .sketch import Bins, add
from .slices import SIGNALS, SLICES, Grid, Slice
from .summary import Summary


class Timeline:
    """Slices of one model by number. ``cells`` hold what is not older than a shift looks back, ``slices`` the rest."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.cells: dict[int, Slice] = {}
        self.slices: dict[int, Complete | Slice] = {}
        self.window: dict[int, Slice] = {}  # slices, while baselines are made
        self.memory = Memory()
        self.folded = 0  # cells before this number are in slices
        self.number = 0  # of the current cell
        self.start, self.end = inf, -inf  # the same in seconds
        self.current = Slice()
        self.past = Pool()  # latencies of all slices
        self.closed = Slice()  # all slices, without sketches
        self.pools = {signal: Pool() for signal in SIGNALS}  # of the slices that teach
        self.opened: dict[int, Slice] = {}  # slices that count as recent: see ``older``
        self.sums: dict[Signal, tuple[Any, int, Summary]] = {}  # of what is complete: see ``recent``
        self.whole: tuple[int, int, Slice] | None = None  # likewise: see ``total``

    def _late(self, of_slice: int) -> Slice:
        """A slice that was thought complete: the pools that hold it begin again."""
        self._restart_pools()
        late = self.slices[of_slice] = self._opened(of_slice)
        late.thaw()
        return late

    def _opened(self, of_slice: int) -> Slice:
        one = self.slices.get(of_slice)
        return Slice() if one is None else one.open()

    def older(self, signal: Signal, first: int, reach: int) -> list[tuple[int, Summary]]:
        """Of the ``reach`` slices before slice ``first``, newest first, with their numbers. Each is opened once, until a slice changes."""
        for number in range(first - reach, first):
            if number in self.slices and number not in self.opened:
                self.opened[number] = self.slices[number].open()
        return [
            (number, getattr(self.opened[number], signal))
            for number in range(first - 1, first - reach - 1, -1)
            if number in self.opened
        ]

    def _forget_sums(self) -> None:
        """What was complete has changed."""
        self.opened.clear()
        self.sums.clear()
        self.whole = None

    def _restart_pools(self) -> None:
        self._forget_sums()
        self.past = Pool()
        self.pools = {signal: Pool() for signal in SIGNALS}

    def _bound(self) -> None:
        """Where nobody forgets, keep the newest slices: by number, not by time, as a call's time may be wrong."""
        for number in sorted(self.slices)[: -3 * SLICES]:
            del self.slices[number]

    def _fold(self, before: int) -> None:
        """Move cells before that number into their slices. After a clock that went back, the number may be a lower one."""
        self.folded = before
        self._forget_sums()
        self.start, self.end = inf, -inf
        touched = False
        for number in sorted(number for number in self.cells if number < before):
            of_slice = number // self.grid.per_slice
            touched = touched or of_slice in self.past.members
            filled = self.slices[of_slice] = self._opened(of_slice)
            filled.merge(self.cells.pop(number))
        for number, one in self.slices.items():
            if isinstance(one, Slice):
                self.slices[number] = Complete(one)
        if touched:
            self._restart_pools()

    def _in_window(self, now: int) -> dict[int, Slice]:
        numbers = sorted(number for number in self.slices if now - SLICES < number <= now)
        return {number: self.slices[number].open() for number in numbers}

    def _first_recent(self, now: int) -> int:
        """The first slice that cells which are recent may lie in; those before it are complete."""
        return now + -self.grid.recent // self.grid.per_slice

    def total(self, at: int) -> Slice:
        """Everything in the window, but of the signals only latency with its sketch. The baselines have been made for ``at``."""
        oldest = (at // self.grid.per_slice - SLICES + 1) * self.grid.per_slice
        whole = Slice()
        upto = max(oldest, min(self.number, at + 1))
        whole.merge_bare(self._complete(oldest, upto))
        whole.latency.bins = dict(self.past.bins.items())
        for number, one in self.cells.items():
            if oldest <= number <= at:
                add(whole.latency.bins, one.latency.bins)
        for number in sorted(number for number in self.cells if upto <= number <= at):
            whole.merge_bare(self.cells[number])
        return whole

    def _complete(self, oldest: int, upto: int) -> Slice:
        """All slices and the cells from ``oldest`` until before ``upto``, without sketches; summed up once."""
        since, until, total = self.whole or (None, upto, Slice())
        if since != oldest or until > upto:
            until, total = oldest, Slice()
            total.merge_bare(self.closed)
        for number in sorted(number for number in self.cells if until <= number < upto):
            total.merge_bare(self.cells[number])
        self.whole = oldest, upto, total
        return total

    def outputs(self, at: int) -> Summary:
        """Output tokens of the window, without their sketch. The baselines have been made for ``at``."""
        outputs = Summary()
        outputs.merge_moments(self.closed.output_tokens)
        oldest = at // self.grid.per_slice - SLICES
        for number, one in self.cells.items():
            if oldest < number // self.grid.per_slice and number <= at:
                outputs.merge_moments(one.output_tokens)
        return outputs

    def costs(self, at: int) -> Bins:
        """The sketch of all costs in the window."""
        now, bins = at // self.grid.per_slice, dict[int, int]()
        for of_slice, one in self.slices.items():
            if now - SLICES < of_slice <= now:
                add(bins, one.costs)
        for number, cell in self.cells.items():
            if now - SLICES < number // self.grid.per_slice <= now:
                add(bins, cell.costs)
        return bins

    def forget(self, at: int) -> None:
        """Drop what is past the window, and what a clock that went back left in the future."""
        now = at // self.grid.per_slice
        for numbered, per_slice in self._numbered():
            for number in sorted(
                number for number in numbered if not now - SLICES < number // per_slice <= now + SLICES
            ):
                self._forget_sums()
                leaving = numbered.pop(number).open()
                if number // per_slice <= now:
                    self.memory.take(number // per_slice, leaving)
        self.memory.forget(now - int(KEPT / self.grid.slice))

    def _numbered(self) -> tuple[tuple[dict[int, Any], int], ...]:
        """Slices and cells, each with how many are in a slice."""
        return (self.slices, 1), (self.cells, self.grid.per_slice)
