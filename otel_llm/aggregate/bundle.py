"""The cells that the calls of one identity touch, looked up once and then kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_llm.core.catalogue import BY_NAME
from otel_llm.core.measures import (
    MEASURES,
    UNKNOWN_MODALITY,
    USAGE,
    WORDS,
    LabelSet,
    label_sets,
    takes_part,
    tokens_by_modality,
)
from otel_llm.core.model import Observation
from otel_llm.core.series import NO_AGENT

from .cells import Histogram, Labels, Number
from .families import Families
from .ledger_rows import place_of

_ROWS = tuple(
    (number, Observation._fields.index(measure.field), BY_NAME[measure.metric].kind == "histogram")
    for number, measure in enumerate(MEASURES)
)  # the number of a measure, the place of its field in a call, whether it is a histogram
WORDS_OF = tuple((measure.metric, Observation._fields.index(measure.field)) for measure in WORDS)


COST = "otel_llm_cost_usd_total"


class _Cell:
    """A cell that is made when a call first needs it: what never happened has no series. From then on it is an ordinary
    attribute, the fastest look-up there is."""

    def __init__(self, metric: str, labels: LabelSet, *more: str) -> None:
        self._metric = metric
        self._labels: LabelSet = labels  # which labels of the call it has, before ``more``
        self._more = more

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    def __get__(self, bundle: Any, _: type) -> Any:
        return bundle.make(self._name, self._metric, (*bundle.label_sets[self._labels], *self._more))


def _cell(metric: str, labels: LabelSet, *more: str) -> Any:
    return _Cell(metric, labels, *more)


class Bundle:
    """Cells of one (provider, request model, operation, response model, server, error type, custom labels).

    All values are bounded already, but those that methods take.
    """

    calls: Number = _cell("otel_llm_calls_total", "outcome")
    per_chunk: Histogram = _cell("gen_ai_client_operation_time_per_output_chunk_seconds", "wide")
    cost_size: Histogram = _cell("otel_llm_request_cost_usd", "call")
    input: Number = _cell(f"{USAGE}input_tokens_total", "call", UNKNOWN_MODALITY)
    output: Number = _cell(f"{USAGE}output_tokens_total", "call", UNKNOWN_MODALITY)
    savings: Number = _cell("otel_llm_cache_savings_usd_total", "call")
    avoidable: Number = _cell("otel_llm_cache_avoidable_usd_total", "call")
    unpriced: Number = _cell("otel_llm_unpriced_requests_total", "call")
    incomplete: Number = _cell("otel_llm_incomplete_requests_total", "call")

    def __init__(self, families: Families, identity: Labels, labels: Labels) -> None:
        provider, model, operation, _response_model, _server, error_type = identity
        self._families = families
        self._custom = self.labels = labels
        self.label_sets = label_sets(identity)
        self._call = self.label_sets["call"]
        self._cells: list[Any] = [None] * len(MEASURES)
        self.takes = tuple([row for row in _ROWS if takes_part(MEASURES[row[0]], operation, success=not error_type)])
        self._counters: dict[tuple[str, str], Number] = {}
        self._agents: dict[str, tuple[Number, Number, Number]] = {}
        self._anomalies: dict[tuple[str, str, str], Number] = {}
        self.success = not error_type
        self.operation = operation
        self.error_type = error_type
        self.key = families.key((provider, model, *labels))  # of the window
        self._values = tuple([value for _, value in self.key[2:]])
        names = zip(families.custom, labels, strict=True)
        self.spender: Mapping[str, str] = {"provider": provider, "model": model, "operation": operation, **dict(names)}
        self.place = place_of(self.spender)  # in the ledger

    def make(self, name: str, metric: str, labels: Labels) -> Histogram | Number:
        """Make the cell ``name``."""
        cell = self._families.cell(metric, (*labels, *self._custom))
        setattr(self, name, cell)
        return cell

    def begin(self, at: float) -> None:
        """Show the counters of calls at 0 before the first one is counted. The series began when that call did, at ``at``."""
        for outcome_of, error_type in (("ok", ""), self.label_sets["outcome"][-2:]):
            cell = self._families.number("otel_llm_calls_total", (*self._call, outcome_of, error_type, *self._custom))
            cell.at = cell.at or at

    def measure(self, call: Observation) -> None:
        """Everything that the table of measures says of one field of the call."""
        cells = self._cells
        for number, place, is_histogram in self.takes:
            value = call[place]
            if value is None:
                continue
            cell = cells[number] or self.taking(number)
            if is_histogram:
                cell.observe(value, call.trace_id, call.span_id, call.at)
            else:
                cell.value += value

    def taking(self, number: int) -> Any:
        """The cell that takes a measure, made if this is the first value."""
        if self._cells[number] is not None:
            return self._cells[number]
        measure = MEASURES[number]
        labels = (*self.label_sets[measure.labels], *measure.more, *self._custom)
        cell = self._cells[number] = self._families.cell(measure.metric, labels)
        return cell

    def tokens(self, direction: str, modality: str) -> Number:
        """``direction`` is ``input`` or ``output``."""
        return self._labelled(f"{USAGE}{direction}_tokens_total", "gen_ai_token_modality", modality)

    def cost(self, source: str) -> Number:
        return self._labelled(COST, "cost_source", source)

    def counter(self, metric: str, word: str) -> Number | None:
        """The counter of ``word``; None where no call has had it yet, or where another word takes its place."""
        return self._counters.get((metric, word))

    def agent_at_hand(self, agent: str) -> tuple[Number, Number, Number] | None:
        """As ``agent``; None where no call of it has come yet, or where another name takes its place."""
        return self._agents.get(agent)

    def word(self, metric: str, word: str) -> Number:
        """The counter of ``word``, the last label of ``metric``."""
        return self._labelled(metric, BY_NAME[metric].labels[-1], word)

    def agent(self, agent: str) -> tuple[Number, Number, Number]:
        """Input tokens, output tokens and cost of the calls that are part of a run of ``agent``."""
        cells = self._agents.get(agent)
        if cells is None:
            named = self._families.bounds.value("gen_ai_agent_name", agent or NO_AGENT), *self.key[:2]
            tokens, cost = "otel_llm_agent_tokens_total", "otel_llm_agent_cost_usd_total"
            cells = (
                self._families.number(tokens, (*named, "input", *self._custom)),
                self._families.number(tokens, (*named, "output", *self._custom)),
                self._families.number(cost, (*named, *self._custom)),
            )
            if named[0] == (agent or NO_AGENT):  # never remember what is without bound
                self._agents[agent] = cells
        return cells

    def anomaly(self, signal: str, direction: str, severity: str) -> Number:
        cell = self._anomalies.get((signal, direction, severity))
        if cell is None:
            labels = (*self._call, signal, direction, severity, *self._values)
            cell = self._anomalies[signal, direction, severity] = self._families.number(
                "otel_llm_anomalies_total", labels
            )
        return cell

    def _labelled(self, name: str, label: str, value: str) -> Number:
        cell = self._counters.get((name, value))
        if cell is None:
            bounded = self._families.bounds.value(label, value)
            cell = self._families.number(name, (*self._call, bounded, *self._custom))
            if bounded == value:  # never remember what is without bound
                self._counters[name, value] = cell
        return cell


def count(bundle: Bundle, call: Observation) -> None:
    """All of a call but its money."""
    bundle.calls.value += 1
    bundle.measure(call)
    if call.chunk_gaps:
        _count_gaps(bundle.per_chunk, call.chunk_gaps, call.chunk_gap_sum)
    if call.modalities:
        for direction, modality, tokens in tokens_by_modality(call):
            bundle.tokens(direction, modality).value += tokens
    else:
        if call.input_tokens is not None:
            bundle.input.value += call.input_tokens
        if call.output_tokens is not None:
            bundle.output.value += call.output_tokens
    if call.input_tokens is not None or call.output_tokens is not None:
        into, out, _ = bundle.agent(call.agent)
        into.value += call.input_tokens or 0
        out.value += call.output_tokens or 0
    for metric, place in WORDS_OF:
        words: Any = call[place]
        if words:
            for word in (words,) if isinstance(words, str) else words:
                bundle.word(metric, word).value += 1


def _count_gaps(pace: Histogram, gaps: tuple[tuple[int, int], ...], total: float) -> None:
    for bucket, number in gaps:
        pace.counts[bucket] += number
    pace.sum += total
