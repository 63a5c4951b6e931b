"""smolagents, which has no hooks: around the methods that run an agent and that call a tool."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import Args, Around, Framework, Kwargs

from . import steps
from .steps import Open

SOURCE = "smolagents"


def _begins(agent: Any, _: Args, kwargs: Kwargs) -> Open | None:
    if kwargs.get("stream"):
        return None  # a generator, which runs when it is read: its steps are seen one by one
    return steps.begin("agent", str(getattr(agent, "name", None) or type(agent).__name__), SOURCE)


def _ended(_: Any, run: Open | None, __: Any, error: BaseException | None) -> None:
    if run is not None:
        run.end(error)


def _calls(_: Any, args: Args, kwargs: Kwargs) -> tuple[Open, Any] | None:
    name = str(kwargs.get("tool_name", args[0] if args else ""))
    if name == "final_answer":
        return None  # the way in which an agent answers, and no tool
    arguments = kwargs.get("arguments", args[1] if len(args) > 1 else None)
    return steps.begin("tool", name, SOURCE), arguments


def _called(_: Any, call: tuple[Open, Any] | None, result: Any, error: BaseException | None) -> None:
    if call is not None:
        call[0].end(error, tool_type="function", arguments=call[1], result=result)


framework = Framework(
    name="smolagents",
    distribution="smolagents",
    requires=">=1.20,<2",
    tested=("1.26.0",),
    hooks=(
        Around("smolagents.agents", ("MultiStepAgent.run",), _ended, _begins),
        Around("smolagents.agents", ("ToolCallingAgent.execute_tool_call",), _called, _calls),
    ),
    notes="Tools that a CodeAgent calls from its code, and runs with stream=True, are not seen as such.",
)
