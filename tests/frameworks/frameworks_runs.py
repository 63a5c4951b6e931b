"""Every framework, for ``test_frameworks_runs.py``: how it runs an agent of two model calls and one tool call."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any, ClassVar

from frameworks_common import llama_index_model
from frameworks_more import MORE

MODEL = "gpt-4o-tools"
Tool = Callable[..., str]


def pydantic_ai(url: str, tool: Tool, *, stream: bool) -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    Agent.instrument_all()
    model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=f"{url}/v1", api_key="k"))
    agent = Agent(model, name="weather_agent", tools=[tool])

    async def streamed() -> None:
        async with agent.run_stream("hi") as result:
            assert [text async for text in result.stream_text()]

    asyncio.run(streamed()) if stream else agent.run_sync("hi")


def agents(url: str, tool: Tool, *, stream: bool) -> None:
    import openai
    from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, Runner, function_tool, set_trace_processors

    set_trace_processors([])
    model = OpenAIChatCompletionsModel(MODEL, openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k"))
    agent: Any = Agent(
        name="weather_agent",
        tools=[function_tool(tool)],
        model=model,
        model_settings=ModelSettings(include_usage=True),
    )

    async def streamed() -> None:
        assert [event async for event in Runner.run_streamed(agent, "hi").stream_events()]

    asyncio.run(streamed()) if stream else Runner.run_sync(agent, "hi")


def langchain(url: str, tool: Tool, *, stream: bool) -> None:
    from langchain.agents import create_agent
    from langchain_openai import ChatOpenAI

    agent: Any = create_agent(
        ChatOpenAI(model=MODEL, base_url=f"{url}/v1", api_key="k", stream_usage=True), [tool], name="weather_agent"
    )  # type: ignore[arg-type]
    asked = {"messages": [("user", "hi")]}
    assert list(agent.stream(asked, stream_mode="messages")) if stream else agent.invoke(asked)


def strands(url: str, tool: Tool, *, stream: bool) -> None:
    from strands import Agent
    from strands import tool as make
    from strands.models.openai import OpenAIModel

    model = OpenAIModel(client_args={"base_url": f"{url}/v1", "api_key": "k"}, model_id=MODEL)
    agent = Agent(model=model, tools=[make(tool)], name="weather_agent", callback_handler=None)

    async def streamed() -> None:
        assert [event async for event in agent.stream_async("hi")]

    asyncio.run(streamed()) if stream else agent("hi")


def agent_framework(url: str, tool: Tool, *, stream: bool) -> None:
    from agent_framework import Agent
    from agent_framework.openai import OpenAIChatCompletionClient

    agent = Agent(
        client=OpenAIChatCompletionClient(model=MODEL, api_key="k", base_url=f"{url}/v1"),
        name="weather_agent",
        tools=[tool],
    )

    async def streamed() -> None:
        assert [update async for update in agent.run("hi", stream=True)]

    async def whole() -> None:
        assert await agent.run("hi")

    asyncio.run(streamed() if stream else whole())


def google_adk(url: str, tool: Tool, *, stream: bool) -> None:
    os.environ["GOOGLE_GEMINI_BASE_URL"] = url
    from google.adk.agents import Agent, RunConfig
    from google.adk.agents.run_config import StreamingMode
    from google.adk.runners import InMemoryRunner
    from google.genai import types

    agent = Agent(name="weather_agent", model="gemini-2.5-flash-tools", tools=[tool])
    config = RunConfig(streaming_mode=StreamingMode.SSE if stream else StreamingMode.NONE)

    async def run() -> None:
        runner = InMemoryRunner(agent=agent, app_name="app")
        session = await runner.session_service.create_session(app_name="app", user_id="u")
        message = types.Content(role="user", parts=[types.Part(text="hi")])
        async for _ in runner.run_async(user_id="u", session_id=session.id, new_message=message, run_config=config):
            pass

    asyncio.run(run())


def semantic_kernel(url: str, tool: Tool, *, stream: bool) -> None:
    import openai
    from semantic_kernel.agents import ChatCompletionAgent
    from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion
    from semantic_kernel.functions import kernel_function

    class Plugin:
        get_weather = staticmethod(kernel_function(name="get_weather")(tool))

    service = OpenAIChatCompletion(
        ai_model_id=MODEL, async_client=openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k")
    )
    agent = ChatCompletionAgent(service=service, name="weather_agent", plugins=[Plugin()])

    async def streamed() -> None:
        assert [part async for part in agent.invoke_stream(messages="hi")]

    async def whole() -> None:
        assert await agent.get_response(messages="hi")

    asyncio.run(streamed() if stream else whole())


def crewai(url: str, tool: Tool, *, stream: bool) -> None:
    from crewai import LLM, Agent, Crew, Task
    from crewai.tools import tool as make

    llm = LLM(model=f"openai/{MODEL}", base_url=f"{url}/v1", api_key="k", stream=stream)
    agent = Agent(role="weather_agent", goal="g", backstory="b", llm=llm, tools=[make("get_weather")(tool)])
    Crew(agents=[agent], tasks=[Task(description="hi", expected_output="x", agent=agent)]).kickoff()


def smolagents(url: str, tool: Tool, *, stream: bool, turns: int = 1) -> None:
    from smolagents import OpenAIModel, ToolCallingAgent
    from smolagents import Tool as Base

    class Weather(Base):  # type: ignore[misc]
        name, description, output_type = "get_weather", "The weather of a city.", "string"
        inputs: ClassVar = {"city": {"type": "string", "description": "its name", "nullable": True}}

        def forward(self, city: str | None = None) -> str:
            return tool(city or "x")

    model = OpenAIModel(model_id=MODEL, api_base=f"{url}/v1", api_key="k")
    agent = ToolCallingAgent(
        tools=[Weather()], model=model, name="weather_agent", max_steps=turns, stream_outputs=stream, verbosity_level=0
    )  # past its steps it asks once more, for its answer
    if stream:
        assert list(agent.run("hi", stream=True))
    else:
        agent.run("hi")


def llama_index(url: str, tool: Tool, *, stream: bool) -> None:
    from llama_index.core.agent.workflow import FunctionAgent
    from llama_index.core.tools import FunctionTool

    more = {"stream_options": {"include_usage": True}} if stream else {}
    model = llama_index_model(url, MODEL, additional_kwargs=more)
    agent = FunctionAgent(name="weather_agent", llm=model, tools=[FunctionTool.from_defaults(tool)], streaming=stream)

    async def run() -> None:
        assert await agent.run("hi")

    asyncio.run(run())


FIRST: dict[Any, tuple[str, ...]] = {
    pydantic_ai: ("pydantic_ai.models.openai", "pydantic_ai.providers.openai"),
    agents: ("agents",),
    langchain: ("langchain.agents", "langchain_openai"),
    strands: ("strands.models.openai",),
    agent_framework: ("agent_framework.openai",),
    google_adk: ("google.adk.agents", "google.adk.runners"),
    semantic_kernel: ("semantic_kernel.agents", "semantic_kernel.connectors.ai.open_ai"),
    crewai: ("crewai",),
    smolagents: ("smolagents",),
    llama_index: ("llama_index.core.agent.workflow", "llama_index.llms.openai"),
}
"""The frameworks that most services run, and what each needs."""
ALL = {**FIRST, **MORE}
