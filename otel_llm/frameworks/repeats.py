"""Runs that repeat themselves: the same tool asked the same thing and answering the same again, within one run."""

from __future__ import annotations

import time
from typing import Any

from otel_llm.calls import runs
from otel_llm.calls.context import custom_values
from otel_llm.calls.runs import Step
from otel_llm.core import dispatch
from otel_llm.core.digest import digest
from otel_llm.core.jsonview import written
from otel_llm.core.model import Event

RUNAWAY = 5
"""Repeats of one tool call in one run from which the run counts as repeating itself."""
MOST = 256
"""Different tool calls that are remembered of one run; past it the oldest is forgotten."""


def repeated(run: Step, tool: str, arguments: Any, result: Any, custom: tuple[str, ...]) -> None:
    """Count a tool call of ``run`` whose arguments and result have been seen in it before. Both are kept as hashes only.

    A result that changes is progress, as when a tool is polled. A call of which nobody reports the arguments is not judged.
    """
    if arguments is None:
        return
    if run.repeats is None:
        run.repeats = {}
    key, answered = (tool, _digest(arguments)), _digest(result)
    before, times = run.repeats.pop(key, (None, 0))
    times = times + 1 if before == answered else 0
    run.repeats[key] = answered, times
    if len(run.repeats) > MOST:
        del run.repeats[next(iter(run.repeats))]
    if times:
        dispatch.emit(Event("otel_llm_tool_repeats_total", time.time(), (run.label(), tool, *custom)))
    if times == RUNAWAY:
        dispatch.runaway(run.label(), tool, times)


def compare(tool: str, arguments: Any, result: Any, error: BaseException | None) -> None:
    """As ``repeated``, of the agent run that is current, for a framework whose spans do not have arguments and results."""
    run = runs.agent_run()
    if run is not None:
        repeated(run, tool, arguments, type(error).__name__ if error is not None else result, custom_values())


def _digest(value: Any) -> bytes:
    return digest(value if isinstance(value, str) else written(value))
