"""How unusual minutes to an hour are, held against the hour and the day before, by errors learned from the service itself.

Means of two to sixty minutes are compared with the hour before them and with a fading memory of the day. How far such differences
lie apart while nothing is wrong is learned for each of these ten, an hour late, so that a fault does not teach its own size. The most
unusual of the ten is the score. Its line is conformal: scores of the last three days, two hours at a time, say how large the
largest is on an ordinary day, and a score is shown as a share of that, so that 3 means the same on every service.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from math import sqrt
from typing import Any

from .scales import of_student

SCALES = (2, 5, 15, 30, 60)  # minutes
PAIRS = 2 * len(SCALES)  # each against the hour and against the day
HOUR = 60
SIZE = 256  # minutes that are kept: what an error is learned from, an hour late
BEHIND = 120  # minutes after which the day's memory takes a minute in
KEPT = 0.5 ** (1 / 720)  # what a minute leaves of the memory: half of it is gone in 12 hours
PRIOR = 3  # windows' worth of belief in ``WANDER``
WANDER = 0.15  # of the spread of single calls: how far means wander before it is known
WILD = 9.0  # squared: one difference teaches at most three times the error that is known
LEAST = 20  # calls in a past
PASTS, FULL = (60, 120, 240), 60  # minutes that the newest calls are held against: the first that have so many calls
LINE = 3.0
BLOCK = 120  # minutes whose largest score is kept
BLOCKS = 36
SETTLED, LEAST_LINE = 12, 2.3  # after a day, a calm service is held to less
YOUNG = 5.0  # and before, trends to more: how far a day goes up and down is learned in it
OVER = 2.0  # a score below which an alarm has ended by itself
BELIEVED = (1.7, 2.1, 2.45)  # largest scores of a service that is not known yet
CALM, BUSY, BEYOND = (
    0.5,
    0.8,
    3.0,
)  # quantiles of the largest scores, and how many times their distance beyond the first the line lies
FURTHER = LINE / BELIEVED[1]  # times the first quantile, at least, for trends: theirs are alike by chance
MOST = 6.0  # a score teaches the line at most so much


class Line:
    """From which score on a service is beyond what it does by itself: about once in four days, were it to go on as it has.

    It is at least ``further`` times the middle one of the largest scores, and ``first`` at the beginning, from where it falls in
    a day to where it is for all. Where it begins higher, an alarm of that day that ended by itself teaches at once.
    """

    __slots__ = ("block", "ended", "first", "further", "largest", "level", "maxima")

    def __init__(self, further: float = 1.0, first: float = LINE) -> None:
        self.further = further
        self.first = first
        self.block = -1
        self.largest = 0.0
        self.ended = 0.0  # the largest of this block's alarms that have ended
        self.maxima: array[float] = array("f")
        self.level = first

    @property
    def young(self) -> bool:
        """Whether the service is not known for a day yet."""
        return len(self.maxima) < SETTLED

    def see(self, minute: int, score: float) -> None:
        if minute // BLOCK != self.block:
            if self.block >= 0:
                self.maxima.append(self.largest)
                del self.maxima[:-BLOCKS]
                self.level = self._level()
            self.block, self.largest, self.ended = minute // BLOCK, 0.0, 0.0
        self.largest = max(self.largest, min(score, MOST))
        if self.first > LINE and self.young and score < OVER and self.largest > max(self.ended, LINE):
            self.ended = self.largest
            self.level = self._level()

    def _level(self) -> float:
        ordered = sorted([*self.maxima, *BELIEVED, *([self.ended] if self.ended else ())])
        calm, busy = _quantile(ordered, CALM), _quantile(ordered, BUSY)
        least = LINE + (self.first - LINE) * (1 - len(self.maxima) / SETTLED) if self.young else LEAST_LINE
        return max(least, calm + BEYOND * (busy - calm), calm * self.further)

    def shown(self, score: float) -> float:
        """``score`` on the scale where 3 is the line."""
        return score * LINE / self.level

    def dump(self) -> tuple[Any, ...]:
        return (self.block, self.largest, self.maxima.tolist())

    def load(self, state: Any) -> None:
        self.block, self.largest, maxima = state
        self.take_up(maxima)

    def short(self) -> list[float]:
        """What outlives a restart."""
        return [round(one, 2) for one in self.maxima]

    def take_up(self, maxima: Any) -> None:
        self.maxima = array("f", [float(one) for one in maxima][-BLOCKS:])
        if self.maxima:
            self.level = self._level()


Sums = tuple[float, float, float]  # count, sum, sum of squares


class Minutes:
    """Sums of one signal by minute, for the last ``SIZE`` minutes, in few bytes: four for a number."""

    __slots__ = ("last", "sums")

    def __init__(self) -> None:
        self.last = -1  # the newest minute
        self.sums: tuple[array[float], ...] = (array("f"), array("f"), array("f"))  # oldest first, without gaps

    def push(self, minute: int, values: Sums) -> None:
        """Append ``minute``, after the last one."""
        empty = min(minute - self.last - 1, SIZE) if self.last >= 0 else 0
        for one, value in zip(self.sums, values, strict=True):
            if empty:
                one.extend([0.0] * empty)
            one.append(value)
            del one[:-SIZE]
        self.last = minute

    def between(self, after: int, upto: int) -> Sums:
        """Of the minutes past ``after``, ``upto`` included; what is not kept counts as empty."""
        counts, totals, squares = self.sums
        newest = len(counts) - 1 - self.last  # the place of minute 0
        first, end = max(after + 1 + newest, 0), max(upto + 1 + newest, 0)
        return sum(counts[first:end]), sum(totals[first:end]), sum(squares[first:end])


class Trend:
    """One signal's. ``floor`` is the least spread of single values, ``least`` the least error of a difference, of which three are a
    change that matters; ``both`` says whether low is as suspicious as high, ``wander`` how far means are believed to wander before it is
    known, as a share of the spread, ``first`` where the line of the trend begins, ``freedom`` how many differences that belief is worth
    (Student's t: with few, even the largest change of a young service is not rare enough)."""

    __slots__ = (
        "both", "day", "floor", "freedom", "known", "least", "line", "minutes", "quick", "quick_line", "score", "squares", "wander",
        "weights",
    )  # fmt: skip

    def __init__(
        self,
        floor: float,
        least: float,
        *,
        both: bool = False,
        wander: float = WANDER,
        first: float = LINE,
        freedom: float = PRIOR,
    ) -> None:
        self.floor = floor
        self.least = least
        self.both = both
        self.wander = wander
        self.freedom = freedom
        self.minutes = Minutes()
        self.day: Sums = (0.0, 0.0, 0.0)  # fading
        self.weights = array("d", bytes(8 * PAIRS))
        self.squares = array("d", bytes(8 * PAIRS))
        self.line, self.quick_line = Line(FURTHER, first), Line()
        self.score = self.quick = 0.0
        self.known = False

    def forget(self) -> None:
        """Begin again: values mean something else from now on."""
        self.minutes, self.day, self.known = Minutes(), (0.0, 0.0, 0.0), False
        self.score = self.quick = 0.0

    def close(self, minute: int, count: float, total: float, squares: float) -> None:
        """A minute is over: learn from what is an hour past, and score what is new."""
        last = self.minutes.last
        if minute <= last:
            return
        self.minutes.push(minute, (count, total, squares))
        kept = KEPT ** min(minute - last, 1e5) if last >= 0 else 1.0
        left = self.minutes.between(last - BEHIND, minute - BEHIND)
        day, total, squares = (one * kept + more for one, more in zip(self.day, left, strict=True))
        self.day = (day, total, squares)
        self._learn(minute)
        self._judge(minute)

    @property
    def spread(self) -> float:
        """Of single values, from the day and the last hour."""
        last = self.minutes.last
        near = self.minutes.between(last - HOUR, last)
        count, total, squares = (one + more for one, more in zip(self.day, near, strict=True))
        if count < 2:  # noqa: PLR2004 - one value has no spread
            return self.floor
        return max(sqrt(max(squares / count - (total / count) ** 2, 0.0)), self.floor)

    @property
    def centre(self) -> float:
        """The mean that is remembered: of the day, or of the last hour where that is all there is."""
        count, total, _ = self.day
        if count < LEAST:
            count, total, _ = self.minutes.between(self.minutes.last - HOUR, self.minutes.last)
        return total / count if count else 0.0

    def dump(self) -> tuple[Any, ...]:
        minutes = self.minutes
        sums = [one.tolist() for one in minutes.sums]
        lines = (self.line.dump(), self.quick_line.dump())
        return (minutes.last, sums, list(self.day), self.weights.tolist(), self.squares.tolist(), *lines)

    def learned(self) -> tuple[Any, ...]:
        """What outlives a restart: the day's memory, the errors, and what the lines are drawn from."""
        day, weights, squares = (
            [float(f"{one:.5g}") for one in some] for some in (self.day, self.weights, self.squares)
        )
        return (day, weights, squares, self.line.short(), self.quick_line.short())

    def load(self, state: Any) -> None:
        last, sums, *learned = state
        self.minutes.last = int(last)
        *learned, line, quick_line = learned
        self.line.load(line)
        self.quick_line.load(quick_line)
        self.minutes.sums = tuple(array("f", one) for one in sums)
        if len(sums) != 3 or len({len(one) for one in sums}) != 1 or len(sums[0]) > SIZE:  # noqa: PLR2004 - counts, sums, squares
            raise ValueError("no minutes")
        self._take_up(learned)
        self._score(self.minutes.last)

    def take_up(self, learned: Any) -> None:
        """What ``learned`` gave."""
        *errors, line, quick_line = learned
        self._take_up(errors)
        self.line.take_up(line)
        self.quick_line.take_up(quick_line)

    def _take_up(self, errors: Any) -> None:
        day, weights, squares = errors
        if (len(day), len(weights), len(squares)) != (3, len(self.weights), len(self.squares)):
            raise ValueError("no learned errors")
        self.day = (float(day[0]), float(day[1]), float(day[2]))
        self.weights, self.squares = array("d", map(float, weights)), array("d", map(float, squares))

    def _differences(self, place: int, minute: int) -> Iterable[tuple[int, float, float]]:
        """Number of the pair, mean minus past, and what chance makes of that, as if a single value's spread were 1."""
        width = SCALES[place]
        count, total, _ = self.minutes.between(minute - width, minute)
        if not count:
            return
        past, before, _ = self.minutes.between(minute - width - HOUR, minute - width)
        day, of_day, _ = self.day
        if past >= LEAST:
            yield 2 * place, total / count - before / past, 1 / count + 1 / past
        if day >= LEAST:
            yield 2 * place + 1, total / count - of_day / day, 1 / count + 1 / day

    def of_newest(self, total: float, calls: int, before: int) -> float:
        """The score of ``calls`` whose values add up to ``total``, against those of the minutes before ``before``: of the last hour, or
        of as many as there are of the last four, or of the day. None where nothing is known."""
        past, of_past = 0.0, 0.0
        for minutes in PASTS:
            past, of_past, _ = self.minutes.between(before - 1 - minutes, before - 1)
            if past >= FULL:
                break
        if past < LEAST:
            past, of_past, _ = self.day
        if past < LEAST or not calls:
            return 0.0
        return self._scored(0, total / calls - of_past / past, 1 / calls + 1 / past, self.spread)

    def _learn(self, minute: int) -> None:
        spread = self.spread
        for pair in range(PAIRS):
            self.weights[pair] *= KEPT
            self.squares[pair] *= KEPT
        for place, width in enumerate(SCALES):
            for pair, gap, chance in self._differences(place, minute - HOUR - width):
                expected = self._error(pair, chance, spread)
                self.weights[pair] += 1.0
                self.squares[pair] += min(gap * gap, WILD * expected) - chance * spread * spread

    def _error(self, pair: int, chance: float, spread: float) -> float:
        """Squared, of the difference of a pair."""
        width = SCALES[pair // 2]
        wander = (PRIOR * width * (self.wander * spread) ** 2 + max(self.squares[pair], 0.0)) / (
            PRIOR * width + self.weights[pair]
        )
        return max(chance * spread * spread + wander, self.least**2)

    def _judge(self, minute: int) -> None:
        self._score(minute)
        if self.known:
            self.line.see(minute, self._size(self.score))
            self.quick_line.see(minute, self._size(self.quick))

    def _score(self, minute: int) -> None:
        spread = self.spread
        scores = [
            (self._scored(pair, gap, chance, spread), pair)
            for place in range(len(SCALES))
            for pair, gap, chance in self._differences(place, minute)
        ]
        self.known = bool(scores) and minute >= 0
        self.score = max((score for score, _ in scores), key=self._size, default=0.0)
        self.quick = max((score for score, pair in scores if pair < 2), key=self._size, default=0.0)  # noqa: PLR2004 - of two minutes

    def _scored(self, pair: int, gap: float, chance: float, spread: float) -> float:
        freedom = self.freedom + self.weights[pair] / SCALES[pair // 2]
        return of_student(gap / sqrt(self._error(pair, chance, spread)), freedom)

    def _size(self, score: float) -> float:
        return abs(score) if self.both else score


def _quantile(ordered: list[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    low = ordered[int(place)]
    return low + (place - int(place)) * (ordered[min(int(place) + 1, len(ordered) - 1)] - low)
