"""A conversation is told by the library or by a label, is on spans, and counts turns: runs, and calls outside of any."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

import otel_llm
from otel_llm.frameworks import steps
from otel_llm.testing import capture
from otel_llm.testing.loopback import Loopback


@pytest.fixture
def client() -> Iterator[openai.OpenAI]:
    with Loopback() as server, openai.OpenAI(base_url=f"{server.url}/v1", api_key="test-key") as client:
        yield client


def ask(client: openai.OpenAI) -> None:
    client.embeddings.create(model="small", input="hi")


def test_calls_of_a_run_are_one_turn(client: openai.OpenAI) -> None:
    with capture("openai") as captured:
        with otel_llm.labels(conversation="c-1"):
            for _ in range(2):
                run = steps.begin("agent", "support", "test")
                ask(client)
                inner = steps.begin("agent", "helper", "test")
                ask(client)
                inner.end()
                run.end()
            ask(client)
        ask(client)
    told: list[Any] = [call.conversation for call in captured.calls]
    assert [turn for _, turn in told[:5]] == [1, 0, 1, 0, 1]
    assert len({key for key, _ in told[:5]}) == 1
    assert "c-1" not in str(told)
    assert told[5] == ()


def test_the_library_s_own_word_comes_first(client: openai.OpenAI) -> None:
    with capture("openai") as captured, otel_llm.labels(conversation="c-1"):
        client.responses.create(model="gpt-x", input="hi", conversation="conv_7")
        client.responses.create(model="gpt-x", input="hi")
    first, second = (call.conversation[0] for call in captured.calls if call.conversation)
    assert first != second
