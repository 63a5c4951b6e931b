"""A little of what was before the window: what a night, a restart or thin traffic is judged against."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .sketch import SHORT, ZERO, middle
from .slices import SIGNALS, Slice
from .summary import Summary

SAMPLE = 30  # calls, at most, that are kept of a block and signal: its quantiles
APART = 10  # slices between two blocks of busy traffic
FULL = 10  # calls that close a block of thin traffic
MOST = 8  # blocks
KEPT = 8 * 86400.0  # seconds after which the past is no measure any more

Block = dict[str, Summary]


class Memory:
    """Blocks by the number of their slice, oldest first; together some hundred calls of each signal."""

    def __init__(self) -> None:
        self.blocks: list[tuple[int, Block]] = []

    def take(self, number: int, leaving: Slice) -> None:
        """A slice leaves the window: keep a sample, if it is the time or traffic is thin."""
        block: Block = {signal: getattr(leaving, signal) for signal in SIGNALS if getattr(leaving, signal).count}
        if not block:
            return
        if self.blocks:
            last, newest = self.blocks[-1]
            if _size(newest) < FULL:
                self.blocks[-1] = (number, {signal: _merged(newest, block, signal) for signal in {**newest, **block}})
                return
            if number - last < APART and _size(block) >= FULL:
                return
        self.blocks.append((number, {signal: sampled(summary) for signal, summary in block.items()}))
        del self.blocks[:-MOST]

    def forget(self, before: int) -> None:
        self.blocks = [one for one in self.blocks if one[0] >= before]

    def of(self, signal: str) -> Iterator[tuple[int, Summary]]:
        return ((number, block[signal]) for number, block in self.blocks if signal in block)

    def dump(self) -> list[Any]:
        """Bins, one for each call, by signal: short enough to be kept for all models."""
        return [
            [number, {signal: list(_calls(summary)) for signal, summary in block.items()}]
            for number, block in self.blocks
        ]

    @classmethod
    def load(cls, state: Any) -> Memory:
        memory = cls()
        for number, block in state[-MOST:]:
            known = {signal: places for signal, places in block.items() if signal in SIGNALS}
            memory.blocks.append((int(number), {signal: _summary(places) for signal, places in known.items()}))
        return memory


def _size(block: Block) -> int:
    return max(summary.count for summary in block.values())


def _merged(one: Block, other: Block, signal: str) -> Summary:
    both = Summary()
    for block in (one, other):
        if signal in block:
            both.merge(block[signal])
    return sampled(both)


def sampled(summary: Summary) -> Summary:
    """As many calls as ``SAMPLE``, at the quantiles; fewer stay as they are. Without the lengths of their answers."""
    places = list(_calls(summary))
    if len(places) > SAMPLE:
        places = [places[int((rank + 0.5) * len(places) / SAMPLE)] for rank in range(SAMPLE)]
    return _summary(places)


def _calls(summary: Summary) -> Iterator[int]:
    return (place for place, calls in sorted(summary.bins.items()) for _ in range(calls))


def _summary(places: list[int]) -> Summary:
    if not all(ZERO <= place < SHORT for place in places):
        raise ValueError("no sample")
    made = Summary()
    for place in places:
        made.add(middle(int(place)))
    made.freeze()
    return made
