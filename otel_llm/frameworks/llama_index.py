"""LlamaIndex, by a span handler of its dispatcher: agent workflows, tools, retrievers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from otel_llm.calls import runs
from otel_llm.calls.declarations import Framework, Register
from otel_llm.core.guard import guard
from otel_llm.core.model import Usage

from . import asked, steps
from .asked import Answer, Asked
from .steps import Open

SOURCE = "llama_index"
MOST = 10_000
"""Spans that are open at once; past it the oldest is given up."""
_HOOK = guard("framework")


_ASK = ("chat", "achat", "complete", "acomplete")
_TURN = ("AgentWorkflow.run_agent_step", "AgentWorkflow.call_tool")
"""The steps of a workflow of several agents in which one of them works."""


class Spans:
    """The open spans by LlamaIndex's ids, which begin with ``Class.method``."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Open | Asked, Any]] = {}
        self._turns: dict[str, AbstractContextManager[None]] = {}
        self._agents: dict[int, Open] = {}  # the agent that works in a workflow of several, by the workflow's step

    def enter(self, key: str, arguments: Any, instance: Any) -> None:
        """A span begins, in the context of what it is about."""
        span = key.partition("-")[0]
        if span in _TURN:
            self._turn(key, arguments.arguments.get("ev"))
            return
        kind, name = _known(instance, span.rpartition(".")[2])
        if kind is None:
            return
        about = dict(arguments.arguments) if kind == "tool" else instance
        self._open[key] = asked.begin(SOURCE) if kind == "inference" else steps.begin(kind, name, SOURCE), about
        if len(self._open) > MOST:
            self._forget(self._open.pop(next(iter(self._open)))[0])

    def _turn(self, key: str, event: Any) -> None:
        """An agent of a workflow of several works: the one that worked before goes on, or hands over to this one."""
        around = runs.current()
        while around is not None and around.resolve() != "workflow":
            around = around.parent
        if around is None:
            return
        agent, name = self._agents.get(id(around)), getattr(event, "current_agent_name", None)
        if name is not None and (agent is None or agent.step.name != name):
            if agent is not None:
                agent.end()
            agent = self._agents[id(around)] = steps.begin("agent", str(name), SOURCE, parent=around, enter=False)
        if agent is not None:
            turn = self._turns[key] = agent.current()
            turn.__enter__()

    def _forget(self, opened: Open | Asked) -> None:
        step = opened.opened.step if isinstance(opened, Asked) else opened.step
        step.ended = True
        self._agents.pop(id(step), None)

    def leave(self, key: str, result: Any = None, error: BaseException | None = None) -> None:
        """A span has ended."""
        turn = self._turns.pop(key, None)
        if turn is not None:
            turn.__exit__(None, None, None)
        entry = self._open.pop(key, None)
        if entry is None:
            return
        opened, about = entry
        if isinstance(opened, Asked):
            asked.end(opened, Answer(_provider(about), getattr(about, "model", None), _usage(result)), error)
        elif opened.step.kind == "tool":
            failed: Any = error or ("_OTHER" if getattr(result, "is_error", False) else None)
            opened.end(failed, tool_type="function", arguments=about, result=str(getattr(result, "content", result)))
        elif opened.step.kind == "retrieval":
            opened.end(error, documents=len(result) if isinstance(result, list) else None)
        else:
            agent = self._agents.pop(id(opened.step), None)
            if agent is not None:
                agent.end(error)
            opened.end(error)


def _known(instance: Any, method: str) -> tuple[Any, str]:
    """Kind and name of what a span is about, by the classes that its object has."""
    classes = {kind.__name__ for kind in type(instance).__mro__}
    if method == "run" and "BaseWorkflowAgent" in classes:
        return "agent", str(getattr(instance, "name", "") or "")
    if method == "run" and "Workflow" in classes:
        return "workflow", type(instance).__name__
    if method in ("call", "acall") and "BaseTool" in classes:
        return "tool", str(instance.metadata.name or "")
    if method in ("retrieve", "aretrieve") and "BaseRetriever" in classes:
        return "retrieval", type(instance).__name__
    if method in _ASK and "BaseLLM" in classes:
        return "inference", ""
    return None, ""


def _provider(model: Any) -> str:
    """Who is behind a model of LlamaIndex, by the name of its package: ``llama_index.llms.openai``."""
    return type(model).__module__.removeprefix("llama_index.llms.").partition(".")[0]


def _usage(response: Any) -> Usage | None:
    """The tokens of an answer, in the words of OpenAI's or of Anthropic's library."""
    raw = getattr(response, "raw", None)
    usage = raw.get("usage") if isinstance(raw, dict) else getattr(raw, "usage", None)
    counts: Any = usage if isinstance(usage, dict) else vars(usage) if hasattr(usage, "__dict__") else {}
    return Usage(
        counts.get("prompt_tokens", counts.get("input_tokens")),
        counts.get("completion_tokens", counts.get("output_tokens")),
    )


def put_in(module: Any) -> Callable[[], None]:
    """Add a handler to the root dispatcher, which gets all spans."""
    spans = Spans()
    base: Any = sys.modules["llama_index_instrumentation.span_handlers"].BaseSpanHandler

    class Handler(base):  # type: ignore[misc]
        """Sees spans begin and end. LlamaIndex keeps nothing of them here: there is no span object of its own."""

        def span_enter(self, id_: str, bound_args: Any, instance: Any = None, **_: Any) -> None:
            with _HOOK:
                spans.enter(id_, bound_args, instance)

        def span_exit(self, id_: str, *_: Any, result: Any = None, **__: Any) -> None:
            with _HOOK:
                spans.leave(id_, result)

        def span_drop(self, id_: str, *_: Any, err: Any = None, **__: Any) -> None:
            with _HOOK:
                spans.leave(id_, None, err)

        def new_span(self, *_: Any, **__: Any) -> None: ...

        def prepare_to_exit_span(self, *_: Any, **__: Any) -> None: ...

        def prepare_to_drop_span(self, *_: Any, **__: Any) -> None: ...

    handler = Handler()
    root = module.root_dispatcher
    root.add_span_handler(handler)

    def take_out() -> None:
        root.span_handlers = [each for each in root.span_handlers if each is not handler]

    return take_out


framework = Framework(
    name="llama_index",
    distribution="llama-index-core",
    requires=">=0.13,<1",
    tested=("0.14.25",),
    hooks=(Register("llama_index_instrumentation", put_in),),
    notes="In an AgentWorkflow each agent's part, up to the next hand-over, is a run of that agent.",
)
