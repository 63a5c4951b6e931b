"""Our families in prometheus_client's registry, and /metrics made of them and of all else that is registered there."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client import Metric as Samples
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector as AnyCollector

from otel_llm.core.catalogue import shown
from otel_llm.core.config import Config
from otel_llm.core.described import described
from otel_llm.core.guard import guard

logger = logging.getLogger("otel_llm")
_END = b"# EOF\n"


class Source(Protocol):
    """Where our families come from: a member of the service, which asks who aggregates."""

    def text(self, *, openmetrics: bool) -> bytes:
        """All families as text, without the end mark of OpenMetrics."""

    def families(self) -> Iterable[Samples]:
        """All families as prometheus_client knows them."""


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
        """Names only, so that registration costs no scrape and detects clashes."""
        for metric in self._metrics:
            yield Samples(metric.family, described(metric), metric.kind)

    def collect(self) -> Iterable[Samples]:
        """Our families with their samples, where somebody else writes the exposition."""
        return () if getattr(self._silent, "now", False) else self._source.families()

    def render(self, accept: str) -> tuple[str, bytes]:
        """Content type and body for an Accept header: our families, and all others of the registry."""
        encoder, content_type = choose_encoder(accept)
        if "escaping=dots" in content_type:  # doubles the underscores of our names: not for ready prefixes
            return content_type, encoder(_Families(lambda: [*self._source.families(), *self._others()]))
        ours = self._source.text(openmetrics=content_type.startswith("application/openmetrics-text"))
        return content_type, _joined(ours, encoder(_Families(self._others)))

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


def _joined(ours: bytes, others: bytes) -> bytes:
    """One exposition of two; an OpenMetrics one keeps its end mark at the end."""
    parts = (others[: -len(_END)], ours, _END) if others.endswith(_END) else (others, ours)
    return b"".join(parts)  # which, unlike +, lets other threads run while it copies megabytes


class _Families(AnyCollector):
    def __init__(self, collect: Callable[[], Iterable[Samples]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Samples]:
        return self._collect()
