"""Attributes go onto a span as OpenTelemetry's own method would put them, by a shorter way."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext

from otel_llm.sinks.attributes import put

ASKED = {"gen_ai.request.model": "gpt-4o", "server.port": 8080}
TOLD: dict[str, Any] = {
    "gen_ai.request.model": "gpt-4o-mini", "gen_ai.usage.input_tokens": 12, "otel_llm.cost.usd": 0.25,
    "gen_ai.request.stream": True, "gen_ai.response.finish_reasons": ["stop", "length"], "stop": ("a", "b"),
}  # fmt: skip


def span(**limits: Any) -> Any:
    provider = TracerProvider(span_limits=SpanLimits(**limits)) if limits else TracerProvider()
    return provider.get_tracer("test").start_span("chat", attributes=ASKED)


@pytest.mark.parametrize("limits", [{}, {"max_span_attributes": 4}, {"max_span_attribute_length": 3}])
def test_the_outcome_is_that_of_the_sdk(limits: dict[str, int]) -> None:
    ours, theirs = span(**limits), span(**limits)
    put(ours, TOLD)
    theirs.set_attributes(TOLD)
    assert dict(ours.attributes) == dict(theirs.attributes)
    assert ours.dropped_attributes == theirs.dropped_attributes


def test_the_short_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    one = span()
    monkeypatch.setattr(type(one), "set_attributes", lambda *_: pytest.fail("the long way"))
    put(one, TOLD)
    assert one.attributes["gen_ai.response.finish_reasons"] == ("stop", "length")
    assert one.attributes["server.port"] == 8080


def test_what_is_ended_stays_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    one = span()
    one.end()
    put(one, TOLD)
    assert dict(one.attributes) == ASKED
    assert "ended span" in caplog.text


def test_a_span_of_another_kind_is_asked() -> None:
    put(NonRecordingSpan(SpanContext(1, 2, is_remote=False)), TOLD)  # takes them, and does nothing
    told: list[Any] = []
    put(type("Another", (), {"set_attributes": lambda _, attributes: told.append(attributes)})(), TOLD)
    assert told == [TOLD]
