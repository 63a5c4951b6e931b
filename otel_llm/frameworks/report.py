"""The end of a step as records: durations, calls and tools of an agent run, what the run cost, tools that repeat."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from otel_llm.calls.context import custom_values
from otel_llm.calls.runs import Step
from otel_llm.calls.totals import RequestTotals
from otel_llm.core import dispatch
from otel_llm.core.model import Event
from otel_llm.core.series import NO_AGENT
from otel_llm.core.shapes import dataclass

from .repeats import repeated


@dataclass(slots=True)
class Ending:
    """How a step ended: after ``seconds``, with ``error`` (empty for a success).

    ``tool_type`` is function, extension, datastore or a framework's own word. ``method`` is an MCP request's. ``arguments``
    and ``result`` of a tool are hashed at once and not kept. ``documents`` counts what a retrieval returned.
    """

    seconds: float
    error: str = ""
    tool_type: str = ""
    method: str = ""
    tool: str = ""
    arguments: Any = None
    result: Any = None
    documents: int | None = None
    trace_id: str = ""
    custom: tuple[str, ...] = field(default_factory=custom_values)


_LEFT = ("cancelled", "abandoned")


def report(step: Step, ending: Ending) -> None:
    """Record the end of ``step``, once. An inference is not recorded here: it is a call."""
    if step.ended:
        return
    step.ended = True
    record = _REPORTS.get(step.resolve())
    if record is None:
        return
    above = step.parent
    while above is not None and above.resolve() == "":
        above = above.parent
    if above is None or not _same(step, above, ending.method):
        record(step, ending)
    elif step.resolve() == "mcp_server":
        above.inner = ending


def _same(step: Step, above: Step, method: str) -> bool:
    """Whether the step around this one reports the same thing: FastMCP's client over that of ``mcp``, an instrumentation beside a
    hook. The outer one counts."""
    if above.resolve() != step.resolve():
        return False
    if step.resolve() == "retrieval":  # a retriever over a store: one look-up
        return True
    if step.resolve() in ("mcp_client", "mcp_server"):  # else a list of tools that a client asks for at a call of one
        return above.method() in ("", method)
    if step.resolve() == "tool" and above.source == step.source:
        return above.name == step.name  # a tool that is called through a method of its own
    return above.source != step.source and above.name == step.name


def _emit(metric: str, labels: tuple[str, ...], ending: Ending, value: float) -> None:
    dispatch.emit(Event(metric, time.time(), (*labels, *ending.custom), value, ending.trace_id))


def _agent(step: Step, ending: Ending) -> None:
    name = step.label()
    _emit("gen_ai_invoke_agent_duration_seconds", (name, ending.error), ending, ending.seconds)
    # a run that is left may end before the call that it waits for
    calls = max(step.inference_calls, step.own_begun) if ending.error in _LEFT else step.inference_calls
    _emit("gen_ai_invoke_agent_inference_calls", (name,), ending, calls)
    _emit("gen_ai_invoke_agent_tool_calls", (name,), ending, step.tool_calls)
    if step.tally is not None:
        _run_cost(name, step.tally, ending)


def _run_cost(agent: str, tally: RequestTotals, ending: Ending) -> None:
    """What an outermost run cost: its calls that have a price."""
    if tally.priced:
        _emit("otel_llm_run_cost_usd", (agent,), ending, tally.cost)


def _workflow(step: Step, ending: Ending) -> None:
    _emit("gen_ai_invoke_workflow_duration_seconds", (step.label(), ending.error), ending, ending.seconds)


def _tool(step: Step, ending: Ending) -> None:
    owner = step.around("agent")
    agent = owner.label() if owner is not None else NO_AGENT
    if owner is not None:
        owner.tool_calls += 1
    labels = step.label(), ending.tool_type, agent, ending.error
    _emit("gen_ai_execute_tool_duration_seconds", labels, ending, ending.seconds)
    if owner is not None:
        repeated(owner, step.label(), ending.arguments, ending.result or ending.error, ending.custom)


def _mcp(side: str) -> Callable[[Step, Ending], None]:
    def record(step: Step, ending: Ending) -> None:
        inner = step.inner or ending  # FastMCP's server may name the tool and its failure in a span inside
        labels = ending.method, ending.tool or inner.tool, ending.error or inner.error
        _emit(f"mcp_{side}_operation_duration_seconds", labels, ending, ending.seconds)

    return record


def _retrieval(step: Step, ending: Ending) -> None:
    _emit("otel_llm_retrieval_duration_seconds", (step.label(), ending.error), ending, ending.seconds)
    if ending.documents is not None:
        _emit("otel_llm_retrieval_documents", (step.label(),), ending, ending.documents)


_REPORTS: Mapping[str, Callable[[Step, Ending], None]] = {
    "agent": _agent, "workflow": _workflow, "tool": _tool, "retrieval": _retrieval,
    "mcp_client": _mcp("client"), "mcp_server": _mcp("server"),
}  # fmt: skip
