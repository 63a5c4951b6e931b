"""Calls of which a sender reports only histograms and sums: as many as were counted since the last time, of the mean size.

No percentile or z-score of these is exact: a histogram says how many calls there were, and their sum.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

from . import failures, providers
from .records import CUMULATIVE, DELTA, Point
from .remember import Remembered
from .span import Attributes, Call, Tokens
from .values import text

TOKENS = "gen_ai.client.token.usage"
DURATIONS = ("gen_ai.client.operation.duration", "gen_ai.client.operation")
CLAUDE_TOKENS, CLAUDE_COST = "claude_code.token.usage", "claude_code.cost.usage"
_TYPES = {"input": "input", "output": "output", "prompt": "input", "completion": "output"}
"""Token types that are no part of another: the rest (``cached_input``, ``total``) would be counted twice."""
MOST_CALLS = 10_000
"""Calls of one report; of more the clock or the sender is wrong."""
_Series = tuple[str, str, str]


class _Counted(NamedTuple):
    start: int
    sum: float
    number: int


class Reported(NamedTuple):
    """What came since the last report of a series."""

    sum: float
    number: int


class Points:
    """The last value of each series, so that a cumulative one counts once. ``most`` series are known. Not thread-safe.

    A series that began before the gateway (``began``, nanoseconds since the epoch) is counted from its second point on: what its first
    one holds may have been counted by the gateway before this one.
    """

    def __init__(self, began: int, most: int = 50_000) -> None:
        self._began = began
        self._last: Remembered[list[_Counted]] = Remembered(86_400.0, most)

    def calls(self, points: list[Point], now: float) -> Iterator[Call]:
        """The calls of one request. ``now`` is of the clock of the gateway."""
        by_call: dict[tuple[str, str, str, str], dict[str, list[tuple[Point, Reported]]]] = {}
        for point in points:
            column = _column(point)
            if not column or point.temporality not in (DELTA, CUMULATIVE):
                continue
            reported = self._since(point, now)
            if reported is not None and (reported.number or reported.sum):
                attributes = point.attributes
                error = str(attributes.get("error.type") or "")
                place = (point.resource.instance, _provider(attributes), _model(attributes), error)
                by_call.setdefault(place, {}).setdefault(column, []).append((point, reported))
        for (_, provider, model, error), columns in by_call.items():
            yield from _calls(provider, model, error, columns)

    def _since(self, point: Point, now: float) -> Reported | None:
        count = point.number or 0
        if point.temporality == DELTA:
            return Reported(point.sum, count)
        series = (point.resource.instance, point.name, repr(sorted(point.attributes.items())))
        if series not in self._last and point.start < self._began:
            self._last.put(series, [_Counted(point.start, point.sum, count)], now)
            return None
        self._last.put(series, [_Counted(point.start, 0.0, 0)], now)
        entry = self._last.get(series)
        if entry is None:
            return None
        before = entry[0]
        if point.start != before.start or point.sum < before.sum or count < before.number:
            before = _Counted(point.start, 0.0, 0)  # the sender has begun again
        entry[0] = _Counted(point.start, point.sum, count)
        return Reported(point.sum - before.sum, count - before.number)


def speaks(point: Point) -> bool:
    """Whether a point is about calls of models."""
    return bool(_column(point))


def _column(point: Point) -> str:
    """``input`` or ``output`` tokens, ``seconds``, or a part of Claude Code's usage."""
    kind = str(point.attributes.get("gen_ai.token.type") or "")
    if point.name == TOKENS:
        return _TYPES.get(kind, "")
    if point.name in DURATIONS and point.number is not None:
        return "seconds"
    if point.name == CLAUDE_TOKENS:
        return f"claude {point.attributes.get('type')}"
    return "claude cost" if point.name == CLAUDE_COST else ""


def _provider(attributes: Attributes) -> str:
    return providers.named(text(attributes.get("gen_ai.provider.name") or attributes.get("gen_ai.system")))


def _model(attributes: Attributes) -> str:
    return text(
        attributes.get("gen_ai.request.model") or attributes.get("gen_ai.response.model") or attributes.get("model")
    )


def _calls(provider: str, model: str, error: str, columns: dict[str, list[tuple[Point, Reported]]]) -> Iterator[Call]:
    """As many calls as durations or tokens were counted; Claude Code's sums, which count no calls, are one call."""
    point = max((point for pairs in columns.values() for point, _ in pairs), key=lambda point: point.at)
    claude = any(column.startswith("claude") for column in columns)
    numbers = {column: sum(reported.number for _, reported in pairs) for column, pairs in columns.items()}
    sums = {column: sum(reported.sum for _, reported in pairs) for column, pairs in columns.items()}
    times = 1 if claude else min(numbers.get("seconds") or max(numbers.values()), MOST_CALLS)
    if times <= 0:
        return
    seconds = sums.get("seconds", 0.0) / max(numbers.get("seconds", 0), 1)
    cost = sums.get("claude cost") or None
    end = point.at / 1e9
    for number in range(times):
        yield Call(
            key=_key(point, provider, model, error, number), parent=b"", labels=point.resource.labels, instance=point.resource.instance,
            scope=point.scope or point.name, server=False, start=end - seconds, end=end, provider="anthropic" if claude else provider,
            model=model, operation=str(point.attributes.get("gen_ai.operation.name") or "chat"),
            response_model=text(point.attributes.get("gen_ai.response.model")), address="",
            error=failures.of_word(error) if error else "", stream=False, first_chunk=None,
            tokens=_claude(sums) if claude else _share(sums, number, times), finish=(), response_id="", cost=cost, tier="", agent="",
            weight=1.0, part="point",
        )  # fmt: skip


def _share(sums: dict[str, float], number: int, times: int) -> Tokens | None:
    """The tokens of one of so many calls; together they are the sum."""

    def of(column: str) -> int | None:
        if column not in sums:
            return None
        total = int(sums[column])
        return total // times + (number < total % times)

    if "input" not in sums and "output" not in sums:
        return None
    return Tokens(of("input"), of("output"))


def _claude(sums: dict[str, float]) -> Tokens | None:
    """Claude Code's types do not overlap."""
    read, written = int(sums.get("claude cacheRead", 0)), int(sums.get("claude cacheCreation", 0))
    fresh = int(sums.get("claude input", 0))
    output = int(sums.get("claude output", 0))
    return Tokens(fresh + read + written, output, read, written) if fresh or output or read or written else None


def _key(point: Point, provider: str, model: str, error: str, number: int) -> bytes:
    identity = repr((point.resource.instance, point.scope, provider, model, error)).encode("utf-8", "replace")
    return blake2b(identity + struct.pack("<QQI", point.start, point.at, number)).digest()[:24]
