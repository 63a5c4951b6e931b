"""A quantile sketch: counts in bins whose width is a fixed share of the value, so that every quantile is right to 1 %.

The bins are those of DDSketch (Masson, Rim and Lee, VLDB 2019): bin ``i`` holds the values in ``(g^(i-1), g^i]`` with
``g = (1 + a) / (1 - a)``, and its middle lies within ``a`` of each of them. Counts are integers: merging is adding, in any order.
"""

from __future__ import annotations

from array import array
from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from itertools import accumulate, compress, pairwise
from itertools import count as count_from
from math import ceil, exp, log, log2
from typing import Any

ACCURACY = 0.0098  # relative error of a quantile; below 1 % by what rounding may take
WIDTH = log((1 + ACCURACY) / (1 - ACCURACY))  # of a bin, in natural logarithms
DOUBLING = (
    log(2) / WIDTH
)  # bins in which a value doubles: ``log2`` takes half of what ``log`` does, which may have a base
TINY = 1e-9  # what is not above it counts as zero
ZERO = ceil(log2(TINY) * DOUBLING) - 1  # the bin of zero

SHORT = 32_768  # what two bytes with a sign hold
A_BYTE, TWO_BYTES = 255, 65_535
FOUR = array("I").itemsize  # bytes

Bins = dict[int, int]
_MIDDLE = 2 / (1 + exp(WIDTH))


class Packed(Mapping[int, int]):
    """The bins of a sketch that has stopped to change: as good as a dict to read, in a twentieth of its memory.

    ``numbers`` are the steps from each bin to the next, then the counts; bytes where all of them fit.
    """

    __slots__ = ("low", "numbers")

    def __init__(self, bins: Mapping[int, int]) -> None:
        ordered = sorted(bins.items())
        self.low = ordered[0][0] if ordered else 0
        steps = [after - before for (before, _), (after, _) in pairwise(ordered)]
        numbers = [0, *steps, *(count for _, count in ordered)] if ordered else []
        largest = max(numbers, default=0)
        self.numbers = bytes(numbers) if largest <= A_BYTE else array("H" if largest <= TWO_BYTES else "q", numbers)

    def __getitem__(self, place: int) -> int:
        for one, count in self.items():
            if one == place:
                return count
        raise KeyError(place)

    def __iter__(self) -> Iterator[int]:
        half = len(self.numbers) // 2
        return accumulate(self.numbers[1:half], initial=self.low) if half else iter(())

    def __len__(self) -> int:
        return len(self.numbers) // 2

    def items(self) -> ItemsView[int, int]:
        numbers = self.numbers
        half = len(numbers) // 2
        places = accumulate(numbers[1:half], initial=self.low) if half else ()
        pairs: Any = zip(places, numbers[half:], strict=True)  # an iterator is all that is asked of it
        return pairs  # type: ignore[no-any-return]

    def values(self) -> ValuesView[int]:
        counts: Any = self.numbers[len(self.numbers) // 2 :]
        return counts  # type: ignore[no-any-return]


class Counts(Mapping[int, int]):
    """Many bins side by side, of which counts are added and taken away again: four bytes each, where a dict takes a hundred."""

    __slots__ = ("counts", "low")

    def __init__(self) -> None:
        self.low = 0
        self.counts = array("I")

    def add(self, bins: Mapping[int, int]) -> None:
        if not bins:
            return
        low, high = min(bins), max(bins)
        if not self.counts:
            self.low = low
        if low < self.low:
            self.counts = array("I", bytes(FOUR * (self.low - low))) + self.counts
            self.low = low
        if (missing := high + 1 - self.low - len(self.counts)) > 0:
            self.counts.frombytes(bytes(FOUR * missing))
        counts, low = self.counts, self.low
        for place, count in bins.items():
            counts[place - low] += count

    def subtract(self, bins: Mapping[int, int]) -> None:
        """Undo ``add``: exact, because counts are integers."""
        counts, low = self.counts, self.low
        for place, count in bins.items():
            counts[place - low] -= count

    def __getitem__(self, place: int) -> int:
        count = self.counts[place - self.low] if 0 <= place - self.low < len(self.counts) else 0
        if not count:
            raise KeyError(place)
        return count

    def __iter__(self) -> Iterator[int]:
        return compress(count_from(self.low), self.counts)

    def __len__(self) -> int:
        return len(self.counts) - self.counts.count(0)

    def items(self) -> ItemsView[int, int]:
        pairs: Any = compress(zip(count_from(self.low), self.counts), self.counts)
        return pairs  # type: ignore[no-any-return]

    def values(self) -> ValuesView[int]:
        counts: Any = filter(None, self.counts)
        return counts  # type: ignore[no-any-return]


def packed(bins: Mapping[int, int]) -> Bins:
    """What reads like ``bins`` in little memory. It is typed as what may change, which only ``dict`` of its items makes it again."""
    made: Any = Packed(bins)
    return made  # type: ignore[no-any-return]


def index(value: float) -> int:
    """The bin of ``value``, which is zero or more."""
    return ceil(log2(value) * DOUBLING) if value > TINY else ZERO


def middle(bin_index: int) -> float:
    """The value that stands for all of a bin."""
    return exp(bin_index * WIDTH) * _MIDDLE if bin_index > ZERO else 0.0


def add(into: Bins, bins: Mapping[int, int]) -> None:
    for bin_index, count in bins.items():
        into[bin_index] = into.get(bin_index, 0) + count


def quantiles(bins: Mapping[int, int], wanted: Iterable[float]) -> list[float]:
    """Quantiles by linear interpolation between neighbouring ranks, as numpy does. ``wanted`` ascends; ``bins`` is not empty."""
    ordered = sorted(bins.items())
    total = sum(bins.values())
    values: list[float] = []
    position, below = 0, 0  # the bin that holds the rank, and how many values lie in the bins before it
    for share in wanted:
        rank = share * (total - 1)
        while below + ordered[position][1] <= int(rank):
            below += ordered[position][1]
            position += 1
        value = middle(ordered[position][0])
        if int(rank) + 1 >= below + ordered[position][1] and position + 1 < len(ordered):
            value += (rank - int(rank)) * (middle(ordered[position + 1][0]) - value)
        values.append(value)
    return values


def pack(bins: Mapping[int, int]) -> bytes:
    flat = array("i")
    for pair in bins.items():
        flat.extend(pair)
    return flat.tobytes()


def unpack(packed: bytes) -> Bins:
    """Raises ValueError on what ``pack`` did not make."""
    flat = array("i")
    flat.frombytes(packed)
    bins = dict(zip(flat[::2], flat[1::2], strict=True))
    if any(count <= 0 for count in bins.values()) or any(bin_index < ZERO for bin_index in bins):
        raise ValueError("no sketch")
    return bins
