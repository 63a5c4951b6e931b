"""What the bridge costs for each span that another library makes: ``python -m benchmarks.bridge [--json] [--quick]``.

Three kinds of spans are made by OpenTelemetry's SDK with no exporter: one that is none of our business (a query of a database), a
tool's, and a whole run of an agent with two inferences and a tool. Each is counted without otel-llm and with it, in instructions and in
microseconds of processor time.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from benchmarks import instructions

TIMES = 40
ROUNDS, QUICK = 7, 2
KINDS = ("a span that is not ours", "a tool's span", "a run: an agent, two inferences, a tool")


def kinds(tracer: object) -> tuple[Callable[[], None], ...]:
    """What makes one of each kind."""
    span = tracer.start_as_current_span  # type: ignore[attr-defined]
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "support"}
    model = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-x",
             "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20}  # fmt: skip

    def other() -> None:
        with span("SELECT", attributes={"db.system.name": "postgresql", "db.operation.name": "SELECT"}):
            pass

    def of_tool() -> None:
        with span("execute_tool search", attributes=tool):
            pass

    def run() -> None:
        with span("invoke_agent support", attributes=agent):
            for _ in range(2):
                with span("chat gpt-x", attributes=model):
                    pass
            of_tool()

    return other, of_tool, run


def subject(*, watched: bool) -> None:
    """Make the spans, and have each kind counted."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
    if watched:
        import otel_llm

        otel_llm.instrument()
    made = kinds(trace.get_tracer("benchmark"))
    for make in made:
        for _ in range(TIMES):
            make()
    if "OTEL_LLM_BENCH_COUNTING" not in os.environ:
        sys.stdout.write(json.dumps([min(timed(make) for _ in range(20)) for make in made]))
        return
    counting = ctypes.CDLL(os.environ["OTEL_LLM_BENCH_COUNTING"])
    counting.begin()
    for make in made:
        for _ in range(TIMES):
            make()
        counting.dump()


def timed(make: Callable[[], None]) -> float:
    """Microseconds of one."""
    began = time.process_time()
    for _ in range(TIMES):
        make()
    return (time.process_time() - began) / TIMES * 1e6


def measure(processes: int = ROUNDS) -> dict[str, dict[str, float]]:
    """What one of each kind takes without otel-llm (``bare``) and with it (``ours``): microseconds, the least of some processes in
    turn, and instructions where they can be counted."""
    times: dict[str, list[list[float]]] = {"bare": [], "watched": []}
    found: dict[str, dict[str, float]] = {kind: {} for kind in KINDS}
    for _ in range(processes):
        for mode, each in times.items():
            with tempfile.TemporaryDirectory() as state:
                told = subprocess.run(
                    command(mode), env={**os.environ, **environ(state)}, capture_output=True, text=True, check=True
                )
            each.append(json.loads(told.stdout))
    for mode, name in (("bare", "bare"), ("watched", "ours")):
        for kind, values in zip(KINDS, zip(*times[mode], strict=True), strict=True):
            found[kind][f"{name}_us"] = min(values)
        if instructions.available():
            with tempfile.TemporaryDirectory() as state:
                counts = instructions.parts(command(mode), environ(state), len(KINDS))
            for kind, count in zip(KINDS, counts, strict=True):
                found[kind][name] = count / TIMES
    return found


def command(mode: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.bridge", mode]


def environ(state: str) -> dict[str, str]:
    return {"OTEL_LLM_METRICS_SERVER": "off", "OTEL_LLM_STATE_DIR": state}


def main() -> None:
    """Measure, and print sentences or JSON."""
    told = measure(QUICK if "--quick" in sys.argv else ROUNDS)
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(told))
        return
    for kind, one in told.items():
        sys.stdout.write(f"{kind}: {one['bare_us']:.1f} us, with otel-llm {one['ours_us']:.1f}")
        if "ours" in one:
            more = one["ours"] - one["bare"]
            sys.stdout.write(f"; {one['bare']:,.0f} instructions, with otel-llm {one['ours']:,.0f} ({more:+,.0f})")
        sys.stdout.write("\n")


if __name__ == "__main__":
    if sys.argv[1:2] in (["bare"], ["watched"]):
        subject(watched=sys.argv[1] == "watched")
    else:
        main()
