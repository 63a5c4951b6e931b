"""pydantic-ai under us: each call once, and the fallbacks of its FallbackModel."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider


def through(lab: Any) -> OpenAIProvider:
    return OpenAIProvider(openai_client=openai.AsyncOpenAI(base_url=lab.url, api_key="test-key", max_retries=0))


def chat(lab: Any, model: str) -> OpenAIChatModel:
    return OpenAIChatModel(model, provider=through(lab))


async def test_openai_once(lab: Any) -> None:
    await Agent(chat(lab, "gpt-x")).run("hi")
    await Agent(OpenAIResponsesModel("gpt-x", provider=through(lab))).run("hi")
    async with Agent(chat(lab, "gpt-x")).run_stream("hi") as stream:
        assert [text async for text in stream.stream_text()]
    assert [(call.input_tokens, call.output_tokens, call.stream) for call in lab.captured.calls] == [
        (100, 20, False), (100, 20, False), (100, 20, True),
    ]  # fmt: skip


async def test_anthropic_once(lab: Any) -> None:
    client = anthropic.AsyncAnthropic(base_url=lab.server.url, api_key="test-key")
    await Agent(AnthropicModel("claude-x", provider=AnthropicProvider(anthropic_client=client))).run("hi")
    assert (lab.captured.call.provider, lab.captured.call.input_tokens) == ("anthropic", 100)


CHAIN = [("gpt-fail-429", "rate_limit"), ("gpt-fail-500", "server_error"), ("gpt-fine", "")]
FELL = [("gpt-fail-429", "gpt-fail-500", "rate_limit"), ("gpt-fail-500", "gpt-fine", "server_error")]


def chain(lab: Any) -> FallbackModel:
    return FallbackModel(*(chat(lab, model) for model, _ in CHAIN))


async def test_a_chain_of_three(lab: Any) -> None:
    await Agent(chain(lab)).run("hi")
    assert (lab.models, lab.fallbacks) == (CHAIN, FELL)
    assert lab.span("gpt-fine").attributes["otel_llm.fallback.from"] == "gpt-fail-500"


async def test_a_chain_streamed(lab: Any) -> None:
    async with Agent(chain(lab)).run_stream("hi") as stream:
        assert [text async for text in stream.stream_text()]
    assert (lab.models, lab.fallbacks) == (CHAIN, FELL)


async def test_all_down(lab: Any) -> None:
    with pytest.raises(Exception, match="failed"):
        await Agent(FallbackModel(chat(lab, "gpt-fail-429"), chat(lab, "gpt-fail-500"))).run("hi")
    assert lab.fallbacks == FELL[:1]


async def test_a_fallback_to_a_model_we_do_not_watch(lab: Any) -> None:
    await Agent(FallbackModel(chat(lab, "gpt-fail-429"), TestModel())).run("hi")
    assert lab.fallbacks == [("gpt-fail-429", "test", "rate_limit")]
    await Agent(chat(lab, "gpt-fine")).run("hi")
    assert len(lab.fallbacks) == 1
