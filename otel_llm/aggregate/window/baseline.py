"""What a signal's values are judged by: which slices may teach, and how far values and means lie from what they teach.

A mean of recent calls is held against the means of equally long blocks of the past, because traffic wanders: calls minutes
apart are less alike than calls seconds apart, and the textbook's standard error (stddev / sqrt(n)) takes that for an anomaly.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from math import inf, log, nan, sqrt
from operator import mul

from .facts import Check, Direction, Judgement, Severity, Signal
from .length import Lengths
from .scales import NARROWEST, SCALES, UNIT, Linear, Scale, of_student
from .sketch import WIDTH, Bins, Counts, middle
from .summary import Summary

LEAST = 20  # calls in a baseline
CRITICAL = 3.0
PRIOR = 3  # blocks' worth of belief, before there are blocks, that the means of blocks wander
LEAST_SPREAD = 0.3  # of the scores of a baseline whose values are nearly all alike
WANDER = 0.15  # by so many standard deviations of single calls
MATTERS = (
    NARROWEST / 3
)  # the least error of a mean of logarithms, of which three are a change that matters, as in trends
LOOKS = 1.12  # times the variance of a mean: a shift is looked for at every moment, not once
DOUBT = 2.5  # a block further out than this does not teach
PATIENCE = (5, 15)  # blocks in a row, at least and at most, until what was doubted is the new normal

MOSTLY = 0.8  # share of calls with a known length of the answer, from which on latency is judged by that length

Logs = tuple[int, int, int]  # count, sum and sum of squares of bin numbers


class Pool:
    """The sum of some slices' sketches, kept up to date by adding and taking away."""

    def __init__(self) -> None:
        self.members: dict[int, Bins] = {}
        self.bins = Counts()

    def hold(self, wanted: Mapping[int, Bins]) -> None:
        """Make ``wanted`` (bins by slice) the members. Their bins must not change while they are."""
        for number in [number for number in self.members if number not in wanted]:
            self.bins.subtract(self.members.pop(number))
        for number, bins in wanted.items():
            if number not in self.members:
                self.members[number] = bins
                self.bins.add(bins)


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

    def deviation(self, mean: float, calls: int, spread: float, least: float = 0.0) -> float:
        """How many standard errors, each ``least`` at the least, ``mean`` of ``calls`` lies from the centre, given the spread of
        single calls.

        The error is that of a random-effects model (DerSimonian and Laird 1986): chance, plus what blocks differ by, the latter
        held near ``WANDER`` while there are few of them.
        """
        apart = (self.second - self.first * self.first / self.blocks) - (
            self.blocks - 1
        ) * spread * spread * self.chance / self.blocks
        freedom = PRIOR + self.blocks - 1
        wander = (PRIOR * (WANDER * spread) ** 2 + max(apart, 0.0)) / freedom
        error = wander * (1 + 1 / self.blocks) + spread * spread * (1 / calls + self.chance / self.blocks**2)
        return of_student((mean - self.centre) / max(sqrt(LOOKS * error), least), freedom)


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


class Scores:
    """Scores of a sketch's bins by number, dense: a lookup of a whole sketch runs at C's speed. Bins below zero stand at the end."""

    def __init__(self, scale: Scale, bins: Mapping[int, int]) -> None:
        self.scale = scale
        self.low, self.high = min(bins), max(bins)
        self.table = array("d", [nan]) * (max(self.high, -1) + 1 - min(self.low, 0))
        for place, score in scale.scores(bins).items():
            self.table[place] = score

    def total(self, bins: Mapping[int, int]) -> float:
        """The sum over calls that are among those that the scores were made from."""
        return float(sum(map(mul, bins.values(), map(self.table.__getitem__, bins))))

    def squares(self, bins: Mapping[int, int]) -> float:
        """As ``total``, of the squares."""
        return sum(count * self.table[place] ** 2 for place, count in bins.items())

    def total_of_any(self, bins: Mapping[int, int]) -> float:
        return sum(count * self._score(place) for place, count in bins.items())

    def _score(self, place: int) -> float:
        within = self.low <= place <= self.high
        score = self.table[place] if within else nan
        if score != score:  # noqa: PLR0124 - not a number: not asked for yet
            score = self.scale.scores({place: 0})[place]
            if within:
                self.table[place] = score
        return score


class Baseline:
    """The baseline of one signal. ``moments`` are those of the calls that teach, ``blocks`` are those calls, block by block."""

    def __init__(
        self, signal: Signal, scale: str, moments: Summary, blocks: Sequence[Sequence[Summary]], sensitivity: float
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
        self.made = 0  # the slice that it was made in
        self.lengths: Lengths | None = None
        if not isinstance(self.scale, Linear):
            self._learn(moments.bins, blocks)
            self._learn_lengths(blocks)
        places = sorted(moments.bins)
        self.high = self._last_usual(reversed(places), 1)
        self.low = self._last_usual(places, -1) if self.both else -inf

    def _learn(self, bins: Mapping[int, int], blocks: Sequence[Sequence[Summary]]) -> None:
        self.scores = Scores(self.scale, bins)
        self.typical = sum(one.log_moments()[1] for block in blocks for one in block) / self.count  # a bin number
        squares = self.scores.squares(bins)
        for block in blocks:
            calls = sum(one.count for one in block)
            self.wander.add(sum(self.scores.total(one.bins) for one in block) / calls, calls)
        self.spread = max(sqrt(max(squares / self.count - self.wander.centre**2, 0.0)), LEAST_SPREAD)

    def _learn_lengths(self, blocks: Sequence[Sequence[Summary]]) -> None:
        """What is usual at each length of the answer, where nearly all calls have one."""
        joints = [[one.joint for one in block if one.joint is not None] for block in blocks]
        known = sum(joint.count for block in joints for joint in block)
        if known < max(MOSTLY * self.count, LEAST):
            return
        self.lengths, self.rest, squares = Lengths(joint for block in joints for joint in block), Wander(), 0.0
        for block in joints:
            parts = [self.lengths.rest(joint) for joint in block if joint.count]
            if calls := sum(part[0] for part in parts):
                self.rest.add(sum(part[1] for part in parts) / calls, calls)
                squares += sum(part[2] for part in parts)
        self.rest_spread = max(sqrt(max(squares / known - self.rest.centre**2, 0.0)), NARROWEST)

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

    def check(self, value: float) -> Check:
        """The verdict on any value, the usual ones too."""
        judgement, zscore = self.judge(value), self.scale.z(value)
        severity = "" if judgement is None else judgement.severity
        direction: Direction = "high" if zscore > 0 else "low"
        return Check(self.signal, value, zscore, severity, direction, self.mean, self.stddev, self.count)

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
        joint = recent.joint
        if self.lengths is not None and joint is not None and joint.count >= MOSTLY * recent.count:
            calls, rest = self.lengths.trimmed(joint)
            return self.rest.deviation(rest, calls, self.rest_spread, MATTERS)
        score = self.wander.deviation(self.scores.total_of_any(recent.bins) / recent.count, recent.count, self.spread)
        limit = self._change(recent) / MATTERS
        return min(score, limit) if score > 0 else max(score, -limit)

    def _change(self, recent: Summary) -> float:
        """How far recent calls have moved, as a logarithm: their typical value or their mean, whichever has moved more."""
        _, first, _ = recent.log_moments()
        typical = abs(first / recent.count - self.typical) * WIDTH
        unit = UNIT[self.signal]
        return max(typical, abs(log(max(recent.total / recent.count, unit) / max(self.mean, unit))))
