"""CrewAI, by the events of its bus, read where they are sent: crews, agents, tools."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from otel_llm.calls.declarations import Args, Around, Framework, Kwargs
from otel_llm.calls.runs import Kind, Step
from otel_llm.core.model import Usage

from . import asked, steps
from .asked import Answer, Asked
from .steps import Open

SOURCE = "crewai"
MOST = 10_000
"""Steps that are open at once; past it the oldest is given up."""

_STARTS: dict[str, Kind] = {
    "crew_kickoff_started": "workflow", "flow_started": "workflow", "agent_execution_started": "agent",
    "lite_agent_execution_started": "agent", "tool_usage_started": "tool", "llm_call_started": "inference",
}  # fmt: skip
_ENDS = {
    "crew_kickoff_completed": "workflow", "crew_kickoff_failed": "workflow", "flow_finished": "workflow", "flow_failed": "workflow",
    "agent_execution_completed": "agent", "agent_execution_error": "agent", "lite_agent_execution_completed": "agent",
    "lite_agent_execution_error": "agent", "tool_usage_finished": "tool", "tool_usage_error": "tool",
    "tool_execution_error": "tool", "llm_call_completed": "inference", "llm_call_failed": "inference",
}  # fmt: skip
_open: dict[Any, list[Open | Asked]] = {}


def _name(event: Any) -> str:
    agent = getattr(event, "agent", None)
    info = getattr(event, "agent_info", None) or {}
    for name in (
        getattr(event, "tool_name", None), getattr(event, "crew_name", None), getattr(event, "flow_name", None),
        getattr(agent, "role", None), info.get("role"), getattr(event, "agent_role", None),
    ):  # fmt: skip
        if name:
            return str(name).strip()
    return ""


def _key(kind: str, source: Any, event: Any) -> Any:
    """What the start and the end of one step have in common."""
    if kind == "tool":
        return (
            kind,
            getattr(event, "agent_id", None) or getattr(event, "agent_key", None),
            event.tool_name,
            str(event.tool_args),
        )
    if kind == "inference":
        return kind, event.call_id
    return kind, id(getattr(event, "agent", None) or source)


def _own(word: str, source: Any) -> bool:
    """Whether an event is of a flow that CrewAI itself is made of, as the one in which an agent runs."""
    return word.startswith("flow_") and type(source).__module__.startswith("crewai.")


def _sent(_: Any, args: Args, kwargs: Kwargs) -> None:
    source, event = kwargs.get("source", args[0] if args else None), kwargs.get("event", args[-1] if args else None)
    word = str(getattr(event, "type", ""))
    if _own(word, source):
        return
    if word in _STARTS:
        kind = _STARTS[word]
        opened = asked.begin(SOURCE) if kind == "inference" else steps.begin(kind, _name(event), SOURCE)
        _open.setdefault(_key(kind, source, event), []).append(opened)
        if len(_open) > MOST:
            del _open[next(iter(_open))]
    elif word in _ENDS:
        _end(_ENDS[word], source, event, failed=word.endswith(("error", "failed")))


def _end(kind: str, source: Any, event: Any, *, failed: bool) -> None:
    key = _key(kind, source, event)
    opened = _open.get(key)
    if not opened:
        return
    step = opened.pop()
    if not opened:
        _open.pop(key, None)
    if isinstance(step, Asked):
        counts = getattr(event, "usage", None) or {}
        usage = Usage(counts.get("prompt_tokens"), counts.get("completion_tokens"), counts.get("cached_prompt_tokens"))
        reason = getattr(event, "finish_reason", None)
        answer = Answer(getattr(source, "provider", None), event.model, usage, reason)
        asked.end(step, answer, "_OTHER" if failed else None)
        return
    if kind != "tool":
        step.end("_OTHER" if failed else None)
        return
    failed = failed or bool(getattr(event, "failure", None))
    step.end(
        "_OTHER" if failed else None,
        tool_type="function",
        arguments=event.tool_args,
        result=str(getattr(event, "output", "")),
    )


def _leaves(kind: Kind) -> Callable[[Any, Any, Any, BaseException | None], None]:
    """The end of a method that runs a crew, a flow or an agent. CrewAI sends no event where it is cancelled or interrupted."""

    def ended(runner: Any, _: Any, __: Any, error: BaseException | None) -> None:
        run = _open.get((kind, id(runner))) if error is not None and not isinstance(error, Exception) else None
        if run:
            _leave(run[-1], error)

    return ended


def _leave(run: Open | Asked, error: BaseException | None) -> None:
    """End a run that is left, and before it what is open inside of it, the innermost first."""
    for key, opened in reversed(list(_open.items())):
        for step in [step for step in opened if _opened(run).step in _around(step)]:
            opened.remove(step)
            _opened(step).end(error)
        if not opened:
            _open.pop(key, None)


def _opened(step: Open | Asked) -> Open:
    return step.opened if isinstance(step, Asked) else step


def _around(step: Open | Asked) -> Iterator[Step]:
    """The step, and those around it."""
    around: Step | None = _opened(step).step
    while around is not None:
        yield around
        around = around.parent


framework = Framework(
    name="crewai",
    distribution="crewai",
    requires=">=1.0,<2",
    tested=("1.15.30",),
    hooks=(
        Around("crewai.events.event_bus", ("CrewAIEventsBus.emit",), lambda *_: None, _sent),
        Around("crewai.crew", ("Crew.kickoff", "Crew.akickoff"), _leaves("workflow")),
        Around("crewai.flow.runtime", ("Flow.kickoff_async",), _leaves("workflow")),
        Around("crewai.agent.core", ("Agent.execute_task", "Agent.aexecute_task"), _leaves("agent")),
        Around("crewai.agent.core", ("Agent.kickoff", "Agent.kickoff_async"), _leaves("agent")),
    ),
)
