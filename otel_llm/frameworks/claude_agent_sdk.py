"""Claude Agent SDK: its command line program makes the calls, so runs are read from the messages that it sends: turns, tools,
tokens, and what the run cost."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import field
from typing import Any

from otel_llm.calls.declarations import Around, Framework
from otel_llm.core.model import Usage
from otel_llm.core.shapes import dataclass

from . import inference, steps
from .steps import Open

SOURCE = "claude_agent_sdk"
AGENT = "claude"
MOST = 1000
"""Runs that are open at once; past it the oldest is given up."""


@dataclass
class Run:
    """A run of the program: its step, its tools that are open, and the answers of the model, by their id."""

    opened: Open
    began: float = field(default_factory=time.perf_counter)
    tools: dict[str, tuple[Open, Any]] = field(default_factory=dict)
    answers: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)


_runs: OrderedDict[str, Run] = OrderedDict()


def _parsed(_: Any, __: Any, message: Any, error: BaseException | None) -> None:
    """A message of the program's was read."""
    if error is not None or message is None:
        return
    kind = type(message).__name__
    session = getattr(message, "session_id", None) or (getattr(message, "data", None) or {}).get("session_id")
    if kind == "SystemMessage" and message.subtype == "init":
        _run(str(session or ""))
    elif kind == "AssistantMessage":
        _answered(_run(str(session or "")), message)
    elif kind == "UserMessage":
        _returned(message)
    elif kind == "ResultMessage":
        _ended(str(session or ""), message)


def _run(session: str) -> Run:
    """The run of a session; one message need not name it, and belongs to the newest then."""
    if not session and _runs:
        return next(reversed(_runs.values()))
    run = _runs.get(session)
    if run is None:
        opened = steps.begin("agent", AGENT, SOURCE, enter=False, gen_ai__conversation__id=session)
        run = _runs[session] = Run(opened)
        while len(_runs) > MOST:
            _runs.popitem(last=False)[1].opened.step.ended = True
    return run


def _answered(run: Run, message: Any) -> None:
    """A part of an answer of the model; those of one answer have one id, and each the usage so far."""
    key = str(message.message_id or len(run.answers))
    run.answers[key] = (str(message.model or ""), dict(message.usage or {}))
    for block in message.content:
        if type(block).__name__ == "ToolUseBlock":
            opened = steps.begin("tool", str(block.name), SOURCE, parent=run.opened.step, enter=False)
            run.tools[str(block.id)] = opened, block.input


def _returned(message: Any) -> None:
    content = message.content if isinstance(message.content, list) else []
    for block in content:
        if type(block).__name__ != "ToolResultBlock":
            continue
        for run in _runs.values():
            if (pending := run.tools.pop(str(block.tool_use_id), None)) is not None:
                failed = "tool_error" if block.is_error else None
                pending[0].end(failed, tool_type="function", arguments=pending[1], result=str(block.content))


def _ended(session: str, message: Any) -> None:
    run = _runs.pop(session, None) or _run(session)
    _runs.pop(session, None)
    for opened, _ in run.tools.values():
        opened.end("abandoned")
    _count(run, message)
    interrupted = str(message.terminal_reason or "").startswith("aborted")
    run.opened.end("cancelled" if interrupted else "_OTHER" if message.is_error else None)


def _count(run: Run, message: Any) -> None:
    """Count the calls of the model. The program says what the run cost: each call has the share that its tokens are of all."""
    usages = [_usage(counts) for _, counts in run.answers.values()]
    weights: list[int] = [(usage.input_tokens or 0) + 5 * (usage.output_tokens or 0) for usage in usages]
    total, whole = message.total_cost_usd, float(sum(weights))
    seconds = (time.perf_counter() - run.began) / max(1, len(usages))
    for (model, _), usage, weight in zip(run.answers.values(), usages, weights, strict=True):
        if total is not None and whole:
            usage.cost_usd = float(total) * weight / whole
        step = steps.begin("inference", "", SOURCE, parent=run.opened.step, enter=False).step
        inference.reported(step, "anthropic", model, usage, seconds)


def _usage(counts: dict[str, Any]) -> Usage:
    read, written = counts.get("cache_read_input_tokens"), counts.get("cache_creation_input_tokens")
    fresh = counts.get("input_tokens")
    whole = None if fresh is None else fresh + (read or 0) + (written or 0)
    usage = Usage.of(whole, counts.get("output_tokens"))
    usage.cache_read_tokens, usage.cache_write_tokens = read, written
    return usage


framework = Framework(
    name="claude_agent_sdk",
    distribution="claude-agent-sdk",
    requires=">=0.2,<1",
    tested=("0.2.189",),
    hooks=(Around("claude_agent_sdk._internal.message_parser", ("parse_message",), _parsed),),
    notes="The calls are made by its own program: they are counted when the run has ended, with the cost that it reports.",
)
