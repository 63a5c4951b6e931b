"""What is kept of values of which only the mean logarithm is judged: count, sum and sum of squares of bin numbers."""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul
from typing import Any

from .sketch import index


class Light:
    """Integers, so that the order in which windows merge changes nothing."""

    __slots__ = ("count", "first", "second")

    def __init__(self, count: int = 0, first: int = 0, second: int = 0) -> None:
        self.count = count
        self.first = first
        self.second = second

    def add(self, value: float) -> int:
        """Count ``value``; returns its bin."""
        place = index(value)
        self.count += 1
        self.first += place
        self.second += place * place
        return place

    def add_all(self, places: Sequence[int]) -> None:
        """Count values by their bins."""
        self.count += len(places)
        self.first += sum(places)
        self.second += sum(map(mul, places, places))

    def merge(self, other: Light) -> None:
        self.count += other.count
        self.first += other.first
        self.second += other.second

    def dump(self) -> tuple[Any, ...]:
        return (self.count, self.first, self.second)
