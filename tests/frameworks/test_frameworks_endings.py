"""How runs end otherwise: the caller cancels, or does not wait. The runs and their calls are still right."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from frameworks_common import installed, recorded
from frameworks_hanging import ALL
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from otel_llm.testing import capture
from otel_llm.testing.loopback import Loopback

trace.set_tracer_provider(TracerProvider())


HANGING = installed(ALL)
THREADED = "crewai"  # asks its model in a thread, whose call goes on
NAMED = {"haystack": "agent"}  # runs of agents that have no names of their own


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as server:
        yield server


@pytest.mark.parametrize("name", HANGING)
async def test_a_run_that_its_caller_cancels(name: str) -> None:
    with Loopback() as server, capture() as captured:
        run = asyncio.ensure_future(HANGING[name](server.url))
        await asyncio.to_thread(server.wait_for, 1, 60.0)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)  # agno answers with a run that was cancelled
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:  # as at the end of a loop: LlamaIndex leaves the step that asks
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        calls = captured.calls
    agent = NAMED.get(name, "weather_agent")
    ended = [] if name == THREADED else [("cancelled", agent)]
    assert [(call.error_type, call.agent) for call in calls] == ended
    assert [labels for labels, _ in recorded(captured, "gen_ai_invoke_agent_duration_seconds")] == [
        (agent, "cancelled")
    ]
    assert recorded(captured, "gen_ai_invoke_agent_inference_calls") == [((agent,), 1)]


def keeping(url: str, tool: Any) -> Any:
    """An agent of agno that keeps its runs."""
    from agno.agent import Agent
    from agno.db.in_memory import InMemoryDb
    from agno.models.openai import OpenAIChat

    model = OpenAIChat(id="gpt-4o-tools", base_url=f"{url}/v1", api_key="k")
    return Agent(model=model, name="weather_agent", db=InMemoryDb(), tools=[tool], telemetry=False)


@pytest.mark.skipif("agno" not in HANGING, reason="no agno here")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_run_in_the_background(stream: bool, server: Loopback) -> None:
    """Streamed, its reader goes after the first event: the run goes on."""
    from agno.run.background import await_background_runs

    def get_weather(city: str = "x") -> str:
        """The weather of a city."""
        return "sunny"

    agent = keeping(server.url, get_weather)
    with capture() as captured:
        if stream:
            events = agent.arun("hi", background=True, stream=True)
            assert await anext(events)
            await events.aclose()
        else:
            assert (await agent.arun("hi", background=True)).status.value == "PENDING"
        await await_background_runs()
        calls = captured.calls
    assert [(call.agent, call.input_tokens, call.output_tokens) for call in calls] == [("weather_agent", 100, 20)] * 2
    assert [labels for labels, _ in recorded(captured, "gen_ai_invoke_agent_duration_seconds")] == [
        ("weather_agent", "")
    ]
    assert recorded(captured, "gen_ai_invoke_agent_inference_calls") == [(("weather_agent",), 2)]
    assert recorded(captured, "gen_ai_invoke_agent_tool_calls") == [(("weather_agent",), 1)]


@pytest.mark.skipif("agno" not in HANGING, reason="no agno here")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
async def test_a_run_that_waits_for_a_human(awaited: bool, stream: bool, server: Loopback) -> None:
    """It goes on as another run of its agent, whose tool is called then."""
    from agno.tools import tool

    @tool(requires_confirmation=True)
    def get_weather(city: str = "x") -> str:
        """The weather of a city."""
        return "sunny"

    agent = keeping(server.url, get_weather)
    with capture() as captured:
        paused = await agent.arun("hi") if awaited else agent.run("hi")
        for asked in paused.tools_requiring_confirmation:
            asked.confirmed = True
        goes_on = agent.acontinue_run if awaited else agent.continue_run
        rest = goes_on(run_response=paused, stream=stream)
        if not stream:
            assert (await rest if awaited else rest).status.value == "COMPLETED"
        else:
            assert [event async for event in rest] if awaited else list(rest)
        assert [call.agent for call in captured.calls] == ["weather_agent"] * 2
    runs = [labels for labels, _ in recorded(captured, "gen_ai_invoke_agent_duration_seconds")]
    assert runs == [("weather_agent", "")] * 2
    assert recorded(captured, "gen_ai_invoke_agent_tool_calls") == [(("weather_agent",), 0), (("weather_agent",), 1)]
