"""DSPy: modules that use tools are agents, a program around them is a workflow. Its callbacks are one list that the host sets,
so the methods that they are called around are watched."""

from __future__ import annotations

import time
from typing import Any

from otel_llm.calls import runs
from otel_llm.calls.declarations import Args, Around, Framework, Kwargs
from otel_llm.core.model import Usage

from . import inference, reading, steps
from .steps import Open

SOURCE = "dspy"
AGENTS = ("ReAct", "CodeAct", "RLM")
ANSWER = ("finish", "submit")
"""What the model calls to say that it is done: no tool of anybody's."""


def _begins(module: Any, _: Args, __: Kwargs) -> Open | None:
    names = [kind.__name__ for kind in type(module).__mro__ if kind.__module__.startswith("dspy.predict")]
    if any(name in AGENTS for name in names):
        return steps.begin("agent", type(module).__name__, SOURCE)
    outer = runs.current()
    if type(module).__module__.startswith("dspy.") or (outer is not None and outer.source == SOURCE):
        return None  # a part of a program
    return steps.begin("workflow", type(module).__name__, SOURCE)


def _ended(_: Any, run: Open | None, __: Any, error: BaseException | None) -> None:
    if run is not None:
        run.end(error)


def _calls(tool: Any, _: Args, kwargs: Kwargs) -> tuple[Open, Any] | None:
    name = str(getattr(tool, "name", None) or type(tool).__name__)
    return None if name in ANSWER else (steps.begin("tool", name, SOURCE), dict(kwargs))


def _called(_: Any, call: tuple[Open, Any] | None, result: Any, error: BaseException | None) -> None:
    if call is not None:
        call[0].end(error, tool_type="function", arguments=call[1], result=str(result))


def _asks(_: Any, args: Args, kwargs: Kwargs) -> tuple[Any, Open, float]:
    return kwargs.get("lm", args[0] if args else None), steps.begin("inference", "", SOURCE), time.perf_counter()


def _answered(_: Any, begun: tuple[Any, Open, float], result: Any, error: BaseException | None) -> None:
    """A model has answered, by a client of DSPy's own or by one that is watched, whose calls are counted there."""
    model, opened, since = begun
    opened.end(error)
    counts = getattr(result, "usage", None)
    provider, _, name = str(getattr(model, "model", "")).partition("/")
    if error is not None:
        seconds = time.perf_counter() - since
        inference.reported(opened.step, provider, name or provider, Usage(), seconds, error=reading.raised(error))
        return
    if getattr(result, "cache_hit", False) or not isinstance(counts, dict):
        return
    details = counts.get("prompt_tokens_details") or {}
    usage = Usage.of(counts.get("prompt_tokens"), counts.get("completion_tokens"))
    usage.cache_read_tokens = details.get("cached_tokens") if isinstance(details, dict) else None
    answered = str(getattr(result, "response_model", None) or "")
    inference.reported(opened.step, provider, name or provider, usage, time.perf_counter() - since, answered=answered)


framework = Framework(
    name="dspy",
    distribution="dspy",
    requires=">=3,<4",
    tested=("3.4.1",),
    hooks=(
        Around("dspy.primitives.module", ("Module.__call__", "Module.acall"), _ended, _begins),
        Around("dspy.clients.execution", ("execute", "aexecute"), _answered, _asks),
        Around("dspy.adapters.types.tool", ("Tool.__call__", "Tool.acall"), _called, _calls),
    ),
    notes="ReAct, CodeAct and RLM are agents; a module of your own around them is a workflow.",
)
