"""What every client library's spans, events and instruments must be like in each vocabulary: what the conventions ask, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import conformance
import pytest
from contract_content import needs
from opentelemetry.sdk._logs import LoggerProvider, export
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_llm.core.config import Config
from otel_llm.outputs.events import Exceptions
from otel_llm.outputs.instruments import Instruments
from otel_llm.outputs.messages import Content
from otel_llm.outputs.spans import Spans
from otel_llm.testing import capture

MEMORY: Any = (
    getattr(export, "InMemoryLogRecordExporter", None) or export.InMemoryLogExporter
)  # as older versions name it
SWITCHES = ("released", "latest", "both,proposed")


@dataclass
class Spoken:
    """What a host would have exported of some calls."""

    spans: list[Any]
    events: list[Any]
    metrics: Any


@contextmanager
def speaking(library: str, switch: str, **settings: Any) -> Iterator[Spoken]:
    """Everything on, in the vocabulary of ``switch``. What was exported is there when it has ended."""
    config = Config(semconv=switch, content="span_and_event")
    spans, logs, reader = InMemorySpanExporter(), MEMORY(), InMemoryMetricReader()
    traces, records = TracerProvider(shutdown_on_exit=False), LoggerProvider(shutdown_on_exit=False)
    traces.add_span_processor(SimpleSpanProcessor(spans))
    records.add_log_record_processor(SimpleLogRecordProcessor(logs))
    meters = MeterProvider([reader], shutdown_on_exit=False)
    logger = records.get_logger("words")
    sink = Spans(traces.get_tracer("words"), Content(config, logger), switch, Exceptions(logger))
    spoken = Spoken([], [], None)
    with capture(library, config=config, sinks=(sink,), capture=True, **settings) as captured:
        yield spoken
        instruments = Instruments(meters.get_meter("words"), config)
        for record in (*captured.calls, *captured.events):
            instruments(record)
    spoken.spans += [span for span in spans.get_finished_spans() if span.instrumentation_scope.name == "words"]
    spoken.events += [one.log_record for one in logs.get_finished_logs()]
    spoken.metrics = reader.get_metrics_data()
    for provider in (traces, records, meters):
        provider.shutdown()


class WordScenarios:
    """The scenarios about the conventions. ``kit`` is the subclass's, as in ``Contract``."""

    kit: Any

    def asked(self) -> list[tuple[Any, str]]:
        """Ways to ask, and what each has behind the model's name."""
        kit = self.kit
        words = ("", "-thinking", "-cached", "-tools", "-fail-400-noretry")
        plain = [(kit.plain, word) for word in words]
        streamed = [(lambda client, model: list(kit.stream(client, model)), word) for word in ("", "-cut-3")]
        return plain + (streamed if kit.stream is not None else [])

    @needs("make", "plain")
    @pytest.mark.parametrize("switch", SWITCHES)
    def test_it_speaks_as_the_conventions_do(self, server: Any, switch: str) -> None:
        from contract import attempt, with_client

        kit = self.kit
        with speaking(kit.library, switch, price=lambda *_: (0.25, "prices", 0.0, ())) as spoken:
            for ask, word in self.asked():
                with_client(kit, server.url, partial(attempt, ask, model=kit.model + word))
        assert spoken.spans
        wrong = {f"{span.name}: {fault}" for span in spoken.spans for fault in conformance.of_span(span, switch)}
        wrong |= {
            f"{event.event_name}: {fault}" for event in spoken.events for fault in conformance.of_event(event, switch)
        }
        wrong |= set(conformance.of_metrics(spoken.metrics, switch))
        assert not wrong, "\n".join(sorted(wrong))
        failed = [event for event in spoken.events if event.event_name.endswith("exception")]
        raised = [span for span in spoken.spans if "exception.type" in span.attributes]
        assert len(failed) == len(raised) > 0
