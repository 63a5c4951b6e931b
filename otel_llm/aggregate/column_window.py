"""Calls of one kind put into the window together: what ``Engine.record`` does to one call."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from operator import add, mul, truediv

from otel_llm.core.model import Observation

from .columns import Column, Columns, bins, bins_of_tokens, tally, together
from .window import Engine, Judgement, Key
from .window.engine import WIDER, WITHOUT_OUTPUT
from .window.length import BUCKET, Joint
from .window.light import Light
from .window.slices import OUTPUT, Slice
from .window.summary import Summary
from .window.track import Track

Judged = list[tuple[int, tuple[Judgement, ...]]]
"""What is unusual, each with the number of the call."""


def record(
    engine: Engine, key: Key, one: Observation, calls: Columns, places: tuple[list[int], list[int]], *, whole: bool
) -> Judged:
    """Count successful calls of ``key``, all of one cell and alike ``one`` in their words; ``places`` are the bins of their durations
    and of their first chunks, ``whole`` is what ``Engine.record`` takes for each whose cost is known. They are judged when all are
    counted."""
    track = engine.tracks.get(key) or engine._track(key)  # noqa: SLF001 - the other way of its ``record``
    at = calls.at[0]
    cell = track.current if track.start <= at < track.end else engine._enter(track, at)  # noqa: SLF001 - likewise
    output = Column.none() if one.operation in WITHOUT_OUTPUT else calls.output
    _count(cell, calls, whole=whole)
    if one.problems:
        cell.problems += calls.number
    cell.time_to_first_chunk.add_all(places[1])
    _add_lengths(cell, calls, output, places[0])
    numbers = [column.optional(calls.number) for column in (calls.output, calls.given, calls.cost, calls.first_chunk)]
    words = ("", one.labels, bool(one.problems), one.response_model)
    track.samples.newest.extend(zip(calls.duration.values, *numbers, *map(repeat, words), strict=False))
    return _judge(track, calls, output)


def _count(cell: Slice, calls: Columns, *, whole: bool) -> None:
    cell.calls += calls.number
    if calls.read.values:
        read, of = calls.read.beside(calls.given)
        cell.cached += sum(read)
        cell.cached_of += sum(of)
    cell.saved = sum(calls.saved.values, cell.saved)
    if whole:
        cell.whole += len(calls.cost.values)
    else:
        cell.lacking += calls.number
    thought = calls.thought
    cell.thinking_count += len(thought.values)
    cell.thinking_total += thought.total


def _add_lengths(cell: Slice, calls: Columns, output: Column, places: list[int]) -> None:
    """The signals; latency by length of the answer, and that by length of the prompt."""
    given = calls.given
    prompt_bins, lengths = bins_of_tokens(given.values), bins_of_tokens(output.values)
    cell.input_count += len(prompt_bins)
    cell.input_total += given.total
    cell.input_tokens.add_all(prompt_bins)
    _add(cell.latency, calls.duration, places)
    _add(cell.cost, calls.cost, bins(calls.cost.values))
    _add_prices(cell.price, calls, output)
    if not lengths:
        return
    _add(cell.output_tokens, output, lengths)
    took = places if output.rows is None else [places[row] for row in output.rows]
    _add_joint(cell.latency.joint or cell.latency.of_lengths(), [place // BUCKET for place in lengths], took)
    prompts, answers = together(given.rows, prompt_bins, output.rows, lengths)
    if prompts:
        joint = cell.output_tokens.joint or cell.output_tokens.of_lengths()
        _add_joint(joint, [place // WIDER // BUCKET for place in prompts], [max(place, 0) for place in answers])


def _add_prices(price: Light, calls: Columns, output: Column) -> None:
    """As ``Slice.priced`` for each that has a cost."""
    cost, given = calls.cost, calls.given
    if cost.low > 0 < given.low and cost.rows is given.rows is output.rows is None:  # nearly always
        tokens = map(add, given.values, map(mul, output.values, repeat(OUTPUT)))
        price.add_all(bins(map(truediv, cost.values, tokens)))
        return
    columns = (column.optional(calls.number) for column in (cost, given, output))
    prices = [
        paid / number
        for paid, prompt, answer in zip(*columns, strict=True)
        if paid and (number := (prompt or 0) + OUTPUT * (answer or 0))
    ]
    price.add_all(bins(prices))


def _add(summary: Summary, column: Column, places: Sequence[int]) -> None:
    """As ``Summary.add`` for each: the deviations from the mean of all, which is added to what was there."""
    values, more, total = column.values, len(column.values), column.total
    if not more:
        return
    mean, count = total / more, summary.count
    deviations = sum([(gap := value - mean) * gap for value in values])
    if count:
        gap = mean - summary.total / count
        deviations += gap * gap * count * more / (count + more)
    summary.deviations += deviations
    summary.count = count + more
    summary.total = sum(values, summary.total)
    high = max(values)
    summary.low, summary.high = min(summary.low, column.low), max(summary.high, high)
    summary.second = -1
    tally(summary.bins, places)


def _add_joint(joint: Joint, buckets: Sequence[int], places: Sequence[int]) -> None:
    """As ``Joint.add`` for each, of buckets of lengths."""
    joint.count += len(places)
    joint.squares += sum(map(mul, places, places))
    slowest = max(places)
    if slowest > joint.top[0]:
        joint.top = (slowest, buckets[places.index(slowest)])
    by = joint.by
    for bucket, place in zip(buckets, places, strict=True):
        entry = by.get(bucket)
        if entry is None:
            by[bucket] = [1, place]
        else:
            entry[0] += 1
            entry[1] += place


def _judge(track: Track, calls: Columns, output: Column) -> Judged:
    """Verdicts on those calls that lie beyond the bounds, in order: each may set others."""
    slow, few, many, dear = track.bounds
    tokens, costs = output.values, calls.cost.values
    if not (
        max(calls.duration.values) > slow
        or (tokens and not few <= min(tokens) <= max(tokens) <= many)
        or (costs and max(costs) > dear)
    ):
        return []
    judged: Judged = []
    for row, (at, duration, length, cost) in enumerate(
        zip(
            calls.at,
            calls.duration.values,
            output.optional(calls.number),
            calls.cost.optional(calls.number),
            strict=True,
        )
    ):
        slow, few, many, dear = track.bounds
        if duration > slow or (length is not None and not few <= length <= many) or (cost is not None and cost > dear):
            judged.append((row, track.judge(at, duration, length, cost)))
    return judged
