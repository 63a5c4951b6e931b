"""Models that a framework's own methods ask: counted as calls, unless a client library that we watch made them."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from otel_llm.calls.declarations import Around, Replace
from otel_llm.core.model import Usage
from otel_llm.core.shapes import NamedTuple

from . import inference, steps
from .steps import Open


class Asked(NamedTuple):
    """A call of a model that is open. Calls of client libraries that begin inside of it are the same call."""

    opened: Open
    began: float


class Answer(NamedTuple):
    """What a framework says of an answer; None where it does not."""

    provider: Any
    model: Any
    usage: Usage | None
    reason: Any = None


Read = Callable[[Any, Any], Answer]  # of a framework's model and what that has answered, the last item of a stream


def begin(source: str, *, enter: bool = True) -> Asked:
    """A framework asks a model."""
    return Asked(steps.begin("inference", "", source, enter=enter), time.perf_counter())


def end(asked: Asked, answer: Answer, error: BaseException | str | None) -> None:
    """The model has answered, or has failed. Failures, and answers that say nothing of tokens, are not counted."""
    asked.opened.end(error)
    provider, model, usage, reason = answer
    if error is None and usage is not None and usage.known:
        reasons = (str(reason),) if reason else ()
        seconds = time.perf_counter() - asked.began
        inference.reported(asked.opened.step, str(provider or ""), str(model or ""), usage, seconds, reasons=reasons)


def around(module: str, targets: tuple[str, ...], source: str, read: Read, *, heirs: bool = False) -> Around:
    """The hook around the methods of a framework's model that ask it and return its answer."""

    def answered(model: Any, call: Asked, response: Any, error: BaseException | None) -> None:
        end(call, read(model, response), error)

    return Around(module, targets, answered, lambda *_: begin(source), heirs=heirs)


def streamed(module: str, target: str, source: str, read: Read, follow: Callable[..., Any]) -> Replace:
    """The hook in place of a method of a framework's model that is a generator, which ``follow`` reads."""

    def make(original: Any, _: Any) -> Any:
        @functools.wraps(original)
        def stream(model: Any, *args: Any, **kwargs: Any) -> Any:
            call = begin(source, enter=False)

            def ends(_: Open, last: Any, error: BaseException | None) -> None:
                end(call, read(model, last), error)

            return follow(original(model, *args, **kwargs), call.opened, ends)

        return stream

    return Replace(module, target, make)
