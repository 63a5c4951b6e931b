"""The same facts as OpenTelemetry instruments, for hosts that have a MeterProvider of their own.

Names, units, bounds and labels come from the catalogue that /metrics is made from; label values are bounded the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opentelemetry.metrics import Meter

from otel_llm.aggregate.bounds import Bounds
from otel_llm.core.catalogue import ATTRIBUTES, CALL, DURATION_BUCKETS, NO_AGENT, Metric, outcome, shown
from otel_llm.core.config import Config
from otel_llm.core.model import Event, Observation

_USAGE = "gen_ai_client_inference_usage_"
_PARTS = (
    ("input_tokens", "input_tokens"), ("output_tokens", "output_tokens"), ("cache_read_input_tokens", "cache_read_tokens"),
    ("cache_write_input_tokens", "cache_write_tokens"), ("reasoning_output_tokens", "thinking_tokens"),
)  # fmt: skip


class Instruments:
    """Records observations and events on instruments of ``meter``; a recorder of the hub."""

    def __init__(self, meter: Meter, config: Config) -> None:
        self._custom = config.metric_labels
        self._bounds = Bounds(config.max_label_values)
        metrics = [metric for metric in shown(config.semconv) if metric.section in ("conventions", "latest", "events")]
        self._metrics: Mapping[str, Metric] = {metric.name: metric for metric in metrics}
        self._record: Mapping[str, Callable[..., None]] = {
            metric.name: _instrument(meter, metric) for metric in metrics
        }
        self._names: dict[str, tuple[str, ...]] = {metric.name: self._label_names(metric) for metric in metrics}

    def __call__(self, record: Observation | Event) -> None:
        """Record one fact."""
        if isinstance(record, Event):
            self._put(record.metric, record.labels, record.value)
            return
        self._timing(record)
        self._usage(record)
        self._money(record)

    def _label_names(self, metric: Metric) -> tuple[str, ...]:
        return (*metric.labels, *self._custom) if metric.custom else metric.labels

    def _put(self, name: str, labels: tuple[str, ...], value: float) -> None:
        record = self._record.get(name)
        if record is None:
            return
        names = self._names[name]
        bounded = self._bounds.values(names, labels)
        record(value, {ATTRIBUTES.get(key, key): told for key, told in zip(names, bounded, strict=True) if told})

    def _wide(self, seen: Observation) -> tuple[str, ...]:
        return seen.provider, seen.request_model, seen.operation, seen.response_model, seen.server_address

    def _timing(self, seen: Observation) -> None:
        wide, custom = self._wide(seen), seen.labels
        self._put("otel_llm_calls_total", (*wide[: len(CALL)], outcome(seen.error_type), seen.error_type, *custom), 1)
        latest = "embeddings" if seen.operation == "embeddings" else "inference"
        for name in ("gen_ai_client_operation_duration_seconds", f"gen_ai_client_{latest}_duration_seconds"):
            self._put(name, (*wide, seen.error_type, *custom), seen.duration)
        if seen.first_chunk is not None:
            for part in ("operation", "inference"):
                self._put(f"gen_ai_client_{part}_time_to_first_chunk_seconds", (*wide, *custom), seen.first_chunk)
        for gap in gaps(seen):
            for part in ("operation", "inference"):
                self._put(f"gen_ai_client_{part}_time_per_output_chunk_seconds", (*wide, *custom), gap)

    def _usage(self, seen: Observation) -> None:
        call, wide, custom = self._wide(seen)[: len(CALL)], self._wide(seen), seen.labels
        for direction, modality, tokens in _split(seen):
            self._put(f"{_USAGE}{direction}_tokens_total", (*call, modality, *custom), tokens)
        for part, field in _PARTS[2:]:
            if (tokens := getattr(seen, field)) is not None:
                self._put(f"{_USAGE}{part}_total", (*call, "unknown", *custom), tokens)
        if not seen.error_type:
            for direction in ("input", "output"):
                if (tokens := getattr(seen, f"{direction}_tokens")) is not None:
                    self._put("gen_ai_client_token_usage", (*wide, direction, *custom), tokens)
                    self._put(f"gen_ai_client_inference_operation_{direction}_tokens", (*wide, *custom), tokens)
            if seen.thinking_tokens is not None:
                self._put("otel_llm_thinking_tokens", (*call, *custom), seen.thinking_tokens)
        self._agent(seen)
        if seen.usage_unknown:
            self._put("otel_llm_usage_unknown_total", (*call, seen.usage_unknown, *custom), 1)
        for reason in seen.finish_reasons:
            self._put("otel_llm_finish_reasons_total", (*call, reason, *custom), 1)

    def _agent(self, seen: Observation) -> None:
        who = seen.agent or NO_AGENT, seen.provider, seen.request_model
        for direction in ("input", "output"):
            if tokens := getattr(seen, f"{direction}_tokens"):
                self._put("otel_llm_agent_tokens_total", (*who, direction, *seen.labels), tokens)

    def _money(self, seen: Observation) -> None:
        call, custom = self._wide(seen)[: len(CALL)], seen.labels
        if seen.cost is not None:
            self._put("otel_llm_cost_usd_total", (*call, seen.cost_source, *custom), seen.cost)
            self._put("otel_llm_request_cost_usd", (*call, *custom), seen.cost)
            self._put("otel_llm_agent_cost_usd_total", (seen.agent or NO_AGENT, *call[:2], *custom), seen.cost)
        elif seen.cost_source == "unpriced":
            self._put("otel_llm_unpriced_requests_total", (*call, *custom), 1)
        if seen.cost_saved > 0:
            self._put("otel_llm_cache_savings_usd_total", (*call, *custom), seen.cost_saved)


def _instrument(meter: Meter, metric: Metric) -> Callable[..., None]:
    unit, help_ = metric.unit, metric.help
    if metric.kind == "counter":
        return meter.create_counter(metric.otel, unit, help_).add
    if metric.kind == "histogram":
        return _histogram(meter, metric)
    gauge: Callable[..., None] = meter.create_gauge(metric.otel, unit, help_).set
    return gauge


def _histogram(meter: Meter, metric: Metric) -> Callable[..., None]:
    made: Any = meter.create_histogram(
        metric.otel, metric.unit, metric.help, explicit_bucket_boundaries_advisory=list(metric.buckets)
    )
    record: Callable[..., None] = made.record
    return record


def _split(seen: Observation) -> Iterable[tuple[str, str, int]]:
    """Input and output tokens by modality; what the provider does not split is ``unknown``."""
    rest = {"input": seen.input_tokens, "output": seen.output_tokens}
    for direction, modality, tokens in seen.modalities:
        yield direction, modality, tokens
        rest[direction] = (rest.get(direction) or 0) - tokens
    for direction, left in rest.items():
        if left is not None and (left > 0 or not seen.modalities):
            yield direction, "unknown", left


def gaps(seen: Observation) -> Iterable[float]:
    """Times between chunks, in seconds: values that fall into the buckets that were counted and add up to their sum.

    The call keeps only counts by bucket; one share of the way through each bucket gives the same histogram.
    """
    bounds = (0.0, *DURATION_BUCKETS, 2 * DURATION_BUCKETS[-1])
    low = sum(bounds[bucket] * count for bucket, count in seen.chunk_gaps)
    room = sum((bounds[bucket + 1] - bounds[bucket]) * count for bucket, count in seen.chunk_gaps)
    share = min(1.0, max(1e-9, (seen.chunk_gap_sum - low) / room)) if room else 0.0
    for bucket, count in seen.chunk_gaps:
        value = bounds[bucket] + share * (bounds[bucket + 1] - bounds[bucket])
        for _ in range(count):
            yield value
