"""What a signal's values are judged by: which slices may teach, and how far values and means lie from what they teach.

A mean of recent calls is held against the means of equally long blocks of the past, because traffic wanders: calls minutes
apart are less alike than calls seconds apart, and the textbook's standard error (stddev / sqrt(n)) takes that for an anomaly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf, sqrt
from operator import mul

from .facts import Direction, Judgement, Severity, Signal
from .scales import NARROWEST, SCALES, Linear, Scale, of_student
from .sketch import WIDTH, Bins, add, middle, subtract
from .summary import Summary

LEAST = 20  # calls in a baseline
CRITICAL = 3.0
PRIOR = 3  # blocks' worth of belief, before there are blocks, that the means of blocks wander
LEAST_SPREAD = 0.3  # of the scores of a baseline whose values are nearly all alike
WANDER = 0.15  # by so many standard deviations of single calls
LOOKS = 1.12  # times the variance of a mean: a shift is looked for at every moment, not once
DOUBT = 2.5  # a block further out than this does not teach
PATIENCE = (5, 15)  # blocks in a row, at least and at most, until what was doubted is the new normal

Logs = tuple[int, int, int]  # count, sum and sum of squares of bin numbers


class Pool:
    """The sum of some slices' sketches, kept up to date by adding and taking away."""

    def __init__(self) -> None:
        self.members: dict[int, Bins] = {}
        self.bins: Bins = {}

    def hold(self, wanted: Mapping[int, Bins]) -> None:
        """Make ``wanted`` (bins by slice) the members. Their bins must not change while they are."""
        for number in [number for number in self.members if number not in wanted]:
            subtract(self.bins, self.members.pop(number))
        for number, bins in wanted.items():
            if number not in self.members:
                self.members[number] = bins
                add(self.bins, bins)


class Wander:
    """Means of blocks: where they centre, and how far they lie apart beyond what chance explains."""

    def __init__(self) -> None:
        self.blocks = 0
        self.first = 0.0
        self.second = 0.0
        self.chance = 0.0  # sum of 1 / calls

    def add(self, mean: float, calls: int) -> None:
        self.blocks += 1
        self.first += mean
        self.second += mean * mean
        self.chance += 1 / calls

    @property
    def centre(self) -> float:
        return self.first / self.blocks

    def deviation(self, mean: float, calls: int, spread: float) -> float:
        """How many standard errors ``mean`` of ``calls`` lies from the centre, given the spread of single calls.

        The error is that of a random-effects model (DerSimonian and Laird 1986): chance, plus what blocks differ by, the latter
        held near ``WANDER`` while there are few of them.
        """
        apart = (self.second - self.first * self.first / self.blocks) - (
            self.blocks - 1
        ) * spread * spread * self.chance / self.blocks
        freedom = PRIOR + self.blocks - 1
        wander = (PRIOR * (WANDER * spread) ** 2 + max(apart, 0.0)) / freedom
        error = wander * (1 + 1 / self.blocks) + spread * spread * (1 / calls + self.chance / self.blocks**2)
        return of_student((mean - self.centre) / sqrt(LOOKS * error), freedom)


def teachers(blocks: Sequence[tuple[int, Logs]]) -> set[int]:
    """Which of ``blocks`` (number and logs, by time) make the baseline.

    A block whose mean is beyond ``DOUBT`` does not teach. A row of such, all to one side and as long as what taught before
    (within ``PATIENCE``), is the new normal: it alone teaches from then on.
    """
    taught = _Lesson()
    doubted: list[tuple[int, Logs]] = []
    side = False
    for block in blocks:
        far = taught.doubt(block[1])
        if abs(far) <= DOUBT:
            taught.learn(*block)
            doubted = []
            continue
        if doubted and (far > 0) != side:
            doubted = []
        side = far > 0
        doubted.append(block)
        if len(doubted) >= min(max(len(taught.numbers), PATIENCE[0]), PATIENCE[1]):
            taught = _Lesson()
            for one in doubted:
                taught.learn(*one)
            doubted = []
    return taught.numbers


