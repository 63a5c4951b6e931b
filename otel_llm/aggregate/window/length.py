"""Latency given output length: how long calls take that answer so much, and how far others are from it.

Most of what a call takes is the length of its answer. What is left when the usual at that length is taken away varies a third
as much, so that smaller changes show, and a healthy change of mix does not.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import Any

from .sketch import SHORT, WIDTH, ZERO

BUCKET = 10  # bins of a sketch that share an entry of the table: a fifth more tokens
ENOUGH = 20  # calls that an entry is taken from, with those of its neighbours if need be
FITS = 2**31  # what four bytes with a sign hold
REACH = 64  # entries, at most, that neighbours are sought in to each side


_NOTHING: dict[int, list[int]] = {}  # of joints that are complete: shared, and so never to be changed


class Joint:
    """Successful calls by length of the answer: number and sum of the latency's bin numbers; all integers, so they merge in any order."""

    __slots__ = ("by", "count", "packed", "squares", "top")

    def __init__(self) -> None:
        self.by: dict[int, list[int]] = {}
        self.packed: array[int] | None = None
        self.count = 0
        self.squares = 0  # of the latency's bin numbers
        self.top = (ZERO, 0)  # the slowest call: latency's bin and bucket

    def add(self, length_bin: int, latency_bin: int) -> None:
        self.count += 1
        self.squares += latency_bin * latency_bin
        bucket = length_bin // BUCKET
        if latency_bin > self.top[0]:
            self.top = (latency_bin, bucket)
        entry = self.by.get(bucket)
        if entry is None:
            self.by[bucket] = [1, latency_bin]
        else:
            entry[0] += 1
            entry[1] += latency_bin

    def items(self) -> Iterator[tuple[int, int, int]]:
        """Bucket, calls, sum."""
        if self.packed is not None:
            flat = iter(self.packed)
            return zip(flat, flat, flat, strict=True)
        return ((bucket, calls, total) for bucket, (calls, total) in self.by.items())

    def merge(self, other: Joint) -> None:
        self.thaw()
        self.count += other.count
        self.squares += other.squares
        if other.top > self.top:  # noqa: PLR1730 - a scrape comes here some thousand times: max() would cost a call
            self.top = other.top
        by = self.by
        for bucket, calls, total in other.items():
            entry = by.get(bucket)
            if entry is None:
                by[bucket] = [calls, total]
            else:
                entry[0] += calls
                entry[1] += total

    def freeze(self) -> None:
        if self.packed is None:
            numbers = [number for entry in self.items() for number in entry]
            largest = max(map(abs, numbers), default=0)
            self.packed = array("h" if largest < SHORT else "i" if largest < FITS else "q", numbers)
            self.by = _NOTHING

    def thaw(self) -> None:
        if self.packed is not None:
            self.by = {bucket: [calls, total] for bucket, calls, total in self.items()}
            self.packed = None

    def numbers(self) -> tuple[Any, ...]:
        """All of a frozen one, as plain values."""
        packed = self.packed or array("h")
        return (self.count, self.squares, self.top, packed.typecode, packed.tobytes())

    @classmethod
    def of_numbers(cls, count: int, squares: int, top: tuple[int, int], typecode: str, packed: bytes) -> Joint:
        """The frozen one that ``numbers`` was called of."""
        joint = cls.__new__(cls)
        joint.count, joint.squares, joint.top, joint.by, joint.packed = (
            count,
            squares,
            top,
            _NOTHING,
            array(typecode, packed),
        )
        return joint

    def dump(self) -> tuple[Any, ...]:
        return (self.count, self.squares, [list(entry) for entry in self.items()], self.top)

    @classmethod
    def load(cls, state: Any) -> Joint:
        joint = cls()
        joint.count, joint.squares, entries, (slowest, bucket) = state
        joint.top = (slowest, bucket)
        joint.by = {bucket: [calls, total] for bucket, calls, total in entries}
        if sum(calls for calls, _ in joint.by.values()) != joint.count:
            raise ValueError("no table of lengths")
        return joint


class Lengths:
    """The usual latency at each length, from some joints; ``fade`` makes the past weigh less, for one that goes on learning."""

    def __init__(self, joints: Iterable[Joint] = ()) -> None:
        self.calls: dict[int, float] = {}
        self.totals: dict[int, float] = {}
        self.count = 0.0
        self._usual: dict[int, float] = {}
        for joint in joints:
            self.learn(joint)

    def learn(self, joint: Joint) -> None:
        for bucket, calls, total in joint.items():
            self.calls[bucket] = self.calls.get(bucket, 0.0) + calls
            self.totals[bucket] = self.totals.get(bucket, 0.0) + total
        self.count += joint.count
        self._usual = {}

    def fade(self, kept: float) -> None:
        """Multiply what is known by ``kept``, below 1."""
        self.calls = {bucket: calls * kept for bucket, calls in self.calls.items() if calls * kept >= 1e-3}  # noqa: PLR2004
        self.totals = {bucket: self.totals[bucket] * kept for bucket in self.calls}
        self.count *= kept

    def usual(self, bucket: int) -> float:
        """The mean bin number of the latency at a length; of its neighbours, too, where calls are few."""
        known = self._usual.get(bucket)
        if known is None:
            known = self._usual[bucket] = self._mean(bucket)
        return known

    def _mean(self, bucket: int) -> float:
        calls, total = self.calls.get(bucket, 0.0), self.totals.get(bucket, 0.0)
        for distance in range(1, REACH):
            if calls >= ENOUGH:
                break
            for near in (bucket - distance, bucket + distance):
                calls += self.calls.get(near, 0.0)
                total += self.totals.get(near, 0.0)
        return total / calls if calls else 0.0

    def rest(self, joint: Joint) -> tuple[int, float, float]:
        """Calls, sum and sum of squares of what the logarithms of their latencies are beyond the usual."""
        first, squares = 0.0, float(joint.squares)
        for bucket, calls, total in joint.items():
            usual = self.usual(bucket)
            first += total - calls * usual
            squares += usual * (calls * usual - 2 * total)
        return joint.count, first * WIDTH, max(squares, 0.0) * WIDTH * WIDTH

    def clipped(self, joint: Joint, centre: float, far: float) -> float:
        """As the sum of ``rest``, of calls that count as no further than ``far`` from ``centre``; those of one length count as alike."""
        low, high, total = centre - far, centre + far, 0.0
        for bucket, calls, sum_of_bins in joint.items():
            total += calls * min(max((sum_of_bins / calls - self.usual(bucket)) * WIDTH, low), high)
        return total

    def trimmed(self, joint: Joint) -> tuple[int, float]:
        """Calls and mean of the rest without the slowest call: one that hangs is no shift."""
        calls, rest, _ = self.rest(joint)
        slowest, bucket = joint.top
        return (
            (calls - 1, (rest - (slowest - self.usual(bucket)) * WIDTH) / (calls - 1)) if calls > 1 else (calls, rest)
        )

    def dump(self) -> list[list[float]]:
        return [[bucket, calls, self.totals[bucket]] for bucket, calls in self.calls.items()]

    def short(self) -> list[list[float]]:
        """As ``dump``, in few digits."""
        return [[bucket, round(calls, 1), round(total, 1)] for bucket, calls, total in self.dump()]

    @classmethod
    def load(cls, state: Any) -> Lengths:
        lengths = cls()
        for bucket, calls, total in state:
            lengths.calls[int(bucket)], lengths.totals[int(bucket)] = float(calls), float(total)
        lengths.count = sum(lengths.calls.values())
        return lengths
