"""The cells that the calls of one identity touch, found once and then at hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_llm.model import Observation

from .cells import Histogram, Labels, Number
from .families import Families

_USAGE = "gen_ai_client_inference_usage_"
_UNKNOWN = "unknown"  # the modality of tokens that the provider does not split

_CELLS: Mapping[str, tuple[str, str, Labels]] = {
    "duration": ("gen_ai_client_operation_duration_seconds", "_ended", ()),
    "first_chunk": ("gen_ai_client_operation_time_to_first_chunk_seconds", "_wide", ()),
    "per_chunk": ("gen_ai_client_operation_time_per_output_chunk_seconds", "_wide", ()),
    "input_size": ("gen_ai_client_token_usage", "_wide", ("input",)),
    "output_size": ("gen_ai_client_token_usage", "_wide", ("output",)),
    "thinking_size": ("otel_llm_thinking_tokens", "_call", ()),
    "cost_size": ("otel_llm_request_cost_usd", "_call", ()),
    "input": (f"{_USAGE}input_tokens_total", "_call", (_UNKNOWN,)),
    "output": (f"{_USAGE}output_tokens_total", "_call", (_UNKNOWN,)),
    "cache_read": (f"{_USAGE}cache_read_input_tokens_total", "_call", (_UNKNOWN,)),
    "cache_write": (f"{_USAGE}cache_write_input_tokens_total", "_call", (_UNKNOWN,)),
    "thinking": (f"{_USAGE}reasoning_output_tokens_total", "_call", (_UNKNOWN,)),
    "savings": ("otel_llm_cache_savings_usd_total", "_call", ()),
    "unpriced": ("otel_llm_unpriced_requests_total", "_call", ()),
}
"""Attribute of a bundle -> metric, which labels of the call it has, and what follows them."""


class Bundle:
    """Cells of one (provider, request model, operation, response model, server, error type, custom labels).

    A cell is made when a call first needs it: what never happened has no series. All values are bounded already, but
    those that methods take.
    """

    duration: Histogram
    first_chunk: Histogram
    per_chunk: Histogram
    input_size: Histogram
    output_size: Histogram
    thinking_size: Histogram
    cost_size: Histogram
    input: Number
    output: Number
    cache_read: Number
    cache_write: Number
    thinking: Number
    savings: Number
    unpriced: Number

    def __init__(self, families: Families, identity: Labels, labels: Labels) -> None:
        provider, model, operation, _response_model, _server, error_type = identity
        self._families = families
        self._custom = labels
        self._call = (provider, model, operation)
        self._wide = identity[:-1]
        self._ended = identity
        self._counters: dict[tuple[str, str], Number] = {}
        self.success = not error_type
        self.operation = operation
        self.error_type = error_type
        self.key = (provider, model)  # of the window
        names = zip(families.custom, labels, strict=True)
        self.spender: Mapping[str, str] = {"provider": provider, "model": model, "operation": operation, **dict(names)}

    def __getattr__(self, name: str) -> Any:
        """Asked once for each cell; from then on it is an ordinary attribute, the fastest look-up there is."""
        if name not in _CELLS:
            raise AttributeError(name)
        metric, of, more = _CELLS[name]
        found = self._families.cell(metric, (*getattr(self, of), *more, *self._custom))
        setattr(self, name, found)
        return found

    def tokens(self, direction: str, modality: str) -> Number:
        """``direction`` is ``input`` or ``output``."""
        return self._labelled(f"{_USAGE}{direction}_tokens_total", "gen_ai_token_modality", modality)

    def cost(self, source: str) -> Number:
        return self._labelled("otel_llm_cost_usd_total", "cost_source", source)

    def finish_reason(self, reason: str) -> Number:
        return self._labelled("otel_llm_finish_reasons_total", "finish_reason", reason)

    def usage_unknown(self, reason: str) -> Number:
        return self._labelled("otel_llm_usage_unknown_total", "reason", reason)

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


def count_pace(bundle: Bundle, call: Observation) -> None:
    """How fast a stream came."""
    if call.first_chunk is not None:
        bundle.first_chunk.observe(call.first_chunk, call.trace_id, call.span_id, call.at)
    if call.chunk_gaps:
        gaps = bundle.per_chunk
        for bucket, count in call.chunk_gaps:
            gaps.counts[bucket] += count
        gaps.sum += call.chunk_gap_sum


def count_tokens(bundle: Bundle, call: Observation) -> None:
    """Counters whenever usage came, sizes of a success only."""
    if call.modalities:
        _split_tokens(bundle, call)
    else:
        if call.input_tokens is not None:
            bundle.input.value += call.input_tokens
        if call.output_tokens is not None:
            bundle.output.value += call.output_tokens
    if call.cache_read_tokens is not None:
        bundle.cache_read.value += call.cache_read_tokens
    if call.cache_write_tokens is not None:
        bundle.cache_write.value += call.cache_write_tokens
    if call.thinking_tokens is not None:
        bundle.thinking.value += call.thinking_tokens
    if bundle.success:
        _count_sizes(bundle, call)


def _count_sizes(bundle: Bundle, call: Observation) -> None:
    trace_id, span_id, at = call.trace_id, call.span_id, call.at
    if call.input_tokens is not None:
        bundle.input_size.observe(call.input_tokens, trace_id, span_id, at)
    if call.output_tokens is not None:
        bundle.output_size.observe(call.output_tokens, trace_id, span_id, at)
    if call.thinking_tokens is not None:
        bundle.thinking_size.observe(call.thinking_tokens, trace_id, span_id, at)


def _split_tokens(bundle: Bundle, call: Observation) -> None:
    rest = {"input": call.input_tokens, "output": call.output_tokens}
    for direction, modality, tokens in call.modalities:
        bundle.tokens(direction, modality).value += tokens
        if (left := rest.get(direction)) is not None:
            rest[direction] = left - tokens
    for direction, left in rest.items():
        if left is not None and left > 0:
            bundle.tokens(direction, _UNKNOWN).value += left
