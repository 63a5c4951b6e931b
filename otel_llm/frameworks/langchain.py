"""LangChain and LangGraph, by a callback handler that every run inherits: agents, graphs, tools, retrievers, models."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from otel_llm.calls.declarations import Framework, Register
from otel_llm.core.guard import guard
from otel_llm.core.model import Usage

from . import inference, steps
from .steps import Open

SOURCE = "langchain"
_HOOK = guard("framework")
MOST = 10_000
"""Runs that are open at once; past it the oldest is given up, as where a host drops a run that it streams."""


class Runs:
    """The open runs by LangChain's ids. A graph is known by its first node, so a chain becomes an agent's run only then."""

    def __init__(self) -> None:
        self._open: dict[Any, tuple[Open, dict[str, Any], int]] = {}

    def start(self, kind: Any, name: str, run_id: Any, parent_id: Any, metadata: Any, **attributes: Any) -> None:
        """A run begins."""
        metadata = metadata or {}
        above = self._open.get(parent_id)
        if kind == "" and above is not None:
            self._graph(above, name, metadata)
        began = steps.begin(kind, name, SOURCE, parent=steps.HERE if above is None else above[0].step, **attributes)
        self._open[run_id] = began, metadata, time.time_ns()
        if len(self._open) > MOST:
            self._open.pop(next(iter(self._open)))[0].step.ended = True

    def _graph(self, above: tuple[Open, dict[str, Any], int], name: str, metadata: dict[str, Any]) -> None:
        """Where a node of a graph begins, the run around it is one of a graph: an agent's."""
        outer, around, since = above
        inside = metadata.get("langgraph_checkpoint_ns") != around.get("langgraph_checkpoint_ns")
        if outer.step.kind == "" and inside and metadata.get("langgraph_node") == name:
            agent = metadata.get("lc_agent_name")
            outer.step.kind, outer.step.name = "agent", str(agent or outer.step.name)
            steps.record(outer.step, {}, since)

    def asked(self, run_id: Any) -> Any:
        """The arguments of an open tool call."""
        entry = self._open.get(run_id)
        return entry[1].get("") if entry is not None else None

    def end(self, run_id: Any, error: BaseException | str | None = None, **details: Any) -> None:
        """A run ends; the same as where it began, or in another context."""
        entry = self._open.pop(run_id, None)
        if entry is not None:
            entry[0].end(error, **details)

    def answered(self, run_id: Any, response: Any) -> None:
        """A model has answered: count the call, unless a client library that we watch made it."""
        entry = self._open.pop(run_id, None)
        if entry is None:
            return
        opened, metadata, since = entry
        opened.end()
        message = getattr(response.generations[0][0], "message", None) if response.generations else None
        usage = getattr(message, "usage_metadata", None)
        if usage and usage.get("total_cost") != 0:  # which says that a cache answered
            read = usage.get("input_token_details") or {}
            counted = Usage(
                usage.get("input_tokens"),
                usage.get("output_tokens"),
                read.get("cache_read"),
                read.get("cache_creation"),
            )
            answer = message.response_metadata if message is not None else {}
            inference.reported(
                opened.step, str(metadata.get("ls_provider") or ""), str(metadata.get("ls_model_name") or ""), counted,
                (time.time_ns() - since) / 1e9, answered=str(answer.get("model_name") or ""),
                reasons=tuple(str(answer[key]) for key in ("finish_reason", "stop_reason") if answer.get(key)),
            )  # fmt: skip


class _Handles:
    """Sees runs begin and end, in the context in which they do. Part of a handler of LangChain's own class."""

    run_inline = True

    def __init__(self) -> None:
        self.runs = Runs()

    def on_chain_start(self, serialized: Any, _: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any) -> None:
        """A chain, a graph or a node of one."""
        with _HOOK:
            self.runs.start("", _name(serialized, more), run_id, parent_run_id, more.get("metadata"))

    def on_tool_start(self, serialized: Any, text: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any) -> None:
        """A tool."""
        with _HOOK:
            attributes = {**(more.get("metadata") or {}), "": more.get("inputs") or text}
            self.runs.start("tool", _name(serialized, more), run_id, parent_run_id, attributes)

    def on_retriever_start(
        self, serialized: Any, _: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any
    ) -> None:
        """A retriever, under the name of its vector store where it has one."""
        with _HOOK:
            metadata = more.get("metadata") or {}
            name = str(metadata.get("ls_vector_store_provider") or _name(serialized, more))
            self.runs.start("retrieval", name, run_id, parent_run_id, metadata)

    def on_chat_model_start(self, _: Any, __: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any) -> None:
        """A model."""
        with _HOOK:
            self.runs.start("inference", "", run_id, parent_run_id, more.get("metadata"))

    on_llm_start = on_chat_model_start

    def on_llm_end(self, response: Any, *, run_id: Any, **_: Any) -> None:
        """A model has answered."""
        with _HOOK:
            self.runs.answered(run_id, response)

    def on_chain_end(self, _: Any, *, run_id: Any, **__: Any) -> None:
        """A chain, a graph or a node has ended."""
        with _HOOK:
            self.runs.end(run_id)

    def on_tool_end(self, output: Any, *, run_id: Any, **_: Any) -> None:
        """A tool has answered; LangGraph makes an answer of its error."""
        with _HOOK:
            content = getattr(output, "content", output)
            failed = "_OTHER" if getattr(output, "status", "") == "error" else None
            self.runs.end(run_id, failed, arguments=self.runs.asked(run_id), result=content)

    def on_retriever_end(self, documents: Any, *, run_id: Any, **_: Any) -> None:
        """A retriever returns its documents."""
        with _HOOK:
            self.runs.end(run_id, documents=len(documents))

    def on_chain_error(self, error: BaseException, *, run_id: Any, **_: Any) -> None:
        """A chain, a model or a retriever has failed, or a graph has been left on purpose."""
        with _HOOK:
            self.runs.end(run_id, None if _on_purpose(error) else error)

    on_llm_error = on_retriever_error = on_chain_error

    def on_tool_error(self, error: BaseException, *, run_id: Any, **_: Any) -> None:
        """A tool has failed, or has left its graph on purpose."""
        with _HOOK:
            self.runs.end(run_id, None if _on_purpose(error) else error, arguments=self.runs.asked(run_id))


def _on_purpose(error: BaseException) -> bool:
    """Whether LangGraph leaves a graph by this exception: for another agent of the graph around it, or to wait for a human."""
    return any(kind.__name__ == "GraphBubbleUp" for kind in type(error).__mro__)


def _name(serialized: Any, more: dict[str, Any]) -> str:
    return str(more.get("name") or (serialized or {}).get("name") or "")


def put_in(module: Any) -> Callable[[], None]:
    """Register the handler where every callback manager looks."""
    base = sys.modules["langchain_core.callbacks.base"].BaseCallbackHandler
    handler = type("Handler", (_Handles, base), {})()
    current: ContextVar[Any] = ContextVar("otel_llm_langchain", default=handler)
    module.register_configure_hook(current, True)  # noqa: FBT003 - LangChain's signature
    entry = module._configure_hooks[-1]  # noqa: SLF001 - there is no public way to take one out

    def take_out() -> None:
        module._configure_hooks.remove(entry)  # noqa: SLF001

    return take_out


framework = Framework(
    name="langchain",
    distribution="langchain-core",
    requires=">=0.3,<2",
    tested=("1.8.3",),
    hooks=(Register("langchain_core.tracers.context", put_in),),
    notes="A graph of LangGraph is an agent's run, by the name it was compiled with.",
)
