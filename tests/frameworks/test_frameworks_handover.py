"""Two agents, one of which asks the other or hands over to it: runs, calls, tools, tokens and cost are each agent's own."""

from __future__ import annotations

from collections import Counter

import pytest
from frameworks_common import installed
from frameworks_handover import ALL, DESK, GEMINI_DESK, GEMINI_SPECIALIST, SPECIALIST, Script
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from otel_llm.aggregate import Store
from otel_llm.core.config import Config
from otel_llm.core.model import Observation
from otel_llm.pricing.pricer import Pricer
from otel_llm.testing import Captured, capture
from otel_llm.testing.loopback import Loopback

trace.set_tracer_provider(TracerProvider())
CALL_USD = {DESK: 0.00045, SPECIALIST: 0.000027, GEMINI_DESK: 0.000325, GEMINI_SPECIALIST: 0.00008}
"""What 100 tokens in and 20 out cost, worked out by hand from the list prices."""
TEAM = "agno"  # whose leader is no agent
NO_PROVIDER = "strands"  # which names itself as the provider: a call that only its span reports has no price


HERE = installed({run: modules for run, (_, modules) in ALL.items()})


def sums_of(captured: Captured, metric: str) -> dict[str, float]:
    """The sum of a metric's events by agent, without those of zero."""
    sums: Counter[str] = Counter()
    for event in captured.events:
        if event.metric == metric:
            sums[event.labels[0]] += event.value
    return {agent: value for agent, value in sums.items() if value}


def by_agent(store: Store, at: float, metric: str) -> dict[tuple[str, str], float]:
    """What a store has of a metric by agent and kind of token."""
    sums: Counter[tuple[str, str]] = Counter()
    for view in store.views(at):
        for row in view.rows if view.metric.name == metric else ():
            labels = dict(zip(view.names, row.labels, strict=True))
            sums[labels.get("gen_ai_agent_name", ""), labels.get("gen_ai_token_type", "")] += row.cell.value
    return dict(sums)


@pytest.mark.parametrize("libraries", [(), ("ollama",)], ids=["patched", "unpatched"])
@pytest.mark.parametrize("name", HERE)
def test_each_agent_has_its_own(name: str, libraries: tuple[str, ...]) -> None:
    (calls, tools), _ = ALL[HERE[name]]
    pricer = Pricer(Config())
    with (
        Loopback() as server,
        capture(*libraries, price=pricer.of_call, tracer=trace.get_tracer("otel_llm")) as captured,
    ):
        server.script = Script()
        HERE[name](server.url)
        made: list[Observation] = captured.calls
    desk = "" if name == TEAM else "desk"
    models = Counter((call.agent, call.request_model) for call in made)
    assert {agent: number for (agent, _), number in models.items()} == {desk: calls, "specialist": 2}
    assert len(models) == 2  # each agent has asked its own model
    assert [(call.error_type, call.input_tokens, call.output_tokens) for call in made] == [("", 100, 20)] * (calls + 2)
    runs = Counter(
        event.labels[:2] for event in captured.events if event.metric == "gen_ai_invoke_agent_duration_seconds"
    )
    others = {"langgraph": {("help", ""): 1}, TEAM: {("desk", ""): 0}}.get(name, {})
    assert runs == Counter({("desk", ""): 1, ("specialist", ""): 1, **others})
    agents = {"desk": calls, "specialist": 2} if desk else {"specialist": 2}
    assert sums_of(captured, "gen_ai_invoke_agent_inference_calls") == agents
    of_tools = {"desk": tools, "specialist": 1} if desk else {"specialist": 1}
    assert sums_of(captured, "gen_ai_invoke_agent_tool_calls") == {
        agent: number for agent, number in of_tools.items() if number
    }
    named = Counter(
        event.labels[2:4] for event in captured.events if event.metric == "gen_ai_execute_tool_duration_seconds"
    )
    assert named == Counter({(desk or "_none", ""): tools, ("specialist", ""): 1})
    prices = {} if libraries and name.startswith(NO_PROVIDER) else CALL_USD
    costs = {agent or "_none": prices.get(model, 0.0) for agent, model in models}
    money_and_tokens(captured, {desk or "_none": calls, "specialist": 2}, costs)


def money_and_tokens(captured: Captured, calls: dict[str, int], costs: dict[str, float]) -> None:
    """Tokens and cost of each agent are exact, and the sums over all of them are the totals."""
    store = Store(Config())
    at = 0.0
    for record in (*captured.calls, *captured.events):
        store.apply(record)
        at = max(at, record.at)
    tokens = by_agent(store, at, "otel_llm_agent_tokens_total")
    assert tokens == {
        (agent, kind): size * number
        for agent, number in calls.items()
        for kind, size in (("input", 100), ("output", 20))
    }
    cost = by_agent(store, at, "otel_llm_agent_cost_usd_total")
    expected = {(agent, ""): costs[agent] * number for agent, number in calls.items()}
    assert cost == pytest.approx(expected)
    assert sum(cost.values()) == pytest.approx(sum(by_agent(store, at, "otel_llm_cost_usd_total").values()))
    both = "gen_ai_client_inference_usage_input_tokens_total", "gen_ai_client_inference_usage_output_tokens_total"
    totals = [sum(by_agent(store, at, metric).values()) for metric in both]
    assert totals == [100 * sum(calls.values()), 20 * sum(calls.values())]
