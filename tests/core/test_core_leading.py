"""What a leader has: it comes when there is something to lead for, and no call of the process waits while it is imported."""

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
import json, sys
from otel_llm import runtime
member = runtime.current().member
begun = [member.role, [name for name in sys.modules if name.startswith("otel_llm.")], sorted(sys.modules)]
import otel_llm
calls = otel_llm.stats()["total"]["calls"]
print(json.dumps([*begun, calls, "otel_llm.aggregate.store" in sys.modules]))
"""
OF_A_LEADER = {
    "aggregate.store",
    "aggregate.window.engine",
    "cluster.election",
    "cluster.consumer",
    "core.conditions",
    "pricing.table",
}


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
    role, ours, _, calls, asked = json.loads(run(AT_START, OTEL_LLM_METRICS_SERVER="off").stdout)
    assert role == "leader"
    assert {f"otel_llm.{name}" for name in OF_A_LEADER} & set(ours) == set()
    assert (calls, asked) == (0, True)
