"""One worker of a service: makes up a past of calls, and answers what it is asked on standard input, one line of JSON each."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from typing import Any

import otel_llm
from otel_llm import runtime
from otel_llm.core import dispatch
from otel_llm.core.model import Observation


def past(seed: str) -> str:
    """Half an hour of calls of two tenants, of which globex's take nine times as long, and half of them fail."""
    dice, now = random.Random(int(seed)), time.time()
    for second in range(1800, 0, -1):
        tenant = ("acme", "globex")[second % 2]
        seconds = (9.0 if tenant == "globex" else 1.0) * dice.lognormvariate(0, 0.3)
        error = "timeout" if tenant == "globex" and dice.random() < 0.5 else ""
        call = Observation(
            now - second, "openai", "gpt-4o", "chat", "gpt-4o", "api.test", error, seconds, (tenant,), input_tokens=100,
            output_tokens=200, cost=0.01, cost_source="prices",
        )  # fmt: skip
        dispatch.emit(call)
    return "done"


def check() -> dict[str, Any]:
    """What nine seconds are called: by each tenant's calls, by those around, and by any."""
    found = {
        tenant: otel_llm.check("latency", 9.0, model="gpt-4o", labels={"tenant": tenant})
        for tenant in ("acme", "globex", "initech")
    }
    with otel_llm.labels(tenant="acme", feature="chat"):
        found["around"] = otel_llm.check("latency", 9.0, model="gpt-4o")
    found["any"] = otel_llm.check("latency", 9.0, model="gpt-4o")
    try:
        otel_llm.check("latency", 9.0, model="gpt-4o", labels={"team": "a"})
    except ValueError as error:
        return {**found, "error": str(error)}
    return found


def role() -> str:
    running = runtime.current()
    assert running is not None
    return running.member.role


ANSWERS: dict[str, Callable[..., Any]] = {
    "past": past, "check": check, "role": role, "stats": otel_llm.stats, "dashboard": lambda: otel_llm.dashboard(120),
}  # fmt: skip


def main() -> None:
    otel_llm.instrument()
    for line in sys.stdin:
        name, *given = line.split()
        print(json.dumps(ANSWERS[name](*given)), flush=True)


if __name__ == "__main__":
    main()
