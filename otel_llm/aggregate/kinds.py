"""Calls of one kind counted together: what ``Store.apply`` does to one call, for a third of what that costs.

A kind is what the words of a call say: provider, model, operation, labels, why it ended. It is counted by columns once its cells
are there and none of its words was replaced; until then, and where something is odd, its calls are counted one by one. A test holds
both ways to the same.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import compress
from operator import attrgetter
from typing import Any, TypeVar

from otel_llm.core.model import BATCH, Observation, Record
from otel_llm.core.objectives import DEFAULT

from . import wire
from .bundle import COST, WORDS_OF, Bundle
from .cells import Histogram, Number
from .column_window import record
from .columns import Column, Columns, bins, tally
from .ledger import UNPRICED_FEES, whole
from .recent import CUT, WITHHELD
from .recent_cell import Cell
from .state import State
from .window import Crossing, Judgement

STREAM = "stream_without_usage"
"""Why there is no usage, where whoever runs the service can change that."""
LEAST = 8
"""Calls of a kind from which on columns are the cheaper way."""
MOST_KINDS = 1_024
"""Kinds that are kept at hand; past it they are looked up again."""

_COLUMNS = {
    Observation._fields.index(field): attrgetter(column)
    for field, column in (
        ("duration", "duration"), ("first_chunk", "first_chunk"), ("input_tokens", "given"), ("output_tokens", "output"),
        ("cache_read_tokens", "read"), ("cache_write_tokens", "written"), ("thinking_tokens", "thought"),
    )
}  # fmt: skip  # by the number of the field in a call
_SLOW = DEFAULT.latency_slo_threshold  # seconds

Place = TypeVar("Place")
Frame = tuple[bytes, int, Place]
"""A record as ``wire.encode`` wrote it, the process that made it, and its place."""
Groups = deque[list[Frame[Place]]]
Findings = list[tuple[int, tuple["Judgement | Crossing", ...]]]
"""What is unusual about calls, each with the number of the call."""


def grouped(frames: Iterable[Frame[Place]]) -> Groups[Place]:
    """Calls of a kind together, in the order of their first ones; what is no common call is on its own."""
    groups: dict[bytes | int, list[Frame[Place]]] = {}
    for frame in frames:
        kind = wire.kind(frame[0]) or len(groups)
        group = groups.get(kind)
        if group is None:
            groups[kind] = [frame]
        else:
            group.append(frame)
    return deque(groups.values())


class Kind:
    """What calls of one kind have in common: one of them, and the counters of its words."""

    __slots__ = ("bundle", "call", "limited", "whole", "words")

    def __init__(self, call: Observation, bundle: Bundle, words: list[Number], *, limited: bool) -> None:
        self.call = call
        self.bundle = bundle
        self.words = words
        self.whole = bool(whole(call._replace(cost=0.0)))
        self.limited = limited
        """Whether a budget with a limit covers the calls: the one that goes over it is to be known."""


class Kinds:
    """The kinds of calls in ``state``. Not thread-safe: the caller holds the lock of the store."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._by_words: dict[bytes, Kind] = {}

    def count(self, frames: list[Frame[Place]]) -> tuple[Kind, Findings] | None:
        """Count calls of one kind, and say what is unusual about them; None where they are to be counted one by one: nothing was."""
        if len(frames) < LEAST:
            return None
        kind = self._kind(frames[0][0])
        if kind is None:
            return None
        calls = Columns(wire.columns([frame[0] for frame in frames]))
        if not calls.sound or not _has_cells(kind, calls):
            return None
        findings: Findings = []  # each with the number of its call among all
        for rows, part in calls.by_time(self._state.engine.grid.cell):
            findings += [(rows[row], unusual) for row, unusual in _count(self._state, kind, part)]
        return kind, findings

    def _kind(self, payload: bytes) -> Kind | None:
        words = wire.kind(payload) or b""
        kind = self._by_words.get(words)
        if (
            kind is None and 0 < len(words) <= wire.LONGEST
        ):  # names are user input: what is at hand is bounded in bytes as well
            kind = self._find(wire.decode(payload))
            if kind is not None:
                if len(self._by_words) >= MOST_KINDS:
                    self._by_words.clear()
                self._by_words[words] = kind
        return kind

    def _find(self, call: Record) -> Kind | None:
        if not isinstance(call, Observation) or call.error_type or call.conversation or call.operation == BATCH:
            return None
        bundle = self._state.at_hand(call)
        if bundle is None or call.usage_unknown == STREAM:
            return None
        counters = [bundle.counter(metric, word) for metric, word in _words(call)]
        words = [counter for counter in counters if counter is not None]
        spend = self._state.ledger.spend
        limited = any(
            (budget.daily is not None or budget.monthly is not None) and budget.covers(bundle.spender)
            for budget in spend.budgets
        )
        return Kind(call, bundle, words, limited=limited) if len(words) == len(counters) else None


def _words(call: Observation) -> Iterator[tuple[str, str]]:
    """The counters of its words, and their last labels."""
    for metric, place in WORDS_OF:
        words: Any = call[place]
        if words:
            for word in (words,) if isinstance(words, str) else words:
                yield metric, word
    for name in call.incomplete:
        yield UNPRICED_FEES, name


