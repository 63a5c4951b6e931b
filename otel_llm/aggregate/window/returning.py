"""Batches that come back: stretches that stand out to one side, again and again at the same distance, are expected the next time.

A stretch that stands out teaches no baseline. One that has come back twice at its own rhythm, as far out as before, is a second mode
of the service: while it is due, nothing within it is reported. At any other time, and beyond what it was, all is as ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from otel_llm.core.shapes import NamedTuple

from .sketch import WIDTH

TIMES = 3  # until it is expected
KEPT = 12  # stretches that are remembered
ALIKE = 0.4 / WIDTH  # bins of a sketch: two stretches whose means lie further apart are not the same
BEYOND = 0.2 / WIDTH  # likewise: as far beyond the stretches before, one is reported
LATELY = 3  # blocks that a trend still sees
FURTHER = 1.5  # times: a single call that far beyond those of the stretches before is reported
MISSED = 3.5  # periods without one, after which none is expected any more


class Stretch(NamedTuple):
    """Blocks in a row. ``mean`` is that of the values' bin numbers, ``extreme`` the value that is furthest out; ``side`` is 1 or -1."""

    start: int
    length: int
    side: int
    mean: float
    extreme: float


class Returning:
    """The stretches of one signal that stood out, oldest first."""

    def __init__(self) -> None:
        self.stretches: list[Stretch] = []

    def see(self, stretches: Iterable[Stretch]) -> None:
        """Take up stretches; one that goes on replaces what was known of it."""
        known = {one.start: one for one in self.stretches}
        known.update({one.start: one for one in stretches})
        self.stretches = [known[start] for start in sorted(known)][-KEPT:]

    def due(self, block: int) -> Stretch | None:
        """What is expected at this block: as far out as the stretches before were, at the most."""
        newest = self.stretches[-1:]
        alike = [
            one for one in self.stretches if one.side == newest[0].side and abs(one.mean - newest[0].mean) <= ALIKE
        ]
        last = alike[-TIMES:]
        gaps = [later.start - earlier.start for earlier, later in pairwise(last)]
        if len(last) < TIMES or max(gaps) - min(gaps) > 1:
            return None
        period = sum(gaps) / len(gaps)
        since = block - last[-1].start
        length = max(one.length for one in last)
        if since > MISSED * period or not -1 <= since - round(since / period) * period <= length:
            return None
        furthest = max(last, key=lambda one: one.side * one.mean)
        extreme = max((one.extreme for one in last), key=lambda value: value * furthest.side)
        return furthest._replace(extreme=extreme)

    def lately(self, block: int, side: int) -> bool:
        """Whether one was due within the last ``LATELY`` blocks."""
        dues = (self.due(block - back) for back in range(LATELY)) if self.stretches else ()
        return any(due is not None and due.side == side for due in dues)

    def covers(self, block: int, side: int, mean: float) -> bool:
        """Whether recent calls, by the mean of their bin numbers, are what is due."""
        due = self.due(block) if self.stretches else None
        return due is not None and due.side == side and side * (mean - due.mean) <= BEYOND

    def covers_call(self, block: int, side: int, value: float) -> bool:
        """The same of a single call."""
        due = self.due(block) if self.stretches else None
        return due is not None and due.side == side and side * (value - due.extreme * FURTHER**side) <= 0

    def dump(self) -> list[list[float]]:
        return [list(one) for one in self.stretches]

    def load(self, state: Any) -> None:
        self.stretches = [
            Stretch(int(start), int(length), 1 if side > 0 else -1, float(mean), float(extreme))
            for start, length, side, mean, extreme in state
        ][-KEPT:]


def stretches(blocks: Iterable[tuple[int, int, float, float]], usual: float) -> list[Stretch]:
    """``blocks`` that stood out, by time: number, calls, sum of bin numbers and values' extremes; ``usual`` is the mean of the others."""
    stretches: list[tuple[Stretch, int]] = []
    for number, calls, total, furthest in blocks:
        mean = total / calls
        side = 1 if mean > usual else -1
        before, counted = stretches[-1] if stretches else (None, 0)
        if before is not None and before.side == side and number == before.start + before.length:
            mean = (before.mean * counted + total) / (counted + calls)
            extreme = max(before.extreme, furthest) if side > 0 else min(before.extreme, furthest)
            stretches[-1] = (Stretch(before.start, before.length + 1, side, mean, extreme), counted + calls)
        else:
            stretches.append((Stretch(number, 1, side, mean, furthest), calls))
    return [one for one, _ in stretches]
