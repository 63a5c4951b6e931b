"""The store: what one service knows, made by applying records, read by scrapes, the terminal view and alerts."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from itertools import groupby
from math import inf
from operator import itemgetter
from typing import Any

from otel_llm.core.config import Config
from otel_llm.core.model import BATCH, Event, Observation, Record
from otel_llm.core.series import CALL
from otel_llm.core.unpatched import Lock

from .agents import agents, tools
from .bounds import printable
from .bundle import Bundle, count
from .cells import Labels
from .conversations import Conversations
from .judgement import Change, Reading
from .kinds import Findings, Frame, Groups, Kind, Kinds, Place
from .ledger import whole
from .ledger_rows import Batch
from .readings import read
from .sanitize import sound
from .situation import Situation
from .state import State
from .status import moment, status
from .summary import Summary, complete, summary, top_spenders
from .survey import survey
from .views import View
from .window import Budget, Check, Crossing, Judgement, Key
from .wire import Verdict, decode

MOST_VERDICTS = 10_000
"""Verdicts that wait to be fetched; past it the oldest is dropped."""

MOST_NOTED = 1_000
"""Models of which it is remembered that a stream came without usage."""


def _no_rest() -> None:
    """Go on at once."""


class Store:
    """Everything one service knows. Safe to use from several threads; a forked child makes its own.

    ``budgets`` are those beside the overall one of ``config``; ``price_date`` says from when the price table is, seconds since
    the epoch; ``on_stream_without_usage`` is called once for each provider and model with such a stream. ``apply`` costs some microseconds.
    """

    def __init__(
        self,
        config: Config,
        budgets: tuple[Budget, ...] = (),
        price_date: Callable[[], float | None] = lambda: None,
        on_stream_without_usage: Callable[[str, str], object] = lambda _provider, _model: None,
    ) -> None:
        self.config = config
        self.lock = Lock()
        self._budgets = budgets
        self._price_date = price_date
        self._on_stream_without_usage = on_stream_without_usage
        self._without_usage: set[Key] = set()
        self._conversations = Conversations()
        self._state = State.new(config, budgets)
        self._kinds = Kinds(self._state)
        self._processes: dict[int, Mapping[Labels, int]] = {}
        self._changes: list[Change] = []
        self._verdicts: deque[Verdict] = deque(maxlen=MOST_VERDICTS)

    def apply(self, record: Record, source: int = 0, now: float = inf) -> None:
        """Count one record. ``source`` is the process that made it; a gauge that was set later than ``now`` is set again.

        Raises ``ValueError`` or ``TypeError`` for what is no record; nothing has been counted then.
        """
        with self.lock:
            self._apply(record, source, now)

    def apply_all(self, groups: Groups[Place], now: float, judged: list[tuple[Place, list[Verdict]]]) -> None:
        """As ``apply``, for many records under one lock, ``grouped`` by what they have in common. ``judged`` gets the verdicts by place.

        Empties ``groups``. Raises what the first bad record raises: those before it are counted, and those after it are left.
        """
        with self.lock:
            while groups:
                group = groups.popleft()
                counted = self._kinds.count(group)
                if counted is not None:
                    self._keep_all(group, *counted, judged)
                elif len(group) > 1:
                    groups.extendleft([frame] for frame in reversed(group))
                else:
                    payload, source, place = group[0]
                    self._apply(decode(payload), source, now)
                    if self._verdicts:
                        judged.append((place, self._drained()))

    def _keep_all(
        self, group: list[Frame[Place]], kind: Kind, findings: Findings, judged: list[tuple[Place, list[Verdict]]]
    ) -> None:
        for row, same in groupby(sorted(findings, key=itemgetter(0)), itemgetter(0)):
            payload, source, place = group[row]
            unusual = [one for _, some in same for one in some]
            if any(isinstance(one, Crossing) or one.alarm for one in unusual):
                self._keep(kind.bundle, _call_of(payload), source, unusual)
            else:  # no handler gets it: not worth taking the record apart
                self._keep(kind.bundle, kind.call, source, unusual)
            if self._verdicts:
                judged.append((place, self._drained()))

    def create(self, metric: str, labels: Labels) -> None:
        """Show a counter at 0 before anything was counted: ``increase()`` misses one that is born at 1."""
        with self.lock:
            self._state.events.apply(Event(metric, 0.0, labels, 0.0))

    def set_process(self, process: int, in_flight: Mapping[Labels, int]) -> None:
        """Open calls of one process, by provider, request model and operation. Replaces the report before."""
        if not in_flight and not self._processes.get(process, True):
            return  # nearly always: none, as before
        with self.lock:
            peek = self._state.bounds.peek
            counts: Counter[Labels] = Counter()
            for labels, count in in_flight.items():
                counts[tuple(map(peek, CALL, labels))] += count
                if not self.config.metric_labels:  # the values of custom labels are known when the call has ended
                    self._state.families.number("otel_llm_calls_total", (*map(peek, CALL, labels), "ok", ""))
            self._processes[process] = counts

    def drop_process(self, process: int) -> None:
        """A process that is no more has no open calls."""
        with self.lock:
            self._processes.pop(process, None)

    def drain_verdicts(self) -> list[Verdict]:
        """The judgements since the last time, oldest first."""
        if not self._verdicts:  # nearly always: not worth the lock
            return []
        with self.lock:
            return self._drained()

    def _drained(self) -> list[Verdict]:
        verdicts = list(self._verdicts)
        self._verdicts.clear()
        return verdicts

    def views(self, now: float, rest: Callable[[], object] = _no_rest) -> list[View]:
        """All families that have series at ``now`` (seconds since the epoch), in the catalogue's order, as far as
        ``OTEL_LLM_SERIES`` shows them. ``rest`` is called after each millisecond or so of work, while the lock is free."""
        return self._views(now, self._free(rest), fleet=self.config.series == "fleet")

    def _views(self, now: float, give_way: Callable[[], object] = _no_rest, *, fleet: bool) -> list[View]:
        age = self._price_age(now)
        with self.lock:
            self._end(self._conversations.ended(now))
            return self._state.views.at(now, self._processes, age, give_way, fleet=fleet)

    def _free(self, rest: Callable[[], object]) -> Callable[[], object]:
        """``rest`` without the lock, which whoever calls it holds."""

        def give_way() -> None:
            self.lock.release()
            try:
                rest()
            finally:
                self.lock.acquire()

        return give_way

    def summary(self, now: float, rest: Callable[[], object] = _no_rest) -> Summary:
        """All that matters in plain values: the window, money, counts since the start. Latencies in seconds. ``rest`` as for ``views``."""
        views = self._views(now, self._free(rest), fleet=False)
        with self.lock:
            state = self._state
            largest = top_spenders(state.spenders, date.fromordinal(state.ledger.spend.day(now)))
            document = summary(state.engine.stats(now, self._free(rest)), state.families, views, largest)
        return {**document, "at": now, "window_seconds": self.config.window}

    def judge(self, now: float, rest: Callable[[], object] = _no_rest) -> list[Change]:
        """Judge the last minutes; returns what opened, changed or ended since the last time. ``rest`` is called after each millisecond
        or so of work, while the lock is free: each model is judged as it was at one moment, and not all at the same."""
        situation, readings = self._read(now, rest, shown=False)
        with self.lock:
            changes = self._changes + self._state.judge.judge(readings, situation.at)
            self._changes = []
            return changes

    def incidents(self, now: float, rest: Callable[[], object] = _no_rest) -> list[Change]:
        """As ``judge``, without what is folded into another entry."""
        changes = self.judge(now, rest)
        with self.lock:
            return self._state.judge.incidents(changes)

    def status(self, now: float, service: Mapping[str, Any], rest: Callable[[], object] = _no_rest) -> dict[str, Any]:
        """The facts of ``/status.json``; ``service`` is what the caller knows of the processes, ``rest`` as for ``judge``."""
        situation, readings = self._read(now, rest, shown=True)
        with self.lock:
            judge = self._state.judge
            if now > judge.at:  # what opens now is shown now; handlers get it with the next judgement
                self._changes += judge.judge(readings, now)
            failures = self._state.recent.failed(now)
            known = {"name": self.config.service_name, "started": moment(self._state.views.began), **service}
            document = status(situation, judge, readings, failures, known)
            families = self._state.families
            return {**document, "agents": agents(families, situation), "tools": tools(families, situation)}

    def _read(self, now: float, rest: Callable[[], object], *, shown: bool) -> tuple[Situation, tuple[Reading, ...]]:
        """The situation, and what it says of each condition: that takes no lock."""
        age = self._price_age(now)
        in_flight: Counter[Labels] = Counter()
        with self.lock:
            for process in self._processes.values():
                in_flight.update(process)
            situation = survey(self._state, in_flight, now, self._free(rest), shown=shown, price_age=age)
        return situation, tuple(read(situation, self._state.judge.objectives))

    def _price_age(self, now: float) -> float | None:
        made = self._price_date()
        return None if made is None else max(0.0, now - made)

    def scraped(self, seconds: float) -> None:
        """How long a scrape took to answer."""
        self._state.views.scrape_seconds = seconds

    def behind(self, backlog: int) -> None:
        """How many bytes of records are written down and not counted."""
        self._state.views.backlog = backlog

    def check(self, key: Key, signal: Any, value: float, now: float) -> Check | None:
        """What a call with ``value`` would be called; None without a baseline. ``key`` is provider, model, and (name, value) of labels."""
        with self.lock:
            apart = ((name, printable(label)) for name, label in key[2:])
            return self._state.engine.check((*key[:2], *apart), signal, value, now)

    def tend(self, now: float, rest: Callable[[], object] = _no_rest) -> None:
        """Make some of the baselines that are due, some milliseconds' worth: where this is called regularly, no scrape makes any.
        ``rest`` is called after each model, while the lock is free."""
        with self.lock:
            self._state.recent.forget(now)
            self._state.engine.tend(now, self._free(rest))

    def baselines(self) -> object:
        """What calls are judged against, in short, for ``add_baselines`` of a later start of the service."""
        with self.lock:
            return self._state.engine.learned()

    def add_baselines(self, learned: object) -> None:
        """Judge by what an earlier start knew. Raises ``ValueError`` for what is none of it."""
        with self.lock:
            self._state.engine.take_up(learned)

    def spend(self) -> object:
        """What was spent, for ``add_spend`` of a later start of the service."""
        with self.lock:
            return self._state.ledger.spend.dump()

    def has_spend(self) -> bool:
        """Whether anything was spent."""
        with self.lock:
            return bool(self._state.ledger.spend.accounts)

    def add_spend(self, spend: object) -> None:
        """Add what an earlier start of the service spent. Raises ``ValueError`` for what is no spend."""
        with self.lock:
            self._state.add_spend(spend)

    def spenders(self) -> object:
        """Who spent most, for ``add_spenders`` of a later start of the service."""
        with self.lock:
            return self._state.spenders.dump()

    def add_spenders(self, spenders: object) -> None:
        """Add whom an earlier start of the service knew. Raises ``ValueError`` for what is none of it."""
        with self.lock:
            self._state.spenders.merge(spenders)

    def ledger(self) -> tuple[Any, ...]:
        """What of the ledger is on no disk yet, as plain values for ``add_ledger`` and ``LedgerRows.load``."""
        with self.lock:
            return self._state.ledger.rows.dump()

    def add_ledger(self, rows: object) -> None:
        """Take over what another store's ``ledger`` gave. Raises ``ValueError`` for anything else."""
        with self.lock:
            self._state.ledger.rows.merge(rows)

    def seal_ledger(self) -> tuple[Batch, ...]:
        """Close what is open of the ledger; all batches that are to be written to disk."""
        with self.lock:
            return self._state.ledger.rows.seal()

    def forget_ledger(self, batches: Iterable[Batch]) -> None:
        """These batches are on disk."""
        with self.lock:
            self._state.ledger.rows.forget(batches)

    def dump(self) -> bytes:
        """All of it but the open calls, for ``load``."""
        with self.lock:
            return self._state.dump()

    def load(self, data: bytes) -> None:
        """Become what ``dump`` wrote. Raises ``ValueError`` for anything else, and then nothing has changed."""
        with self.lock:
            self._state = State.load(data, self.config, self._budgets)
            self._kinds = Kinds(self._state)

    def _apply(self, record: Record, source: int, now: float) -> None:
        if type(record) is Observation:
            self._call(record, source)
        elif type(record) is Event:
            self._state.events.apply(record, now)
        else:
            raise TypeError(f"a store takes records, not {type(record).__name__}")

    def _call(self, call: Observation, source: int) -> None:
        state = self._state
        bundle = state.bundle(call)
        call = sound(call)
        if call.usage_unknown == "stream_without_usage" and bundle.key not in self._without_usage:
            self._note_stream(bundle.key)
        count(bundle, call)
        if call.conversation:
            self._end(self._conversations.add(call))
        state.recent.call(bundle.key, call, bundle.labels, *call.failure)
        findings = self._judge(bundle, call) if call.operation != BATCH else ()
        findings += state.ledger.count(bundle, call)
        if call.cost and call.spenders and state.spenders.most:
            state.spenders.add(state.ledger.spend.day(call.at), call.spenders, call.cost)
        self._keep(bundle, call, source, findings)

    def _keep(self, bundle: Bundle, call: Observation, source: int, findings: Iterable[Judgement | Crossing]) -> None:
        """Count what is unusual about a call, and have handlers get what they are to get: one healthy call in twenty is unusual."""
        state = self._state
        for finding in findings:
            if isinstance(finding, Crossing):
                verdict = Verdict(source, call, finding._replace(complete=complete(state.families)))
            else:
                if finding.kind == "call":  # else of minutes, and so not of this call alone
                    bundle.anomaly(finding.signal, finding.direction, finding.severity).value += 1
                if not finding.alarm:
                    continue
                state.recent.alarm(bundle.key, call.at, finding.signal)
                verdict = Verdict(source, call, finding, bundle.key[2:])
            self._verdicts.append(verdict)

    def _end(self, conversations: list[Event]) -> None:
        for event in conversations:
            self._state.events.apply(event, inf)

    def _note_stream(self, key: Key) -> None:
        """The first stream of a model that reported no usage: whoever runs the service can change that."""
        if len(self._without_usage) < MOST_NOTED:
            self._without_usage.add(key)
            self._on_stream_without_usage(key[0], key[1])

    def _judge(self, bundle: Bundle, call: Observation) -> tuple[Judgement | Crossing, ...]:
        return self._state.engine.record(
            bundle.key,
            call.at,
            operation=bundle.operation,
            duration=call.duration,
            error_type=bundle.error_type,
            input_tokens=call.input_tokens,
            output_tokens=call.output_tokens,
            thinking_tokens=call.thinking_tokens,
            cost=call.cost,
            first_chunk=call.first_chunk,
            labels=call.labels,
            cached=call.cache_read_tokens,
            saved=call.cost_saved,
            avoidable=call.cost_avoidable,
            whole=whole(call),
            problem=bool(call.problems),
            model=call.response_model,
        )


def _call_of(payload: bytes) -> Observation:
    """The call that ``payload`` is; it was counted as one."""
    call = decode(payload)
    assert isinstance(call, Observation)
    return call
