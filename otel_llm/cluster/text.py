"""The exposition formats, written from ready line prefixes: Prometheus text 0.0.4 and OpenMetrics 1.0."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.utils import floatToGoString

from otel_llm.core.described import described
from otel_llm.core.metric import Metric
from otel_llm.core.unpatched import original

if TYPE_CHECKING:  # a follower that is scraped has no store
    from otel_llm.aggregate import Histogram, Row, View

SLICE = 1000
"""Samples written in one go, about a millisecond; then others get the store's lock and the interpreter's."""
_NAP = 0.0001  # seconds: long enough that a thread which waits for the interpreter wakes up and takes it
_sleep = original("time", "sleep")


def render(views: Iterable[View], lock: AbstractContextManager[object], *, openmetrics: bool) -> bytes:
    """All ``views`` as text, without the end mark of OpenMetrics. ``lock`` is the store's."""
    parts: list[bytes] = []
    written = 0
    for count, part in _slices(views, lock, openmetrics=openmetrics):
        parts.append(part)
        written += count
        if written >= SLICE:
            written = 0
            rest()
    return b"".join(parts)


def rest() -> None:
    """Let others have the interpreter."""
    _sleep(_NAP)


def bounds_text(metric: Metric) -> tuple[str, ...]:
    """Values of the ``le`` label, as prometheus_client writes them."""
    return (*map(floatToGoString, metric.buckets), "+Inf")


def _slices(
    views: Iterable[View], lock: AbstractContextManager[object], *, openmetrics: bool
) -> Iterator[tuple[int, bytes]]:
    for view in views:
        yield 2, _head(view.metric, openmetrics=openmetrics).encode()
        write = _writer(view.metric, openmetrics=openmetrics)
        each = len(view.metric.buckets) + 3
        step = max(1, SLICE // each)
        for start in range(0, len(view.rows), step):
            rows = view.rows[start : start + step]
            with lock:
                text = write(view, rows)
            yield len(rows) * each, text.encode()


def _head(metric: Metric, *, openmetrics: bool) -> str:
    name = metric.family if openmetrics else metric.name
    text = described(metric).replace("\\", "\\\\").replace("\n", "\\n")
    if openmetrics:
        text = text.replace('"', '\\"')
    return f"# HELP {name} {text}\n# TYPE {name} {metric.kind}\n"


def _writer(metric: Metric, *, openmetrics: bool) -> Callable[[View, list[Row]], str]:
    if metric.kind != "histogram":
        return _with_created if metric.created and openmetrics else _numbers
    return _histograms_with_exemplars if openmetrics else _histograms


def _numbers(view: View, rows: list[Row]) -> str:
    return "".join([f"{row.text or _prefix(view, row)}{row.cell.value!r}\n" for row in rows])


def _with_created(view: View, rows: list[Row]) -> str:
    """Counters with the time at which each began, where it is known: a scraper that reads it sees the first events, too."""
    lines = []
    for row in rows:
        prefix = row.text or _prefix(view, row)
        lines.append(f"{prefix}{row.cell.value!r}\n")
        if row.cell.at > 0:
            lines.append(f"{prefix.replace('_total', '_created', 1)}{row.cell.at:.3f}\n")
    return "".join(lines)


def _histograms(view: View, rows: list[Row]) -> str:
    return "".join([_histogram(view, row) for row in rows])


def _histograms_with_exemplars(view: View, rows: list[Row]) -> str:
    return "".join([_with_exemplars(_histogram(view, row), row.cell) for row in rows])


def _histogram(view: View, row: Row) -> str:
    counts = tuple(accumulate(row.cell.counts))
    return (row.text or _template(view, row)) % (*counts, counts[-1], row.cell.sum)


def _with_exemplars(text: str, cell: Histogram) -> str:
    if not cell.exemplars:
        return text
    lines = text.split("\n")
    for bucket, (trace_id, span_id, value, at) in cell.exemplars.items():
        span = f',span_id="{span_id}"' if span_id else ""
        lines[bucket] += f' # {{trace_id="{trace_id}"{span}}} {value!r} {at:.3f}'
    return "\n".join(lines)


def _prefix(view: View, row: Row) -> str:
    labels = _labels(view, row)
    row.text = f"{view.metric.name}{{{labels}}} " if labels else f"{view.metric.name} "
    return row.text


def _template(view: View, row: Row) -> str:
    """Lines of a histogram with places for its counts (cumulative), its count and its sum."""
    name = view.metric.name
    labels = _labels(view, row).replace("%", "%%")
    before = f"{labels}," if labels else ""
    braces = f"{{{labels}}}" if labels else ""
    buckets = [f'{name}_bucket{{{before}le="{bound}"}} %d\n' for bound in bounds_text(view.metric)]
    row.text = "".join([*buckets, f"{name}_count{braces} %d\n", f"{name}_sum{braces} %r\n"])
    return row.text


def _labels(view: View, row: Row) -> str:
    """Label pairs; an empty value is left out, which means the same to Prometheus."""
    pairs = zip(view.names, row.labels, strict=True)
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs if value)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
