"""A quantile sketch: counts in bins whose width is a fixed share of the value, so that every quantile is right to 1 %.

The bins are those of DDSketch (Masson, Rim and Lee, VLDB 2019): bin ``i`` holds the values in ``(g^(i-1), g^i]`` with
``g = (1 + a) / (1 - a)``, and its middle lies within ``a`` of each of them. Counts are integers: merging is adding, in any order.
"""

from __future__ import annotations

from array import array
from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from math import ceil, exp, log
from typing import Any

ACCURACY = 0.0098  # relative error of a quantile; below 1 % by what rounding may take
WIDTH = log((1 + ACCURACY) / (1 - ACCURACY))  # of a bin, in natural logarithms
PER_LOG = 1 / WIDTH
TINY = 1e-9  # what is not above it counts as zero
ZERO = ceil(log(TINY) * PER_LOG) - 1  # the bin of zero

SHORT = 32_768  # what two bytes with a sign hold

Bins = dict[int, int]
_MIDDLE = 2 / (1 + exp(WIDTH))


class Packed(Mapping[int, int]):
    """The bins of a sketch that has stopped to change: as good as a dict to read, in a tenth of its memory."""

    __slots__ = ("half", "numbers")

    def __init__(self, bins: Mapping[int, int]) -> None:
        ordered = sorted(bins.items())
        numbers = [*(place for place, _ in ordered), *(count for _, count in ordered)]
        self.half = len(ordered)
        self.numbers = array("h" if all(-SHORT <= number < SHORT for number in numbers) else "q", numbers)

    def __getitem__(self, place: int) -> int:
        try:
            return self.numbers[self.numbers.index(place, 0, self.half) + self.half]
        except ValueError:
            raise KeyError(place) from None

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers[: self.half])

    def __len__(self) -> int:
        return self.half

    def items(self) -> ItemsView[int, int]:
        pairs: Any = zip(
            self.numbers[: self.half], self.numbers[self.half :], strict=True
        )  # an iterator is all that is asked of it
        return pairs  # type: ignore[no-any-return]

    def values(self) -> ValuesView[int]:
        counts: Any = self.numbers[self.half :]
        return counts  # type: ignore[no-any-return]


def packed(bins: Mapping[int, int]) -> Bins:
    """What reads like ``bins`` in little memory. It is typed as what may change, which only ``dict`` of its items makes it again."""
    made: Any = Packed(bins)
    return made  # type: ignore[no-any-return]


def index(value: float) -> int:
    """The bin of ``value``, which is zero or more."""
    return ceil(log(value) * PER_LOG) if value > TINY else ZERO


def middle(bin_index: int) -> float:
    """The value that stands for all of a bin."""
    return exp(bin_index * WIDTH) * _MIDDLE if bin_index > ZERO else 0.0


def add(into: Bins, bins: Mapping[int, int]) -> None:
    for bin_index, count in bins.items():
        into[bin_index] = into.get(bin_index, 0) + count


def subtract(into: Bins, bins: Mapping[int, int]) -> None:
    """Undo ``add``: exact, because counts are integers."""
    for bin_index, count in bins.items():
        left = into[bin_index] - count
        if left:
            into[bin_index] = left
        else:
            del into[bin_index]


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
