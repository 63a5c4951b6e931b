"""What is known for a while: a mapping that forgets the oldest, after a time or when there are too many."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """``seconds`` a value is known at least, unless more than ``most`` came meanwhile. Putting a key again changes nothing."""

    __slots__ = ("_order", "_values", "most", "seconds")

    def __init__(self, seconds: float, most: int) -> None:
        self.seconds = seconds
        self.most = most
        self._values: dict[Hashable, Value] = {}
        self._order: deque[tuple[float, Hashable]] = deque()

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def get(self, key: Hashable) -> Value | None:
        return self._values.get(key)

    def put(self, key: Hashable, value: Value, now: float) -> None:
        """Know ``value`` from ``now`` on."""
        values, order = self._values, self._order
        if key in values:
            return
        values[key] = value
        order.append((now, key))
        while order and (len(values) > self.most or order[0][0] < now - self.seconds):
            del values[order.popleft()[1]]
