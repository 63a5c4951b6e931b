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
    store.apply(Event("otel_llm_run_cost_usd", AT, ("writer",), 0.5))
    store.apply(Event("otel_llm_run_cost_usd", AT, ("writer",), 1.5))
    assert store.status(AT + 1, {})["agents"] == [
        {"name": "writer", "runs": 1, "failed": 0.0, "cost": 2.0, "mean_s": 2.0, "last": {"runs": 1, "failed": 0.0, "run_cost": 1.0}},
        {"name": "desk", "runs": 4, "failed": 0.25, "cost": 0.5, "mean_s": 2.0, "last": {"runs": 4, "failed": 0.25, "run_cost": None}},
    ]  # fmt: skip
    (desk,) = (one for one in store.status(AT + 1200, {})["agents"] if one["name"] == "desk")
    assert (desk["runs"], desk["last"]) == (4, {"runs": 0.0, "failed": None, "run_cost": None})


def test_tools_by_how_often_they_are_called() -> None:
    store = Store(Config())
    assert store.status(AT, {})["tools"] == []
    for name, error in (("search", ""), ("search", "timeout"), ("search", "cancelled"), ("search", ""), ("mail", "")):
        store.apply(Event("gen_ai_execute_tool_duration_seconds", AT, (name, "function", "desk", error), 0.5))
    store.apply(Event("otel_llm_tool_repeats_total", AT, ("desk", "search"), 2.0))
    last = {"runs": 4, "failed": 0.25, "run_cost": None}
    assert store.status(AT + 1, {})["tools"] == [
        {"name": "search", "runs": 4, "failed": 0.25, "mean_s": 0.5, "repeats": 2.0, "last": last},
        {"name": "mail", "runs": 1, "failed": 0.0, "mean_s": 0.5, "repeats": 0.0, "last": {**last, "runs": 1, "failed": 0.0}},
    ]  # fmt: skip


def test_none_and_many() -> None:
    store = Store(Config())
    assert store.status(AT, {})["agents"] == []
    for number in range(MOST + 5):
        store.apply(ran(f"agent-{number:02}", "")[0])
    assert [one["name"] for one in store.status(AT, {})["agents"]] == [f"agent-{number:02}" for number in range(MOST)]
