"""The gateway of one machine: takes batches, keeps them on disk, decides, counts, and shows what came of it on /metrics."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from otel_llm.aggregate import Store, Verdict, decode, printable
from otel_llm.aggregate.window import Crossing
from otel_llm.cluster import processes, statedir
from otel_llm.cluster.journal import Position, Reader
from otel_llm.cluster.listing import owners
from otel_llm.cluster.member import Member
from otel_llm.core.config import Config
from otel_llm.core.files import FileLock, own_directory
from otel_llm.core.guard import guard
from otel_llm.core.model import Event, Observation
from otel_llm.core.unpatched import Thread
from otel_llm.exposition.endpoint import Endpoint
from otel_llm.outputs import alerts, notifications
from otel_llm.outputs.anomaly import Anomaly
from otel_llm.outputs.conditions import ConditionWatch
from otel_llm.pricing import Prices
from otel_llm.runtime import budgets, deliver

from . import counting, dialects
from .batch import Batch, Naming
from .options import Options
from .reading import read
from .resolver import PATIENCE, Link, Resolver
from .span import SERVER, Call, Resource, Span
from .spanlog import SpanLog

logger = logging.getLogger("otel_llm")

OWN_SCOPE = "otel_llm"
"""The scope of spans that otel-llm makes: whoever sends them counts their calls itself."""
TICK_SECONDS = 0.5
CHUNK = 200
"""Calls that are counted and marked as decided in one go."""
REQUESTS = "otel_llm_gateway_requests_total"
_SPANS = "otel_llm_gateway_spans_total"
_IGNORED = "otel_llm_gateway_ignored_spans_total"
_HELD = "otel_llm_gateway_held_calls"


class FullError(Exception):
    """There is no room just now; the sender is to try again in ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__("the gateway is full; try again later")
        self.seconds = seconds


