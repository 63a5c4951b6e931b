"""The same facts as OpenTelemetry instruments, for hosts that have a MeterProvider of their own.

Names, units, bounds and labels come from the catalogue that /metrics is made from; label values are bounded the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opentelemetry.metrics import Meter

from otel_llm.aggregate.bounds import Bounds
from otel_llm.aggregate.conversations import Conversations
from otel_llm.core.catalogue import shown
from otel_llm.core.config import Config
from otel_llm.core.described import described
from otel_llm.core.measures import (
    MEASURES,
    USAGE,
    WORDS,
    LabelSet,
    identity,
    label_sets,
    latest,
    takes_part,
    tokens_by_modality,
)
from otel_llm.core.metric import Metric
from otel_llm.core.model import Event, Observation
from otel_llm.core.semconv.labels import attribute
from otel_llm.core.series import DURATION_BUCKETS, NO_AGENT, WIDE

MOST_BEGUN = 10_000
"""Models (with custom labels) whose successes are known to be shown at 0; past it they are shown so again."""


class Instruments:
    """Records observations and events on instruments of ``meter``; a recorder of the hub."""

    def __init__(self, meter: Meter, config: Config) -> None:
        self._custom = config.metric_labels
        self._conversations = Conversations()
        self._bounds = Bounds(config.max_label_values)
        metrics = [metric for metric in shown(config.semconv) if metric.section in ("conventions", "latest", "events")]
        self._metrics: Mapping[str, Metric] = {metric.name: metric for metric in metrics}
        self._record: Mapping[str, Callable[..., None]] = {
            metric.name: _instrument(meter, metric) for metric in metrics
        }
        self._begun: set[int] = set()
        self._names: dict[str, tuple[str, ...]] = {metric.name: self._label_names(metric) for metric in metrics}
        labels = {name for metric in metrics for name in metric.labels}
        self._attributes = {name: attribute(name) for name in labels} | {name: name for name in self._custom}
        self._with_port = frozenset(metric.name for metric in metrics if WIDE[-1] in metric.labels)

    def __call__(self, record: Observation | Event) -> None:
        """Record one fact."""
        if isinstance(record, Event):
            self._put(record.metric, record.labels, record.value)
            return
        if record.conversation:
            for event in self._conversations.add(record):
                self._put(event.metric, event.labels, event.value)
        sets = label_sets(identity(record))
        self._count(sets["call"], sets["outcome"], record.labels)
        self._measure(record, sets)
        self._agent(record)
        self._money(record, sets["call"])

    def begin(self) -> None:
        """As in a new process: the first call of each model shows its successes at 0."""
        self._begun.clear()

    def _label_names(self, metric: Metric) -> tuple[str, ...]:
        return (*metric.labels, *self._custom) if metric.custom else metric.labels

    def _put(self, name: str, labels: tuple[str, ...], value: float, port: int | None = None) -> None:
        record = self._record.get(name)
        if record is None:
            return
        names = self._names[name]
        bounded = self._bounds.values(names, labels)
        attributes: dict[str, str | int] = {
            self._attributes[key]: value for key, value in zip(names, bounded, strict=True) if value
        }
        if port is not None and name in self._with_port and "server.address" in attributes:
            attributes["server.port"] = port
        record(value, attributes)

    def _count(self, call: tuple[str, ...], outcome: tuple[str, ...], custom: tuple[str, ...]) -> None:
        """Count the call; the first of its model shows the successes at 0 as well, as a ratio over them needs."""
        place = hash((call, custom))  # names are user input, and as long as somebody likes
        if place not in self._begun:
            if len(self._begun) >= MOST_BEGUN:
                self._begun.clear()
            self._begun.add(place)
            self._put("otel_llm_calls_total", (*call, "ok", "", *custom), 0)
        self._put("otel_llm_calls_total", (*outcome, *custom), 1)

    def _measure(self, observation: Observation, sets: Mapping[LabelSet, tuple[str, ...]]) -> None:
        success, custom = not observation.error_type, observation.labels
        for measure in MEASURES:
            value = getattr(observation, measure.field)
            if value is not None and takes_part(measure, observation.operation, success=success):
                self._show(
                    measure.metric, (*sets[measure.labels], *measure.more, *custom), value, observation.server_port
                )
        for metric, labels, field, *_rest in WORDS:
            words = getattr(observation, field)
            for word in (words,) if isinstance(words, str) and words else words:
                self._show(metric, (*sets[labels], word, *custom), 1)
        for direction, modality, tokens in tokens_by_modality(observation):
            self._show(f"{USAGE}{direction}_tokens_total", (*sets["call"], modality, *custom), tokens)
        for gap in gaps(observation):
            self._show(
                "gen_ai_client_operation_time_per_output_chunk_seconds",
                (*sets["wide"], *custom),
                gap,
                observation.server_port,
            )

    def _agent(self, observation: Observation) -> None:
        """Tokens and cost of the calls that are part of a run of an agent, at 0 as well where a call brought neither."""
        if observation.input_tokens is observation.output_tokens is observation.cost is None:
            return
        who = observation.agent or NO_AGENT, observation.provider, observation.request_model
        self._put("otel_llm_agent_tokens_total", (*who, "input", *observation.labels), observation.input_tokens or 0)
        self._put("otel_llm_agent_tokens_total", (*who, "output", *observation.labels), observation.output_tokens or 0)
        self._put("otel_llm_agent_cost_usd_total", (*who, *observation.labels), observation.cost or 0.0)

    def _show(self, name: str, labels: tuple[str, ...], value: float, port: int | None = None) -> None:
        """Under the released name, and under the latest where that is another; each only if it is shown."""
        self._put(name, labels, value, port)
        if (other := latest(name, labels)) is not None:
            self._put(other.metric, other.labels, value, port)

    def _money(self, observation: Observation, call: tuple[str, ...]) -> None:
        custom = observation.labels
        if observation.cost is not None:
            self._put("otel_llm_cost_usd_total", (*call, observation.cost_source, *custom), observation.cost)
            self._put("otel_llm_request_cost_usd", (*call, *custom), observation.cost)
        elif observation.cost_source == "unpriced":
            self._put("otel_llm_unpriced_requests_total", (*call, *custom), 1)
        counts = dict(observation.fees)
        for name in observation.incomplete:
            self._put("otel_llm_unpriced_fees_total", (*call, name, *custom), counts.get(name, 1))
        if observation.incomplete and observation.cost is not None:
            self._put("otel_llm_incomplete_requests_total", (*call, *custom), 1)
        if observation.cache_miss:
            self._put("otel_llm_prompt_cache_misses_total", (*call, observation.cache_miss, *custom), 1)
        if observation.cost_saved > 0:
            self._put("otel_llm_cache_savings_usd_total", (*call, *custom), observation.cost_saved)
        if observation.cost_avoidable > 0:
            self._put("otel_llm_cache_avoidable_usd_total", (*call, *custom), observation.cost_avoidable)


def _instrument(meter: Meter, metric: Metric) -> Callable[..., None]:
    unit, help_ = metric.unit, described(metric)
    if metric.kind == "counter":
        return meter.create_counter(metric.otel, unit, help_).add
    if metric.kind == "histogram":
        return _histogram(meter, metric)
    gauge: Callable[..., None] = meter.create_gauge(metric.otel, unit, help_).set
    return gauge


def _histogram(meter: Meter, metric: Metric) -> Callable[..., None]:
    made: Any = meter.create_histogram(
        metric.otel, metric.unit, described(metric), explicit_bucket_boundaries_advisory=list(metric.buckets)
    )
    record: Callable[..., None] = made.record
    return record


def gaps(observation: Observation) -> Iterable[float]:
    """Times between chunks, in seconds: values that fall into the buckets that were counted and add up to their sum.

    The call keeps only counts by bucket; one share of the way through each bucket gives the same histogram.
    """
    bounds = (0.0, *DURATION_BUCKETS, 2 * DURATION_BUCKETS[-1])
    low = sum(bounds[bucket] * count for bucket, count in observation.chunk_gaps)
    room = sum((bounds[bucket + 1] - bounds[bucket]) * count for bucket, count in observation.chunk_gaps)
    share = min(1.0, max(1e-9, (observation.chunk_gap_sum - low) / room)) if room else 0.0
    for bucket, count in observation.chunk_gaps:
        value = bounds[bucket] + share * (bounds[bucket + 1] - bounds[bucket])
        for _ in range(count):
            yield value
