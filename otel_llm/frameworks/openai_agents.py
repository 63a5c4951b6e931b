"""OpenAI Agents SDK, by a tracing processor of its own kind: workflows, agents, tools, and models that nobody else counts."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from otel_llm.calls.declarations import Around, Framework, Register
from otel_llm.core.guard import guard
from otel_llm.core.model import Usage

from . import inference, reading, steps
from .steps import Open

SOURCE = "openai-agents"
MOST = 10_000
"""Spans that are open at once; past it the oldest is given up."""
_HOOK = guard("framework")
_KINDS: dict[str, Any] = {"agent": "agent", "function": "tool", "generation": "inference", "response": "inference"}


class Processor:
    """Sees the SDK's traces and spans begin and end, in the context in which they do."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Open, float]] = {}

    def _begin(self, key: str, kind: Any, name: str, parent: str | None) -> None:
        above = self._open.get(parent or "")
        began = steps.begin(kind, name, SOURCE, parent=steps.HERE if above is None else above[0].step)
        self._open[key] = began, time.perf_counter()
        if len(self._open) > MOST:
            self._open.pop(next(iter(self._open)))[0].step.ended = True

    def on_trace_start(self, trace: Any) -> None:
        """A workflow begins: the runs of one or more agents."""
        with _HOOK:
            self._begin(trace.trace_id, "workflow", str(trace.name or ""), None)

    def on_trace_end(self, trace: Any) -> None:
        """A workflow has ended."""
        with _HOOK:
            entry = self._open.pop(trace.trace_id, None)
            if entry is not None:
                entry[0].end(_left())

    def on_span_start(self, span: Any) -> None:
        """A step begins. Those of kinds that are not ours only hold the tree together."""
        with _HOOK:
            data = span.span_data
            kind = _KINDS.get(data.type, "")
            self._begin(span.span_id, kind, str(getattr(data, "name", None) or ""), span.parent_id or span.trace_id)

    def on_span_end(self, span: Any) -> None:
        """A step has ended."""
        with _HOOK:
            entry = self._open.pop(span.span_id, None)
            if entry is None:
                return
            opened, since = entry
            data, failed = span.span_data, "_OTHER" if span.error else _left()
            if opened.step.kind == "tool":
                opened.end(failed, tool_type="function", arguments=data.input, result=data.output)
                return
            opened.end(failed)
            if opened.step.kind == "inference" and not failed:
                _count(opened, data, time.perf_counter() - since)

    def shutdown(self) -> None:
        """Part of the SDK's interface; there is nothing to do."""

    def force_flush(self) -> None:
        """Part of the SDK's interface; there is nothing to do."""


def _left() -> str | None:
    """``cancelled`` where the code that ends a span is being left by its caller: the SDK says nothing of that."""
    error = sys.exc_info()[1]
    return None if error is None or isinstance(error, Exception) else reading.raised(error)


def _count(opened: Open, data: Any, seconds: float) -> None:
    """Count the call of a model that no client library of ours has seen."""
    response = getattr(data, "response", None)
    reported = getattr(response, "usage", None) if response is not None else getattr(data, "usage", None)
    if not reported:
        return
    counts: Any = reported if isinstance(reported, dict) else vars(reported)
    model = str(getattr(response, "model", None) or getattr(data, "model", None) or "")
    inference.reported(
        opened.step, "openai", model, Usage(counts.get("input_tokens"), counts.get("output_tokens")), seconds
    )


_PROCESSOR = Processor()


def put_in(module: Any) -> Callable[[], None]:
    """Add the processor to the SDK's own, and again where the host sets others."""
    provider = module.get_trace_provider()
    provider.register_processor(_PROCESSOR)

    def take_out() -> None:
        many = provider._multi_processor  # noqa: SLF001 - there is no public way to take one out
        many.set_processors([each for each in many._processors if each is not _PROCESSOR])  # noqa: SLF001

    return take_out


def _again(many: Any, _: Any, __: Any, error: BaseException | None) -> None:
    if error is None and _PROCESSOR not in many._processors:  # noqa: SLF001
        many.add_tracing_processor(_PROCESSOR)


framework = Framework(
    name="openai_agents",
    distribution="openai-agents",
    requires=">=0.5,<1",
    tested=("0.24.0",),
    hooks=(
        Register("agents.tracing", put_in),
        Around("agents.tracing.provider", ("SynchronousMultiTracingProcessor.set_processors",), _again),
    ),
    notes="Nothing is seen of agents while the SDK's tracing is disabled; their model calls are.",
)
