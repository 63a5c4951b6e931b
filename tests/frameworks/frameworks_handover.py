"""Two agents for ``test_frameworks_handover.py``: how each framework has one ask the other, or hand over to it."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

from frameworks_common import autogen_client

from otel_llm.testing.loopback import Reply, Request, answer

DESK, SPECIALIST = "gpt-4o", "gpt-4o-mini"
"""The models of the two agents, which have different prices."""
GEMINI_DESK, GEMINI_SPECIALIST = "gemini-2.5-pro", "gemini-2.5-flash"
ASKS, HANDS_OVER = (2, 1), (1, 0)
"""Model calls and tool calls of a desk that asks the specialist through a tool and goes on, or that hands over without one."""
_ARGUMENTS = {"agent_name": "specialist", "to_agent": "specialist", "coworker": "specialist", "member_id": "specialist"}


class Script:
    """What each model says: at first ``times`` calls of the tool ``get_weather`` where it is offered, else of the first one; then text."""

    def __init__(self, times: int = 1) -> None:
        self.times = times
        self.asked: Counter[str] = Counter()

    def __call__(self, request: Request) -> Reply:
        self.asked[request.model] += 1
        if self.asked[request.model] > self.times:
            return answer(request)
        body = dict(request.body)
        if "contents" in body:
            offered = [tool for group in body["tools"] for tool in group["functionDeclarations"]]
            body |= {"contents": body["contents"][:1], "tools": [{"functionDeclarations": [_wanted(offered)]}]}
        else:
            offered = [tool["function"] for tool in body["tools"]]
            wanted = {"type": "function", "function": _wanted(offered)}
            body |= {"messages": [{"role": "user", "content": "hi"}], "tools": [wanted]}
        return answer(replace(request, body=body, headers={**request.headers, "x-loopback": "tools"}))


def _wanted(offered: list[dict[str, Any]]) -> dict[str, Any]:
    """The tool that the model calls. Where it takes the name of an agent, that is the specialist's."""
    others = [tool for tool in offered if tool["name"] != "final_answer"]
    tool = next((tool for tool in others if tool["name"].endswith("get_weather")), others[0])
    schema = next((tool[key] for key in ("parameters", "parameters_json_schema") if tool.get(key)), {})
    asked = schema.get("properties") or {}
    told = {name: {"const": _ARGUMENTS[name]} for name in asked if name in _ARGUMENTS}
    return {**tool, "parameters": {**schema, "properties": {**asked, **told}}}


def get_weather(city: str = "x") -> str:
    """The weather of a city."""
    return "sunny"


def pydantic_ai(url: str) -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    Agent.instrument_all()
    provider = OpenAIProvider(base_url=f"{url}/v1", api_key="k")
    specialist = Agent(OpenAIChatModel(SPECIALIST, provider=provider), name="specialist", tools=[get_weather])

    async def ask_specialist(question: str) -> str:
        """Asks the one who knows."""
        return str((await specialist.run(question)).output)

    desk = Agent(OpenAIChatModel(DESK, provider=provider), name="desk", tools=[ask_specialist])
    assert desk.run_sync("hi").output


def agents(url: str) -> None:
    import openai
    from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool, set_trace_processors

    set_trace_processors([])
    client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k")
    specialist: Any = Agent(
        name="specialist", model=OpenAIChatCompletionsModel(SPECIALIST, client), tools=[function_tool(get_weather)]
    )
    desk: Any = Agent(name="desk", model=OpenAIChatCompletionsModel(DESK, client), handoffs=[specialist])
    assert Runner.run_sync(desk, "hi").last_agent is specialist


def langchain(url: str) -> None:
    """A tool of one agent that is the other, as a supervisor has."""
    from langchain.agents import create_agent
    from langchain_openai import ChatOpenAI

    def model(name: str) -> Any:
        return ChatOpenAI(model=name, base_url=f"{url}/v1", api_key="k")  # type: ignore[arg-type]

    specialist: Any = create_agent(model(SPECIALIST), [get_weather], name="specialist")

    def ask_specialist(question: str) -> str:
        """Asks the one who knows."""
        return str(specialist.invoke({"messages": [("user", question)]})["messages"][-1].content)

    desk: Any = create_agent(model(DESK), [ask_specialist], name="desk")
    assert desk.invoke({"messages": [("user", "hi")]})


