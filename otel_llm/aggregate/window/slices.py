"""Time in slices, and what fell into one."""

from __future__ import annotations

from math import ceil
from typing import Any

from otel_llm.core.shapes import NamedTuple

from .facts import Signal
from .light import Light
from .summary import Summary

SLICES = 60
OUTPUT = 4  # tokens of input that one of output costs as much as, with most providers
CELL = 10.0  # seconds, at most
SIGNALS: tuple[Signal, ...] = ("latency", "output_tokens", "cost")


class Grid(NamedTuple):
    """How a window is cut: into 60 slices, each of whole cells; times are seconds, ``of`` gives numbers of cells."""

    window: float
    slice: float
    cell: float
    per_slice: int  # cells
    recent: int  # cells: what a shift judges at least, 2 minutes or a tenth of the window
    minute: int  # cells: what a peak looks at
    reach: int  # slices that the recent calls may be sought in where traffic is thin: 10 minutes or a quarter of the window
    per_minute: int  # cells
    block: int  # slices that a baseline's spread is taken over: as long as ``recent``, at least one

    @classmethod
    def of_window(cls, window: float) -> Grid:
        width = window / SLICES
        per_slice = ceil(width / CELL)
        cell = width / per_slice
        recent = min(120.0, window / 10)
        return cls(
            window, width, cell, per_slice,
            recent=round(recent / cell),
            minute=max(1, round(min(60.0, recent) / cell)),
            reach=int(min(600.0, window / 4) / width),
            per_minute=max(1, round(60 / cell)),
            block=max(1, round(recent / width)),
        )  # fmt: skip

    def of(self, at: float) -> int:
        return int(at // self.cell)


class Slice:
    """What fell into a stretch of time. Successful calls make the signals; of failed ones usage and cost are kept apart."""

    __slots__ = (
        "avoidable", "cache_hits", "cache_misses", "cached", "cached_of", "calls", "cost", "errors", "failed_cost",
        "failed_costs", "failed_tokens", "fallbacks", "input_count", "input_tokens", "input_total", "lacking", "latency",
        "output_tokens", "price", "problems", "saved", "thinking_count", "thinking_total", "time_to_first_chunk", "whole",
    )  # fmt: skip

    def __init__(self) -> None:
        self.calls = 0
        self.errors: dict[str, int] = {}
        self.fallbacks = 0
        self.problems = 0  # answers that went wrong without an error
        self.cache_hits = 0
        self.cache_misses = 0
        self.latency = Summary()
        self.output_tokens = Summary()
        self.cost = Summary()
        self.time_to_first_chunk = Light()
        self.input_tokens = Light()
        self.price = Light()  # US dollars for a token of input; one of output counts as ``OUTPUT`` of these
        self.input_count = 0
        self.input_total = 0
        self.thinking_count = 0
        self.thinking_total = 0
        self.failed_tokens: dict[str, int] = {}  # input, output, thinking
        self.failed_cost = 0.0
        self.failed_costs = 0
        self.whole = 0  # calls whose cost is all of it
        self.lacking = 0  # calls without usage, without a price, or with a part that has none
        self.cached = 0  # input tokens from the provider's prompt cache
        self.cached_of = 0  # input tokens of the calls that reported how many of them were cached
        self.saved = 0.0  # US dollars, by the prompt cache
        self.avoidable = 0.0  # US dollars that its misses cost

    def money(
        self, input_tokens: int | None, cached: int | None, saved: float, avoidable: float, *, whole: bool | None
    ) -> None:
        """What the prompt cache did for a call, and whether its cost is ``whole``; None where there was nothing to price."""
        if cached is not None and input_tokens is not None:
            self.cached += cached
            self.cached_of += input_tokens
        self.saved += saved
        self.avoidable += avoidable
        if whole:
            self.whole += 1
        elif whole is not None:
            self.lacking += 1

    def priced(self, cost: float, input_tokens: int | None, output_tokens: int | None) -> None:
        """What a token cost: of a cost, what does not come from the length of the call."""
        tokens = (input_tokens or 0) + OUTPUT * (output_tokens or 0)
        if cost and tokens:
            self.price.add(cost / tokens)

    def failed(self, error_type: str, tokens: tuple[int | None, int | None, int | None], cost: float | None) -> None:
        self.errors[error_type] = self.errors.get(error_type, 0) + 1
        for what, number in zip(("input", "output", "thinking"), tokens, strict=True):
            if number is not None:
                self.failed_tokens[what] = self.failed_tokens.get(what, 0) + number
        if cost is not None:
            self.failed_cost += cost
            self.failed_costs += 1

    def merge(self, other: Slice) -> None:
        self._merge_counts(other)
        for signal in SIGNALS:
            getattr(self, signal).merge(getattr(other, signal))

    def merge_bare(self, other: Slice) -> None:
        """All but the sketches."""
        self._merge_counts(other)
        self.latency.merge_moments(other.latency)
        self.output_tokens.merge_moments(other.output_tokens)
        self.cost.merge_moments(other.cost)

    @property
    def costs(self) -> Any:
        """Their sketch."""
        return self.cost.bins

    def freeze(self) -> None:
        """What is complete takes little memory."""
        self.errors, self.failed_tokens = self.errors or NONE, self.failed_tokens or NONE
        for signal in SIGNALS:
            getattr(self, signal).freeze()

    def open(self) -> Slice:
        """As of one that is complete."""
        return self

    def thaw(self) -> None:
        """A late call is to be added."""
        self.errors, self.failed_tokens = self.errors or {}, self.failed_tokens or {}
        for signal in SIGNALS:
            getattr(self, signal).thaw()

    def _merge_counts(self, other: Slice) -> None:
        self.calls += other.calls
        self.fallbacks += other.fallbacks
        self.problems += other.problems
        self.cache_hits += other.cache_hits
        self.cache_misses += other.cache_misses
        self.input_count += other.input_count
        self.input_total += other.input_total
        self.thinking_count += other.thinking_count
        self.thinking_total += other.thinking_total
        self.failed_cost += other.failed_cost
        self.failed_costs += other.failed_costs
        self.whole += other.whole
        self.lacking += other.lacking
        self.cached += other.cached
        self.cached_of += other.cached_of
        self.saved += other.saved
        self.avoidable += other.avoidable
        self.time_to_first_chunk.merge(other.time_to_first_chunk)
        self.input_tokens.merge(other.input_tokens)
        self.price.merge(other.price)
        self.errors = _added(self.errors, other.errors)
        self.failed_tokens = _added(self.failed_tokens, other.failed_tokens)

    def dump(self) -> tuple[Any, ...]:
        counts = tuple(getattr(self, name) for name in COUNTS)
        signals = tuple(getattr(self, signal).dump() for signal in SIGNALS)
        light = (self.time_to_first_chunk.dump(), self.input_tokens.dump(), self.price.dump())
        return (counts, dict(self.errors), dict(self.failed_tokens), signals, light)

    @classmethod
    def load(cls, state: Any) -> Slice:
        loaded = cls()
        counts, loaded.errors, loaded.failed_tokens, signals, (first_chunk, inputs, price) = state
        loaded.time_to_first_chunk, loaded.input_tokens, loaded.price = (
            Light(*first_chunk),
            Light(*inputs),
            Light(*price),
        )
        for name, value in zip(COUNTS, counts, strict=True):
            setattr(loaded, name, value)
        for signal, summary in zip(SIGNALS, signals, strict=True):
            setattr(loaded, signal, Summary.load(summary))
        return loaded


COUNTS = (
    "calls", "fallbacks", "cache_hits", "cache_misses", "input_count", "input_total", "thinking_count", "thinking_total",
    "failed_cost", "failed_costs", "whole", "lacking", "cached", "cached_of", "saved", "avoidable",
    "problems",
)  # fmt: skip


NONE: dict[str, int] = {}  # of slices that are complete: shared, and so never to be changed


def _added(into: dict[str, int], counts: dict[str, int]) -> dict[str, int]:
    if not counts:
        return into
    into = into if into is not NONE else {}
    for name, count in counts.items():
        into[name] = into.get(name, 0) + count
    return into
