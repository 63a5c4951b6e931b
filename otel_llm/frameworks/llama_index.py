"""LlamaIndex, by a span handler of its dispatcher: agent workflows, tools, retrievers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from otel_llm.calls.declarations import Framework, Register
from otel_llm.core.guard import guard

from . import steps
from .steps import Open

SOURCE = "llama_index"
MOST = 10_000
"""Spans that are open at once; past it the oldest is given up."""
_HOOK = guard("framework")


class Spans:
    """The open spans by LlamaIndex's ids, which begin with ``Class.method``."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Open, Any]] = {}

    def enter(self, key: str, arguments: Any, instance: Any) -> None:
        """A span begins, in the context of what it is about."""
        kind, name = _known(instance, key.partition("-")[0].rpartition(".")[2])
        if kind is None:
            return
        given = dict(arguments.arguments) if kind == "tool" else None
        self._open[key] = steps.begin(kind, name, SOURCE), given
        if len(self._open) > MOST:
            self._open.pop(next(iter(self._open)))[0].step.ended = True

    def leave(self, key: str, result: Any = None, error: BaseException | None = None) -> None:
        """A span has ended."""
        entry = self._open.pop(key, None)
        if entry is None:
            return
        opened, arguments = entry
        if opened.step.kind == "tool":
            failed: Any = error or ("_OTHER" if getattr(result, "is_error", False) else None)
            opened.end(
                failed, tool_type="function", arguments=arguments, result=str(getattr(result, "content", result))
            )
        elif opened.step.kind == "retrieval":
            opened.end(error, documents=len(result) if isinstance(result, list) else None)
        else:
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
    return None, ""


def put_in(module: Any) -> Callable[[], None]:
    """Add a handler to the root dispatcher, which hears of all spans."""
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

    made = Handler()
    root = module.root_dispatcher
    root.add_span_handler(made)

    def take_out() -> None:
        root.span_handlers = [each for each in root.span_handlers if each is not made]

    return take_out


framework = Framework(
    name="llama_index",
    distribution="llama-index-core",
    requires=">=0.13,<1",
    tested=("0.14.25",),
    hooks=(Register("llama_index_instrumentation", put_in),),
)
