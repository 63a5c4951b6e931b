"""Prompts and answers: off by default, on by OpenTelemetry's switch alone, shortened and redacted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_llm.core.config import Config
from otel_llm.outputs.events import DETAILS
from otel_llm.outputs.messages import Content
from otel_llm.outputs.spans import Spans
from otel_llm.testing import capture
from otel_llm.testing.loopback import Loopback

SECRET = "my card is 1234"
TEXT = "Hello from the loopback server."


class Events:
    """Stands for OpenTelemetry's logger: keeps what is emitted."""

    def __init__(self) -> None:
        self.emitted: list[dict[str, Any]] = []

    def emit(self, **event: Any) -> None:
        self.emitted.append(event)


def observe(
    config: Config, events: Events | None = None, *, stream: bool = False, library: str = "openai", model: str = "x"
) -> Any:
    exporter = InMemorySpanExporter()
    traces = TracerProvider()
    traces.add_span_processor(SimpleSpanProcessor(exporter))
    capturing = config.content != "no_content"
    spans = Spans(traces.get_tracer("t"), Content(config, events) if capturing else None)
    with Loopback() as server, capture(library, capture=capturing, sinks=(spans,)):
        if library == "openai":
            with openai.OpenAI(base_url=f"{server.url}/v1", api_key="test-key") as client:
                messages: Any = [{"role": "system", "content": "be nice"}, {"role": "user", "content": SECRET}]
                reply = client.chat.completions.create(model=model, messages=messages, stream=stream)
                if stream:
                    list(reply)
        else:
            with anthropic.Anthropic(base_url=server.url, api_key="test-key") as client:
                asked: Any = {
                    "model": model,
                    "max_tokens": 9,
                    "system": "be nice",
                    "messages": [{"role": "user", "content": SECRET}],
                }
                reply = client.messages.create(**asked, stream=stream)
                if stream:
                    list(reply)
    (span,) = exporter.get_finished_spans()
    return span


def test_off_by_default() -> None:
    span = observe(Config.from_env({}))
    assert not [key for key in span.attributes if "messages" in key or "instructions" in key]
    assert SECRET not in span.to_json()


@pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
@pytest.mark.parametrize("library", ["openai", "anthropic"])
def test_on_spans(library: str, stream: bool) -> None:
    span = observe(
        Config.from_env({"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY"}),
        stream=stream,
        library=library,
    )
    asked = json.loads(span.attributes["gen_ai.input.messages"])
    assert asked[-1] == {"role": "user", "parts": [{"type": "text", "content": SECRET}]}
    said = json.loads(span.attributes["gen_ai.output.messages"])
    assert said[0]["role"] == "assistant"
    assert said[0]["finish_reason"] == {"openai": "stop", "anthropic": "end_turn"}[library]
    assert {"type": "text", "content": TEXT} in said[0]["parts"]
    if library == "anthropic":
        assert json.loads(span.attributes["gen_ai.system_instructions"]) == [{"type": "text", "content": "be nice"}]


@pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
@pytest.mark.parametrize("library", ["openai", "anthropic"])
def test_tool_calls(library: str, stream: bool) -> None:
    span = observe(
        Config.from_env({"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"}),
        stream=stream,
        library=library,
        model="x-tools",
    )
    parts = json.loads(span.attributes["gen_ai.output.messages"])[0]["parts"]
    call = next(part for part in parts if part["type"] == "tool_call")
    arguments = call["arguments"]
    assert call["name"] == "get_weather"
    assert (json.loads(arguments) if isinstance(arguments, str) else arguments) == {"city": "Paris"}


def test_as_events() -> None:
    events = Events()
    span = observe(Config.from_env({"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "event_only"}), events)
    assert SECRET not in span.to_json()
    (event,) = events.emitted
    assert event["event_name"] == DETAILS
    assert event["attributes"]["gen_ai.output.messages"][0]["parts"] == [{"type": "text", "content": TEXT}]
    assert event["attributes"]["gen_ai.request.model"] == "x"


def test_shortened() -> None:
    config = Config.from_env(
        {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only", "OTEL_LLM_CONTENT_MAX_LENGTH": "16"}
    )
    span = observe(config)
    assert json.loads(span.attributes["gen_ai.output.messages"])[0]["parts"][0]["content"] == TEXT[:16] + "..."


def redact(text: str) -> str:
    return text.replace("1234", "####")


def test_redacted() -> None:
    config = Config(content="span_only", content_redact=f"{__name__}:redact")
    assert "1234" not in observe(config).to_json()


@pytest.mark.parametrize("named", ["nowhere:redact", "broken_rules:redact", f"{__name__}:SECRET", "json:nothing"])
def test_a_redactor_that_is_not_there_keeps_everything_back(
    named: str, caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_rules.py").write_text("raise RuntimeError('no rules')")
    monkeypatch.syspath_prepend(tmp_path)
    config = Config(content="span_only", content_redact=named)
    span = observe(config)
    assert SECRET not in span.to_json()
    assert "[redacted]" in span.attributes["gen_ai.input.messages"]
    assert f"OTEL_LLM_CONTENT_REDACT='{named}' cannot be used" in caplog.text