class _Lesson:
    """The blocks accepted so far."""

    def __init__(self) -> None:
        self.numbers: set[int] = set()
        self.wander = Wander()
        self.calls = self.first = self.second = 0

    def learn(self, number: int, logs: Logs) -> None:
        calls, first, second = logs
        self.numbers.add(number)
        self.wander.add(first / calls, calls)
        self.calls += calls
        self.first += first
        self.second += second

    def doubt(self, logs: Logs) -> float:
        if self.calls < LEAST:
            return 0.0
        variance = (self.second - self.first * self.first / self.calls) / (self.calls - 1)
        spread = max(sqrt(max(variance, 0.0)), NARROWEST / WIDTH)
        return self.wander.deviation(logs[1] / logs[0], logs[0], spread)


class Baseline:
    """The baseline of one signal. ``moments`` are those of the calls that teach, ``blocks`` their bins, block by block."""

    def __init__(
        self, signal: Signal, scale: str, moments: Summary, blocks: Iterable[Sequence[Bins]], sensitivity: float
    ) -> None:
        self.signal = signal
        self.count = moments.count
        self.mean = moments.total / moments.count
        self.stddev = moments.stddev or 0.0
        self.scale: Scale = SCALES[scale](signal, moments)
        self.sensitivity = sensitivity
        # short answers are as suspicious as long ones; fast and cheap calls are not
        self.both = signal == "output_tokens"
        self.wander = Wander()
        if not isinstance(self.scale, Linear):
            self._learn(moments.bins, blocks)
        places = sorted(moments.bins)
        self.high = self._last_usual(reversed(places), 1)
        self.low = self._last_usual(places, -1) if self.both else -inf

    def _learn(self, bins: Bins, blocks: Iterable[Sequence[Bins]]) -> None:
        self.scores = self.scale.scores(bins)
        squares = sum(count * self.scores[place] ** 2 for place, count in bins.items())
        for block in blocks:
            calls = sum(sum(one.values()) for one in block)
            self.wander.add(sum(map(self._sum, block)) / calls, calls)
        self.spread = max(sqrt(max(squares / self.count - self.wander.centre**2, 0.0)), LEAST_SPREAD)

    def _sum(self, bins: Bins) -> float:
        return float(sum(map(mul, bins.values(), map(self.scores.__getitem__, bins))))

    def _last_usual(self, places: Iterable[int], side: int) -> float:
        """The last value to a side that is within the sensitivity: what lies before it need not be judged."""
        values = map(middle, places)
        return next((value for value in values if side * self.scale.z(value) < self.sensitivity), -side * inf)

    def judge(self, value: float) -> Judgement | None:
        """The verdict on a single call; None where it is not unusual."""
        zscore = self.scale.z(value)
        if zscore < self.sensitivity and not (self.both and zscore <= -self.sensitivity):
            return None
        severity: Severity = "critical" if abs(zscore) >= CRITICAL else "warning"
        direction: Direction = "high" if zscore > 0 else "low"
        return Judgement(self.signal, direction, severity, value, self.mean, self.stddev, zscore)

    def peak(self, low: float, high: float) -> float:
        """The z-score of the most extreme of the calls between ``low`` and ``high``; of latency and cost, of the highest."""
        above = self.scale.z(high)
        below = self.scale.z(low) if self.both else above
        return above if abs(above) >= abs(below) else below

    def shift(self, recent: Summary) -> float:
        """How many standard errors the mean of ``recent`` (not empty) lies from the baseline."""
        if isinstance(self.scale, Linear):
            gap = recent.total / recent.count - self.scale.mean
            return gap / self.scale.stddev * sqrt(recent.count)
        unseen = [place for place in recent.bins if place not in self.scores]
        self.scores.update(self.scale.scores(dict.fromkeys(unseen, 0)))
        mean = self._sum(recent.bins) / recent.count
        return self.wander.deviation(mean, recent.count, self.spread)
