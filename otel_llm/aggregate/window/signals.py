"""What is judged by the minute: each signal's values, made from what a minute holds."""

from __future__ import annotations

from collections.abc import Mapping
from math import log, sqrt

from otel_llm.core.shapes import NamedTuple

from .baseline import MOSTLY
from .facts import Signal
from .length import Lengths
from .light import Light
from .scales import NARROWEST, UNIT
from .sketch import WIDTH, index, quantiles
from .slices import Slice
from .summary import Summary
from .trend import LEAST, PRIOR, Sums, Trend

NONE: Sums = (0.0, 0.0, 0.0)
CALLER_ENDED = frozenset(("cancelled", "abandoned"))  # the caller went away: no failure
CLIP = 3.0  # spreads that a single value may lie from the centre
KNOWN = 60.0  # calls in the table of lengths, from which latency is judged by it
FADED = 0.5 ** (1 / 720)  # what a minute leaves of that table
EDGES = (0.05, 0.95)
ENOUGH_FOR_EDGES = 200


class Kind(NamedTuple):
    """Of a signal: least spread of single values, least error of a mean, whether low is as suspicious as high, and what the belief in
    how far means wander is worth."""

    floor: float
    least: float
    both: bool = False
    freedom: float = PRIOR


_LOGARITHM = (NARROWEST, NARROWEST / 3)  # a change of a tenth matters
_RATE = (
    0.5,
    0.35,
    False,
    6.0,
)  # of logarithms: a change to the threefold, and of a service of less than an hour to the tenfold
_SHARE = (sqrt(EDGES[0] * EDGES[1]), 0.025)  # a change by 7.5 of a hundred calls
A_MINUTE: Mapping[Signal, float] = {
    "calls": 1.0,
    "spend": 1e6,
}  # parts of a call and of a US dollar that a minute's logarithm counts
BESIDE: Mapping[Signal, Kind] = {"cost": Kind(*_LOGARITHM)}  # what shows a fault of a signal that its own values hide
KINDS: Mapping[Signal, Kind] = {
    "latency": Kind(*_LOGARITHM),
    "output_tokens": Kind(*_LOGARITHM, both=True),
    "cost": Kind(*_LOGARITHM),
    "time_to_first_chunk": Kind(*_LOGARITHM),
    "input_tokens": Kind(*_LOGARITHM),
    "output_spread": Kind(*_LOGARITHM, both=True),
    "output_short": Kind(*_SHARE),
    "output_long": Kind(*_SHARE),
    "latency_slow": Kind(*_SHARE),
    "calls": Kind(*_RATE),
    "spend": Kind(*_RATE),
    "errors": Kind(0.1, 0.025),
    "answer_problems": Kind(*_SHARE),
}


class Edges(NamedTuple):
    """Bins below and above which an answer is short or long, and a call slow: the outer twentieths of the past."""

    short: int
    long: int
    slow: int

    @classmethod
    def of(cls, output: Mapping[int, int], latency: Mapping[int, int]) -> Edges | None:
        if sum(output.values()) < ENOUGH_FOR_EDGES:
            return None
        short, long = quantiles(output, EDGES)
        return cls(index(short), index(long), index(quantiles(latency, EDGES)[1]))


class Plain:
    """Mean and spread of the logarithms of answers' lengths, of which half is forgotten in 12 hours."""

    __slots__ = ("sums",)

    def __init__(self, sums: Sums = NONE) -> None:
        self.sums: Sums = sums

    def learn(self, count: float, total: float, squares: float) -> None:
        before = self.sums
        self.sums = (before[0] * FADED + count, before[1] * FADED + total, before[2] * FADED + squares)

    @property
    def known(self) -> bool:
        return self.sums[0] >= LEAST

    @property
    def centre(self) -> float:
        return self.sums[1] / self.sums[0]

    @property
    def spread(self) -> float:
        return max(sqrt(max(self.sums[2] / self.sums[0] - self.centre**2, 0.0)), NARROWEST)


