"""What is kept of many values of one signal: count, sum, squared deviations, extremes and a sketch."""

from __future__ import annotations

from math import ceil, inf, log2, sqrt
from typing import Any

from .length import Joint
from .sketch import DOUBLING, TINY, ZERO, pack, packed, unpack


class Summary:
    """Values, O(1) each to add; summaries merge in any order."""

    __slots__ = ("bins", "count", "deviations", "first", "high", "joint", "low", "second", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total: float = 0
        self.deviations = 0.0  # sum of squared differences from the mean
        self.low = inf
        self.high = -inf
        self.bins: Any = {}  # changed only while it is a dict
        self.first = 0  # see log_moments
        self.second = -1  # the same; not known where it is below zero
        self.joint: Joint | None = None  # of latency by length of the answer, of that by length of the prompt

    def add(self, value: float) -> int:
        """Count ``value``; returns its bin. One straight run of code: it is the hot path of every record."""
        count = self.count
        if count:
            gap = value - self.total / count
            self.deviations += gap * gap * count / (count + 1)
        self.count = count + 1
        self.total += value
        if value > self.high:  # noqa: PLR1730 - max() would cost a call on the hot path
            self.high = value
        if value < self.low:  # noqa: PLR1730 - as above
            self.low = value
        bins = self.bins
        place = ceil(log2(value) * DOUBLING) if value > TINY else ZERO
        bins[place] = bins.get(place, 0) + 1
        self.second = -1
        return place

    def of_lengths(self) -> Joint:
        """By length of the answer or the prompt, from now on."""
        self.joint = Joint()
        return self.joint

    def copied(self) -> Summary:
        """One that may change without this one."""
        copied = Summary()
        copied.merge(self)
        return copied

    def merge(self, other: Summary) -> None:
        if not other.count:
            return
        self.merge_moments(other)
        if type(self.bins) is not dict:
            self.thaw()
        bins = self.bins
        for place, count in other.bins.items():
            bins[place] = bins.get(place, 0) + count
        self.second = -1
        if other.joint is not None:
            (self.joint or self.of_lengths()).merge(other.joint)

    def freeze(self) -> None:
        """Keep the sketch in little memory, until ``thaw``: nothing is added any more."""
        if type(self.bins) is dict:
            self.log_moments()
            self.bins = packed(self.bins)
            if self.joint is not None:
                self.joint.freeze()

    def thaw(self) -> None:
        if type(self.bins) is not dict:
            self.bins = dict(self.bins.items())
            if self.joint is not None:
                self.joint.thaw()

    def merge_moments(self, other: Summary) -> None:
        """All but the sketch. Deviations add up by Chan, Golub and LeVeque's formula (1979)."""
        more, count = other.count, self.count
        if not more:
            return
        if count:
            gap = other.total / more - self.total / count
            self.deviations += gap * gap * count * more / (count + more)
        self.deviations += other.deviations
        self.count = count + more
        self.total += other.total
        if other.low < self.low:  # noqa: PLR1730 - a scrape comes here some thousand times: min() would cost a call
            self.low = other.low
        if other.high > self.high:  # noqa: PLR1730 - as above
            self.high = other.high

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None

    @property
    def stddev(self) -> float | None:
        """Of a sample (divided by count - 1); None below two values."""
        return sqrt(self.deviations / (self.count - 1)) if self.count > 1 else None

    def log_moments(self) -> tuple[int, int, int]:
        """Count, sum and sum of squares of the bin numbers, which are logarithms in steps of a bin: exact, whatever the order."""
        if self.second < 0:
            self.first = sum(place * count for place, count in self.bins.items())
            self.second = sum(place * place * count for place, count in self.bins.items())
        return (self.count, self.first, self.second)

    def numbers(self) -> tuple[Any, ...]:
        """All of a frozen one but its sketch, as plain values."""
        joint = self.joint and self.joint.numbers()
        return (self.count, self.total, self.deviations, self.low, self.high, self.first, self.second, joint)

    @classmethod
    def of_numbers(cls, numbers: tuple[Any, ...], bins: Any) -> Summary:
        """The frozen one that ``numbers`` and ``bins`` were of."""
        summary = cls.__new__(cls)
        (
            summary.count,
            summary.total,
            summary.deviations,
            summary.low,
            summary.high,
            summary.first,
            summary.second,
            joint,
        ) = numbers
        summary.bins, summary.joint = bins, joint and Joint.of_numbers(*joint)
        return summary

    def dump(self) -> tuple[Any, ...]:
        return (
            self.count,
            self.total,
            self.deviations,
            self.low,
            self.high,
            pack(self.bins),
            self.joint and self.joint.dump(),
        )

    @classmethod
    def load(cls, state: Any) -> Summary:
        summary = cls()
        summary.count, summary.total, summary.deviations, summary.low, summary.high, packed, joint = state
        summary.bins = unpack(packed)
        summary.joint = Joint.load(joint) if joint else None
        if sum(summary.bins.values()) != summary.count:
            raise ValueError("no summary")
        return summary
