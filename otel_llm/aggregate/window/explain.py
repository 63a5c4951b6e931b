"""Where a change comes from: label values, error types, prompt sizes, compared between a sample of the past and the latest calls."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from math import isnan, nan

from .facts import Cause, Signal

NEWEST = 128  # calls that are now
PAST = 128  # calls that are the past, spread over the window
A_MINUTE = 3  # of the newest become past each minute
TOP = 3
LEAST = 20  # calls on each side
SMALLEST = 0.1  # share of the change below which nothing is named
NEARLY_ALL = 0.9  # of the calls, before and now: a value that so many have explains nothing

# latency, output tokens, input tokens, cost, error type, label values
Sample = tuple["float | None", "float | None", "float | None", "float | None", str, tuple[str, ...]]
Known = tuple[Sample, float]
Read = Callable[[Sample], str]


class Samples:
    """The latest calls, and a few of each minute before them."""

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self.newest: deque[Sample] = deque(maxlen=NEWEST)
        self.past = Past()
        self.names = names  # of labels
        self.add = self.newest.append

    def close(self) -> None:
        """A minute is over."""
        step = max(len(self.newest) // A_MINUTE, 1)
        self.past.extend(list(self.newest)[::step][:A_MINUTE])

    def causes(self, signal: Signal) -> tuple[Cause, ...]:
        """The values that contribute most to the change of a signal's mean, at most three: share of the change, mean before and now."""
        past = _known(signal, list(self.past)[: -2 * A_MINUTE] or list(self.past))
        now = _known(signal, self.newest)
        change = _mean(now) - _mean(past)
        if min(len(past), len(now)) < LEAST or not change:
            return ()
        causes = [cause for name, read in self._dimensions() for cause in _moved(name, read, past, now, change)]
        return tuple(sorted(causes, key=lambda cause: -cause[2])[:TOP])

    def _dimensions(self) -> Iterator[tuple[str, Read]]:
        yield "prompt", _prompt
        yield "error_type", lambda one: one[4]
        for place, name in enumerate(self.names):
            yield name, partial(_label, place)


class Past:
    """Samples, oldest first, in a fifth of the memory; tokens are read as floats."""

    def __init__(self) -> None:
        self.numbers = array("d")  # four of each sample
        self.words: list[tuple[str, tuple[str, ...]]] = []  # the others; alike ones are one object

    def extend(self, samples: Iterable[Sample]) -> None:
        for *numbers, error_type, labels in samples:
            self.numbers.extend([nan if one is None else float(one) for one in numbers])
            words = (error_type, labels)
            self.words.append(next((pair for pair in self.words if pair == words), words))
        del self.numbers[: -4 * PAST], self.words[:-PAST]

    def __iter__(self) -> Iterator[Sample]:
        values = (None if isnan(one) else one for one in self.numbers)
        for (duration, output, inputs, cost), words in zip(zip(*[values] * 4, strict=True), self.words, strict=True):
            yield (duration, output, inputs, cost, *words)


def _known(signal: Signal, samples: Iterable[Sample]) -> list[Known]:
    place, failed_too = _PLACES.get(signal, (0, False))
    known = []
    for one in samples:
        value = one[place]
        if place == FAILED:
            known.append((one, float(bool(value))))
        elif isinstance(value, (int, float)) and (failed_too or not one[FAILED]):
            known.append((one, float(value)))
    return known


def _moved(name: str, read: Read, past: list[Known], now: list[Known], change: float) -> Iterator[Cause]:
    """How far a value's calls pull the mean from what is usual, now and before, as a share of the change."""
    before, after, usual = _split(read, past), _split(read, now), _mean(past)
    if len(before.keys() | after.keys()) < 2:  # noqa: PLR2004 - one value explains nothing
        return
    for value in sorted(before.keys() | after.keys()):
        calls_before, total_before = before.get(value, (0, 0.0))
        calls, total = after.get(value, (0, 0.0))
        if min(calls_before / len(past), calls / len(now)) >= NEARLY_ALL:
            continue
        pull = (total - calls * usual) / len(now) - (total_before - calls_before * usual) / len(past)
        if value and pull / change >= SMALLEST:
            yield name, value, pull / change, calls_before / len(past), calls / len(now)


def _split(read: Read, pairs: list[Known]) -> dict[str, tuple[int, float]]:
    groups: dict[str, tuple[int, float]] = {}
    for one, value in pairs:
        count, total = groups.get(read(one), (0, 0.0))
        groups[read(one)] = count + 1, total + value
    return groups


def _mean(pairs: list[Known]) -> float:
    return sum(value for _, value in pairs) / len(pairs) if pairs else 0.0


def _prompt(one: Sample) -> str:
    """Size of the prompt, in steps of four."""
    tokens = one[2]
    if tokens is None:
        return ""
    low = 1
    while 4 * low <= tokens:
        low *= 4
    return f"{low}-{4 * low - 1} tokens" if tokens else "0 tokens"


def _label(place: int, one: Sample) -> str:
    return one[5][place] if place < len(one[5]) else ""


FAILED = 4
_PLACES = {
    "output_tokens": (1, False), "output_spread": (1, False), "output_short": (1, False), "output_long": (1, False),
    "input_tokens": (2, True), "cost": (3, True), "spend": (3, True), "errors": (FAILED, True),
}  # fmt: skip  # signal: the value's place in a sample, and whether failed calls have it; latency otherwise
