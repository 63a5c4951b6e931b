"""What a start imports: nothing that only leaders or calls need. It comes before it is needed, and no call waits for it."""

from __future__ import annotations

import json
from typing import Any

LEADER = "import otel_llm, sys\notel_llm.instrument()\nprint(flush=True)\nsys.stdin.read()\n"
TAKEOVER = """
import json, sys, time
import otel_llm
otel_llm.instrument()
from otel_llm import runtime
member = runtime.current().member
assert member.role == "follower"
imported = []

class Watch:
    def find_spec(self, name, path=None, target=None):
        imported.append((name, member.lock._is_owned()))

sys.meta_path.insert(0, Watch())
print(flush=True)
sys.stdin.readline()
while not (member.role == "leader" and member.describe()["live"] == 0 and runtime.current().endpoint.port):
    time.sleep(0.01)
print(json.dumps(imported), flush=True)
"""
AT_START = """
import asyncio, dataclasses, importlib.metadata, inspect, logging, sys, tempfile, wrapt
from opentelemetry import baggage, trace
before = set(sys.modules)
import otel_llm
otel_llm.instrument()
from otel_llm import runtime
begun = sorted(set(sys.modules) - before)
role = runtime.current().member.role
calls = otel_llm.stats()["total"]["calls"]
import json
print(json.dumps([role, begun, calls, "otel_llm.aggregate.store" in sys.modules]))
"""
MODULES = 126
"""Of ours that a start imports, which is most of what it costs: 123 when this was written, and 182 with what a leader has."""
OF_A_LEADER = {
    "aggregate.store",
    "aggregate.window.engine",
    "cluster.election",
    "cluster.consumer",
    "core.conditions",
    "pricing.table",
}
OF_CALLS = {"hashlib", "json", "opentelemetry.metrics", "otel_llm.core.catalogue", "otel_llm.pricing.pricer"}
"""What a start does without, some ten milliseconds together."""


def test_a_takeover_imports_without_the_lock_that_calls_wait_for(start: Any) -> None:
    """It imports some sixty modules, in as many milliseconds."""
    leader = start(LEADER, bare=True)
    leader.stdout.readline()
    follower = start(TAKEOVER, bare=True)
    follower.stdout.readline()
    leader.kill()
    leader.communicate(timeout=60)
    out, err = follower.communicate("go\n", timeout=60)
    assert follower.returncode == 0, err
    imported = json.loads(out)
    assert {"otel_llm.aggregate.store", "otel_llm.cluster.election"} <= {name for name, _ in imported}
    assert [name for name, locked in imported if locked] == []


def test_a_start_leads_with_nothing_of_a_leader_until_somebody_asks(run: Any) -> None:
    role, begun, calls, asked = json.loads(run(AT_START, bare=True, OTEL_LLM_METRICS_SERVER="off").stdout)
    assert role == "leader"
    assert {f"otel_llm.{name}" for name in OF_A_LEADER} & set(begun) == set()
    assert (calls, asked) == (0, True)


def test_a_start_imports_no_more_than_it_must(run: Any) -> None:
    begun = set(json.loads(run(AT_START, bare=True, OTEL_LLM_METRICS_SERVER="off").stdout)[1])
    assert begun & OF_CALLS == set()
    ours = sorted(name for name in begun if name.startswith("otel_llm"))
    assert len(ours) <= MODULES, ours


def test_what_a_start_does_without_is_there_before_a_call(run: Any) -> None:
    program = "import otel_llm, sys\notel_llm.instrument()\nfrom otel_llm import observe\nprint(*sys.modules)"
    assert set(run(program, bare=True, OTEL_LLM_METRICS_SERVER="off").stdout.split()) >= OF_CALLS