class Reading:
    """Turns minutes of one model into values; remembers what is usual at each length, and the edges."""

    def __init__(self) -> None:
        self.lengths = Lengths()  # of answers: how long they take
        self.prompts = Lengths()  # of prompts: how long their answers are
        self.plain = Plain()
        self.edges: Edges | None = None

    def read(self, minute: Slice, trends: Mapping[Signal, Trend]) -> dict[Signal, Sums]:
        values: dict[Signal, Sums] = {
            "latency": _beyond(self.lengths, "latency", minute.latency, trends["latency"]),
            "output_tokens": _beyond(self.prompts, "output_tokens", minute.output_tokens, trends["output_tokens"]),
            "cost": _logs("cost", minute.cost, trends["cost"]),
            "output_spread": _spread(minute.output_tokens, self.plain),
            **_rates(minute),
        }
        values["time_to_first_chunk"] = logarithms(minute.time_to_first_chunk)
        values["input_tokens"] = logarithms(minute.input_tokens)
        if self.edges is not None:
            values.update(_shares(self.edges, minute))
        if minute.output_tokens.count:
            self.plain.learn(*_bare(minute.output_tokens))
        return values


def logarithms(light: Light) -> Sums:
    return light.count, light.first * WIDTH, light.second * WIDTH**2


def _beyond(lengths: Lengths, signal: Signal, summary: Summary, trend: Trend) -> Sums:
    """What is beyond the usual at a length where lengths are known; else the logarithm."""
    joint = summary.joint
    if joint is None or joint.count < MOSTLY * summary.count:
        return NONE if lengths.count else _logs(signal, summary, trend)
    if not lengths.count:  # what was kept until now are logarithms
        trend.forget()
    rest = lengths.rest(joint) if lengths.count >= KNOWN else NONE
    lengths.fade(FADED)
    lengths.learn(joint)
    return rest


def _bare(summary: Summary) -> Sums:
    """Count, sum and sum of squares of logarithms; what is empty is as short as a token."""
    total = sum(max(place, 0) * calls for place, calls in summary.bins.items()) * WIDTH
    squares = sum(max(place, 0) ** 2 * calls for place, calls in summary.bins.items()) * WIDTH**2
    return summary.count, total, squares


def _logs(signal: Signal, summary: Summary, trend: Trend) -> Sums:
    if not summary.count:
        return NONE
    low, high = log(UNIT[signal]), 700.0
    if trend.known:
        low = max(low, trend.centre - CLIP * trend.spread)
        high = trend.centre + CLIP * trend.spread
    count, total, squares = 0, 0.0, 0.0
    for place, calls in summary.bins.items():
        value = min(max(place * WIDTH, low), high)
        count, total, squares = count + calls, total + calls * value, squares + calls * value * value
    return count, total, squares


def _spread(summary: Summary, plain: Plain) -> Sums:
    """How far answers lie from the usual length, by logarithm: low where all are alike."""
    if not summary.count or not plain.known:
        return NONE
    centre, far, total, squares = plain.centre, CLIP * plain.spread, 0.0, 0.0
    for place, calls in summary.bins.items():
        value = min(abs(place * WIDTH - centre), far)
        total, squares = total + calls * value, squares + calls * value * value
    return summary.count, total, squares


def _shares(edges: Edges, minute: Slice) -> dict[Signal, Sums]:
    output, latency = minute.output_tokens, minute.latency
    short = sum(calls for place, calls in output.bins.items() if place < edges.short)
    long = sum(calls for place, calls in output.bins.items() if place > edges.long)
    slow = sum(calls for place, calls in latency.bins.items() if place > edges.slow)
    return {
        "output_short": (output.count, short, short),
        "output_long": (output.count, long, long),
        "latency_slow": (latency.count, slow, slow),
    }


def _rates(minute: Slice) -> dict[Signal, Sums]:
    """Of minutes that had calls: silence is no baseline."""
    failed = sum(count for error_type, count in minute.errors.items() if error_type not in CALLER_ENDED)
    rates: dict[Signal, Sums] = {"errors": (minute.calls, failed, failed)}
    answered, wrong = minute.latency.count, minute.problems
    rates["answer_problems"] = (answered, wrong, wrong) if answered else NONE
    spent = minute.cost.total + minute.failed_cost
    rates["calls"] = _rate(log(1 + minute.calls * A_MINUTE["calls"]))
    rates["spend"] = _rate(log(1 + spent * A_MINUTE["spend"]) if spent else 0.0)
    return rates


def _rate(amount: float) -> Sums:
    return (1.0, amount, amount * amount) if amount else NONE
