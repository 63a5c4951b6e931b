"""What one model did in a stretch of time, as little as the judgement needs of it."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from otel_llm.core.objectives import CALLER_ENDED
from otel_llm.core.shapes import dataclass

from .window.sketch import Bins, add, pack, packed, quantiles, unpack


@dataclass(slots=True)
class Cell:
    """What one model did in a stretch of time. Tokens, US dollars, and the numbers of calls that brought them."""

    calls: int = 0
    input: int = 0
    inputs: int = 0
    cached: int = 0
    output: int = 0
    outputs: int = 0
    output_squares: int = 0
    cost: float = 0.0
    costs: int = 0
    unpriced: int = 0
    unknown: int = 0  # successes that reported no usage
    answers: int = 0
    cut: int = 0
    withheld: int = 0
    streams: int = 0
    slow: int = 0  # successes that took longer than the latency objective calls fast
    errors: dict[str, int] = field(default_factory=dict)
    problems: dict[str, int] = field(default_factory=dict)  # answers that went wrong without an error, by kind
    alarms: dict[str, int] = field(default_factory=dict)  # calls that were alarming on their own, by signal
    latency: Bins = field(default_factory=dict)  # of successes, seconds
    first_chunk: Bins = field(default_factory=dict)  # of streams, seconds
    who: dict[tuple[str, str], int] = field(default_factory=dict)  # failed calls by custom label and value

    @property
    def failed(self) -> int:
        """Calls that failed; those that their caller ended did not."""
        return sum(count for kind, count in self.errors.items() if kind not in CALLER_ENDED)

    def merge(self, other: Cell) -> None:
        """Add ``other``."""
        self.thaw()
        self.merge_counts(other)
        add_counts(self.who, other.who)
        add(self.latency, other.latency)
        add(self.first_chunk, other.first_chunk)

    def merge_counts(self, other: Cell) -> None:
        """Add ``other`` except for durations and who made the calls."""
        for name in _COUNTS:
            if value := getattr(other, name):
                setattr(self, name, getattr(self, name) + value)
        add_counts(self.errors, other.errors)
        add_counts(self.problems, other.problems)
        add_counts(self.alarms, other.alarms)

    def freeze(self) -> None:
        """Keep durations in little memory until ``thaw``: most cells are complete."""
        if type(self.latency) is dict:
            self.latency, self.first_chunk = packed(self.latency), packed(self.first_chunk)
            for name in _COUNTERS:
                if not getattr(self, name):
                    setattr(self, name, _NONE)

    def thaw(self) -> None:
        """A call is to be added."""
        if type(self.latency) is not dict:
            self.latency, self.first_chunk = dict(self.latency.items()), dict(self.first_chunk.items())
            for name in _COUNTERS:
                setattr(self, name, dict(getattr(self, name)))

    def p95(self) -> float | None:
        """The 95th percentile of the duration of successes, seconds."""
        return quantiles(self.latency, (0.95,))[0] if self.latency else None

    def first_chunk_p95(self) -> float | None:
        """The 95th percentile of the time to the first chunk of streams, seconds."""
        return quantiles(self.first_chunk, (0.95,))[0] if self.first_chunk else None

    def dump(self) -> tuple[Any, ...]:
        return (
            tuple(getattr(self, name) for name in _COUNTS), self.errors, self.problems, self.alarms, self.who, pack(self.latency),
            pack(self.first_chunk),
        )  # fmt: skip

    @classmethod
    def load(cls, state: Any) -> Cell:
        cell = cls()
        counts, errors, problems, alarms, who, latency, first_chunk = state
        for name, value in zip(_COUNTS, counts, strict=True):
            setattr(cell, name, value)
        cell.errors, cell.problems, cell.alarms = dict(errors), dict(problems), dict(alarms)
        cell.who = {(name, value): count for (name, value), count in who.items()}
        cell.latency, cell.first_chunk = unpack(latency), unpack(first_chunk)
        return cell


_COUNTS = tuple(Cell.__annotations__)[:16]
_COUNTERS = ("errors", "problems", "alarms", "who")
_NONE: dict[Any, int] = {}  # of cells that are put away: shared, and so never to be changed


def add_counts(into: dict[Any, Any], more: dict[Any, Any]) -> None:
    """Add the counts of ``more`` to those of the same names in ``into``."""
    for name, count in more.items():
        into[name] = into.get(name, 0) + count
