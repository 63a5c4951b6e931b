"""agno, around the functions that run an agent, a team, and a tool, and that ask a model. It has hooks for the host's own use,
which its owner sets."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from otel_llm.calls.declarations import Args, Around, Framework, Kwargs, Replace
from otel_llm.calls.runs import Kind
from otel_llm.core.model import Usage

from . import asked, steps
from .asked import Asked
from .steps import Open
from .streamed import follow, follow_async

SOURCE = "agno"
_KINDS: dict[str, Kind] = {"agent": "agent", "team": "workflow"}


def _begin(kind: str, args: Args, kwargs: Kwargs) -> Open:
    runner = args[0] if args else kwargs.get(kind)
    named = getattr(runner, "name", None) or getattr(runner, "id", None) or ""
    conversation = kwargs.get("session_id")
    return steps.begin(_KINDS[kind], str(named), SOURCE, gen_ai__conversation__id=conversation, enter=False)


def _failed(answer: Any) -> str | None:
    """An agent that fails may answer with a run of the status ERROR."""
    status = getattr(getattr(answer, "status", None), "value", None)
    return {"ERROR": "_OTHER", "CANCELLED": "cancelled"}.get(str(status).upper())


def _whole(kind: str) -> Callable[[Any, Any], Any]:
    def make(original: Any, _: Any) -> Any:
        @functools.wraps(original)
        def run(*args: Any, **kwargs: Any) -> Any:
            opened = _begin(kind, args, kwargs)
            answer = None
            try:
                with opened.current():
                    answer = original(*args, **kwargs)
            except BaseException as error:
                opened.end(error)
                raise
            opened.end(_failed(answer))
            return answer

        return run

    return make


def _whole_async(kind: str) -> Callable[[Any, Any], Any]:
    def make(original: Any, _: Any) -> Any:
        @functools.wraps(original)
        async def run(*args: Any, **kwargs: Any) -> Any:
            opened = _begin(kind, args, kwargs)
            answer = None
            try:
                with opened.current():
                    answer = await original(*args, **kwargs)
            except BaseException as error:
                opened.end(error)
                raise
            opened.end(_failed(answer))
            return answer

        return run

    return make


def _streamed(kind: str, follow: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    def make(original: Any, _: Any) -> Any:
        @functools.wraps(original)
        def run(*args: Any, **kwargs: Any) -> Any:
            return follow(original(*args, **kwargs), _begin(kind, args, kwargs))

        return run

    return make


def _calls(call: Any, _: Args, __: Kwargs) -> tuple[Open, Any]:
    return steps.begin("tool", str(call.function.name), SOURCE), call.arguments


def _called(_: Any, begun: tuple[Open, Any], result: Any, error: BaseException | None) -> None:
    opened, arguments = begun
    failed = error or ("_OTHER" if getattr(result, "status", "") == "failure" else None)
    opened.end(failed, tool_type="function", arguments=arguments, result=str(getattr(result, "result", "")))


def _asks(_: Any, __: Args, ___: Kwargs) -> Asked:
    return asked.begin(SOURCE)


def _answered(model: Any, call: Asked, response: Any, error: BaseException | None) -> None:
    counts = getattr(response, "response_usage", None)
    usage = None
    if counts is not None:
        usage = Usage(counts.input_tokens, counts.output_tokens, counts.cache_read_tokens, counts.cache_write_tokens)
    asked.end(call, getattr(model, "provider", None), getattr(model, "id", None), usage, error)


def _streams(follow: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    def make(original: Any, _: Any) -> Any:
        @functools.wraps(original)
        def invoke(model: Any, *args: Any, **kwargs: Any) -> Any:
            call = asked.begin(SOURCE, enter=False)
            ends = lambda _, last, error: _answered(model, call, last, error)  # noqa: E731 - its last item has the tokens
            return follow(original(model, *args, **kwargs), call.opened, ends)

        return invoke

    return make


def _hooks(kind: str) -> tuple[Replace, ...]:
    module = f"agno.{kind}._run"
    return (
        Replace(module, "_run", _whole(kind)),
        Replace(module, "_arun", _whole_async(kind)),
        Replace(module, "_run_stream", _streamed(kind, follow)),
        Replace(module, "_arun_stream", _streamed(kind, follow_async)),
    )


framework = Framework(
    name="agno",
    distribution="agno",
    requires=">=3,<4",
    tested=("3.1.10",),
    hooks=(
        *_hooks("agent"),
        *_hooks("team"),
        Around("agno.tools.function", ("FunctionCall.execute", "FunctionCall.aexecute"), _called, _calls),
        Around("agno.models.base", ("Model._invoke_with_retry", "Model._ainvoke_with_retry"), _answered, _asks),
        Replace("agno.models.base", "Model._invoke_stream_with_retry", _streams(follow)),
        Replace("agno.models.base", "Model._ainvoke_stream_with_retry", _streams(follow_async)),
    ),
    notes="A team is a workflow; what its leader asks and calls is its own, and no agent's.",
)
