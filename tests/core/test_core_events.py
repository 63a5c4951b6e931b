"""Events of calls: their severity, what they say, when there is none, and what they never say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import openai
import pytest
from contract_words import speaking
from opentelemetry import _logs

from otel_llm.outputs import events
from otel_llm.outputs.messages import ended
from otel_llm.testing.loopback import Loopback

DETAILS, EXCEPTION = "gen_ai.client.inference.operation.details", "gen_ai.client.operation.exception"


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as server:
        yield server


def emitted(server: Loopback, *models: str, stream: bool = False) -> list[tuple[str, str, dict[str, Any]]]:
    """Name, severity and attributes of the events of a call of each model."""
    with (
        speaking("openai", "released") as spoken,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="test-key", max_retries=0) as client,
    ):
        for model in models:
            with suppress(openai.APIError):
                if model.startswith("embed"):
                    client.embeddings.create(model=model, input="hi")
                    continue
                said: Any = [{"role": "user", "content": "my card is 1234"}]
                answer = client.chat.completions.create(model=model, messages=said, stream=stream)  # type: ignore[call-overload]
                list(answer)
    return [(event.event_name, event.severity_text, dict(event.attributes)) for event in spoken.events]


def test_the_details_of_a_call_are_those_of_its_span(server: Loopback) -> None:
    ((name, severity, attributes),) = emitted(server, "x")
    assert (name, severity) == (DETAILS, "INFO")
    assert attributes["gen_ai.usage.input_tokens"] == 100
    assert attributes["gen_ai.usage.output_tokens"] == 20
    assert list(attributes["gen_ai.response.finish_reasons"]) == ["stop"]
    assert attributes["gen_ai.response.id"].startswith("chatcmpl-")
    assert attributes["gen_ai.output.messages"][0]["finish_reason"] == "stop"


def test_embeddings_have_no_details(server: Loopback) -> None:
    assert emitted(server, "embed") == []


def test_an_exception_is_an_event_without_its_message(server: Loopback) -> None:
    details, (name, severity, attributes) = sorted(emitted(server, "x-fail-429"), key=lambda event: event[1])
    assert details[0] == DETAILS
    assert (name, severity) == (EXCEPTION, "WARN")
    assert attributes["exception.type"] == "openai.RateLimitError"
    assert attributes["error.type"] == "rate_limit"
    assert attributes["gen_ai.request.model"] == "x-fail-429"
    assert not any("message" in key or "stack" in key for key in attributes)


def test_a_stream_that_is_cut_says_so_in_its_messages(server: Loopback) -> None:
    details = [attributes for name, _, attributes in emitted(server, "x-cut-3", stream=True) if name == DETAILS]
    assert [message["finish_reason"] for message in details[0]["gen_ai.output.messages"]] == ["error"]


@pytest.mark.parametrize(("error", "reasons", "told"), [
    ("", [], "unknown"), ("timeout", [], "error"), ("abandoned", [], "abandoned"), ("cancelled", [], "cancelled"),
    ("", ["end_turn"], "end_turn"),
])  # fmt: skip
def test_a_message_that_was_not_finished_says_why(error: str, reasons: list[str], told: str) -> None:
    assert ended([{"parts": [], "finish_reason": ""}], reasons, error) == [{"parts": [], "finish_reason": told}]
    finished = [{"parts": [], "finish_reason": "stop"}]
    assert ended(finished, reasons, error) is finished


def test_an_old_opentelemetry_has_no_events(monkeypatch: pytest.MonkeyPatch) -> None:
    class Logger:
        def emit(self, record: Any) -> None:
            raise AssertionError(record)

    monkeypatch.setattr(_logs, "Logger", Logger)
    events.event_logger().emit(event_name=DETAILS, attributes={})


def test_the_logger_is_ours_and_names_the_conventions(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(_logs, "get_logger", lambda *given, **named: asked.append((given, named)))
    events.event_logger()
    ((given, named),) = asked
    assert (given[0], named) == ("otel_llm", {"schema_url": "https://opentelemetry.io/schemas/1.41.0"})
