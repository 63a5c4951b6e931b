"""agno, around the functions that run an agent, a team, and a tool, and that ask a model. It has hooks for the host's own use,
which its owner sets."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from otel_llm.calls.declarations import Args, Around, Framework, Kwargs, Replace
from otel_llm.calls.reporting import Reporting
from otel_llm.calls.runs import Kind
from otel_llm.core.model import Usage

from . import asked, steps
from .asked import Answer
from .steps import Open
from .streamed import follow, follow_async

SOURCE = "agno"
_MODELS = "agno.models.base"
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


@contextmanager
def _running(kind: str, args: Args, kwargs: Kwargs) -> Iterator[list[Any]]:
    """A run is open while the block runs. Its answer, which the block puts into the list, may say that it has failed."""
    opened = _begin(kind, args, kwargs)
    answers: list[Any] = []
    with Reporting(opened.end), opened.current():
        yield answers
    opened.end(_failed(answers[0]))


def _whole(kind: str) -> Callable[[Any, Any], Any]:
    def make(original: Any, _: Any) -> Any:
        @functools.wraps(original)
        def run(*args: Any, **kwargs: Any) -> Any:
            with _running(kind, args, kwargs) as answers:
                answers.append(original(*args, **kwargs))
            return answers[0]

        return run

    return make


def _whole_async(kind: str) -> Callable[[Any, Any], Any]:
    def make(original: Any, _: Any) -> Any:
        @functools.wraps(original)
        async def run(*args: Any, **kwargs: Any) -> Any:
            with _running(kind, args, kwargs) as answers:
                answers.append(await original(*args, **kwargs))
            return answers[0]

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


def _read(model: Any, response: Any) -> Answer:
    counts = getattr(response, "response_usage", None)
    usage = None
    if counts is not None:
        usage = Usage(counts.input_tokens, counts.output_tokens, counts.cache_read_tokens, counts.cache_write_tokens)
    return Answer(getattr(model, "provider", None), getattr(model, "id", None), usage)


def _hooks(kind: str) -> tuple[Replace, ...]:
    module = f"agno.{kind}._run"
    return (
        *(Replace(module, name, _whole(kind)) for name in ("_run", "_continue_run")),
        *(Replace(module, name, _whole_async(kind)) for name in ("_arun", "_acontinue_run")),
        *(Replace(module, name, _streamed(kind, follow)) for name in ("_run_stream", "_continue_run_stream")),
        *(Replace(module, name, _streamed(kind, follow_async)) for name in ("_arun_stream", "_acontinue_run_stream")),
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
        asked.around(_MODELS, ("Model._invoke_with_retry", "Model._ainvoke_with_retry"), SOURCE, _read),
        asked.streamed(_MODELS, "Model._invoke_stream_with_retry", SOURCE, _read, follow),
        asked.streamed(_MODELS, "Model._ainvoke_stream_with_retry", SOURCE, _read, follow_async),
    ),
    notes="A team is a workflow; what its leader asks and calls is its own, and no agent's. "
    "A run that goes on after it has waited for a human is one more run.",
)
