"""The last hour in short cells: what a judgement counts, whatever window the gauges have.

A cell is 15 seconds long, Prometheus's usual scrape interval. After five minutes, cells become minutes. Pure: times come in as
seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from otel_llm.core.model import BATCH, Event, Observation
from otel_llm.core.objectives import CALLER_ENDED, DEFAULT

from .recent_cell import Cell, add_counts
from .window import Key
from .window.sketch import Bins, index

CELL = 15.0  # seconds
MINUTE = 4  # cells
FINE = 20  # cells that are kept as they are: five minutes
QUARTER = 60  # cells in 15 minutes
HOUR = 240  # cells
MOST_CELLS = 120  # of one model; 84 where somebody forgets
MOST_FAILURES = 200  # kinds of failed calls
MOST_WHO = 50  # label values of failed calls in one cell

CUT = frozenset(("length", "max_tokens", "max_output_tokens", "max_completion_tokens", "model_context_window_exceeded"))
"""Finish reasons of an answer that hit its limit, in lower case."""
WITHHELD = frozenset((
    "content_filter", "content_filtered", "refusal", "safety", "prohibited_content", "blocklist", "recitation", "spii",
    "guardrail_intervened",
))  # fmt: skip
"""Finish reasons of an answer that a filter or the model withheld, in lower case."""

EVENTS = frozenset((
    "otel_llm_fallbacks_total", "otel_llm_cache_requests_total", "otel_llm_retries_total", "otel_llm_internal_errors_total",
    "otel_llm_budget_decisions_total", "otel_llm_guardrail_checks_total", "otel_llm_tool_repeats_total",
))  # fmt: skip
"""Counters of the catalogue whose increases are kept."""
RUNS = frozenset(("gen_ai_invoke_agent_duration_seconds", "gen_ai_execute_tool_duration_seconds"))
"""Histograms whose counts are kept."""
RUN_COST = "otel_llm_run_cost_usd"
"""A histogram whose count and sum are kept."""
OVERFLOW = "otel_llm_label_overflow_total"
_SLOW = DEFAULT.latency_slo_threshold  # seconds


class Failure:
    """Failed calls that are alike. ``first`` and ``last`` are seconds since the epoch, ``minutes`` counts them by minute."""

    __slots__ = ("first", "last", "minutes", "trace_id")

    def __init__(self, at: float) -> None:
        self.first = self.last = at
        self.minutes: dict[int, int] = {}
        self.trace_id = ""

    def add(self, at: float, trace_id: str) -> None:
        minute = int(at // 60)
        self.minutes[minute] = self.minutes.get(minute, 0) + 1
        self.first = min(self.first, at)
        if at >= self.last:
            self.last = at
            self.trace_id = trace_id or self.trace_id


FailureKey = tuple[Key, str, int, str]  # model, error type, HTTP status or 0, route


class Recent:
    """Cells by model, increases of counters, and the failed calls. Not thread-safe: the caller holds its lock."""

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self.names = names  # of the custom labels
        self.first = 0.0  # when the first call ended, seconds since the epoch; 0 before there is one
        self.models: dict[Key, dict[int, Cell]] = {}
        self.events: dict[int, dict[tuple[str, tuple[str, ...]], float]] = {}
        self.failures: dict[FailureKey, Failure] = {}
        self.overflow: dict[str, int] = {}  # as it was at the last look
        self._folded = 0
        self._hour: dict[int, Cell] = {}  # by minute, of all models: what does not change any more

    def call(self, key: Key, call: Observation, labels: tuple[str, ...], status: int = 0, route: str = "") -> None:
        """Count one finished call of ``key``; ``labels`` are the values of the custom labels, bounded."""
        cell = self.cell(key, call.at)
        cell.calls += 1
        self.begin(call.at)
        if call.input_tokens is not None:
            cell.inputs += 1
            cell.input += call.input_tokens
            cell.cached += call.cache_read_tokens or 0
        if call.cache_miss:
            self.event(Event("otel_llm_prompt_cache_misses_total", call.at, ()), (*key, call.cache_miss[:40]))
        if call.error_type:
            self._failed(cell, key, call, labels, status, route)
        else:
            self._succeeded(cell, call)
        self._count_money(cell, call)

    def begin(self, at: float) -> None:
        """A call ended at ``at``."""
        if not self.first or at < self.first:
            self.first = at

    def cell(self, key: Key, at: float) -> Cell:
        """Where a call of ``key`` that ended at ``at`` is counted."""
        cells = self.models.get(key)
        if cells is None:
            cells = self.models[key] = {}
        number = int(at // CELL)
        cell = cells.get(number)
        if cell is None:
            if cells:
                next(reversed(cells.values())).freeze()  # the newest until now
            place = self._place(number)
            cell = cells.get(place) or cells.setdefault(place, Cell())
            if len(cells) > MOST_CELLS:  # nobody forgets: no reader, no tick
                _fold(cells, number)
        if type(cell.latency) is not dict:
            cell.thaw()
        return cell

    def alarm(self, key: Key, at: float, signal: str) -> None:
        """Count a call that was alarming on its own."""
        alarms = self.cell(key, at).alarms
        alarms[signal] = alarms.get(signal, 0) + 1

    def event(self, event: Event, labels: tuple[str, ...]) -> None:
        """Count the increase of one of ``EVENTS``; ``labels`` are bounded."""
        number = int(event.at // CELL)
        counts = self.events.setdefault(self._place(number), {})
        counts[event.metric, labels] = counts.get((event.metric, labels), 0.0) + event.value

    def run(self, event: Event, labels: tuple[str, ...]) -> None:
        """Count an observation of one of ``RUNS``, or of what a run cost."""
        if event.metric == RUN_COST:
            self.event(event, labels)
            event = event._replace(metric=f"{RUN_COST}_count")
        self.event(event._replace(value=1.0), labels)

    def overflowed(self, overflow: Mapping[str, int], now: float) -> None:
        """Take notice of how many label values have been replaced since the start."""
        for label, count in overflow.items():
            if more := count - self.overflow.get(label, 0):
                self.event(Event(OVERFLOW, now, (), float(more)), (label,))
        self.overflow = dict(overflow)

    def total(self, key: Key, now: float) -> tuple[Cell, Cell, Cell]:
        """The last five minutes of one model, the last 15 and the last hour; of these two there are counts only."""
        at, five, fifteen, hour = int(now // CELL), Cell(), Cell(), Cell()
        for number, cell in self.models.get(key, {}).items():
            if at - FINE < number <= at:
                five.merge(cell)
            if at - QUARTER < number <= at:
                fifteen.merge_counts(cell)
            hour.merge_counts(cell)
        return five, fifteen, hour

    def counted(self, metric: str, now: float, cells: int) -> dict[tuple[str, ...], float]:
        """How much the counter ``metric`` rose in the last ``cells`` cells, by its label values."""
        sums: dict[tuple[str, ...], float] = {}
        for counts in self._last(self.events, now, cells):
            for (name, labels), value in counts.items():
                if name == metric:
                    sums[labels] = sums.get(labels, 0.0) + value
        return sums

    def span(self, now: float, cells: int) -> float:
        """Seconds that rates over the last ``cells`` cells are over: since the first call where that is less, a cell at least."""
        start = (int(now // CELL) - cells + 1) * CELL
        return max(now - max(start, self.first), CELL)

    def minutes(self, key: Key, now: float) -> list[Cell | None]:
        """Counts of the last 60 minutes of one model, oldest first; None where it made no call."""
        last = int(now // CELL) // MINUTE
        minutes: list[Cell | None] = [None] * 60
        for number, cell in self.models.get(key, {}).items():
            place = number // MINUTE - last + 59
            if 0 <= place < len(minutes):
                minute = minutes[place] = minutes[place] or Cell()
                minute.merge_counts(cell)
        return minutes

    def hour(self, now: float) -> list[Cell | None]:
        """The last 60 minutes of all models together. Minutes that are folded are added up once."""
        last = int(now // CELL) // MINUTE
        settled = (self._folded - FINE - MINUTE) // MINUTE
        self._hour = {minute: cell for minute, cell in self._hour.items() if last - 60 < minute < settled}
        fresh: dict[int, Cell] = {}
        for cells in self.models.values():
            for number, cell in cells.items():
                if (minute := number // MINUTE) not in self._hour:
                    fresh.setdefault(minute, Cell()).merge(cell)
        self._hour.update((minute, cell) for minute, cell in fresh.items() if minute < settled)
        return [self._hour.get(minute) or fresh.get(minute) for minute in range(last - 59, last + 1)]

    def forget(self, now: float) -> None:
        """Make minutes of what is older than five minutes, drop what is older than an hour, and models without anything."""
        at = int(now // CELL)
        if at != self._folded:
            self._folded = at
            for key, cells in list(self.models.items()):
                _fold(cells, at)
                if not cells:
                    del self.models[key]
            _fold(self.events, at)
            self._forget_failures(now)

    def failed(self, now: float) -> Iterator[tuple[FailureKey, int, Failure]]:
        """Kinds of calls that failed in the last 15 minutes, how often, and when; the most frequent first."""
        oldest = int(now // 60) - 15
        counted = [
            (key, sum(count for minute, count in failure.minutes.items() if minute > oldest), failure)
            for key, failure in self.failures.items()
        ]
        yield from sorted((one for one in counted if one[1]), key=lambda one: (-one[1], one[0]))

    def dump(self) -> object:
        """What ``load`` takes: plain values that marshal can write."""
        models = [
            (key, [(number, cell.dump()) for number, cell in cells.items()]) for key, cells in self.models.items()
        ]
        events = [(number, list(counts.items())) for number, counts in self.events.items()]
        failures = [(key, (one.first, one.last, one.minutes, one.trace_id)) for key, one in self.failures.items()]
        return (self.names, self.first, models, events, failures, self.overflow)

    @classmethod
    def load(cls, state: Any) -> Recent:
        """Take up what ``dump`` gave. Raises ``ValueError`` or ``TypeError`` for anything else."""
        names, first, models, events, failures, overflow = state
        recent = cls(tuple(names))
        recent.overflow = dict(overflow)
        recent.first = float(first)
        for key, cells in models:
            recent.models[tuple(key)] = {int(number): Cell.load(cell) for number, cell in cells}
        for number, counts in events:
            recent.events[int(number)] = {(name, tuple(labels)): value for (name, labels), value in counts}
        for key, (began, last, minutes, trace_id) in failures:
            model, kind, status, route = key
            failure = recent.failures[model, kind, status, route] = Failure(began)
            failure.last, failure.minutes, failure.trace_id = last, dict(minutes), trace_id
        return recent

    def _place(self, number: int) -> int:
        """Where a cell goes: cells older than five minutes have become minutes."""
        return number if number > self._folded - FINE - MINUTE else number - number % MINUTE

    def _succeeded(self, cell: Cell, call: Observation) -> None:
        if call.operation != BATCH:  # it is unknown how long its calls took
            _put(cell.latency, call.duration)
            cell.slow += call.duration > _SLOW
        if call.first_chunk is not None:
            cell.streams += 1
            _put(cell.first_chunk, call.first_chunk)
        if call.usage_unknown:
            cell.unknown += 1
        if call.output_tokens is not None:
            cell.outputs += 1
            cell.output += call.output_tokens
            cell.output_squares += call.output_tokens**2
        for kind in call.problems:
            cell.problems[kind] = cell.problems.get(kind, 0) + 1
        for reason in call.finish_reasons:
            cell.answers += 1
            cell.cut += reason.lower() in CUT
            cell.withheld += reason.lower() in WITHHELD

    def _failed(
        self, cell: Cell, key: Key, call: Observation, labels: tuple[str, ...], status: int, route: str
    ) -> None:
        cell.errors[call.error_type] = cell.errors.get(call.error_type, 0) + 1
        if call.error_type in CALLER_ENDED:
            return
        for pair in zip(self.names, labels, strict=False):
            if pair[1] and (pair in cell.who or len(cell.who) < MOST_WHO):
                cell.who[pair] = cell.who.get(pair, 0) + 1
        alike = (key, call.error_type, status, route)
        failure = self.failures.get(alike)
        if failure is None:
            if len(self.failures) >= MOST_FAILURES:
                del self.failures[min(self.failures, key=lambda one: self.failures[one].last)]
            failure = self.failures[alike] = Failure(call.at)
        failure.add(call.at, call.trace_id)

    def _count_money(self, cell: Cell, call: Observation) -> None:
        if call.cost is not None:
            cell.costs += 1
            cell.cost += call.cost
        elif call.cost_source == "unpriced":
            cell.unpriced += 1

    def _last(self, kept: dict[int, Any], now: float, cells: int) -> Iterable[Any]:
        at = int(now // CELL)
        return [one for number, one in kept.items() if at - cells < number <= at]

    def _forget_failures(self, now: float) -> None:
        oldest = int(now // 60) - 15
        for key, failure in list(self.failures.items()):
            if failure.last < now - 900:
                del self.failures[key]
            else:
                failure.minutes = {minute: count for minute, count in failure.minutes.items() if minute > oldest}


def _put(bins: Bins, value: float) -> None:
    place = index(value)
    bins[place] = bins.get(place, 0) + 1


def _fold(kept: dict[int, Any], at: int) -> None:
    """Whole minutes that are older than five minutes become one cell each; what is older than an hour, or to come, goes.

    Cells that are complete, as far as anybody knows, take little memory from then on.
    """
    for number in sorted(kept):
        if not at - HOUR < number <= at + MINUTE:
            del kept[number]
        elif number % MINUTE and number <= at - FINE - MINUTE:
            cell, minute = kept.pop(number), number - number % MINUTE
            if minute not in kept:
                kept[minute] = cell
            elif isinstance(cell, Cell):
                kept[minute].merge(cell)
            else:
                add_counts(kept[minute], cell)
    for number, cell in kept.items():
        if number < at and isinstance(cell, Cell):
            cell.freeze()