def langgraph(url: str) -> None:
    """Two agents of one graph; a tool of the first says that the second goes on."""
    from langchain.agents import create_agent
    from langchain.tools import tool
    from langchain_openai import ChatOpenAI
    from langgraph.graph import START, MessagesState, StateGraph
    from langgraph.types import Command

    def model(name: str) -> Any:
        return ChatOpenAI(model=name, base_url=f"{url}/v1", api_key="k")  # type: ignore[arg-type]

    @tool
    def transfer() -> Any:
        """Hands over to the specialist."""
        return Command(goto="specialist", graph=Command.PARENT)

    desk: Any = create_agent(model(DESK), [transfer], name="desk")
    specialist: Any = create_agent(model(SPECIALIST), [get_weather], name="specialist")
    graph: Any = StateGraph(MessagesState)
    graph.add_node("desk", desk, destinations=("specialist",))
    graph.add_node("specialist", specialist)
    graph.add_edge(START, "desk")
    assert graph.compile(name="help").invoke({"messages": [("user", "hi")]})


def strands(url: str) -> None:
    from strands import Agent
    from strands import tool as make
    from strands.models.openai import OpenAIModel
    from strands.multiagent import Swarm

    def agent(name: str, model: str, tools: list[Any]) -> Any:
        client = OpenAIModel(client_args={"base_url": f"{url}/v1", "api_key": "k"}, model_id=model)
        return Agent(model=client, tools=tools, name=name, callback_handler=None)

    desk, specialist = agent("desk", DESK, []), agent("specialist", SPECIALIST, [make(get_weather)])
    assert Swarm([desk, specialist], entry_point=desk)("hi").status.value == "completed"


def strands_tools(url: str) -> None:
    from strands import Agent
    from strands import tool as make
    from strands.models.openai import OpenAIModel

    def model(name: str) -> Any:
        return OpenAIModel(client_args={"base_url": f"{url}/v1", "api_key": "k"}, model_id=name)

    specialist = Agent(
        model=model(SPECIALIST),
        tools=[make(get_weather)],
        name="specialist",
        callback_handler=None,
        description="knows",
    )
    desk = Agent(model=model(DESK), tools=[specialist.as_tool()], name="desk", callback_handler=None)
    assert desk("hi")


def agent_framework(url: str) -> None:
    from agent_framework import Agent
    from agent_framework.openai import OpenAIChatCompletionClient

    def client(model: str) -> Any:
        return OpenAIChatCompletionClient(model=model, api_key="k", base_url=f"{url}/v1")

    specialist = Agent(client=client(SPECIALIST), name="specialist", tools=[get_weather])
    desk = Agent(client=client(DESK), name="desk", tools=[specialist.as_tool(name="ask_specialist")])

    async def run() -> None:
        assert await desk.run("hi")

    asyncio.run(run())


def agent_framework_handoff(url: str) -> None:
    from agent_framework import Agent
    from agent_framework.openai import OpenAIChatCompletionClient
    from agent_framework.orchestrations import HandoffBuilder

    def client(model: str) -> Any:
        return OpenAIChatCompletionClient(model=model, api_key="k", base_url=f"{url}/v1")

    specialist = Agent(
        client=client(SPECIALIST),
        name="specialist",
        tools=[get_weather],
        require_per_service_call_history_persistence=True,
    )
    desk = Agent(client=client(DESK), name="desk", require_per_service_call_history_persistence=True)

    async def run() -> None:
        workflow = HandoffBuilder(name="help", participants=[desk, specialist]).with_start_agent(desk).build()
        assert [event async for event in workflow.run("hi", stream=True)]

    asyncio.run(run())


def google_adk(url: str) -> None:
    os.environ["GOOGLE_GEMINI_BASE_URL"] = url
    from google.adk.agents import Agent
    from google.adk.runners import InMemoryRunner
    from google.genai import types

    specialist = Agent(name="specialist", model=GEMINI_SPECIALIST, tools=[get_weather], description="knows")
    desk = Agent(name="desk", model=GEMINI_DESK, sub_agents=[specialist])

    async def run() -> None:
        runner = InMemoryRunner(agent=desk, app_name="app")
        session = await runner.session_service.create_session(app_name="app", user_id="u")
        message = types.Content(role="user", parts=[types.Part(text="hi")])
        async for _ in runner.run_async(user_id="u", session_id=session.id, new_message=message):
            pass

    asyncio.run(run())


def semantic_kernel(url: str) -> None:
    import openai
    from semantic_kernel.agents import ChatCompletionAgent
    from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion
    from semantic_kernel.functions import kernel_function

    class Plugin:
        get_weather = staticmethod(kernel_function(name="get_weather")(get_weather))

    def service(model: str) -> Any:
        client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k")
        return OpenAIChatCompletion(ai_model_id=model, async_client=client)

    specialist = ChatCompletionAgent(
        service=service(SPECIALIST), name="specialist", plugins=[Plugin()], description="knows"
    )
    desk = ChatCompletionAgent(service=service(DESK), name="desk", plugins=[specialist])

    async def run() -> None:
        assert await desk.get_response(messages="hi")

    asyncio.run(run())


