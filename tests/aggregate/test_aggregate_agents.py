"""What the page says of agents: runs, failures and money of each, the most expensive first."""

from __future__ import annotations

from otel_llm.aggregate import Store
from otel_llm.aggregate.agents import MOST
from otel_llm.core.config import Config
from otel_llm.core.model import Event, Observation

AT = 1_763_711_000.0


def ran(name: str, *errors: str) -> list[Event]:
    return [Event("gen_ai_invoke_agent_duration_seconds", AT, (name, error), 2.0) for error in errors]


def spent(name: str, usd: float) -> Observation:
    call = Observation(AT, "openai", "gpt-x", "chat", "gpt-x", "", "", 0.5, input_tokens=1)
    return call._replace(agent=name, cost=usd, cost_source="prices")


def test_agents_by_what_they_spend() -> None:
    store = Store(Config())
    records = [
        *ran("desk", "", "", "timeout", "cancelled"),
        *ran("writer", ""),
        spent("desk", 0.5),
        spent("writer", 2.0),
        spent("", 9.0),
    ]
    for record in records:
        store.apply(record)
    assert store.status(AT + 1, {})["agents"] == [
        {"name": "writer", "runs": 1, "failed": 0.0, "cost": 2.0}, {"name": "desk", "runs": 4, "failed": 0.25, "cost": 0.5},
    ]  # fmt: skip


def test_none_and_many() -> None:
    store = Store(Config())
    assert store.status(AT, {})["agents"] == []
    for number in range(MOST + 5):
        store.apply(ran(f"agent-{number:02}", "")[0])
    assert [one["name"] for one in store.status(AT, {})["agents"]] == [f"agent-{number:02}" for number in range(MOST)]
