"""Where values live: a cell per series, a row per place where a scrape shows it, a family per metric."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from otel_llm.core.metric import Metric

Labels = tuple[str, ...]
Exemplar = tuple[str, str, float, float]  # trace id, span id, value, seconds since the epoch


class Number:
    """The value of a counter or a gauge; ``at`` is when a gauge was set, or a counter began, seconds since the epoch."""

    __slots__ = ("at", "value")

    def __init__(self, value: float = 0, at: float = 0.0) -> None:
        self.value = value
        self.at = at


class Histogram:
    """Counts per bucket (not cumulative, the last is above all bounds), their sum, the last exemplar of each bucket."""

    __slots__ = ("bounds", "counts", "exemplars", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum: float = 0
        self.exemplars: dict[int, Exemplar] = {}

    def observe(self, value: float, trace_id: str, span_id: str, at: float) -> None:
        bucket = bisect_left(self.bounds, value)
        self.counts[bucket] += 1
        self.sum += value
        if trace_id:
            self.exemplars[bucket] = (trace_id, span_id, value, at)


Cell = Number | Histogram


class Row:
    """A cell under the labels of one family. ``text`` belongs to the exposition, which keeps its ready prefix there."""

    __slots__ = ("cell", "labels", "text")

    def __init__(self, labels: Labels, cell: Any) -> None:
        self.labels = labels
        self.cell = cell
        self.text = ""


class Family:
    """One metric and its rows, oldest first; ``names`` are the label names, custom ones last; gauges about a model
    have those of them that windows are kept ``apart`` by."""

    __slots__ = ("metric", "names", "rows")

    def __init__(self, metric: Metric, custom: Labels, apart: Labels = ()) -> None:
        self.metric = metric
        self.names = (*metric.labels, *(custom if metric.custom else apart if metric.apart else ()))
        self.rows: list[Row] = []


def lines_per_row(metric: Metric) -> int:
    """Samples of one series: a histogram has one per bucket, +Inf, sum and count."""
    return len(metric.buckets) + 3 if metric.kind == "histogram" else 1