def _has_cells(kind: Kind, calls: Columns) -> bool:
    """Whether the cells are there that the first call with tokens or a price makes."""
    bundle, call = kind.bundle, kind.call
    if calls.cost.values and bundle.counter(COST, call.cost_source) is None:
        return False
    if calls.gap_counts and max(calls.gap_counts) >= len(bundle.per_chunk.counts):
        return False
    counted = calls.given.values or calls.output.values or calls.cost.values
    return not counted or bundle.agent_at_hand(call.agent) is not None


def _count(state: State, kind: Kind, calls: Columns) -> Findings:
    """What ``Store.apply`` does, in its order."""
    call, bundle = kind.call, kind.bundle
    places = bins(calls.duration.values), bins(calls.first_chunk.values)
    _count_cells(kind, calls)
    _count_recent(state.recent.cell(bundle.key, calls.first), call, calls, places)
    state.recent.begin(calls.first)
    findings: Findings = [*record(state.engine, bundle.key, call, calls, places, whole=kind.whole)]
    findings += _count_money(state, kind, calls)
    if call.spenders and state.spenders.most:
        day = state.ledger.spend.day(calls.at[0])
        for cost in calls.cost.values:
            if cost:
                state.spenders.add(day, call.spenders, cost)
    return findings


def _count_cells(kind: Kind, calls: Columns) -> None:
    bundle, number = kind.bundle, calls.number
    bundle.calls.value += number
    for measure, place, is_histogram in bundle.takes:
        column = _COLUMNS[place](calls) if place in _COLUMNS else None
        if column is None or not column.values:
            continue
        cell = bundle.taking(measure)
        if is_histogram:
            _observe(cell, column, calls)
        else:
            cell.value += column.total
    for place, column in enumerate((calls.given, calls.output)):
        if column.values:
            (bundle.output if place else bundle.input).value += column.total
            bundle.agent(kind.call.agent)[place].value += column.total
    if calls.gap_counts:
        pace = bundle.per_chunk
        for bucket, gaps in calls.gap_counts.items():
            pace.counts[bucket] += gaps
        pace.sum = sum(compress(calls.gap_sums, calls.gaps), pace.sum)
    for word in kind.words:
        word.value += number


def _observe(cell: Histogram, column: Column, calls: Columns) -> None:
    """As ``Histogram.observe`` for each: the last call in a bucket is its exemplar. Sorted, the values of a bucket stand together."""
    values, rows, bounds = list(column.values), column.rows, cell.bounds  # of a list, Python looks an item up faster
    places = sorted(range(len(values)), key=values.__getitem__)
    ordered = list(map(values.__getitem__, places))
    begin, number = 0, len(ordered)
    while begin < number:
        bucket = bisect_left(bounds, ordered[begin])
        end = bisect_right(ordered, bounds[bucket], begin) if bucket < len(bounds) else number
        cell.counts[bucket] += end - begin
        place = calls.last_traced(places[begin:end], rows)
        if place is not None:
            row = place if rows is None else rows[place]
            trace, span = calls.known.get(row) or calls.ids(row)
            cell.exemplars[bucket] = (trace, span, values[place], calls.at[row])
        begin = end
    cell.sum = sum(values, cell.sum)


def _count_recent(cell: Cell, call: Observation, calls: Columns, places: tuple[list[int], list[int]]) -> None:
    """As ``Recent.call`` for each, all of the cell."""
    number, output = calls.number, calls.output
    cell.calls += number
    cell.inputs += len(calls.given.values)
    cell.input += calls.given.total
    if calls.read.values:
        cell.cached += sum(calls.read.beside(calls.given)[0])
    tally(cell.latency, places[0])
    cell.streams += len(places[1])
    tally(cell.first_chunk, places[1])
    cell.slow += sum([duration > _SLOW for duration in calls.duration.values])
    if call.usage_unknown:
        cell.unknown += number
    cell.outputs += len(output.values)
    cell.output += output.total
    cell.output_squares += sum([count * count for count in output.values])
    for kind in call.problems:
        cell.problems[kind] = cell.problems.get(kind, 0) + number
    for reason in call.finish_reasons:
        cell.answers += number
        cell.cut += number * (reason.lower() in CUT)
        cell.withheld += number * (reason.lower() in WITHHELD)
    priced = len(calls.cost.values)
    cell.costs += priced
    cell.cost = sum(calls.cost.values, cell.cost)
    if call.cost_source == "unpriced":
        cell.unpriced += number - priced


def _count_money(state: State, kind: Kind, calls: Columns) -> Findings:
    """As ``Ledger.count`` for each; what crosses a line of a budget, each with the number of its call."""
    call, bundle, ledger, costs = kind.call, kind.bundle, state.ledger, calls.cost.values
    ledger.rows.add_all(ledger.spend.day(calls.at[0]), bundle.place, call, calls)
    if calls.saved.total:
        bundle.savings.value = sum(calls.saved.values, bundle.savings.value)
    if call.cost_source == "unpriced" and len(costs) < calls.number:
        bundle.unpriced.value += calls.number - len(costs)
    if not costs:
        return []
    if call.incomplete:
        bundle.incomplete.value += len(costs)
    for cell in (bundle.cost(call.cost_source), bundle.agent(call.agent)[2]):
        cell.value = sum(costs, cell.value)
    _observe(bundle.cost_size, calls.cost, calls)
    if not kind.limited:
        ledger.spend.add(calls.first, calls.cost.total, bundle.spender)
        return []
    rows = range(calls.number) if calls.cost.rows is None else calls.cost.rows
    return [
        (row, crossed)
        for row, cost in zip(rows, costs, strict=True)
        if (crossed := ledger.spend.add(calls.at[row], cost, bundle.spender))
    ]
