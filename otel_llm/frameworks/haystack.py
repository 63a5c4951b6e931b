"""Haystack, by a tracer of its own kind around the one that the host has: pipelines, agents, tools, retrievers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from otel_llm.calls.declarations import Around, Framework, Register
from otel_llm.calls.reporting import Reporting
from otel_llm.calls.runs import Kind
from otel_llm.core.guard import guard
from otel_llm.core.model import Usage

from . import asked, steps
from .asked import Answer, Asked
from .steps import Open

SOURCE = "haystack"
_HOOK = guard("framework")
_KINDS: dict[str, Kind] = {
    "haystack.pipeline.run": "workflow", "haystack.async_pipeline.run": "workflow", "haystack.agent.run": "agent",
    "haystack.agent.step.tool": "tool", "haystack.agent.step.llm": "inference", "haystack.chat_generator.run": "inference",
}  # fmt: skip


class _Span:
    """A span of the host's tracer. What a tool is asked and answers is seen on its way, and not kept."""

    def __init__(self, host: Any, attributes: dict[str, Any]) -> None:
        self._host, self._attributes = host, attributes

    def set_tag(self, key: str, value: Any) -> None:
        """Pass a tag on."""
        self._attributes[key] = value
        self._host.set_tag(key, value)

    def set_tags(self, tags: dict[str, Any]) -> None:
        """Pass tags on."""
        self._attributes.update(tags)
        self._host.set_tags(tags)

    def set_content_tag(self, key: str, value: Any) -> None:
        """Pass content on, which the host's tracer keeps only where its settings ask for it."""
        self._attributes[key] = value
        self._host.set_content_tag(key, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)


class Tracer:
    """Opens a step for what it knows, and has the host's own tracer, if there is one, trace as before."""

    def __init__(self, host: Any) -> None:
        self.host = host

    @contextmanager
    def trace(self, operation_name: str, tags: Any = None, parent_span: Any = None) -> Iterator[Any]:
        """A span of Haystack's."""
        attributes: dict[str, Any] = dict(tags or {})
        parent = getattr(parent_span, "_host", parent_span) if isinstance(parent_span, _Span) else parent_span
        opened: Open | Asked | None = None
        with _HOOK:
            opened = _begun(operation_name, attributes)
        with (
            Reporting(partial(_end, opened, attributes)),
            self.host.trace(operation_name, tags=tags, parent_span=parent) as span,
        ):
            yield _Span(span, attributes)
        _end(opened, attributes, None)

    def current_span(self) -> Any:
        """The host's."""
        return self.host.current_span()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.host, name)


def _begun(operation: str, tags: dict[str, Any]) -> Open | Asked | None:
    kind, name = _KINDS.get(operation), ""
    if kind == "inference":
        return asked.begin(SOURCE)
    if kind is None:
        component = str(tags.get("haystack.component.type", ""))
        if operation != "haystack.component.run" or not component.endswith("Retriever"):
            return None
        kind, name = "retrieval", component
    elif kind == "tool":
        name = str(tags.get("haystack.tool.name", ""))
    elif kind == "agent":
        name = str(tags.get("haystack.agent.name") or "agent")
    else:
        name = str((tags.get("haystack.pipeline.metadata") or {}).get("name") or "pipeline")
    return steps.begin(kind, name, SOURCE)


def _end(opened: Open | Asked | None, attributes: dict[str, Any], error: BaseException | None) -> None:
    if opened is None:
        return
    with _HOOK:
        if isinstance(opened, Asked):
            _answered(opened, attributes, error)
        elif opened.step.kind == "tool":
            failed: Any = error or ("_OTHER" if attributes.get("haystack.tool.error") else None)
            arguments, result = (
                attributes.get("haystack.agent.step.tool.input"),
                attributes.get("haystack.agent.step.tool.output"),
            )
            opened.end(failed, tool_type="function", arguments=arguments, result=result)
        elif opened.step.kind == "retrieval":
            output = attributes.get("haystack.component.output")
            documents = output.get("documents") if isinstance(output, dict) else None
            opened.end(error, documents=len(documents) if isinstance(documents, list) else None)
        else:
            opened.end(error)


def _answered(call: Asked, attributes: dict[str, Any], error: BaseException | None) -> None:
    """A chat generator has answered: its replies say what they took."""
    output = attributes.get("haystack.agent.step.llm.output") or attributes.get("haystack.component.output") or {}
    replies = output.get("replies") or [None]
    meta = getattr(replies[0], "meta", None) or {}
    counts = meta.get("usage") or {}
    read = (counts.get("prompt_tokens_details") or {}).get("cached_tokens")
    usage = Usage(counts.get("prompt_tokens"), counts.get("completion_tokens"), read)
    asked.end(call, Answer("", meta.get("model"), usage, meta.get("finish_reason")), error)


def put_in(module: Any) -> Callable[[], None]:
    """Put the tracer around the one that is there."""
    proxy = module.tracer
    if not isinstance(proxy.actual_tracer, Tracer):
        proxy.actual_tracer = Tracer(proxy.actual_tracer)

    def take_out() -> None:
        if isinstance(proxy.actual_tracer, Tracer):
            proxy.actual_tracer = proxy.actual_tracer.host

    return take_out


def _again(*_: Any) -> None:
    """The host has set another tracer."""
    put_in(sys.modules["haystack.tracing.tracer"])


framework = Framework(
    name="haystack",
    distribution="haystack-ai",
    requires=">=3,<4",
    tested=("3.4.1",),
    hooks=(
        Register("haystack.tracing.tracer", put_in),
        Around("haystack.tracing.tracer", ("enable_tracing", "disable_tracing"), _again),
    ),
    notes="Agents have no names in Haystack: a run is called agent, or by the name in its pipeline's metadata where that is a workflow.",
)
