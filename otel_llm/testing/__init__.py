"""For tests: see what was observed, without a server, a port or a thread."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.trace import Tracer

from otel_llm import clients
from otel_llm.calls import collected, context, observe
from otel_llm.calls.install import Installed
from otel_llm.calls.observer import Observer, Sink
from otel_llm.calls.spenders import Spenders
from otel_llm.clients import _hosts
from otel_llm.core import dispatch
from otel_llm.core.config import Config
from otel_llm.core.guard import Guard
from otel_llm.core.model import Event, Observation, Record
from otel_llm.frameworks import Frameworks
from otel_llm.outputs.spans import Spans
from otel_llm.reliability import hooks, rate_limits


@dataclass
class Captured:
    """What was observed so far."""

    ended: list[Observation] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    observer: Observer = field(default_factory=Observer)
    installed: list[Installed] = field(default_factory=list)

    def take(self, record: Record) -> None:
        """Keep a record. A recorder of the hub."""
        if isinstance(record, Observation):
            self.ended.append(record)
        else:
            self.events.append(record)

    @property
    def calls(self) -> list[Observation]:
        """Finished calls in the order in which they ended, those included that a garbage collection has ended."""
        collected.conclude()
        return self.ended

    @property
    def call(self) -> Observation:
        """The one call that was made. Raises ``AssertionError`` where there are none or more."""
        gc.collect()
        assert len(self.calls) == 1, f"{len(self.calls)} calls: {self.calls}"
        return self.calls[0]

    @property
    def open(self) -> int:
        """Calls that have not ended."""
        collected.conclude()
        return len(self.observer.open)

    def count(self, metric: str, *labels: str) -> float:
        """The sum of the events of ``metric`` whose labels include ``labels``."""
        return sum(event.value for event in self.events if event.metric == metric and set(labels) <= set(event.labels))

    def clear(self) -> None:
        """Forget what was observed."""
        self.ended.clear()
        self.events.clear()


@contextmanager
def capture(
    *names: str,
    tracer: Tracer | None = None,
    sinks: Sequence[Sink] = (),
    config: Config | None = None,
    **settings: Any,
) -> Iterator[Captured]:
    """Watch the client libraries ``names`` (all by default) and capture what is observed.

    ``tracer`` gets the spans, ``sinks`` see the calls too; ``settings`` go to the observer (``price``, ``capture``). Errors of
    otel-llm itself, which a service never sees, are raised here.
    """
    config = Config() if config is None else config
    captured = Captured()
    captured.observer = Observer(
        (*((Spans(tracer, semconv=config.semconv),) if tracer is not None else ()), *sinks),
        label_names=config.metric_labels,
        on_reply=rate_limits.read,
        spenders=Spenders((*config.metric_labels, *config.plain_labels)) if config.top_spenders else None,
        **settings,
    )
    _hosts.configure(config.providers)
    context.allow(config.metric_labels, config.baggage_labels)
    was, Guard.strict = Guard.strict, True
    dispatch.listen(captured.take)
    unobserve = observe.use(captured.observer)
    watched = {
        name: Installed.of(clients.load(name), captured.observer, lambda _: True) for name in names or clients.NAMES
    }
    captured.installed += watched.values()
    captured.installed += hooks.install(captured.observer, lambda _: True)
    frameworks = Frameworks(
        captured.observer, lambda _: True, lambda name: name in watched and bool(watched[name].patched), config.semconv
    )
    try:
        yield captured
    finally:
        frameworks.stop()
        for installed in captured.installed:
            installed.uninstall()
        unobserve()
        captured.observer.disown()  # one that ends later, with the garbage, belongs to no other capture
        dispatch.listen()
        Guard.strict = was
