"""Which slices of one model teach, and the baselines made from them."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from .baseline import LEAST, Baseline, Pool, teachers
from .facts import Key, Shifted, Signal
from .returning import Returning, stretches
from .slices import SIGNALS, SLICES, Grid
from .summary import Summary
from .timeline import Timeline

ENOUGH = 30  # recent calls that a shift is judged from, where the last minutes have fewer
NEWEST = (5, 10, 20)  # of recent calls, those that are also judged by themselves where traffic is thin
FEW = 10  # the same where there are fewer than that in ten minutes
SETTLED = 20  # blocks that have taught, from which on the baseline is made again every ``RENEWED`` slices
RENEWED = 5
OWN_BLOCKS, OWN_CALLS = 15, 60  # of the window, from which the past before it is no measure any more
MOVED = 0.1  # relative: a new normal that is nearer to the former one is the same

BEFORE = 1 << 40  # lessons that are of no slice have numbers below zero: of cells, below this much less

Lesson = tuple[int, Summary]  # number of the slice, what it teaches


class Lessons(Timeline):
    """A timeline with the baselines of its signals."""

    def __init__(self, grid: Grid, scale: str, sensitivity: float) -> None:
        super().__init__(grid)
        self.scale = scale
        self.sensitivity = sensitivity
        self.baselines: dict[Signal, Baseline | None] = dict.fromkeys(SIGNALS)
        self.reach = dict.fromkeys(SIGNALS, 0)  # older slices that count as recent where traffic is thin
        self.young: dict[Signal, int] = {}  # the first cell that is recent, where the baseline is of cells
        self.returning = {signal: Returning() for signal in SIGNALS}
        self.taught = dict.fromkeys(SIGNALS, 0)  # the newest slice that has taught
        self.before: dict[Signal, tuple[int, float]] = {}  # when a new normal was taken up (slice), and the former mean

    @property
    def unsettled(self) -> bool:
        """Whether more calls soon make a better baseline."""
        return bool(self.young) or self.baselines["latency"] is None

    def _baseline(self, signal: Signal, now: int, at: int) -> Baseline | None:
        self.reach[signal] = self._reach(signal, now)
        self.young.pop(signal, None)
        settled = self.baselines[signal]
        if (
            settled is not None
            and settled.wander.blocks >= SETTLED
            and now - settled.made < RENEWED
            and self._keeps(signal, now)
        ):
            return settled
        lessons = self._lessons(signal, now)
        if sum(summary.count for block in lessons for _, summary in block) < LEAST:
            lessons = self._of_cells(signal, at)
        return self._taught(signal, lessons, now)

    @property
    def before_start(self) -> frozenset[Signal]:
        """Signals that are judged by what was there before the window alone: after a restart, until there is enough since then."""
        return frozenset(signal for signal, newest in self.taught.items() if -BEFORE < newest < 0)

    def _keeps(self, signal: Signal, now: int) -> bool:
        """Whether all that has taught is in the window still, and nothing of it has become recent."""
        taught = self.pools[signal].members
        return (
            bool(taught) and now - SLICES < min(taught) and max(taught) < self._first_recent(now) - self.reach[signal]
        )

    def _taught(self, signal: Signal, lessons: list[list[Lesson]], now: int) -> Baseline | None:
        pool = self.pools[signal]
        pool.hold({number: summary.bins for block in lessons for number, summary in block})
        moments = Summary()
        for block in lessons:
            for _, summary in block:
                moments.merge_moments(summary)
        if moments.count < LEAST:
            return None
        moments.bins = pool.bins
        blocks = [[summary for _, summary in block] for block in lessons]
        made = Baseline(signal, self.scale, moments, blocks, self.sensitivity)
        made.made = now
        self._mark_new_normal(signal, {number for block in lessons for number, _ in block}, made)
        return made

    def _mark_new_normal(self, signal: Signal, taught: set[int], made: Baseline) -> None:
        """Remember what was normal before a shift that has stayed, until it is normal again."""
        former, before = self.baselines[signal], self.before.get(signal)
        if former is not None and taught and 0 < self.taught[signal] < min(taught):
            self.before.setdefault(signal, (min(taught), former.mean))
        elif before is not None and abs(made.mean - before[1]) <= MOVED * abs(before[1]):
            del self.before[signal]
        self.taught[signal] = max(taught, default=0)

    def _lessons(self, signal: Signal, now: int) -> list[list[Lesson]]:
        """Blocks of the window that teach; those before it, too, where it holds few."""
        before = self._first_recent(now) - self.reach[signal]
        blocks: dict[int, list[Lesson]] = {}
        for number, one in self.window.items():
            summary: Summary = getattr(one, signal)
            if number < before and summary.count:
                blocks.setdefault(number // self.grid.block, []).append((number, summary))
        calls = sum(summary.count for block in blocks.values() for _, summary in block)
        if len(blocks) < OWN_BLOCKS or calls < OWN_CALLS:
            for number, summary in self.memory.of(signal):
                blocks.setdefault(number // self.grid.block, [(-1 - number, summary)])
        logs = {number: _logs(block) for number, block in sorted(blocks.items())}
        taught = teachers(list(logs.items()))
        self._see_stretches(signal, blocks, logs, taught)
        return [blocks[number] for number in sorted(taught)]

    def _see_stretches(
        self, signal: Signal, blocks: dict[int, list[Lesson]], logs: dict[int, tuple[int, int, int]], taught: set[int]
    ) -> None:
        """Remember what stood out: it may come back."""
        calls = sum(logs[number][0] for number in taught)
        if not calls or len(taught) == len(logs):
            return
        usual = sum(logs[number][1] for number in taught) / calls
        out = []
        for number in logs.keys() - taught:
            count, total, _ = logs[number]
            high, low = (
                edge(getattr(one, name) for _, one in blocks[number]) for edge, name in ((max, "high"), (min, "low"))
            )
            out.append((number, count, total, high if total / count > usual else low))
        self.returning[signal].see(stretches(sorted(out), usual))

    def _of_cells(self, signal: Signal, at: int) -> list[list[Lesson]]:
        """Of a young service: cells except for the newest, which are recent. Numbers below zero, as no slice has."""
        filled = [number for number in sorted(self.cells) if number <= at and getattr(self.cells[number], signal).count]
        counts = [getattr(self.cells[number], signal).count for number in filled]
        recent = 0
        while filled and (not recent or (recent < FEW and sum(counts[:-1]) >= LEAST)):
            self.young[signal] = filled.pop()
            recent += counts.pop()
        self.pools[signal] = Pool()  # cells may change yet
        return [[(-BEFORE - number, getattr(self.cells[number], signal).copied())] for number in filled]

    def _reach(self, signal: Signal, now: int) -> int:
        """How many slices before the recent cells count as recent, until there are enough calls.

        Thirty within ten minutes, or what is there; where traffic is so thin that ten take longer, the last ten calls. What is left
        for the baseline is enough for one.
        """
        newest = self._first_recent(now) - 1
        thin = sum(getattr(one, signal).count for one in self.window.values()) * self.grid.reach < FEW * SLICES
        upto = (
            now + 1 if thin else now
        )  # a slice that fills is not to be counted twice where there is more of it to come
        calls = sum(
            getattr(one, signal).count for number, one in self.cells.items() if number // self.grid.per_slice < upto
        )
        left = sum(getattr(one, signal).count for number, one in self.window.items() if number <= newest)
        left += sum(summary.count for _, summary in self.memory.of(signal))
        for more in range(SLICES - 1 if thin else self.grid.reach):
            older = self.window.get(newest - more)
            count = 0 if older is None else getattr(older, signal).count
            if calls >= (ENOUGH if more < self.grid.reach else FEW) or (count and left - count < LEAST):
                return more
            calls, left = calls + count, left - count
        return SLICES - 1 if thin else self.grid.reach

    def recent(self, signal: Signal, at: int) -> Summary:
        """The calls that a shift judges at cell ``at``. Not to be changed: what of it is complete is summed up once."""
        reach, young = self.reach[signal], signal in self.young
        oldest = self._oldest_recent(signal, at)
        if not reach and not young:  # each cell has others, and where traffic is busy they take memory
            return self._sum(Summary(), signal, oldest, at + 1)
        first, upto = self._first_recent(at // self.grid.per_slice), max(oldest, min(self.number, at + 1))
        since, until, total = self.sums.get(signal, (None, upto, Summary()))
        if since != (oldest, first) or until > upto:
            until, total = oldest, Summary()
            for _, one in () if young else reversed(self.older(signal, first, reach)):
                total.merge(one)
        self._sum(total, signal, until, upto)
        self.sums[signal] = (oldest, first), upto, total
        changing = any(upto <= number <= at and getattr(cell, signal).count for number, cell in self.cells.items())
        return self._sum(total.copied(), signal, upto, at + 1) if changing else total

    def _sum(self, total: Summary, signal: Signal, begin: int, end: int) -> Summary:
        """Add the cells from ``begin`` to ``end`` to ``total``, oldest first."""
        for number in sorted(number for number in self.cells if begin <= number < end):
            total.merge(getattr(self.cells[number], signal))
        return total

    def _oldest_recent(self, signal: Signal, at: int) -> int:
        return self.young.get(signal, self.folded if self.reach[signal] else at - self.grid.recent + 1)

    def newest(self, signal: Signal, at: int) -> Iterator[Summary]:
        """The newest ``NEWEST`` of the recent calls each, and those that share a cell or slice with them."""
        total, wanted = Summary(), iter(NEWEST)
        least = next(wanted)
        for _, one in self.newest_first(signal, at):
            total.merge(one)
            if total.count < least:
                continue
            yield total
            while least <= total.count:
                least = next(wanted, 0)
                if not least:
                    return

    def newest_first(self, signal: Signal, at: int) -> Iterator[tuple[int, Summary]]:
        """Recent calls by cell, then by slice, each with the number of its first cell."""
        reach = self.reach[signal]
        oldest = self._oldest_recent(signal, at)
        for number in sorted((number for number in self.cells if oldest <= number <= at), reverse=True):
            yield number, getattr(self.cells[number], signal)
        if reach and signal not in self.young:
            for number, one in self.older(signal, self._first_recent(at // self.grid.per_slice), reach):
                yield number * self.grid.per_slice, one

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

    def shifted(self, key: Key, at: int) -> Iterator[Shifted]:
        """Shifts that have stayed and are the baseline now."""
        for signal, (since, before) in self.before.items():
            baseline = self.baselines[signal]
            if baseline is not None:
                seconds = (at // self.grid.per_slice - since) * self.grid.slice
                yield Shifted(key[0], key[1], signal, before, baseline.mean, seconds, key[2:])


def _logs(block: list[tuple[int, Summary]]) -> tuple[int, int, int]:
    counts, firsts, seconds = zip(*(summary.log_moments() for _, summary in block), strict=True)
    return sum(counts), sum(firsts), sum(seconds)
