"""The numbers of calls of one kind as columns, which are added up in one go."""

from __future__ import annotations

from collections import _count_elements  # type: ignore[attr-defined]  # what Counter counts with, in C
from collections.abc import Collection, Iterable, Iterator, Sequence
from math import ceil, log2
from operator import itemgetter
from typing import Any

from .recent import CELL
from .sanitize import DOLLARS, SECONDS, TOKENS
from .window.sketch import DOUBLING, TINY, ZERO, index
from .wire import NO_TRACE, NONE, gaps

_EPOCHS = 1e15  # a sum of times that is beyond it has one that is none
MOST_COUNTS = 2_048
"""Numbers of tokens whose bins are kept at hand."""


def bins(values: Iterable[float]) -> list[int]:
    """The bin of each value, as ``sketch.index`` has it."""
    return [ceil(log2(value) * DOUBLING) if value > TINY else ZERO for value in values]


def tally(into: dict[int, int], places: Iterable[int]) -> None:
    """Count each of ``places``."""
    _count_elements(into, places)


class _Whole(dict[int, int]):
    """The bins of numbers of tokens, most of which come again and again."""

    def __missing__(self, count: int) -> int:
        if len(self) >= MOST_COUNTS:
            self.clear()
        place = self[count] = index(count)
        return place


_whole = _Whole()


def bins_of_tokens(values: Iterable[int]) -> list[int]:
    """As ``bins``, for numbers of tokens."""
    return list(map(_whole.__getitem__, values))


class Column:
    """The values of those calls that have one. ``rows`` are the numbers of these calls, None where they are all; ``low`` is the
    smallest value, 0 where there is none."""

    __slots__ = ("low", "rows", "total", "values")

    def __init__(self, column: Sequence[Any], absent: float) -> None:
        self.values = column
        self.rows: Sequence[int] | None = None
        self.total: Any = 0
        self.low: float = 0
        if column[0] == absent and column.count(absent) == len(column):
            self.values = self.rows = ()
            return
        self.low = min(column)
        if self.low < 0 and absent in column:
            self.rows = [row for row, value in enumerate(column) if value != absent]
            self.values = [column[row] for row in self.rows]
            self.low = min(self.values)
        self.total = sum(self.values)

    @classmethod
    def none(cls) -> Column:
        """Where no call has one."""
        return cls((NONE,), NONE)

    def within(self, limit: float) -> bool:
        """Whether all may enter a series: a value that is no number makes the sum none."""
        return self.low >= 0 and self.total < limit

    def optional(self, number: int) -> Iterable[Any]:
        """A value or None for each of ``number`` calls."""
        return (
            self.values if self.rows is None else map(dict(zip(self.rows, self.values, strict=True)).get, range(number))
        )

    def beside(self, other: Column) -> tuple[Sequence[Any], Sequence[Any]]:
        """The values of the calls that have both."""
        return together(self.rows, self.values, other.rows, other.values)


def together(
    rows: Sequence[int] | None, values: Sequence[Any], others: Sequence[int] | None, more: Sequence[Any]
) -> tuple[Sequence[Any], Sequence[Any]]:
    """Of two columns with the numbers of their calls, None for all: the values of the calls that are in both."""
    if rows is others is None:
        return values, more
    ours, theirs = (
        dict(enumerate(of) if at is None else zip(at, of, strict=True)) for at, of in ((rows, values), (others, more))
    )
    both = [row for row in ours if row in theirs]
    return [ours[row] for row in both], [theirs[row] for row in both]


class Columns:
    """Some calls of one kind, oldest first. Times are seconds, money is US dollars."""

    def __init__(self, raw: Sequence[Sequence[Any]]) -> None:
        self._raw = raw
        _, self.at, duration, cost, saved, given, output, read, written, thought, self.traces, self.spans, *chunks = raw
        self.known: dict[int, tuple[str, str]] = {}  # what ``ids`` has given
        self.number = len(self.at)
        self.first, self.last = min(self.at), max(self.at)
        self.duration, self.cost, self.saved = Column(duration, NONE), Column(cost, -1.0), Column(saved, 0.0)
        self.given, self.output, self.read = Column(given, NONE), Column(output, NONE), Column(read, NONE)
        self.written, self.thought = Column(written, NONE), Column(thought, NONE)
        self.tokens = (self.given, self.output, self.read, self.written, self.thought)
        self.first_chunk, self.gap_sums, self.gaps = Column.none(), _NO_GAP, _NO_GAPS
        self.gap_counts: dict[int, int] = {}
        if chunks:
            first_chunk, self.gap_sums, _, _, self.gaps = chunks
            self.first_chunk, self.gap_counts = Column(first_chunk, -1.0), gaps(self.gaps)
        self.traced: Collection[int] = range(self.number)
        """The numbers of the calls whose spans are recorded."""
        if NO_TRACE in self.traces:
            self.traced = {row for row, trace in enumerate(self.traces) if trace != NO_TRACE}

    def ids(self, row: int) -> tuple[str, str]:
        """Of trace and span of a call, as text."""
        ids = self.known[row] = self.traces[row].decode(), self.spans[row].decode()
        return ids

    def last_traced(self, places: Sequence[int], rows: Sequence[int] | None) -> int | None:
        """The last of some values of a column, by their places in it, whose call's span is recorded; ``rows`` are the column's."""
        if len(self.traced) == self.number:
            return max(places)
        return max((place for place in places if (place if rows is None else rows[place]) in self.traced), default=None)

    @property
    def sound(self) -> bool:
        """Whether all numbers may enter a series as they are."""
        given, output, read, written, thought = self.tokens
        return (
            -_EPOCHS < sum(self.at) < _EPOCHS
            and self.duration.within(SECONDS)
            and self.cost.within(DOLLARS)
            and self.saved.within(DOLLARS)
            and self.first_chunk.within(SECONDS)
            and min(self.gap_sums) >= 0.0
            and sum(self.gap_sums) < SECONDS
            and given.within(TOKENS)
            and output.within(TOKENS)
            and read.within(TOKENS)
            and written.within(TOKENS)
            and thought.within(TOKENS)
        )

    def by_time(self, cell: float) -> Iterator[tuple[Sequence[int], Columns]]:
        """Those of each cell of a window (``cell`` seconds long) and of the last hour, with their numbers among all."""
        if self.first // cell == self.last // cell and self.first // CELL == self.last // CELL:
            yield range(self.number), self
            return
        rows: dict[tuple[float, float], list[int]] = {}
        for row, at in enumerate(self.at):
            rows.setdefault((at // cell, at // CELL), []).append(row)
        for numbers in rows.values():
            yield numbers, Columns([_picked(column, numbers) for column in self._raw])


_NO_GAP: Sequence[float] = (0.0,)
_NO_GAPS: Sequence[bytes] = ()


def _picked(column: Sequence[Any], rows: list[int]) -> Sequence[Any]:
    return itemgetter(*rows)(column) if len(rows) > 1 else (column[rows[0]],)