def crewai(url: str) -> None:
    from crewai import LLM, Agent, Crew, Task
    from crewai.tools import tool as make

    def agent(role: str, model: str, **more: Any) -> Any:
        llm = LLM(model=f"openai/{model}", base_url=f"{url}/v1", api_key="k")
        return Agent(role=role, goal="g", backstory="b", llm=llm, **more)

    specialist = agent("specialist", SPECIALIST, tools=[make("get_weather")(get_weather)])
    desk = agent("desk", DESK, allow_delegation=True)
    Crew(agents=[desk, specialist], tasks=[Task(description="hi", expected_output="x", agent=desk)]).kickoff()


def smolagents(url: str) -> None:
    from smolagents import OpenAIModel, ToolCallingAgent
    from smolagents import Tool as Base

    class Weather(Base):  # type: ignore[misc]
        name, description, output_type = "get_weather", "The weather of a city.", "string"
        inputs: ClassVar = {"city": {"type": "string", "description": "its name"}}

        def forward(self, city: str) -> str:
            return get_weather(city)

    def agent(name: str, model: str, tools: list[Any], **more: Any) -> Any:
        client = OpenAIModel(model_id=model, api_base=f"{url}/v1", api_key="k")
        return ToolCallingAgent(
            tools=tools, model=client, name=name, description="d", max_steps=1, verbosity_level=0, **more
        )

    specialist = agent("specialist", SPECIALIST, [Weather()])
    assert agent("desk", DESK, [], managed_agents=[specialist]).run("hi")


def llama_index(url: str) -> None:
    from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
    from llama_index.core.tools import FunctionTool
    from llama_index.llms.openai import OpenAI

    def agent(name: str, model: str, tools: list[Any], **more: Any) -> Any:
        llm = OpenAI(model=model, api_base=f"{url}/v1", api_key="k")
        return FunctionAgent(name=name, description="d", llm=llm, tools=tools, streaming=False, **more)

    desk = agent("desk", DESK, [], can_handoff_to=["specialist"])
    specialist = agent("specialist", SPECIALIST, [FunctionTool.from_defaults(get_weather)], can_handoff_to=[])

    async def run() -> None:
        assert await AgentWorkflow(agents=[desk, specialist], root_agent="desk").run("hi")

    asyncio.run(run())


def autogen(url: str) -> None:
    from autogen_agentchat.agents import AssistantAgent
    from autogen_agentchat.conditions import TextMentionTermination
    from autogen_agentchat.teams import Swarm

    def agent(name: str, model: str, **more: Any) -> Any:
        client = autogen_client(url, model, include_name_in_message=False)
        return AssistantAgent(name, client, description="d", **more)

    desk = agent("desk", DESK, handoffs=["specialist"])
    specialist = agent("specialist", SPECIALIST, tools=[get_weather], reflect_on_tool_use=True)

    async def run() -> None:
        team = Swarm([desk, specialist], termination_condition=TextMentionTermination("Hello"))
        assert await team.run(task="hi")

    asyncio.run(run())


def agno(url: str) -> None:
    from agno.agent import Agent
    from agno.models.openai import OpenAIChat
    from agno.team import Team

    def model(name: str) -> Any:
        return OpenAIChat(id=name, base_url=f"{url}/v1", api_key="k")

    specialist = Agent(
        id="specialist", name="specialist", model=model(SPECIALIST), tools=[get_weather], telemetry=False
    )
    assert Team(members=[specialist], name="desk", model=model(DESK), telemetry=False).run("hi")


Run = Callable[[str], None]
ALL: dict[Run, tuple[tuple[int, int], tuple[str, ...]]] = {
    pydantic_ai: (ASKS, ("pydantic_ai.models.openai", "pydantic_ai.providers.openai")),
    agents: (HANDS_OVER, ("agents",)),
    langchain: (ASKS, ("langchain.agents", "langchain_openai")),
    langgraph: ((1, 1), ("langchain.agents", "langchain_openai", "langgraph.graph")),
    strands: (ASKS, ("strands.models.openai", "strands.multiagent")),
    strands_tools: (ASKS, ("strands.models.openai",)),
    agent_framework: (ASKS, ("agent_framework.openai",)),
    agent_framework_handoff: (HANDS_OVER, ("agent_framework.openai", "agent_framework_orchestrations")),
    google_adk: ((1, 1), ("google.adk.agents", "google.adk.runners")),
    semantic_kernel: (ASKS, ("semantic_kernel.agents", "semantic_kernel.connectors.ai.open_ai")),
    crewai: (ASKS, ("crewai",)),
    smolagents: (ASKS, ("smolagents",)),
    llama_index: ((1, 1), ("llama_index.core.agent.workflow", "llama_index.llms.openai")),
    autogen: ((1, 1), ("autogen_agentchat.teams", "autogen_ext.models.openai")),
    agno: (ASKS, ("agno.team", "agno.models.openai")),
}
"""How each runs its two agents -> the model calls and tool calls of the desk, and what is imported for it."""
