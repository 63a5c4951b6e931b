"""Every framework that has runs of its own in asyncio, for ``test_frameworks_endings.py``: a run whose model never answers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

from frameworks_common import autogen_client, llama_index_model
from frameworks_runs import ALL as RUNS

MODEL = "gpt-4o-hang"
GEMINI = "gemini-2.5-flash-hang"


async def agents(url: str) -> None:
    import openai
    from agents import Agent, OpenAIChatCompletionsModel, Runner, set_trace_processors

    set_trace_processors([])
    client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)
    await Runner.run(Agent(name="weather_agent", model=OpenAIChatCompletionsModel(MODEL, client)), "hi")


async def pydantic_ai(url: str) -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    Agent.instrument_all()
    model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=f"{url}/v1", api_key="k"))
    await Agent(model, name="weather_agent").run("hi")


async def langchain(url: str) -> None:
    from langchain.agents import create_agent
    from langchain_openai import ChatOpenAI

    model: Any = ChatOpenAI(model=MODEL, base_url=f"{url}/v1", api_key="k", max_retries=0)  # type: ignore[arg-type]
    agent: Any = create_agent(model, [], name="weather_agent")
    await agent.ainvoke({"messages": [("user", "hi")]})


async def strands(url: str) -> None:
    from strands import Agent
    from strands.models.openai import OpenAIModel

    model = OpenAIModel(client_args={"base_url": f"{url}/v1", "api_key": "k", "max_retries": 0}, model_id=MODEL)
    await Agent(model=model, name="weather_agent", callback_handler=None).invoke_async("hi")


async def agent_framework(url: str) -> None:
    from agent_framework import Agent
    from agent_framework.openai import OpenAIChatCompletionClient

    client = OpenAIChatCompletionClient(model=MODEL, api_key="k", base_url=f"{url}/v1")
    await Agent(client=client, name="weather_agent").run("hi")


async def google_adk(url: str) -> None:
    os.environ["GOOGLE_GEMINI_BASE_URL"] = url
    from google.adk.agents import Agent
    from google.adk.runners import InMemoryRunner
    from google.genai import types

    runner = InMemoryRunner(agent=Agent(name="weather_agent", model=GEMINI), app_name="app")
    session = await runner.session_service.create_session(app_name="app", user_id="u")
    message = types.Content(role="user", parts=[types.Part(text="hi")])
    async for _ in runner.run_async(user_id="u", session_id=session.id, new_message=message):
        pass


async def semantic_kernel(url: str) -> None:
    import openai
    from semantic_kernel.agents import ChatCompletionAgent
    from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion

    client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)
    service = OpenAIChatCompletion(ai_model_id=MODEL, async_client=client)
    await ChatCompletionAgent(service=service, name="weather_agent").get_response(messages="hi")


async def crewai(url: str) -> None:
    from crewai import LLM, Agent, Crew, Task

    llm = LLM(model=f"openai/{MODEL}", base_url=f"{url}/v1", api_key="k", max_retries=0)
    agent = Agent(role="weather_agent", goal="g", backstory="b", llm=llm)
    await Crew(agents=[agent], tasks=[Task(description="hi", expected_output="x", agent=agent)]).akickoff()


async def llama_index(url: str) -> None:
    from llama_index.core.agent.workflow import FunctionAgent

    model = llama_index_model(url, MODEL, max_retries=0)
    handler = FunctionAgent(name="weather_agent", llm=model, tools=[], streaming=False).run("hi")
    try:
        await handler
    except asyncio.CancelledError:
        await handler.cancel_run()
        raise


async def autogen(url: str) -> None:
    from autogen_agentchat.agents import AssistantAgent

    await AssistantAgent("weather_agent", autogen_client(url, MODEL, max_retries=0)).run(task="hi")


async def agno(url: str) -> None:
    from agno.agent import Agent
    from agno.models.openai import OpenAIChat

    model = OpenAIChat(id=MODEL, base_url=f"{url}/v1", api_key="k", max_retries=0)
    await Agent(model=model, name="weather_agent", telemetry=False).arun("hi")


async def dspy(url: str) -> None:
    import dspy

    class weather_agent(dspy.ReAct):
        """Its name is the agent's."""

    model = dspy.LM(f"openai/{MODEL}", api_base=f"{url}/v1", api_key="k", cache=False, num_retries=0)
    with dspy.context(lm=model, adapter=dspy.JSONAdapter()):
        await weather_agent("question -> answer", tools=[], max_iters=1).acall(question="hi")


async def haystack(url: str) -> None:
    from haystack.components.agents import Agent
    from haystack.components.generators.chat import OpenAIChatGenerator
    from haystack.dataclasses import ChatMessage
    from haystack.utils import Secret

    key = Secret.from_token("k")
    generator = OpenAIChatGenerator(model=MODEL, api_base_url=f"{url}/v1", api_key=key, max_retries=0)
    await Agent(chat_generator=generator).run_async(messages=[ChatMessage.from_user("hi")])


Hanging = Callable[[str], Awaitable[None]]
_NEEDED = {run.__name__: modules for run, modules in RUNS.items()}
_RUNS: tuple[Hanging, ...] = (
    agents, pydantic_ai, langchain, strands, agent_framework, google_adk, semantic_kernel, crewai, llama_index, autogen, agno, dspy,
    haystack,
)  # fmt: skip
ALL = {run: _NEEDED[run.__name__] for run in _RUNS}
"""How each is run, and what is imported for it."""
