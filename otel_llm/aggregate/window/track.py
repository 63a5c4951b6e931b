"""The window of one model: cells for the last minutes, slices for the rest, and the baselines made from them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from math import inf
from typing import Any

from .baseline import CRITICAL, LEAST, Baseline, Pool, teachers
from .explain import Samples
from .facts import Judgement, Key, Shifted, Signal
from .memory import KEPT, Memory
from .returning import Returning, stretches
from .sketch import Bins, add
from .slices import SIGNALS, SLICES, Grid, Slice
from .summary import Summary
from .trend import Line
from .watch import DEFAULT, Alarms, Watch

PATIENCE = 30  # cells after which a record makes the baselines itself, where nobody asked for them meanwhile
ALONE = 4.5  # from which z-score on a single call is an alarm by itself
ENOUGH = 30  # recent calls that a shift is judged from, where the last minutes have fewer
FEW = 10  # the same where there are fewer than that in ten minutes
SETTLED = 20  # blocks that have taught, from which on the baseline is made again every ``RENEWED`` slices
RENEWED = 5
OWN_BLOCKS, OWN_CALLS = 15, 60  # of the window, from which the past before it is no measure any more
KEEP_APART = 10  # slices after which what outlives a restart is prepared again
MOVED = 0.1  # relative: a new normal that is nearer to the former one is the same

BEFORE = 1 << 40  # lessons that are of no slice have numbers below zero: of cells, below this much less

Lesson = tuple[int, Summary]  # number of the slice, what it teaches


class Track:
    """Slices of one model by number. ``cells`` hold what is not older than a shift looks back, ``slices`` the rest."""

    def __init__(self, grid: Grid, scale: str, sensitivity: float, alarming: Alarms = DEFAULT) -> None:
        self.grid = grid
        self.scale = scale
        self.sensitivity = sensitivity
        self.cells: dict[int, Slice] = {}
        self.slices: dict[int, Slice] = {}
        self.memory = Memory()
        self.watch = Watch(alarming)
        self.samples = Samples(alarming.labels)
        self.folded = 0  # cells before this number are in slices
        self.number = 0  # of the current cell
        self.start, self.end = inf, -inf  # the same in seconds
        self.current = Slice()
        self.shifts: dict[Signal, tuple[int, float]] = dict.fromkeys(SIGNALS, (-1, 0.0))
        self.lines: dict[Signal, Line] = {signal: Line() for signal in SIGNALS}
        self.minute = -1  # the newest that has been closed
        self.now = -1  # the slice that the baselines were made in
        self.prepared = -PATIENCE  # the cell of that moment
        self.stale = False  # whether a slice before ``now`` has changed since
        self.baselines: dict[Signal, Baseline | None] = dict.fromkeys(SIGNALS)
        self.bounds = [inf, -inf, inf, inf]  # values beyond which latency, output (low, high) and cost are to be judged
        self.reach = dict.fromkeys(SIGNALS, 0)  # older slices that count as recent where traffic is thin
        self.young: dict[Signal, int] = {}  # the first cell that is recent, where the baseline is of cells
        self.returning = {signal: Returning() for signal in SIGNALS}
        self.taught: dict[Signal, set[int]] = {signal: set() for signal in SIGNALS}
        self.before: dict[Signal, tuple[int, float]] = {}  # when a new normal was taken up (slice), and the former mean
        self.pending: deque[Judgement] = deque(maxlen=2 * len(self.watch.trends))
        self.kept: dict[str, Any] = {}  # what outlives a restart
        self.kept_at = -KEEP_APART
        self.past = Pool()  # latencies of all slices
        self.closed = Slice()  # all slices, without sketches
        self.pools = {signal: Pool() for signal in SIGNALS}

    def enter(self, at: float) -> Slice:
        """The cell of ``at``, which becomes the current one."""
        number = self.grid.of(at)
        of_slice = number // self.grid.per_slice
        if of_slice < self.now:
            self.stale = True
        elif self._due(number, of_slice):
            self.prepare(number)
            self._bound()
        if number < self.folded:
            return self._late(of_slice)
        former, self.current = self.current, self.cells.get(number) or self.cells.setdefault(number, Slice())
        if former is not self.current:  # what does not fill any more takes little memory
            former.freeze()
            self.current.thaw()
        self.number = number
        self.start, self.end = number * self.grid.cell, (number + 1) * self.grid.cell
        return self.current

    def _due(self, number: int, of_slice: int) -> bool:
        """Whether a record is to make the baselines: nobody else has, or there are none yet."""
        if of_slice > self.now:
            return number - self.prepared >= PATIENCE or self.unsettled
        return self.unsettled and number != self.prepared

    @property
    def unsettled(self) -> bool:
        """Whether more calls soon make a better baseline."""
        return bool(self.young) or self.baselines["latency"] is None

    def judge(self, at: float, latency: float, output_tokens: int | None, cost: float | None) -> tuple[Judgement, ...]:
        """Verdicts on a single call in the current cell, by the baselines as they are; and on minutes before it."""
        judgements: list[Judgement] = []
        for signal, value in zip(SIGNALS, (latency, output_tokens, cost), strict=True):
            baseline = self.baselines[signal]
            if baseline is None or value is None:
                continue
            judgement = baseline.judge(value)
            if judgement is not None:
                judgements.append(self._alarmed(at, signal, baseline, judgement))
        while self.pending:
            judgements.append(self.pending.popleft())
        self._set_bounds()
        return tuple(judgements)

    def _alarmed(self, at: float, signal: Signal, baseline: Baseline, judgement: Judgement) -> Judgement:
        if not self.watch.alarming.covers(signal):
            return judgement
        side = 1 if judgement.zscore > 0 else -1
        if self.returning[signal].covers_call(self._block(self.number), side, judgement.value):
            return judgement
        shift = side * self._shift_of_cell(signal, baseline)
        if abs(judgement.zscore) < ALONE and shift < CRITICAL:
            return judgement
        causes = self.samples.causes(signal)
        return judgement._replace(alarm=True, urgency=self.watch.urgency(at, judgement, shift), causes=causes)

    def _shift_of_cell(self, signal: Signal, baseline: Baseline) -> float:
        """How far recent calls have shifted; looked at once per cell."""
        number, shift = self.shifts[signal]
        if number != self.number:
            shift = self.shift(signal, self.number, baseline) or 0.0
            self.shifts[signal] = (self.number, shift)
        return shift

    def shift(self, signal: Signal, at: int, baseline: Baseline, recent: Summary | None = None) -> float | None:
        """How far recent calls lie from the baseline, on the scale where 3 is beyond what the service does by itself.

        ``recent`` are those calls, from whoever has them already.
        """
        recent = recent or self.recent(signal, at)
        return self.lines[signal].shown(self._unexpected(signal, at, baseline, recent)) if recent.count else None

    def _unexpected(self, signal: Signal, at: int, baseline: Baseline, recent: Summary) -> float:
        """The shift of recent calls, except for a batch that is due."""
        score = baseline.shift(recent)
        count, total, _ = recent.log_moments()
        due = self.returning[signal].covers(self._block(at), 1 if score > 0 else -1, total / count)
        return 0.0 if due else score

    def _block(self, at: int) -> int:
        return at // self.grid.per_slice // self.grid.block

    def _bound(self) -> None:
        """Where nobody forgets, keep the newest slices: by number, not by time, as a call's time may be wrong."""
        for number in sorted(self.slices)[: -3 * SLICES]:
            del self.slices[number]

    def _late(self, of_slice: int) -> Slice:
        """A slice that was thought complete: the pools that hold it begin again."""
        self._restart_pools()
        late = self.slices.setdefault(of_slice, Slice())
        late.thaw()
        return late

    def _restart_pools(self) -> None:
        self.past = Pool()
        self.pools = {signal: Pool() for signal in SIGNALS}

    def prepare(self, at: int) -> None:
        """Make the baselines for the slice of cell ``at``: of slices in the window, older than what is recent."""
        now = at // self.grid.per_slice
        self._close_minutes(at)
        if now == self.now and not self.stale and (at == self.prepared or not self.unsettled):
            return
        self.now, self.stale, self.prepared = now, False, at
        self._fold(now * self.grid.per_slice - self.grid.recent)
        live = dict(self._window(now))
        self.past.hold({number: one.latency.bins for number, one in live.items()})
        self.closed = Slice()
        for one in live.values():
            self.closed.merge_bare(one)
        for signal in SIGNALS:
            self.baselines[signal] = self._baseline(signal, now, at)
        self._set_bounds()
        self.watch.draw_edges(self.minute, self.pools["output_tokens"].bins, self.pools["latency"].bins)

    def _set_bounds(self) -> None:
        latency, output, cost = (self.baselines[signal] for signal in SIGNALS)
        self.bounds = [
            latency.high if latency else inf,
            output.low if output else -inf,
            output.high if output else inf,
            cost.high if cost else inf,
        ]

    def _close_minutes(self, at: int) -> None:
        """Have the minutes before cell ``at`` watched, and those beyond the line reported with the next call."""
        per_minute = self.grid.per_minute
        minutes = sorted({number // per_minute for number in self.cells if self.minute < number // per_minute})
        for minute in minutes:
            if (minute + 1) * per_minute > at:
                break
            whole = Slice()
            for number in range(minute * per_minute, (minute + 1) * per_minute):
                if number in self.cells:
                    whole.merge(self.cells[number])
            self.watch.close(minute, whole)
            self.samples.close()
            self.minute = minute
            self._alarm(minute)

    def _alarm(self, minute: int) -> None:
        last = (minute + 1) * self.grid.per_minute - 1
        block = self._block(last)
        for signal, kind, score in (*self._shift_scores(last), *self.watch.scores(minute)):
            pattern = self.returning.get(signal) if kind == "trend" else None
            if pattern is not None and pattern.lately(block, 1 if score > 0 else -1):
                continue  # by the minute it is the shift that says whether it is larger than it was
            severity = self.watch.lasting(signal, kind, score)
            if severity is not None:
                judgement = self._in_units(self.watch.judgement(signal, kind, score, severity), last)
                self.pending.append(judgement._replace(causes=self.samples.causes(signal)))
                self.bounds = [-inf, inf, -inf, -inf]  # so that the next call brings it

    def _in_units(self, judgement: Judgement, last: int) -> Judgement:
        """With means in seconds, tokens or US dollars, where a trend knows only what is beyond the usual at a length."""
        baseline = self.baselines.get(judgement.signal)
        recent = None if baseline is None else self.recent(judgement.signal, last)
        if baseline is None or recent is None or recent.mean is None:
            return judgement
        return judgement._replace(value=recent.mean, baseline_mean=baseline.mean, baseline_stddev=baseline.stddev)

    def _shift_scores(self, last: int) -> Iterator[tuple[Signal, str, float]]:
        for signal in SIGNALS:
            baseline = self.baselines[signal]
            if baseline is not None and (recent := self.recent(signal, last)).count:
                score = self._unexpected(signal, last, baseline, recent)
                self.lines[signal].see(self.minute, abs(score) if baseline.both else score)
                yield signal, "shift", self.lines[signal].shown(score)

    def _fold(self, before: int) -> None:
        """Move cells before that number into their slices. After a clock that went back, the number may be a lower one."""
        self.folded = before
        self.start, self.end = inf, -inf
        touched = False
        filled: set[int] = set()
        for number in sorted(number for number in self.cells if number < before):
            of_slice = number // self.grid.per_slice
            touched = touched or of_slice in self.past.members
            filled.add(of_slice)
            self.slices.setdefault(of_slice, Slice()).merge(self.cells.pop(number))
        for of_slice in filled:
            self.slices[of_slice].freeze()
        if touched:
            self._restart_pools()

    def _window(self, now: int) -> Iterator[tuple[int, Slice]]:
        return ((number, one) for number, one in sorted(self.slices.items()) if now - SLICES < number <= now)

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
        if former is not None and taught and 0 < max(self.taught[signal], default=0) < min(taught):
            self.before.setdefault(signal, (min(taught), former.mean))
        elif before is not None and abs(made.mean - before[1]) <= MOVED * abs(before[1]):
            del self.before[signal]
        self.taught[signal] = taught

    def _lessons(self, signal: Signal, now: int) -> list[list[Lesson]]:
        """Blocks of the window that teach; those before it, too, where it holds few."""
        before = self._first_recent(now) - self.reach[signal]
        blocks: dict[int, list[Lesson]] = {}
        for number, one in self._window(now):
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
        return [[(-BEFORE - number, _copy(getattr(self.cells[number], signal)))] for number in filled]

    def _first_recent(self, now: int) -> int:
        """The first slice that cells which are recent may lie in; those before it are complete."""
        return now + -self.grid.recent // self.grid.per_slice

    def _reach(self, signal: Signal, now: int) -> int:
        """How many slices before the recent cells count as recent, until there are enough calls.

        Thirty within ten minutes, or what is there; where traffic is so thin that ten take longer, the last ten calls. What is left
        for the baseline is enough for one.
        """
        newest = self._first_recent(now) - 1
        thin = sum(getattr(one, signal).count for _, one in self._window(now)) * self.grid.reach < FEW * SLICES
        upto = (
            now + 1 if thin else now
        )  # a slice that fills is not to be counted twice where there is more of it to come
        calls = sum(
            getattr(one, signal).count for number, one in self.cells.items() if number // self.grid.per_slice < upto
        )
        left = sum(getattr(one, signal).count for number, one in self._window(now) if number <= newest)
        left += sum(summary.count for _, summary in self.memory.of(signal))
        for more in range(SLICES - 1 if thin else self.grid.reach):
            older = self.slices.get(newest - more)
            count = 0 if older is None else getattr(older, signal).count
            if calls >= (ENOUGH if more < self.grid.reach else FEW) or (count and left - count < LEAST):
                return more
            calls, left = calls + count, left - count
        return SLICES - 1 if thin else self.grid.reach

    def recent(self, signal: Signal, at: int) -> Summary:
        """The calls that a shift judges at cell ``at``."""
        total = Summary()
        reach = self.reach[signal]
        oldest = self.young.get(signal, self.folded if reach else at - self.grid.recent + 1)
        for number, one in self.cells.items():
            if oldest <= number <= at:
                total.merge(getattr(one, signal))
        first = self._first_recent(at // self.grid.per_slice)
        for number in range(first - reach, first):
            if number in self.slices and signal not in self.young:
                total.merge(getattr(self.slices[number], signal))
        return total

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
        whole = Slice()
        whole.merge_bare(self.closed)
        whole.latency.bins = dict(self.past.bins)
        now = at // self.grid.per_slice
        for number, one in self.cells.items():
            if now - SLICES < number // self.grid.per_slice and number <= at:
                whole.merge_bare(one)
                add(whole.latency.bins, one.latency.bins)
        return whole

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
        for kept, per_slice in ((self.slices, 1), (self.cells, self.grid.per_slice)):
            for number, one in kept.items():
                if now - SLICES < number // per_slice <= now:
                    add(bins, one.cost.bins)
        return bins

    def shifted(self, key: Key, at: int) -> Iterator[Shifted]:
        """Shifts that have stayed and are the baseline now."""
        for signal, (since, before) in self.before.items():
            baseline = self.baselines[signal]
            if baseline is not None:
                seconds = (at // self.grid.per_slice - since) * self.grid.slice
                yield Shifted(key[0], key[1], signal, before, baseline.mean, seconds, key[2:])

    def forget(self, at: int) -> None:
        """Drop what is past the window, and what a clock that went back left in the future."""
        now = at // self.grid.per_slice
        for kept, per_slice in ((self.slices, 1), (self.cells, self.grid.per_slice)):
            for number in sorted(number for number in kept if not now - SLICES < number // per_slice <= now + SLICES):
                leaving = kept.pop(number)
                if number // per_slice <= now:
                    self.memory.take(number // per_slice, leaving)
        self.memory.forget(now - int(KEPT / self.grid.slice))

    def merge(self, other: Track) -> None:
        for number, one in other.slices.items():
            self.slices.setdefault(number, Slice()).merge(one)
        for number, one in other.cells.items():
            self.cells.setdefault(number, Slice()).merge(one)
        self._restart_pools()
        self.stale = True
        if other.minute > self.minute:  # what was learned does not add up: the longer past stays
            self.watch, self.minute, self.lines = other.watch, other.minute, other.lines

    def dump(self) -> tuple[Any, ...]:
        slices, cells = ([(number, one.dump()) for number, one in kept.items()] for kept in (self.slices, self.cells))
        lines = [self.lines[signal].dump() for signal in SIGNALS]
        returning = [self.returning[signal].dump() for signal in SIGNALS]
        return (
            slices,
            cells,
            self.memory.dump(),
            self.watch.dump(),
            lines,
            self.minute,
            list(self.before.items()),
            returning,
        )

    def load(self, state: Any) -> None:
        slices, cells, memory, watch, lines, self.minute, before, returning = state
        self.slices = {int(number): Slice.load(one) for number, one in slices}
        self.cells = {int(number): Slice.load(one) for number, one in cells}
        for one in self.slices.values():
            one.freeze()
        self.memory = Memory.load(memory)
        self.watch.load(watch)
        self.before = {signal: (int(since), float(mean)) for signal, (since, mean) in before}
        for signal, line, pattern in zip(SIGNALS, lines, returning, strict=True):
            self.lines[signal].load(line)
            self.returning[signal].load(pattern)

    def keep(self, now: int) -> None:
        """Have ready what outlives a restart, so that nobody waits for all models at once."""
        if now - self.kept_at >= (KEEP_APART if len(self.slices) > KEEP_APART else 1):
            self.kept, self.kept_at = self.learned(), now

    def learned(self) -> dict[str, Any]:
        """What outlives a restart: the newest past as a sample, errors and lines; under 2 kB a signal."""
        memory = Memory()
        memory.blocks = list(self.memory.blocks)
        for number, one in sorted(self.slices.items()):
            memory.take(number, one)
        return {
            "memory": memory.dump(),
            "watch": self.watch.learned(),
            "lines": {signal: line.short() for signal, line in self.lines.items()},
            "returning": {signal: pattern.dump() for signal, pattern in self.returning.items()},
        }

    def take_up(self, state: Any) -> None:
        """What ``learned`` gave before the restart; what has been recorded since stays."""
        self.memory = Memory.load(state["memory"])
        self.watch.take_up(state["watch"])
        for signal, line in state["lines"].items():
            if signal in self.lines:
                self.lines[signal].take_up(line)
                self.returning[signal].load(state.get("returning", {}).get(signal, ()))
        self.stale = True


def _logs(block: list[tuple[int, Summary]]) -> tuple[int, int, int]:
    counts, firsts, seconds = zip(*(summary.log_moments() for _, summary in block), strict=True)
    return sum(counts), sum(firsts), sum(seconds)


def _copy(summary: Summary) -> Summary:
    made = Summary()
    made.merge(summary)
    return made
