"""``otel_llm.record_evaluation``, and results that other evaluators in the process report as events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import _logs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider

import otel_llm
from otel_llm.core.config import Config
from otel_llm.reliability import evaluations
from otel_llm.testing import Captured, capture

SCORE, COUNT = "otel_llm_evaluation_score", "otel_llm_evaluations_total"


@pytest.fixture
def seen() -> Iterator[Captured]:
    with capture(config=Config(metric_labels=("tenant",))) as captured:
        yield captured


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemoryLogRecordExporter]:
    exporter, provider = InMemoryLogRecordExporter(), LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    monkeypatch.setattr(_logs, "get_logger", lambda *args, **more: provider.get_logger(args[0]))
    yield exporter
    provider.shutdown()


def told(seen: Captured) -> list[tuple[str, tuple[str, ...], float]]:
    return [(event.metric, event.labels, event.value) for event in seen.events if "evaluation" in event.metric]


def test_a_score_and_a_label_are_counted_and_emitted_as_the_conventions_event(
    seen: Captured, logged: InMemoryLogRecordExporter
) -> None:
    span = (
        TracerProvider()
        .get_tracer("t")
        .start_span(
            "chat",
            attributes={"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5", "gen_ai.response.id": "r1"},
        )
    )
    span.end()
    with otel_llm.labels(tenant="acme"):
        otel_llm.record_evaluation("faithfulness", 0.75, label="pass", span=span)
    assert told(seen) == [
        (COUNT, ("openai", "gpt-5", "faithfulness", "pass", "acme"), 1.0),
        (SCORE, ("openai", "gpt-5", "faithfulness", "acme"), 0.75),
    ]
    trace_id = format(span.get_span_context().trace_id, "032x")
    assert {event.trace_id for event in seen.events} == {trace_id}
    (record,) = [data.log_record for data in logged.get_finished_logs()]
    assert record.event_name == "gen_ai.evaluation.result"
    assert dict(record.attributes or {}) == {
        "gen_ai.evaluation.name": "faithfulness", "gen_ai.evaluation.score.value": 0.75, "gen_ai.evaluation.score.label": "pass",
        "gen_ai.response.id": "r1", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5",
    }  # fmt: skip
    assert (record.trace_id, record.span_id) == (span.get_span_context().trace_id, span.get_span_context().span_id)


def test_feedback_of_a_user_is_an_evaluation(seen: Captured, logged: InMemoryLogRecordExporter) -> None:
    otel_llm.record_evaluation("thumbs", 1, response_id="r2", provider="anthropic", model="claude-x")
    otel_llm.record_evaluation("thumbs", label="up")
    assert told(seen) == [
        (COUNT, ("anthropic", "claude-x", "thumbs", "", ""), 1.0),
        (SCORE, ("anthropic", "claude-x", "thumbs", ""), 1.0),
        (COUNT, ("", "", "thumbs", "up", ""), 1.0),
    ]
    first, second = [dict(data.log_record.attributes or {}) for data in logged.get_finished_logs()]
    assert first["gen_ai.response.id"] == "r2"
    assert "gen_ai.evaluation.score.value" not in second


def test_a_context_of_a_span_is_enough(seen: Captured, logged: InMemoryLogRecordExporter) -> None:
    context = TracerProvider().get_tracer("t").start_span("chat").get_span_context()
    otel_llm.record_evaluation("toxicity", 0.0, span=context)
    assert seen.events[-1].trace_id == format(context.trace_id, "032x")
    assert logged.get_finished_logs()[0].log_record.trace_id == context.trace_id


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (("", 1.0), "name '' is no evaluation's"),
        (("a", float("nan")), "score nan is not a finite number"),
        (("a", "good"), "score 'good' is not a finite number"),
        (("a",), "needs a score, a label, or both"),
    ],
)
def test_what_is_no_result_is_refused(given: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        otel_llm.record_evaluation(*given)


def test_events_of_other_evaluators_count_as_well(seen: Captured, logged: InMemoryLogRecordExporter) -> None:
    logger = _logs.get_logger("an evaluator")
    attributes = {"gen_ai.evaluation.name": "relevance", "gen_ai.evaluation.score.value": 4, "gen_ai.evaluation.score.label": "good",
                  "gen_ai.request.model": "gpt-5", "gen_ai.provider.name": "openai"}  # fmt: skip
    logger.emit(event_name="gen_ai.evaluation.result", attributes=attributes)
    logger.emit(_logs.LogRecord(event_name="gen_ai.evaluation.result", attributes=attributes))
    logger.emit(event_name="gen_ai.evaluation.result", attributes={"gen_ai.evaluation.score.value": 1})
    logger.emit(event_name="another", attributes=attributes)
    assert (
        told(seen)
        == [
            (COUNT, ("openai", "gpt-5", "relevance", "good", ""), 1.0),
            (SCORE, ("openai", "gpt-5", "relevance", ""), 4.0),
        ]
        * 2
    )
    assert len(logged.get_finished_logs()) == 4


def test_an_older_opentelemetry_knows_no_events(seen: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    class Older:
        def emit(self, record: Any) -> None:
            raise AssertionError(record)

    monkeypatch.setattr(_logs, "Logger", Older)
    otel_llm.record_evaluation("a", 1.0)
    assert len(told(seen)) == 2


def test_results_in_attributes() -> None:
    assert evaluations.result_of({"gen_ai.evaluation.name": "a", "gen_ai.evaluation.score.value": float("inf")}) == (
        "a",
        None,
        "",
    )
    assert evaluations.result_of({"gen_ai.evaluation.name": 3}) is None
