"""More frameworks for ``test_frameworks_runs.py``: how each runs an agent of two model calls and one tool call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from frameworks_common import autogen_client

MODEL = "gpt-4o-tools"
Tool = Callable[..., str]


def autogen(url: str, tool: Tool, *, stream: bool, turns: int = 1) -> None:
    from autogen_agentchat.agents import AssistantAgent

    client = autogen_client(url, MODEL, include_name_in_message=False)
    agent = AssistantAgent(
        "weather_agent", client, tools=[tool], reflect_on_tool_use=True, description="d", max_tool_iterations=turns
    )

    async def run() -> None:
        if stream:
            assert [message async for message in agent.run_stream(task="hi")]
        else:
            assert await agent.run(task="hi")
        await client.close()

    asyncio.run(run())


def agno(url: str, tool: Tool, *, stream: bool) -> None:
    from agno.agent import Agent
    from agno.models.openai import OpenAIChat

    agent = Agent(
        model=OpenAIChat(id=MODEL, base_url=f"{url}/v1", api_key="k"),
        name="weather_agent",
        tools=[tool],
        telemetry=False,
    )
    if stream:
        assert list(agent.run("hi", stream=True))
    else:
        assert agent.run("hi")


def dspy(url: str, tool: Tool, *, stream: bool) -> None:
    import dspy

    class weather_agent(dspy.ReAct):
        """Its name is the agent's."""

    answers = iter(
        [
            {"next_thought": "look", "next_tool_name": "get_weather", "next_tool_args": {"city": "Paris"}},
            {"reasoning": "seen", "answer": "sunny"},
        ]
    )

    class Model(dspy.LM):
        """The loopback's answers are no DSPy fields: tokens and requests are real, the text is replaced."""

        def __call__(self, prompt: Any = None, **more: Any) -> Any:
            super().__call__(prompt, **more)
            return [json.dumps(next(answers))]

    model = Model("openai/gpt-4o", api_base=f"{url}/v1", api_key="k", cache=False)
    with dspy.context(lm=model, adapter=dspy.JSONAdapter()):
        weather_agent("question -> answer", tools=[tool], max_iters=1)(question="hi")


def haystack(url: str, tool: Tool, *, stream: bool) -> None:
    from haystack.components.agents import Agent
    from haystack.components.generators.chat import OpenAIChatGenerator
    from haystack.dataclasses import ChatMessage
    from haystack.tools import create_tool_from_function
    from haystack.utils import Secret

    more: dict[str, Any] = {"generation_kwargs": {"stream_options": {"include_usage": True}}} if stream else {}
    callback = (lambda _: None) if stream else None
    generator = OpenAIChatGenerator(
        model=MODEL, api_base_url=f"{url}/v1", api_key=Secret.from_token("k"), streaming_callback=callback, **more
    )
    agent = Agent(
        chat_generator=generator, tools=[create_tool_from_function(tool)], raise_on_tool_invocation_failure=False
    )
    assert agent.run(messages=[ChatMessage.from_user("hi")])


_USAGE = {"input_tokens": 70, "cache_read_input_tokens": 30, "output_tokens": 20}


def _answer(key: str, *content: dict[str, Any]) -> dict[str, Any]:
    message = {"id": key, "model": "claude-sonnet-4-5", "role": "assistant", "content": list(content), "usage": _USAGE}
    return {"type": "assistant", "message": message, "session_id": "s-1", "parent_tool_use_id": None}


def _returned(tool: Tool) -> dict[str, Any]:
    try:
        content, failed = tool("Paris"), False
    except ValueError:
        content, failed = "it failed", True
    result = {"type": "tool_result", "tool_use_id": "t-1", "content": content, "is_error": failed}
    return {"type": "user", "message": {"role": "user", "content": [result]}, "session_id": "s-1"}


def claude_agent_sdk(_: str, tool: Tool, *, stream: bool) -> None:
    import claude_agent_sdk as sdk

    class Program(sdk.Transport):
        """Stands for the program behind the SDK: it says what that would say."""

        def __init__(self) -> None:
            self.asked: asyncio.Queue[str] = asyncio.Queue()

        async def connect(self) -> None: ...
        async def end_input(self) -> None: ...
        async def close(self) -> None: ...

        def is_ready(self) -> bool:
            return True

        async def write(self, data: str) -> None:
            said = json.loads(data)
            if said.get("type") == "control_request":
                await self.asked.put(said["request_id"])

        async def read_messages(self) -> AsyncIterator[dict[str, Any]]:  # type: ignore[override]
            request = await self.asked.get()
            yield {
                "type": "control_response",
                "response": {"subtype": "success", "request_id": request, "response": {}},
            }
            yield {"type": "system", "subtype": "init", "session_id": "s-1"}
            yield _answer("m-1", {"type": "text", "text": "let me look"})
            yield _answer("m-1", {"type": "tool_use", "id": "t-1", "name": "get_weather", "input": {"city": "Paris"}})
            yield _returned(tool)
            yield _answer("m-2", {"type": "text", "text": "sunny"})
            yield {
                "type": "result", "subtype": "success", "duration_ms": 1200, "duration_api_ms": 900, "is_error": False, "num_turns": 2,
                "session_id": "s-1", "total_cost_usd": 0.03, "usage": _USAGE, "result": "sunny",
            }  # fmt: skip

    async def run() -> None:
        assert [message async for message in sdk.query(prompt="hi", transport=Program())]

    asyncio.run(run())


MORE: dict[Any, tuple[str, ...]] = {
    autogen: ("autogen_agentchat.agents", "autogen_ext.models.openai"),
    agno: ("agno.agent", "agno.models.openai"),
    dspy: ("dspy",),
    haystack: ("haystack.components.agents", "haystack.components.generators.chat"),
    claude_agent_sdk: ("claude_agent_sdk",),
}
