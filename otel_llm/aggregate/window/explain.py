"""Where a change comes from: label values, models, error types, prompt sizes, compared between a sample of the past and the latest calls.

A value is named where it has more of the change than it would have if all calls had changed alike, and more than chance
explains: where nothing stands out, nothing is named.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from math import isnan, log, nan, sqrt
from typing import Any

from otel_llm.core.shapes import NamedTuple

from .facts import Cause, Signal
from .signals import CALLER_ENDED, EDGES

NEWEST = 128  # calls of which the last ones are now
PAST = 128  # calls that are the past, spread over the window
NUMBERS = 5  # at the beginning of a sample
A_MINUTE = 3  # of each minute become past
LATELY = 5  # minutes
RECENT, FEW = 2, 30  # minutes, and calls at least, that are now
TOP = 3
LEAST = 20  # calls on each side
SMALLEST = 0.1  # share of the change beyond what was to be expected, below which nothing is named
CERTAIN = 3.0  # standard errors beyond it
HIDDEN = 0.2  # share of the change that is left for others, below which nothing else is looked for
NEARLY_ALL = 0.9  # of the calls, before and now: a value that so many have explains nothing

# latency, output tokens, input tokens, cost, first chunk; error type, label values, whether the answer went wrong, model that answered
Sample = tuple[Any, ...]
Known = tuple[Sample, float]
Read = Callable[[Sample], str]
Measure = Callable[[Sample], "float | None"]


class Group(NamedTuple):
    """Calls with one value: how many, the sum of what they measure, and of its square."""

    calls: int = 0
    total: float = 0.0
    squares: float = 0.0


class Samples:
    """The latest calls, and a few of each minute before them."""

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self.newest: deque[Sample] = deque(maxlen=NEWEST)
        self.past = Past()
        self.minutes: deque[tuple[int, int]] = deque(maxlen=PAST)  # calls of each, and how many of them are past
        self.names = names  # of labels
        self.add = self.newest.append

    def close(self, calls: int) -> None:
        """A minute with so many calls is over."""
        if not calls:
            return
        ended = list(self.newest)[-calls:]
        sample = ended[:: max(len(ended) // A_MINUTE, 1)][:A_MINUTE]
        self.past.extend(sample)
        self.minutes.append((calls, len(sample)))

    @property
    def lately(self) -> int:
        """Calls of the last five minutes that had any."""
        return sum(calls for calls, _ in list(self.minutes)[-LATELY:])

    def causes(self, signal: Signal) -> tuple[Cause, ...]:
        """The values that have most of a signal's change beyond what was to be expected, at most three: share of the change,
        of calls before and now."""
        minutes, calls, sampled = self._recent()
        past, now = list(self.past)[: -sampled or None] or list(self.past), list(self.newest)[-max(calls, FEW) :]
        before, after = _measured(signal, past, now)
        if min(len(before), len(after)) < LEAST:
            return ()
        rate = 1.0
        if signal in _RATES:
            earlier = [one for one, _ in self.minutes][:-minutes] or [1]
            rate = calls / minutes / (sum(earlier) / len(earlier)) if calls else 1.0
        causes = self._standing_out(before, after, rate, is_rate=signal in _RATES)
        if not causes or signal in _RATES:
            return tuple(causes[:TOP])
        return tuple(self._with_hidden(causes, before, after)[:TOP])

    def _standing_out(
        self, before: list[Known], after: list[Known], rate: float = 1.0, *, is_rate: bool = False
    ) -> list[Cause]:
        """The one that does so most first."""
        causes = [
            cause
            for name, read in self._dimensions()
            for cause in _moved(name, _split(read, before), _split(read, after, rate), rate=is_rate)
        ]
        return [cause for _, cause in sorted(causes, key=lambda one: -one[0])]

    def _with_hidden(self, causes: list[Cause], before: list[Known], after: list[Known]) -> list[Cause]:
        """``causes``, and what stands out once the change of the first ones is taken off: a larger one hides a smaller one."""
        dimensions, left = dict(self._dimensions()), after
        change = _mean(after) - _mean(before)
        for number in range(TOP - 1):
            if number >= len(causes) or not change:
                break
            name, value, *_ = causes[number]
            left = _without(dimensions[name], value, before, left)
            if (_mean(left) - _mean(before)) / change < HIDDEN:
                break
            known = {cause[:2] for cause in causes}
            for one in self._standing_out(before, left):
                if one[:2] not in known:
                    was, become = _split(dimensions[one[0]], before), _split(dimensions[one[0]], after)
                    now, then = (groups.get(one[1], Group()).total for groups in (become, was))
                    part = (now / len(after) - then / len(before)) / change
                    causes.append((*one[:2], min(max(part, 0.0), 1.0), *one[3:]))
        return causes

    def _recent(self) -> tuple[int, int, int]:
        """What is now: minutes, their calls, and how many of these are past already."""
        minutes = calls = sampled = 0
        for of_minute, of_sample in reversed(self.minutes):
            if minutes >= RECENT and calls >= FEW:
                break
            minutes, calls, sampled = minutes + 1, calls + of_minute, sampled + of_sample
        return minutes, calls, sampled

    def _dimensions(self) -> Iterator[tuple[str, Read]]:
        for place, name in enumerate(self.names):
            yield name, partial(_label, place)
        yield "model", lambda one: one[8]
        yield "error_type", lambda one: one[FAILED]
        yield "prompt", _prompt


class Past:
    """Samples, oldest first, in a fifth of the memory; tokens are read as floats."""

    def __init__(self) -> None:
        self.numbers = array("d")  # five of each sample
        self.words: list[tuple[Any, ...]] = []  # the others; alike ones are one object

    def extend(self, samples: Iterable[Sample]) -> None:
        for sample in samples:
            self.numbers.extend([nan if one is None else float(one) for one in sample[:NUMBERS]])
            words = sample[NUMBERS:]
            self.words.append(next((pair for pair in self.words if pair == words), words))
        del self.numbers[: -NUMBERS * PAST], self.words[:-PAST]

    def __iter__(self) -> Iterator[Sample]:
        values = (None if isnan(one) else one for one in self.numbers)
        for numbers, words in zip(zip(*[values] * NUMBERS, strict=True), self.words, strict=True):
            yield (*numbers, *words)


def _measured(signal: Signal, past: list[Sample], now: list[Sample]) -> tuple[list[Known], list[Known]]:
    """What a signal measures of each call, before and now; of means, how far it lies from the usual one."""
    measure = _RATES.get(signal) or _SHARES.get(signal)
    if measure is not None:
        return _known(measure, past), _known(measure, now)
    measure = partial(_logarithm, *_PLACES.get(signal, (0, 1e-3, False)))
    before, after = _known(measure, past), _known(measure, now)
    ordered = sorted(value for _, value in before)
    if not ordered:
        return [], []
    usual = sum(ordered) / len(ordered)
    low, high = (ordered[int(edge * (len(ordered) - 1))] for edge in EDGES)
    changes: dict[str, Callable[[float], float]] = {
        "output_spread": lambda value: abs(value - usual),
        "output_short": lambda value: float(value < low),
        "output_long": lambda value: float(value > high),
        "latency_slow": lambda value: float(value > high),
    }
    change = changes[signal] if signal in changes else lambda value: value - usual
    return [(one, change(value)) for one, value in before], [(one, change(value)) for one, value in after]


def _known(measure: Measure, samples: Iterable[Sample]) -> list[Known]:
    return [(one, value) for one in samples if (value := measure(one)) is not None]


def _logarithm(place: int, floor: float, failed_too: bool, one: Sample) -> float | None:
    value = one[place]
    if not isinstance(value, (int, float)) or (one[FAILED] and not failed_too):
        return None
    return log(max(value, floor))


def _moved(
    name: str, before: dict[str, Group], after: dict[str, Group], *, rate: bool
) -> Iterator[tuple[float, Cause]]:
    """How much of the change the calls of each value have, where that stands out; before it, by how much it does."""
    if len(before.keys() | after.keys()) < 2:  # noqa: PLR2004 - one value explains nothing
        return
    was, become = _sum(before), _sum(after)
    change = become.total / become.calls - was.total / was.calls
    for value in sorted(before.keys() | after.keys()):
        one, other = before.get(value, Group()), after.get(value, Group())
        shares = one.calls / was.calls, other.calls / become.calls
        if not value or not change or min(shares) >= NEARLY_ALL:
            continue
        expected = one.total / was.total if rate and was.total else shares[0]
        part = (other.total / become.calls - one.total / was.calls) / change
        error = sqrt(_variance(other, become, expected) + _variance(one, was, expected)) / abs(change)
        if part - expected >= max(SMALLEST, CERTAIN * error):
            yield part - expected, (name, value, min(part, 1.0), *shares)


def _mean(pairs: list[Known]) -> float:
    return sum([value for _, value in pairs]) / len(pairs)


def _without(read: Read, value: str, before: list[Known], after: list[Known]) -> list[Known]:
    """``after``, with calls of this value changed only as much as all others have."""
    was, become = _split(read, before), _split(read, after)
    own, former = (groups.get(value, Group()) for groups in (become, was))
    other, others = (
        _sum({name: group for name, group in groups.items() if name != value} or {"": Group()})
        for groups in (become, was)
    )
    if not (own.calls and other.calls and others.calls):
        return after
    usual = former.total / former.calls if former.calls else others.total / others.calls
    more = own.total / own.calls - usual - (other.total / other.calls - others.total / others.calls)
    return [(one, number - more if read(one) == value else number) for one, number in after]


def _variance(one: Group, of: Group, expected: float) -> float:
    """Of the mean by which the calls of ``one`` have more than ``expected`` of the whole."""
    mean = (one.total - expected * of.total) / of.calls
    squares = (one.squares * (1 - expected) ** 2 + (of.squares - one.squares) * expected**2) / of.calls
    return max(squares - mean * mean, 0.0) / of.calls


def _split(read: Read, pairs: list[Known], rate: float = 1.0) -> dict[str, Group]:
    values: dict[str, list[float]] = {}
    for one, value in pairs:
        values.setdefault(read(one), []).append(rate * value)
    return {
        name: Group(len(group), sum(group), sum([value * value for value in group])) for name, group in values.items()
    }


def _sum(groups: dict[str, Group]) -> Group:
    return Group(*map(sum, zip(*groups.values(), strict=True)))


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
    return one[6][place] if place < len(one[6]) else ""


FAILED = 5
_RATES: dict[str, Measure] = {"calls": lambda _: 1.0, "spend": lambda one: one[3] or 0.0}  # per minute
_SHARES: dict[str, Measure] = {
    "errors": lambda one: float(bool(one[FAILED]) and one[FAILED] not in CALLER_ENDED),
    "answer_problems": lambda one: None if one[FAILED] else float(one[7]),
}  # of calls
_PLACES = {
    "output_tokens": (1, 1.0, False), "output_spread": (1, 1.0, False), "output_short": (1, 1.0, False), "output_long": (1, 1.0, False),
    "input_tokens": (2, 1.0, True), "cost": (3, 1e-6, True), "time_to_first_chunk": (4, 1e-3, False),
}  # fmt: skip  # signal: the value's place in a sample, its floor, and whether failed calls have it; latency otherwise
