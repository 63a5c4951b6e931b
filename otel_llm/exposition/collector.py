"""Our families in prometheus_client's registry, and /metrics made of them and of all else that is registered there."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client import Metric as Samples
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector as AnyCollector
from prometheus_client.samples import Exemplar, Timestamp

from otel_llm.aggregate import Histogram, Store, View
from otel_llm.core.catalogue import shown
from otel_llm.core.config import Config
from otel_llm.core.guard import guard

from .text import bounds_text, joined, render

logger = logging.getLogger("otel_llm")


class Source(Protocol):
    """Where our families come from: the store of this process, or the process that has it."""

    def text(self, *, openmetrics: bool) -> bytes:
        """All families as text, without the end mark of OpenMetrics."""

    def families(self) -> Iterable[Samples]:
        """All families as prometheus_client knows them."""


class StoreSource:
    """A store of this process; ``prepare`` is called before each scrape, to take in what is not in the store yet."""

    def __init__(
        self, store: Store, prepare: Callable[[], None] = lambda: None, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._prepare = prepare
        self._clock = clock

    def text(self, *, openmetrics: bool) -> bytes:
        began = time.perf_counter()
        self._prepare()
        views = self._store.views(self._clock())
        text = render(views, self._store.lock, openmetrics=openmetrics)
        self._store.scraped(time.perf_counter() - began)
        return text

    def families(self) -> Iterator[Samples]:
        self._prepare()
        for view in self._store.views(self._clock()):
            with self._store.lock:
                family = _family(view)
            yield family


def parsed(text: bytes) -> Iterator[Samples]:
    """The families in what ``Source.text(openmetrics=True)`` of another process said."""
    from prometheus_client.openmetrics.parser import text_string_to_metric_families  # noqa: PLC0415 - few ever need it

    families: Iterator[Samples] = text_string_to_metric_families(text.decode() + "# EOF\n")  # type: ignore[no-untyped-call]
    return families


class Collector(AnyCollector):
    """What prometheus_client asks for our families, and who writes the exposition of both."""

    def __init__(self, config: Config, source: Source, registry: CollectorRegistry = REGISTRY) -> None:
        self._metrics = shown(config.semconv)
        self._ours = frozenset(metric.family for metric in self._metrics)
        self._source = source
        self._registry = registry
        self._multiproc_dir = config.multiproc_dir
        self._silent = threading.local()
        self._registered = False

    def register(self) -> None:
        """Join the registry, once. A family of the same name that is there already is a warning."""
        if self._registered:
            return
        try:
            self._registry.register(self)
        except ValueError as error:
            logger.warning("otel-llm shows its metrics on its own endpoint only: %s", error)
        else:
            self._registered = True

    def unregister(self) -> None:
        """Leave the registry."""
        if self._registered:
            self._registered = False
            self._registry.unregister(self)

    def describe(self) -> Iterator[Samples]:
        """Names only, so that registration costs no scrape and tells clashes."""
        for metric in self._metrics:
            yield Samples(metric.family, metric.help, metric.kind)

    def collect(self) -> Iterable[Samples]:
        """Our families with their samples, where somebody else writes the exposition."""
        return () if getattr(self._silent, "now", False) else self._source.families()

    def render(self, accept: str) -> tuple[str, bytes]:
        """Content type and body for an Accept header: our families, and all others of the registry."""
        encoder, content_type = choose_encoder(accept)
        if "escaping=dots" in content_type:  # doubles the underscores of our names: not for ready prefixes
            return content_type, encoder(_Families(lambda: [*self._source.families(), *self._others()]))
        ours = self._source.text(openmetrics=content_type.startswith("application/openmetrics-text"))
        return content_type, joined(ours, encoder(_Families(self._others)))

    def _others(self) -> list[Samples]:
        """Each family of the host once; what else bears one of our names (OpenTelemetry's exporter) is left out."""
        with self._silence():
            with guard("registry"):  # a broken collector of the host's must not take our metrics away
                return [family for family in self._host().collect() if family.name not in self._ours]
            return []

    def _host(self) -> CollectorRegistry:
        if not (self._multiproc_dir and Path(self._multiproc_dir).is_dir()):
            return self._registry
        from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415 - few ever need it

        host = CollectorRegistry()
        MultiProcessCollector(host, path=self._multiproc_dir)  # type: ignore[no-untyped-call]
        return host

    @contextmanager
    def _silence(self) -> Iterator[None]:
        """In this thread, ``collect`` yields nothing."""
        self._silent.now = True
        try:
            yield
        finally:
            self._silent.now = False


class _Families(AnyCollector):
    def __init__(self, collect: Callable[[], Iterable[Samples]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Samples]:
        return self._collect()


def _family(view: View) -> Samples:
    metric = view.metric
    family = Samples(metric.family, metric.help, metric.kind)
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


def _exemplar(found: Any) -> Exemplar | None:
    if found is None:
        return None
    trace_id, span_id, value, at = found
    span = {"span_id": span_id} if span_id else {}
    seconds, milliseconds = divmod(round(at * 1000), 1000)
    return Exemplar({"trace_id": trace_id, **span}, value, Timestamp(seconds, milliseconds * 1_000_000))
