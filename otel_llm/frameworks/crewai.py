"""CrewAI, by the events of its bus, read where they are sent: crews, agents, tools."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import Args, Around, Framework, Kwargs
from otel_llm.calls.runs import Kind
from otel_llm.core.model import Usage

from . import asked, steps
from .asked import Asked
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
        asked.end(
            step, getattr(source, "provider", None), event.model, usage, "_OTHER" if failed else None, reason=reason
        )
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


framework = Framework(
    name="crewai",
    distribution="crewai",
    requires=">=1.0,<2",
    tested=("1.15.30",),
    hooks=(Around("crewai.events.event_bus", ("CrewAIEventsBus.emit",), lambda *_: None, _sent),),
)
