"""What every client library must be like where prompts and answers are captured: complete, redacted, and off by default."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_llm.core.config import Config
from otel_llm.outputs.messages import Content
from otel_llm.outputs.spans import Spans
from otel_llm.testing import capture

TEXT = "Hello from the loopback server."
INSTRUCTION = "be nice"
ARGUMENTS = {"city": "Paris"}
FUNCTION: Any = {"name": "get_weather", "arguments": json.dumps(ARGUMENTS)}
CONVERSATION: Any = [
    {"role": "system", "content": INSTRUCTION},
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": "", "tool_calls": [{"id": "call_1", "type": "function", "function": FUNCTION}]},
    {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
]
ON = Config(content="span_only")


def redact(said: str) -> str:
    """A redactor that leaves nothing as it was."""
    return f"<{len(said)}>"


def needs(*names: str) -> Any:
    """What a kit must have for a scenario."""

    def mark(scenario: Any) -> Any:
        scenario.needs = names
        return scenario

    return mark


@contextmanager
def captured(library: str, config: Config) -> Iterator[dict[str, Any]]:
    """The messages of the one call that is made inside, by their attribute, there when it has ended."""
    exporter, traces = InMemorySpanExporter(), TracerProvider()
    traces.add_span_processor(SimpleSpanProcessor(exporter))
    on = config.content != "no_content"
    spans = Spans(traces.get_tracer("content"), Content(config) if on else None)
    told: dict[str, Any] = {}
    with capture(library, capture=on, sinks=(spans,)):
        yield told
    (span,) = exporter.get_finished_spans()
    names = [name for name in span.attributes if name.endswith(("messages", "instructions"))]
    told.update({name: json.loads(span.attributes[name]) for name in names})
    traces.shutdown()


def said(message: dict[str, Any]) -> str:
    """The text of a message."""
    return "".join(part["content"] for part in message["parts"] if part["type"] == "text")


def parsed(arguments: Any) -> Any:
    """The arguments of a tool call, which some libraries have as JSON text."""
    return json.loads(arguments) if isinstance(arguments, str) else arguments


class ContentScenarios:
    """The scenarios about content. ``kit`` is the subclass's, as in ``Contract``."""

    kit: Any

    def __init_subclass__(cls) -> None:
        """Scenarios of what the library does not have are not collected."""
        kit = getattr(cls, "kit", None)
        for name in dir(cls) if kit is not None else ():
            if not kit.has(*getattr(getattr(cls, name), "needs", ())):
                setattr(cls, name, None)

    def content_of(self, server: Any, ask: Any, word: str = "", config: Config = ON) -> dict[str, Any]:
        """What is captured of ``ask`` with the kit's model and ``word`` behind it."""
        from contract import with_client

        with captured(self.kit.library, config) as told:
            with_client(self.kit, server.url, lambda client: ask(client, self.kit.model + word))
        return told

    @needs("make", "plain")
    def test_content_is_off_by_default(self, server: Any) -> None:
        assert self.content_of(server, self.kit.talk or self.kit.plain, config=Config()) == {}

    @needs("make", "plain", "content")
    def test_content(self, server: Any) -> None:
        told = self.content_of(server, self.kit.plain)
        assert told["gen_ai.input.messages"] == [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]
        self.check_answer(told)

    @needs("make", "stream", "content")
    def test_content_of_a_stream(self, server: Any) -> None:
        told = self.content_of(server, self.whole(self.kit.stream))
        assert told["gen_ai.input.messages"] == [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]
        self.check_answer(told)

    def check_answer(self, told: dict[str, Any]) -> None:
        if not self.kit.answers:
            assert "gen_ai.output.messages" not in told
            return
        (message,) = told["gen_ai.output.messages"]
        assert message["role"] == "assistant"
        assert said(message) == self.kit.answers

    @needs("make", "plain", "content", "answers", "calls_tools")
    def test_content_of_tool_calls(self, server: Any) -> None:
        for ask in (self.kit.plain, self.whole(self.kit.stream)):
            if ask is None:
                continue
            (message,) = self.content_of(server, ask, "-tools")["gen_ai.output.messages"]
            (call,) = [part for part in message["parts"] if part["type"] == "tool_call"]
            assert (call["name"], parsed(call["arguments"])) == ("get_weather", ARGUMENTS)

    @needs("make", "talk")
    def test_content_of_a_conversation(self, server: Any) -> None:
        told = self.content_of(server, self.kit.talk)["gen_ai.input.messages"]
        assert [message["role"] for message in told] == ["system", "user", "assistant", "tool"]
        assert [said(message) for message in told] == [INSTRUCTION, "hi", "", ""]
        (call,), (answer,) = told[2]["parts"], told[3]["parts"]
        assert (call["type"], call["name"], parsed(call["arguments"])) == ("tool_call", "get_weather", ARGUMENTS)
        assert (answer["type"], answer["response"]) == ("tool_call_response", "sunny")
        assert call["id"] == answer["id"]

    @needs("make", "instructed")
    def test_content_of_instructions(self, server: Any) -> None:
        told = self.content_of(server, self.kit.instructed)
        assert told["gen_ai.system_instructions"] == [{"type": "text", "content": INSTRUCTION}]

    @needs("make", "plain", "content")
    def test_content_is_redacted(self, server: Any) -> None:
        config = Config(content="span_only", content_redact=f"{__name__}:redact")
        told = self.content_of(server, self.kit.plain, config=config)
        assert said(told["gen_ai.input.messages"][0]) == "<2>"
        if self.kit.answers:
            assert said(told["gen_ai.output.messages"][0]) == f"<{len(self.kit.answers)}>"

    @staticmethod
    def whole(ask: Any) -> Any:
        """``ask``, and its stream read to the end."""
        return None if ask is None else lambda client, model: list(ask(client, model))
