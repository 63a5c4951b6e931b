"""openai-agents under us: each call once."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, set_tracing_disabled


@pytest.mark.parametrize("kind", [OpenAIResponsesModel, OpenAIChatCompletionsModel])
async def test_once(lab: Any, kind: Any) -> None:
    set_tracing_disabled(disabled=True)
    async with openai.AsyncOpenAI(base_url=lab.url, api_key="test-key") as client:
        agent = Agent(name="one", model=kind(model="gpt-x", openai_client=client))
        assert (await Runner.run(agent, "hi")).final_output
        streamed = Runner.run_streamed(agent, "hi")
        assert [event async for event in streamed.stream_events()]
    assert [(call.request_model, call.stream, call.error_type) for call in lab.captured.calls] == [
        ("gpt-x", False, ""), ("gpt-x", True, ""),
    ]  # fmt: skip
    assert lab.captured.calls[0].input_tokens == 100
    assert (len(lab.server.requests), lab.captured.open) == (2, 0)
