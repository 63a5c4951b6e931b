"""A redactor that raises: its bug keeps the messages out, and takes neither the span nor the call with it."""

from __future__ import annotations

from typing import Any

import openai
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_llm.core.config import Config
from otel_llm.core.guard import Guard
from otel_llm.outputs.messages import Content
from otel_llm.outputs.spans import Spans
from otel_llm.testing import capture
from otel_llm.testing.loopback import Loopback


def broken(_: str) -> str:
    raise ZeroDivisionError


def test_the_span_ends_without_messages() -> None:
    exporter = InMemorySpanExporter()
    traces = TracerProvider()
    traces.add_span_processor(SimpleSpanProcessor(exporter))
    content = Content(Config(content="span_only", content_redact=f"{__name__}:broken"))
    asked: Any = {"model": "gpt-x", "messages": [{"role": "user", "content": "hi"}]}
    with (
        Loopback() as server,
        capture("openai", capture=True, sinks=(Spans(traces.get_tracer("t"), content),)) as captured,
    ):
        Guard.strict = False
        errors = Guard.errors.get("content", 0)
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key="test-key") as client:
            client.chat.completions.create(**asked)
        assert captured.call.output_tokens == 20
        assert Guard.errors["content"] == errors + 1
    (span,) = exporter.get_finished_spans()
    assert span.attributes["gen_ai.usage.output_tokens"] == 20
    assert not [name for name in span.attributes if name.endswith("messages")]
