"""An agent in LangGraph with one tool: ``opentelemetry-instrument python examples/langgraph_agent.py``.

Nothing in it is about otel-llm. /metrics shows its run, its two model calls, its tool call, and what the run cost.
"""

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI


def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"Light rain in {city}, 11 degrees."


agent = create_agent(ChatOpenAI(model="gpt-4o-tools"), [get_weather], name="weather_agent")

if __name__ == "__main__":
    answer = agent.invoke({"messages": [{"role": "user", "content": "What is the weather in Turin?"}]})
    print(answer["messages"][-1].content)