class Gateway:
    """One process at a time works in a state directory; another one stands by until that ends.

    ``clock`` gives seconds that never go back. Batches may be taken from any thread.
    """

    def __init__(self, config: Config, options: Options, clock: Callable[[], float] = time.monotonic) -> None:
        names = (*options.labels, *(name for name in config.metric_labels if name not in options.labels))
        self.options = options
        self.config = replace(
            config,
            metric_labels=names,
            window_labels=options.labels,
            service_name=config.service_name or "otel-llm-gateway",
        )
        self.naming = Naming(options.labels, names[len(options.labels) :])
        self.clock = clock
        self._prices = Prices(self.config)
        self._lock = threading.Lock()
        self._words: Counter[tuple[str, str]] = Counter()
        self._resolver = Resolver(options.settle, options.remember)
        self._warned_of_refusals = False
        self._shown_held = -1
        self._standby: FileLock | None = None
        self._log: SpanLog | None = None
        self._thread: Thread | None = None
        self._unnotify: Callable[[], None] = lambda: None
        self.member = Member(self.config, self._make_store, deliver=self._deliver)
        self.endpoint = Endpoint(self.config, self.member, serve=self.config.server != "off")
        self.member.attach(ConditionWatch(self.member.judge))

    def start(self, *, ticking: bool = True) -> None:
        """Wait until no other gateway works here, take up what it left, and begin. Raises ``OSError`` where there is no directory."""
        for problem in self.config.problems:
            logger.warning("%s", problem)
        start = statedir.keep(self.config, processes.program(processes.myself()))
        self._wait(start.parent)
        folder = start.parent / "gateway"
        own_directory(folder)
        self._log = SpanLog(folder, max(self.options.remember, PATIENCE * self.options.settle))
        self._restore(self._log, start)
        self._prices.load()
        self.member.start()
        self._unnotify = notifications.start(self.config)
        if ticking:
            self._thread = Thread(self._tick, TICK_SECONDS)
            self._thread.start()

    def stop(self) -> None:
        """Count what is held, and leave."""
        if self._thread is not None:
            self._thread.stop(10.0)
        with guard("stop"):
            self.settle(all_of_it=True)
        self._unnotify()
        self.member.stop()
        self._prices.close()
        if self._log is not None:
            self._log.close()
        if self._standby is not None:
            self._standby.drop()

    @property
    def held(self) -> int:
        """Calls that wait for the spans around them."""
        return self._resolver.held

    def take(self, batch: Batch) -> int:
        """Keep a batch on disk and hold its calls; returns how many spans were rejected. Raises ``FullError`` or ``NoRoomError``."""
        self._make_sure_of_room()
        now = self.clock()
        words: Counter[tuple[str, str]] = Counter()
        calls: list[Call] = []
        links: list[Link] = []
        selves: set[str] = set()
        for resource, spans in batch.spans:
            for span in spans:
                self._sort(resource, span, calls, links, selves, words)
        self.keep(calls, links, selves, words, now)
        return batch.rejected

    def report(self, calls: Iterable[Call]) -> None:
        """Keep calls that log records or metrics report. Raises as ``take`` does, before it asks for the first one."""
        self._make_sure_of_room()
        self.keep(calls, [], (), Counter(), self.clock())

    def _make_sure_of_room(self) -> None:
        if self._resolver.held >= self.options.most_held:
            raise FullError(max(1.0, self.options.settle / 2))

    def keep(
        self,
        calls: Iterable[Call],
        links: list[Link],
        selves: Iterable[str],
        words: Counter[tuple[str, str]],
        now: float,
    ) -> None:
        """Keep calls on disk and hold them."""
        assert self._log is not None
        with self._lock:
            resolver = self._resolver
            every = list(calls)
            fresh = {call.key: call for call in every if resolver.is_new(call.key)}
            if fresh or links:
                self._log.received(fresh.values(), links)
            for instance in selves:
                resolver.counts_itself(instance, now)
            for link in links:
                resolver.link(link, now)
            for call in fresh.values():
                resolver.take(call, now)
            self._words.update(words)
            if twice := len(every) - len(fresh):
                self._words[_SPANS, "repeated"] += twice

    def count(self, words: Counter[tuple[str, str]]) -> None:
        """Count what happened: of (metric, label value)."""
        with self._lock:
            self._words.update(words)

    def settle(self, *, all_of_it: bool = False) -> None:
        """Count what was held long enough, and say what happened to the rest."""
        assert self._log is not None
        with self._lock:
            settled = self._resolver.settled(self.clock(), all_of_it=all_of_it)
        if settled.words["refused"] and not self._warned_of_refusals:
            self._warned_of_refusals = True
            logger.warning(
                "Spans say that they were sampled, and not how many calls they stand for, or more than 1,000: they are not counted (logged "
                'once; otel_llm_gateway_spans_total{result="refused"} counts them)'
            )
        counted = {call.key: call for call in settled.calls}
        repeated = {call.key: call for call in settled.retries}
        for at in range(0, len(settled.keys), CHUNK):
            self._count(self._log, settled.keys[at : at + CHUNK], counted, repeated)
        with self._lock:
            for word, number in settled.words.items():
                self._words[_SPANS, word] += number
            words, self._words = self._words, Counter()
        now = time.time()
        for (metric, word), number in words.items():
            labels = tuple(word.split(" ", 1)) if metric == REQUESTS else (word,)
            self.member.append(Event(metric, now, labels, float(number)))
        if self._shown_held != (held := self._resolver.held):
            self._shown_held = held
            self.member.append(Event(_HELD, now, (), float(held)))

    def _count(self, log: SpanLog, keys: list[bytes], counted: dict[bytes, Call], repeated: dict[bytes, Call]) -> None:
        """Put calls into the journal and mark them as decided, with no checkpoint between the two: after a crash in here, the journal
        says which of them it has."""
        records: list[Observation | Event] = []
        for key in keys:
            with guard("pricing"):
                if (call := counted.get(key)) is not None:
                    records += counting.observations(call, self._prices)
                elif (call := repeated.get(key)) is not None:
                    records.append(counting.retry(call))
        with self.member.lock:
            for record in records:
                self.member.append(record)
            with self._lock:
                log.decided(keys)

    def _sort(
        self,
        resource: Resource,
        span: Span,
        calls: list[Call],
        links: list[Link],
        selves: set[str],
        words: Counter[tuple[str, str]],
    ) -> None:
        """One span of a batch: a call, a link between others, or what is not understood."""
        if span.scope == OWN_SCOPE:
            selves.add(resource.instance)
            words[_SPANS, "own"] += 1
            return
        understood = not dialects.speaks(span)
        with guard("gateway"):  # a span that nobody can read costs no other one of its batch
            if not understood:
                dialect = dialects.recognise(span)
                kind = "unclear" if dialect is None else dialect.kind(span)
                if dialect is not None and kind == "inference":
                    call = read(span, dialect, resource)
                    calls.append(
                        call._replace(labels=self.naming.labels(resource, span)) if self.naming.custom else call
                    )
                    return
                understood = kind == "other"
        if not understood:
            words[_IGNORED, span.scope or "unnamed"] += 1
        words[_SPANS, "other"] += 1
        links.append(Link(span.key, span.parent, span.kind == SERVER))

    def _tick(self) -> None:
        with guard("gateway"):
            self.settle()

    def _wait(self, folder: Path) -> None:
        """Stand by until no other gateway works here."""
        self._standby = FileLock(folder / "gateway.lock")
        if not self._standby.take():
            logger.warning("another gateway works in %s: this one stands by until that ends", folder)
            self._standby.take(wait=True)
            logger.warning("the gateway that worked in %s has ended: this one takes over", folder)

    def _restore(self, log: SpanLog, start: Path) -> None:
        """Hold again what was not decided, except for what a process that was killed in the middle had counted."""
        logged = log.read()
        undecided = {call.key for call in logged.calls} - set(logged.decided)
        done = [*logged.decided, *(key for key in _journaled(start) if key in undecided)]
        self._resolver.restore(logged.calls, logged.links, done, self.clock())
        decided = set(done)
        if left := {call.key: call for call in logged.calls if call.key not in decided}:
            log.received(
                left.values(), ()
            )  # their files may go before they are decided, where one start follows the other

    def _deliver(self, verdict: Verdict) -> None:
        """Hand a verdict to handlers, with whose call it is about."""
        call, finding = verdict.call, verdict.finding
        if isinstance(finding, Crossing):
            deliver(verdict)
            return
        whose = ", ".join(filter(None, map(printable, call.labels[: len(self.options.labels)])))
        detail = whose if finding.kind == "call" else f"{whose}, {finding.kind}"
        key = call.provider, printable(call.request_model)
        alerts.deliver(Anomaly.of(key, finding, trace_id=call.trace_id, detail=detail))

    def _make_store(self) -> Store:
        return Store(self.config, budgets(self.config), self._prices.date)


def _journaled(start: Path) -> Iterable[bytes]:
    """The keys of the calls in the journals of ``start``."""
    keys: list[bytes] = []

    def take(payload: bytes, _: Position) -> None:
        record = decode(payload)
        if isinstance(record, Observation) and record.span_id:
            keys.append(bytes.fromhex(record.trace_id + record.span_id))

    for owner, (first, _) in owners(start).items():
        reader = Reader(start, owner, Position(first))
        with guard("gateway"):
            reader.read(take)
        reader.close()
    return keys
