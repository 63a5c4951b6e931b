"""What the bridge costs for each span that another library makes, in instructions: ``python -m benchmarks.bridge``.

Three kinds of spans are made by OpenTelemetry's SDK with no exporter: one that is none of our business (a query of a database), a
tool's, and a whole run of an agent with two inferences and a tool. Each is counted without otel-llm and with it.
"""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from collections.abc import Callable

from benchmarks import instructions

TIMES = 40
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
    counting = ctypes.CDLL(os.environ["OTEL_LLM_BENCH_COUNTING"])
    counting.begin()
    for make in made:
        for _ in range(TIMES):
            make()
        counting.dump()


def measure() -> dict[str, tuple[float, float]]:
    """Instructions for one of each kind, without otel-llm and with it."""
    found: dict[str, list[int]] = {}
    for mode in ("bare", "watched"):
        with tempfile.TemporaryDirectory() as state:
            environ = {"OTEL_LLM_METRICS_SERVER": "off", "OTEL_LLM_STATE_DIR": state}
            found[mode] = instructions.parts([sys.executable, "-m", "benchmarks.bridge", mode], environ, len(KINDS))
    both = zip(found["bare"], found["watched"], strict=True)
    return {kind: (bare / TIMES, ours / TIMES) for kind, (bare, ours) in zip(KINDS, both, strict=True)}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        subject(watched=sys.argv[1] == "watched")
    else:
        for kind, (bare, ours) in measure().items():
            sys.stdout.write(f"{kind}: {bare:,.0f} instructions, with otel-llm {ours:,.0f} ({ours - bare:+,.0f})\n")
