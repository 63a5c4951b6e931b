"""Messages on their way to a span: every text cut and redacted, and what is no JSON told as text."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from otel_llm.core.config import Config
from otel_llm.core.model import Observation
from otel_llm.outputs.messages import Content

SEEN = Observation(1_763_711_000.0, "openai", "gpt-5", "chat", "", "", "", 0.5)


def swap(text: str) -> str:
    return text.replace("secret", "xxx")


def written(config: Config, messages: Any) -> Any:
    """What ``messages`` look like on the span."""
    attributes: dict[str, str] = {}
    call: Any = SimpleNamespace(
        request=SimpleNamespace(content=lambda: {"gen_ai.input.messages": messages}),
        response=SimpleNamespace(content=None),
        span=SimpleNamespace(set_attributes=attributes.update, is_recording=lambda: True),
        scope=None,
    )
    Content(config)(call, SEEN, {})
    return json.loads(attributes["gen_ai.input.messages"])


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"a": [1, 2.5, True, None]}, {"a": [1, 2.5, True, None]}),
        (("one", {"two": "a secret"}), ["one", {"two": "a xxx"}]),
        ({1: b"secret bytes"}, {"1": "b'xxx bytes'"}),
        ("x" * 20, "x" * 16 + "..."),
    ],
)
def test_a_part_of_any_kind(value: Any, shown: Any) -> None:
    config = Config(content="span_only", content_max_length=16, content_redact=f"{__name__}:swap")
    assert written(config, [{"parts": [{"content": value}]}]) == [{"parts": [{"content": shown}]}]


def test_without_a_redactor_only_the_length_changes() -> None:
    assert written(Config(content="span_only"), ["a secret"]) == ["a secret"]


def test_a_call_without_messages_writes_none() -> None:
    call: Any = SimpleNamespace(
        request=SimpleNamespace(content=None), response=SimpleNamespace(content=[]), span=SimpleNamespace(), scope=None
    )
    call.span.set_attributes = lambda told: call.__dict__.update(told=told)
    call.span.is_recording = lambda: True
    Content(Config(content="span_only"))(call, SEEN, {})
    assert call.told == {}
