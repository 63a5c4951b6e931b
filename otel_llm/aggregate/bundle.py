"""The cells that the calls of one identity touch, found once and then at hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_llm.core.catalogue import NO_AGENT, outcome
from otel_llm.core.model import BATCH, Observation

from .cells import Histogram, Labels, Number
from .families import Families

_USAGE = "gen_ai_client_inference_usage_"
_UNKNOWN = "unknown"  # the modality of tokens that the provider does not split


class _Cell:
    """A cell that is made when a call first needs it: what never happened has no series. From then on it is an ordinary
    attribute, the fastest look-up there is."""

    def __init__(self, metric: str, of: str, *more: str) -> None:
        self._metric = metric
        self._of = of  # which labels of the call it has, before ``more``
        self._more = more

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    def __get__(self, bundle: Any, _: type) -> Any:
        return bundle.make(self._name, self._metric, (*getattr(bundle, self._of), *self._more))


def _cell(metric: str, of: str, *more: str) -> Any:
    return _Cell(metric, of, *more)


class Bundle:
    """Cells of one (provider, request model, operation, response model, server, error type, custom labels).

    All values are bounded already, but those that methods take.
    """

    calls: Number = _cell("otel_llm_calls_total", "_outcome")
    duration: Histogram = _cell("gen_ai_client_operation_duration_seconds", "_ended")
    first_chunk: Histogram = _cell("gen_ai_client_operation_time_to_first_chunk_seconds", "_wide")
    per_chunk: Histogram = _cell("gen_ai_client_operation_time_per_output_chunk_seconds", "_wide")
    input_size: Histogram = _cell("gen_ai_client_token_usage", "_wide", "input")
    output_size: Histogram = _cell("gen_ai_client_token_usage", "_wide", "output")
    thinking_size: Histogram = _cell("otel_llm_thinking_tokens", "_call")
    cost_size: Histogram = _cell("otel_llm_request_cost_usd", "_call")
    input: Number = _cell(f"{_USAGE}input_tokens_total", "_call", _UNKNOWN)
    output: Number = _cell(f"{_USAGE}output_tokens_total", "_call", _UNKNOWN)
    cache_read: Number = _cell(f"{_USAGE}cache_read_input_tokens_total", "_call", _UNKNOWN)
    cache_write: Number = _cell(f"{_USAGE}cache_write_input_tokens_total", "_call", _UNKNOWN)
    thinking: Number = _cell(f"{_USAGE}reasoning_output_tokens_total", "_call", _UNKNOWN)
    savings: Number = _cell("otel_llm_cache_savings_usd_total", "_call")
    unpriced: Number = _cell("otel_llm_unpriced_requests_total", "_call")

    def __init__(self, families: Families, identity: Labels, labels: Labels) -> None:
        provider, model, operation, _response_model, _server, error_type = identity
        self._families = families
        self._custom = self.labels = labels
        self._call = (provider, model, operation)
        self._wide = identity[:-1]
        self._ended = identity
        self._outcome = (*self._call, outcome(error_type), error_type)
        self._counters: dict[tuple[str, str], Number] = {}
        self._agents: dict[str, tuple[Number, Number, Number]] = {}
        self.success = not error_type
        self.operation = operation
        self.error_type = error_type
        self.key = (provider, model)  # of the window
        names = zip(families.custom, labels, strict=True)
        self.spender: Mapping[str, str] = {"provider": provider, "model": model, "operation": operation, **dict(names)}

    def make(self, name: str, metric: str, labels: Labels) -> Histogram | Number:
        """Make the cell ``name``."""
        found = self._families.cell(metric, (*labels, *self._custom))
        setattr(self, name, found)
        return found

    def begin(self, at: float) -> None:
        """Show the counters of calls at 0 before the first one is counted. The series began when that call did, at ``at``."""
        for outcome_of, error_type in (("ok", ""), self._outcome[-2:]):
            cell = self._families.number("otel_llm_calls_total", (*self._call, outcome_of, error_type, *self._custom))
            cell.at = cell.at or at

    def tokens(self, direction: str, modality: str) -> Number:
        """``direction`` is ``input`` or ``output``."""
        return self._labelled(f"{_USAGE}{direction}_tokens_total", "gen_ai_token_modality", modality)

    def cost(self, source: str) -> Number:
        return self._labelled("otel_llm_cost_usd_total", "cost_source", source)

    def finish_reason(self, reason: str) -> Number:
        return self._labelled("otel_llm_finish_reasons_total", "finish_reason", reason)

    def usage_unknown(self, reason: str) -> Number:
        return self._labelled("otel_llm_usage_unknown_total", "reason", reason)

    def agent(self, agent: str) -> tuple[Number, Number, Number]:
        """Input tokens, output tokens and cost of the calls that are part of a run of ``agent``."""
        found = self._agents.get(agent)
        if found is None:
            named = self._families.bounds.value("gen_ai_agent_name", agent or NO_AGENT), *self.key
            tokens, cost = "otel_llm_agent_tokens_total", "otel_llm_agent_cost_usd_total"
            found = (
                self._families.number(tokens, (*named, "input", *self._custom)),
                self._families.number(tokens, (*named, "output", *self._custom)),
                self._families.number(cost, (*named, *self._custom)),
            )
            if named[0] == (agent or NO_AGENT):  # never remember what is without bound
                self._agents[agent] = found
        return found

    def anomaly(self, signal: str, direction: str, severity: str) -> Number:
        return self._families.number("otel_llm_anomalies_total", (*self._call, signal, direction, severity))

    def _labelled(self, name: str, label: str, value: str) -> Number:
        found = self._counters.get((name, value))
        if found is None:
            bounded = self._families.bounds.value(label, value)
            found = self._families.number(name, (*self._call, bounded, *self._custom))
            if bounded == value:  # never remember what is without bound
                self._counters[name, value] = found
        return found


def count(bundle: Bundle, call: Observation) -> None:
    """All of a call but its money. The record is taken apart once: to ask it for one field costs as much as to count it."""
    (
        at, _, _, _, _, _, _, duration, _, _, first_chunk, gaps, gap_sum, taken, given, read, written, thought, modalities, unknown,
        _, _, _, reasons, trace_id, span_id, *_,
    ) = call  # fmt: skip
    bundle.calls.value += 1
    if bundle.operation != BATCH:  # whose answers were made before anybody looked: no time of theirs is known
        bundle.duration.observe(duration, trace_id, span_id, at)
    if first_chunk is not None:
        bundle.first_chunk.observe(first_chunk, trace_id, span_id, at)
    if gaps:
        _count_gaps(bundle.per_chunk, gaps, gap_sum)
    _count_tokens(bundle, taken, given, modalities)
    if taken is not None or given is not None:
        into, out, _ = bundle.agent(call.agent)
        into.value += taken or 0
        out.value += given or 0
    _count_parts(bundle, read, written, thought)
    if bundle.success:
        for size, tokens in (("input_size", taken), ("output_size", given), ("thinking_size", thought)):
            if tokens is not None:
                getattr(bundle, size).observe(tokens, trace_id, span_id, at)
    if unknown:
        bundle.usage_unknown(unknown).value += 1
    for reason in reasons:
        bundle.finish_reason(reason).value += 1


def _count_gaps(pace: Histogram, gaps: tuple[tuple[int, int], ...], total: float) -> None:
    for bucket, number in gaps:
        pace.counts[bucket] += number
    pace.sum += total


def _count_parts(bundle: Bundle, read: int | None, written: int | None, thought: int | None) -> None:
    if read is not None:
        bundle.cache_read.value += read
    if written is not None:
        bundle.cache_write.value += written
    if thought is not None:
        bundle.thinking.value += thought


def _count_tokens(
    bundle: Bundle, taken: int | None, given: int | None, modalities: tuple[tuple[str, str, int], ...]
) -> None:
    if modalities:
        _split_tokens(bundle, {"input": taken, "output": given}, modalities)
        return
    if taken is not None:
        bundle.input.value += taken
    if given is not None:
        bundle.output.value += given


def _split_tokens(bundle: Bundle, rest: dict[str, int | None], modalities: tuple[tuple[str, str, int], ...]) -> None:
    for direction, modality, tokens in modalities:
        bundle.tokens(direction, modality).value += tokens
        if (left := rest.get(direction)) is not None:
            rest[direction] = left - tokens
    for direction, left in rest.items():
        if left is not None and left > 0:
            bundle.tokens(direction, _UNKNOWN).value += left
