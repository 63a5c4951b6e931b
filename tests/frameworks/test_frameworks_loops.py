"""Runs that go in circles, in frameworks as they are: the same tool call, answered the same again, is named; a polled tool is not."""

from __future__ import annotations

import queue
from collections.abc import Callable
from itertools import count

import pytest
from frameworks_common import installed, recorded
from frameworks_handover import Script
from frameworks_runs import ALL
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from otel_llm.outputs import alerts
from otel_llm.testing import capture
from otel_llm.testing.loopback import Loopback

trace.set_tracer_provider(TracerProvider())
TIMES = 8
"""How often the model asks for its tool."""
BOUNDED = ("dspy", "claude_agent_sdk", "semantic_kernel")
"""Runs of the first two are over here after one tool call; those of Semantic Kernel by themselves after five."""
ASKED_FOR = ("smolagents", "autogen")  # they ask how often a tool may be called
NAMED = {"haystack": "agent"}  # an agent without a name of its own
FRAMEWORKS = installed({run: modules for run, modules in ALL.items() if run.__name__ not in BOUNDED})
CHANGING = count()


@pytest.mark.parametrize(
    ("answer", "repeats"), [(lambda: "sunny", TIMES - 1), (lambda: str(next(CHANGING)), 0)], ids=["loop", "polling"]
)
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_loop_is_named_and_polling_is_not(name: str, answer: Callable[[], str], repeats: int) -> None:
    def get_weather(city: str = "x") -> str:
        """The weather of a city."""
        return answer()

    named: queue.Queue[alerts.Anomaly] = queue.Queue()
    remove = alerts.on_anomaly(named.put, signal="runaway_run")
    with Loopback() as server, capture() as captured:
        server.script = Script(TIMES)
        more = {"turns": TIMES} if name in ASKED_FOR else {}
        FRAMEWORKS[name](server.url, get_weather, stream=False, **more)
    who = NAMED.get(name, "weather_agent"), "get_weather"
    assert recorded(captured, "gen_ai_invoke_agent_tool_calls") == [(who[:1], TIMES)]
    assert recorded(captured, "otel_llm_tool_repeats_total") == [(who, 1)] * repeats
    if repeats:
        expected = f"[CRITICAL] runaway_run: value=5, detail=agent {who[0]}, tool {who[1]}"
        assert str(named.get(timeout=30)) == expected
    remove()
    assert named.empty()
