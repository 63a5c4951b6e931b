"""Three ways to say how unusual one value is against a baseline: linear, log and calibrated."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from functools import cache
from itertools import accumulate
from math import erf, exp, inf, log, sqrt
from typing import Protocol

from .facts import Signal
from .sketch import WIDTH, index, middle, quantiles
from .summary import Summary

CLIP = 3.0  # how far a single call may pull a shift
NARROWEST = 0.1  # relative: a spread below it counts as this one, since a tenth more or less harms nobody
TEXTBOOK_FLOOR: Mapping[Signal, float] = {"latency": 0.001, "output_tokens": 1.0, "cost": 0.001}
UNIT: Mapping[Signal, float] = {"latency": 0.001, "output_tokens": 1.0, "cost": 1e-9}  # below it all values are alike
TAIL = 20  # values that a tail is fitted to, at least
THIN = 0.01  # the share of the baseline that a tail is fitted to, at least

_SIGMA = ((1 - erf(sqrt(0.5))) / 2, 0.5, (1 + erf(sqrt(0.5))) / 2)  # ranks of one standard deviation below and above


@cache
def _normal() -> Callable[[float], float]:
    """From a rank to a standard score."""
    from statistics import NormalDist  # noqa: PLC0415 - 4 ms of a start, for what a baseline of 20 calls is the first to need

    return NormalDist().inv_cdf


class Scale(Protocol):
    """Judges values against the baseline that it was made from."""

    def z(self, value: float) -> float:
        """How unusual ``value`` is, in standard deviations, signed."""

    def scores(self, bins: Mapping[int, int]) -> dict[int, float]:
        """The same for the middles of a sketch's bins, clipped to what a shift lets one call say."""


class Linear:
    """(value - mean) / stddev, the stddev floored as textbooks do: 1 ms, 1 token, 0.001 USD."""

    def __init__(self, signal: Signal, baseline: Summary) -> None:
        self.mean = baseline.total / baseline.count
        self.stddev = max(baseline.stddev or 0.0, TEXTBOOK_FLOOR[signal])

    def z(self, value: float) -> float:
        return (value - self.mean) / self.stddev

    def scores(self, bins: Mapping[int, int]) -> dict[int, float]:
        return {place: self.z(middle(place)) for place in bins}


class Log:
    """The logarithm's distance from its median; the spread is half of what the middle 68 % span, so that outliers do not widen it."""

    def __init__(self, signal: Signal, baseline: Summary) -> None:
        self.unit = UNIT[signal]
        low, centre, high = (log(max(value, self.unit)) for value in quantiles(baseline.bins, _SIGMA))
        self.centre = centre
        self.spread = max((high - low) / 2, NARROWEST)

    def z(self, value: float) -> float:
        return (log(max(value, self.unit)) - self.centre) / self.spread

    def scores(self, bins: Mapping[int, int]) -> dict[int, float]:
        return {place: clipped(self.z(middle(place))) for place in bins}


class Calibrated:
    """The value's rank in the baseline through the inverse normal: 3 is as rare as 3 sigma are, whatever the distribution.

    Beyond the last values a power law goes on, fitted to them by Hill's estimator (1975), as Weissman (1978) extrapolates
    quantiles. Whatever the rank, a value is not further out than its distance in spreads of ``NARROWEST`` or of a unit.
    """

    def __init__(self, signal: Signal, baseline: Summary) -> None:
        self.unit = UNIT[signal]
        self.centre = quantiles(baseline.bins, (0.5,))[0]
        self.middle = log(max(self.centre, self.unit))
        self.count = baseline.count
        places = sorted(baseline.bins)
        counts = [baseline.bins[place] for place in places]
        self.places = array("i", places)
        self.below = array("I", [0, *accumulate(counts)])
        logs = [log(max(middle(place), self.unit)) for place in places]
        share = min(0.5, max(TAIL / self.count, THIN))
        self.high = _Tail(logs, counts, share * self.count)
        self.low = _Tail([-level for level in reversed(logs)], counts[::-1], share * self.count)

    def z(self, value: float) -> float:
        """Continuous in the tails, in steps of the sketch's bins between them; of alike values none is rarer than all are."""
        place = index(value)
        before = self.below[bisect_left(self.places, place)]
        through = self.below[bisect_right(self.places, place)]
        usual = min(max(self.count / 2, before), through)
        return self._judged(value, log(max(value, self.unit)), self._share(usual, usual))

    def scores(self, bins: Mapping[int, int]) -> dict[int, float]:
        return {place: clipped(self._of_bin(place)) for place in bins}

    def _of_bin(self, place: int) -> float:
        """Of the middle of a bin; of one in the baseline, by the ranks that it spans."""
        value, position = middle(place), bisect_left(self.places, place)
        if position == len(self.places) or self.places[position] != place:
            return self.z(value)
        share = self._share(self.below[position], self.below[position + 1])
        return self._judged(value, log(max(value, self.unit)), share)

    def _share(self, before: float, through: float) -> float:
        """The share of the baseline that lies before the middle between two ranks."""
        return (before + through + 1) / 2 / (self.count + 1)

    def _judged(self, value: float, level: float, share: float) -> float:
        if level > self.high.edge:
            deviation = -_deviate(self.high.beyond(level) / self.count)
        elif -level > self.low.edge:
            deviation = _deviate(self.low.beyond(-level) / self.count)
        else:
            deviation = _deviate(share)
        limit = min(abs(value - self.centre) / self.unit, abs(level - self.middle) / NARROWEST)
        return min(deviation, limit) if deviation > 0 else max(deviation, -limit)


class _Tail:
    """The ``wanted`` largest of some logarithms: past which edge they lie, how many they are, how fast they thin out."""

    def __init__(self, logs: list[float], counts: list[int], wanted: float) -> None:
        reached, excess = 0, 0.0
        position = len(logs)
        while position and reached < wanted:
            position -= 1
            reached += counts[position]
        self.edge = logs[position] + WIDTH / 2
        reached -= counts[position]  # what is in the last bin is not beyond it
        for level, count in zip(logs[position + 1 :], counts[position + 1 :], strict=True):
            excess += count * (level - self.edge)
        self.count = max(reached, 0.5)
        self.slope = self.count / excess if excess > 0 else inf

    def beyond(self, level: float) -> float:
        """How many of the baseline's values would lie beyond ``level``, which is past the edge."""
        return self.count * exp(-min(self.slope * (level - self.edge), 600.0))


def clipped(zscore: float) -> float:
    return CLIP if zscore > CLIP else max(zscore, -CLIP)


def _deviate(share: float) -> float:
    """The inverse normal, also where the share is too small for it."""
    return _normal()(min(max(share, 1e-300), 1.0 - 1e-12))


def of_student(t: float, freedom: float) -> float:
    """The normal deviate that is as rare as ``t`` of Student's distribution (Wallace 1959, within 0.02 for freedom >= 3)."""
    size = (1 - 2 / (8 * freedom + 3)) * sqrt(freedom * log(1 + t * t / freedom))
    return size if t > 0 else -size


SCALES: Mapping[str, type[Linear | Log | Calibrated]] = {"linear": Linear, "log": Log, "calibrated": Calibrated}
