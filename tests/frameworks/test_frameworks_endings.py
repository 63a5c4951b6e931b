"""How runs end otherwise: another agent takes over, or the caller cancels. The runs and their calls are still right."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from frameworks_more import MODEL
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from otel_llm.testing import Captured, capture
from otel_llm.testing.loopback import Loopback

trace.set_tracer_provider(TracerProvider())
HANGS = "gpt-4o-hang"


def _agents(url: str, model: str) -> Any:
    import openai
    from agents import OpenAIChatCompletionsModel, set_trace_processors

    set_trace_processors([])
    return OpenAIChatCompletionsModel(model, openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0))


async def agents(url: str) -> None:
    from agents import Agent, Runner

    await Runner.run(Agent(name="weather_agent", model=_agents(url, HANGS)), "hi")


async def pydantic_ai(url: str) -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    Agent.instrument_all()
    await Agent(
        OpenAIChatModel(HANGS, provider=OpenAIProvider(base_url=f"{url}/v1", api_key="k")), name="weather_agent"
    ).run("hi")


async def autogen(url: str) -> None:
    from autogen_agentchat.agents import AssistantAgent
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    info: Any = {
        "vision": False,
        "function_calling": True,
        "json_output": False,
        "family": "unknown",
        "structured_output": False,
    }
    client = OpenAIChatCompletionClient(model=HANGS, base_url=f"{url}/v1", api_key="k", model_info=info, max_retries=0)
    await AssistantAgent("weather_agent", client).run(task="hi")


async def agno(url: str) -> None:
    from agno.agent import Agent
    from agno.models.openai import OpenAIChat

    model = OpenAIChat(id=HANGS, base_url=f"{url}/v1", api_key="k", max_retries=0)
    await Agent(model=model, name="weather_agent", telemetry=False).arun("hi")


HANGING: dict[str, Callable[[str], Awaitable[None]]] = {
    name: run
    for name, run, module in (
        ("agents", agents, "agents"), ("pydantic_ai", pydantic_ai, "pydantic_ai"), ("autogen", autogen, "autogen_agentchat"),
        ("agno", agno, "agno"),
    )
    if importlib.util.find_spec(module) is not None
}  # fmt: skip


for each in (
    "agents",
    "pydantic_ai.models.openai",
    "autogen_agentchat.agents",
    "autogen_ext.models.openai",
    "agno.models.openai",
    "openai.resources.beta",
):
    with contextlib.suppress(ImportError):
        importlib.import_module(each)  # at a high load these imports alone take longer than a test may


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as server:
        yield server


def told(captured: Captured, metric: str) -> list[tuple[tuple[str, ...], float]]:
    return [(event.labels, event.value) for event in captured.events if event.metric == metric]


@pytest.mark.parametrize("name", HANGING)
async def test_a_run_that_its_caller_cancels(name: str, server: Loopback) -> None:
    with capture() as captured:
        run = asyncio.ensure_future(HANGING[name](server.url))
        await asyncio.to_thread(server.wait_for, 1)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)  # agno answers with a run that was cancelled
        calls = captured.calls
    assert [(call.error_type, call.agent) for call in calls] == [("cancelled", "weather_agent")]
    assert [labels for labels, _ in told(captured, "gen_ai_invoke_agent_duration_seconds")] == [
        ("weather_agent", "cancelled")
    ]
    assert told(captured, "gen_ai_invoke_agent_inference_calls") == [(("weather_agent",), 1)]


@pytest.mark.skipif("agents" not in HANGING, reason="no openai-agents here")
async def test_a_hand_over_to_another_agent(server: Loopback) -> None:
    from agents import Agent, Runner, handoff

    second: Any = Agent(name="specialist", model=_agents(server.url, "gpt-4o"))
    first: Any = Agent(
        name="desk", model=_agents(server.url, MODEL), handoffs=[handoff(second, tool_name_override="get_weather")]
    )
    with capture() as captured:
        result = await Runner.run(first, "hi")
        calls = captured.calls
    assert result.last_agent.name == "specialist"
    assert [(call.agent, call.input_tokens, call.output_tokens) for call in calls] == [
        ("desk", 100, 20),
        ("specialist", 100, 20),
    ]
    runs = dict(told(captured, "gen_ai_invoke_agent_inference_calls"))
    assert runs == {("desk",): 1, ("specialist",): 1}
    assert {labels for labels, _ in told(captured, "gen_ai_invoke_agent_duration_seconds")} == {
        ("desk", ""),
        ("specialist", ""),
    }
