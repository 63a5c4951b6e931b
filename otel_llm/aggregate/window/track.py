"""One model's window: judges its calls and minutes, renews what they are judged by, and keeps it over a restart."""

from __future__ import annotations

import marshal
from collections import deque
from collections.abc import Iterator
from math import inf
from typing import Any

from .baseline import CRITICAL, Baseline
from .complete import Complete
from .explain import Samples
from .facts import Cause, Judgement, Signal
from .lessons import Lessons
from .memory import Memory
from .signals import KINDS, KNOWN
from .slices import SIGNALS, Grid, Slice
from .summary import Summary
from .trend import Line
from .watch import DEFAULT, Alarms, Watch

PATIENCE = 30  # cells after which a record makes the baselines itself, where nobody asked for them meanwhile
ALONE = 4.5  # from which z-score on a single call is an alarm by itself
THIN = 60  # recent calls, below which the newest of them are also judged by themselves
NEWEST, CLIP = (4, 8, 16), 2.5  # of them, at least; spreads that one may lie from the others
KEEP_APART = 10  # slices after which what outlives a restart is prepared again


class Track(Lessons):
    """The window of one model, with what handlers get of it."""

    def __init__(self, grid: Grid, scale: str, sensitivity: float, alarming: Alarms = DEFAULT) -> None:
        super().__init__(grid, scale, sensitivity)
        self.watch = Watch(alarming)
        self.samples = Samples(alarming.labels)
        self.explained: dict[Signal, tuple[int, tuple[Cause, ...]]] = {}  # by the cell of the last look
        self.shifts: dict[Signal, tuple[int, float]] = dict.fromkeys(SIGNALS, (-1, 0.0))
        self.lines: dict[Signal, Line] = {signal: Line() for signal in SIGNALS}
        self.newest_lines: dict[Signal, Line] = {signal: Line() for signal in SIGNALS}
        self.minute = -1  # the newest that has been closed
        self.now = -1  # the slice that the baselines were made in
        self.prepared = -PATIENCE  # the cell of that moment
        self.stale = False  # whether a slice before ``now`` has changed since
        self.bounds = [inf, -inf, inf, inf]  # values beyond which latency, output (low, high) and cost are to be judged
        self.pending: deque[Judgement] = deque(maxlen=2 * len(self.watch.trends))
        self.kept = b""  # what outlives a restart
        self.kept_at = -KEEP_APART

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
        if number < self.number:  # a late call
            self._forget_sums()
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

    def judge(self, at: float, latency: float, output_tokens: int | None, cost: float | None) -> tuple[Judgement, ...]:
        """Verdicts on a single call in the current cell, by the baselines as they are; and on minutes before it."""
        judgements: list[Judgement] = []
        for signal, value in zip(SIGNALS, (latency, output_tokens, cost), strict=True):
            baseline = self.baselines[signal]
            if baseline is None or value is None or baseline.low <= value <= baseline.high:
                continue
            judgement = baseline.judge(value)
            if judgement is not None:
                judgements.append(self._alarmed(at, signal, baseline, judgement))
        if self.pending:
            judgements += self.reported()
        return tuple(judgements)

    def reported(self) -> tuple[Judgement, ...]:
        """What the minutes before are called, once."""
        judgements = tuple(self.pending)
        self.pending.clear()
        self._set_bounds()
        return judgements

    def _alarmed(self, at: float, signal: Signal, baseline: Baseline, judgement: Judgement) -> Judgement:
        if not self.watch.alarming.covers(signal):
            return judgement
        side = 1 if judgement.zscore > 0 else -1
        if self.returning[signal].covers_call(self._block(self.number), side, judgement.value):
            return judgement
        shift = side * self._shift_of_cell(signal, baseline)
        if abs(judgement.zscore) < ALONE and shift < CRITICAL:
            return judgement
        urgency = self.watch.urgency(at, judgement, shift, self.samples.lately)
        return judgement._replace(alarm=True, urgency=urgency, causes=self._causes_of_cell(signal))

    def _causes_of_cell(self, signal: Signal) -> tuple[Cause, ...]:
        """What has moved; looked at once per cell, as in a fault each call may be an alarm."""
        number, causes = self.explained.get(signal, (-1, ()))
        if number != self.number:
            causes = self.samples.causes(signal)
            self.explained[signal] = (self.number, causes)
        return causes

    def _shift_of_cell(self, signal: Signal, baseline: Baseline) -> float:
        """How far recent calls have shifted; looked at once per cell."""
        number, shift = self.shifts[signal]
        if number != self.number:
            recent = self.recent(signal, self.number)
            score = baseline.shift(recent) if recent.count else 0.0
            shift = self._on_scale(signal, self._unexpected(signal, self.number, score, recent), self.minute)
            self.shifts[signal] = (self.number, shift)
        return shift

    def shift(self, signal: Signal, at: int, baseline: Baseline, recent: Summary | None = None) -> float | None:
        """How far recent calls lie from the baseline, on the scale where 3 is beyond what the service does by itself.

        ``recent`` are those calls, from whoever has them already.
        """
        recent = recent or self.recent(signal, at)
        if not recent.count:
            return None
        score = self._unexpected(signal, at, baseline.shift(recent), recent)
        newest = self._of_newest(signal, at, baseline, recent)
        return self._larger(signal, score, newest, at // self.grid.per_minute)

    def _larger(self, signal: Signal, score: float, newest: float | None, minute: int) -> float:
        """The shift of recent calls, or of the newest of them where that is more unusual, on the scale where 3 is the line."""
        of_recent = self._on_scale(signal, score, minute)
        if newest is None:
            return of_recent
        return max(of_recent, self.newest_lines[signal].shown(newest), key=abs if KINDS[signal].both else None)

    def _on_scale(self, signal: Signal, score: float, minute: int) -> float:
        """On the scale where 3 is the line; of cost what a token costs, if that is more unusual."""
        return self.watch.larger(signal, "shift", self.lines[signal].shown(score), minute)

    def _of_newest(self, signal: Signal, at: int, baseline: Baseline, recent: Summary) -> float | None:
        """Where recent calls are few, the shift of the newest of them; None where they are many.

        Latencies are those of two minutes and of ``NEWEST`` calls, beyond what is usual at their lengths over the day. None counts for
        more than ``CLIP``; to leave out the slowest would be to leave out a fourth of what four calls say.
        """
        if recent.count >= THIN or self.scale == "linear":  # which is the textbook's, whatever it misses
            return None
        if signal == "latency" and self.watch.reading.lengths.count >= KNOWN and self.watch.trends[signal].known:
            scores = list(self._of_newest_latencies(at))
        else:
            scores = [baseline.shift(newest) for newest in self.newest(signal, at)]
        if not scores:
            return None
        return self._unexpected(signal, at, max(scores, key=abs if baseline.both else None), recent)

    def _of_newest_latencies(self, at: int) -> Iterator[float]:
        lengths, trend = self.watch.reading.lengths, self.watch.trends["latency"]
        calls, total, first, wanted = 0, 0.0, at, list(NEWEST)
        for number, one in self.newest_first("latency", at):
            if number <= at - self.grid.recent and calls >= wanted[0]:
                yield trend.of_newest(total, calls, first // self.grid.per_minute)
                wanted = [least for least in wanted if least > calls]
                if not wanted:
                    return
            if one.joint is not None and one.joint.count:
                calls, first = calls + one.joint.count, number
                total += lengths.clipped(one.joint, trend.centre, CLIP * trend.spread)
        if calls:
            yield trend.of_newest(total, calls, first // self.grid.per_minute)

    def _unexpected(self, signal: Signal, at: int, score: float, recent: Summary) -> float:
        """``score``, except for a batch that is due."""
        count, total, _ = recent.log_moments()
        if not count:
            return score
        due = self.returning[signal].covers(self._block(at), 1 if score > 0 else -1, total / count)
        return 0.0 if due else score

    def _block(self, at: int) -> int:
        return at // self.grid.per_slice // self.grid.block

    def prepare(self, at: int) -> None:
        """Make the baselines for the slice of cell ``at``: of slices in the window, older than what is recent."""
        now = at // self.grid.per_slice
        self._close_minutes(at)
        if now == self.now and not self.stale and (at == self.prepared or not self.unsettled):
            return
        self.now, self.stale, self.prepared = now, False, at
        self._fold(now * self.grid.per_slice - self.grid.recent)
        self.window = self._in_window(now)
        self.past.hold({number: one.latency.bins for number, one in self.window.items()})
        self.closed = Slice()
        for one in self.window.values():
            self.closed.merge_bare(one)
        for signal in SIGNALS:
            self.baselines[signal] = self._baseline(signal, now, at)
        first = self._first_recent(now) - max(self.reach.values())
        self.opened = {number: one for number, one in self.window.items() if number >= first}
        self.window = {}
        self._set_bounds()
        self.watch.draw_edges(self.minute, self.pools["output_tokens"].bins, self.pools["latency"].bins)

    def _set_bounds(self) -> None:
        if self.pending:  # the next call brings it
            self.bounds = [-inf, inf, -inf, -inf]
            return
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
            self.samples.close(whole.calls)
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
                self._set_bounds()

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
                score = self._unexpected(signal, last, baseline.shift(recent), recent)
                newest = self._of_newest(signal, last, baseline, recent)
                for line, one in ((self.lines[signal], score), (self.newest_lines[signal], newest or 0.0)):
                    line.see(self.minute, abs(one) if baseline.both else one)
                yield signal, "shift", self._larger(signal, score, newest, self.minute)

    def merge(self, other: Track) -> None:
        for number, one in other.slices.items():
            ours = self.slices[number] = self._opened(number)
            ours.merge(one.open())
        for number, cell in other.cells.items():
            self.cells.setdefault(number, Slice()).merge(cell)
        self._restart_pools()
        self.stale = True
        if other.minute > self.minute:  # what was learned does not add up: the longer past stays
            self.watch, self.minute, self.lines = other.watch, other.minute, other.lines
            self.newest_lines = other.newest_lines

    def dump(self) -> tuple[Any, ...]:
        slices = [(number, one.open().dump()) for number, one in self.slices.items()]
        cells = [(number, one.dump()) for number, one in self.cells.items()]
        lines = [(self.lines[signal].dump(), self.newest_lines[signal].dump()) for signal in SIGNALS]
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
        self.slices = {int(number): Complete(Slice.load(one)) for number, one in slices}
        self.cells = {int(number): Slice.load(one) for number, one in cells}
        self.memory = Memory.load(memory)
        self.watch.load(watch)
        self.before = {signal: (int(since), float(mean)) for signal, (since, mean) in before}
        for signal, (line, newest), pattern in zip(SIGNALS, lines, returning, strict=True):
            self.lines[signal].load(line)
            self.newest_lines[signal].load(newest)
            self.returning[signal].load(pattern)

    def keep(self, now: int) -> None:
        """Have ready what outlives a restart, so that nobody waits for all models at once."""
        if now - self.kept_at >= (KEEP_APART if len(self.slices) > KEEP_APART else 1):
            self.kept, self.kept_at = marshal.dumps(self.learned()), now

    def keeps(self) -> Any:
        """What ``keep`` has ready; what there is now, where it has not."""
        return marshal.loads(self.kept) if self.kept else self.learned()  # noqa: S302 - our own, a moment ago

    def learned(self) -> dict[str, Any]:
        """What outlives a restart: the newest past as a sample, errors and lines; under 2 kB a signal."""
        memory = Memory()
        memory.blocks = list(self.memory.blocks)
        for number, one in sorted(self.slices.items()):
            memory.take(number, one.open())
        return {
            "memory": memory.dump(),
            "watch": self.watch.learned(),
            "lines": {signal: line.short() for signal, line in self.lines.items()},
            "newest": {signal: line.short() for signal, line in self.newest_lines.items()},
            "returning": {signal: pattern.dump() for signal, pattern in self.returning.items()},
        }

    def take_up(self, state: Any) -> None:
        """What ``learned`` gave before the restart; what has been recorded since stays."""
        self.memory = Memory.load(state["memory"])
        self.watch.take_up(state["watch"])
        for signal, line in state["lines"].items():
            if signal in self.lines:
                self.lines[signal].take_up(line)
                self.newest_lines[signal].take_up(state.get("newest", {}).get(signal, ()))
                self.returning[signal].load(state.get("returning", {}).get(signal, ()))
        self.stale = True
