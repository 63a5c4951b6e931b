"""Our metrics as text and as prometheus_client's own families, of a store or of what another process sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from prometheus_client import Metric as Samples
from prometheus_client.samples import Exemplar, Timestamp

from otel_llm.core.described import described

from .text import bounds_text, render, rest

if TYPE_CHECKING:  # a follower that is scraped has no store
    from otel_llm.aggregate import Histogram, Store, View


class StoreFamilies:
    """The metrics of ``store`` as they are at ``clock()``, in seconds since the epoch."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    def text(self, *, openmetrics: bool) -> bytes:
        """All families as text, without the end mark of OpenMetrics."""
        return render(self._store.views(self._clock(), rest), self._store.lock, openmetrics=openmetrics)

    def families(self) -> Iterator[Samples]:
        """All families as prometheus_client knows them."""
        for view in self._store.views(self._clock(), rest):
            with self._store.lock:
                family = _family(view)
            yield family


def parsed(text: bytes) -> Iterator[Samples]:
    """The families of ``Aggregator.text(openmetrics=True)``, as another process sent it."""
    from prometheus_client.openmetrics.parser import text_string_to_metric_families  # noqa: PLC0415 - few ever need it

    parse: Any = text_string_to_metric_families
    yield from parse(text.decode() + "# EOF\n")


def _family(view: View) -> Samples:
    metric = view.metric
    family = Samples(metric.family, described(metric), metric.kind)
    for row in view.rows:
        labels = {name: value for name, value in zip(view.names, row.labels, strict=True) if value}
        if metric.kind == "histogram":
            _add_histogram(family, labels, row.cell, bounds_text(metric))
        else:
            family.add_sample(metric.name, labels, row.cell.value)
            if metric.created and row.cell.at > 0:
                family.add_sample(f"{metric.family}_created", labels, row.cell.at)
    return family


def _add_histogram(family: Samples, labels: dict[str, str], cell: Histogram, bounds: tuple[str, ...]) -> None:
    counts = tuple(accumulate(cell.counts))
    for bucket, (bound, count) in enumerate(zip(bounds, counts, strict=True)):
        exemplar = _exemplar(cell.exemplars.get(bucket))
        family.add_sample(f"{family.name}_bucket", {**labels, "le": bound}, count, exemplar=exemplar)
    family.add_sample(f"{family.name}_count", labels, counts[-1])
    family.add_sample(f"{family.name}_sum", labels, cell.sum)


def _exemplar(kept: Any) -> Exemplar | None:
    if kept is None:
        return None
    trace_id, span_id, value, at = kept
    span = {"span_id": span_id} if span_id else {}
    seconds, milliseconds = divmod(round(at * 1000), 1000)
    return Exemplar({"trace_id": trace_id, **span}, value, Timestamp(seconds, milliseconds * 1_000_000))
