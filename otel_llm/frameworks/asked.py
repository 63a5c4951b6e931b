"""Models that a framework's own methods ask: counted as calls, unless a client library that we watch made them."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from otel_llm.core.model import Usage

from . import inference, steps
from .steps import Open


class Asked(NamedTuple):
    """A call of a model that is open. Calls of client libraries that begin inside of it are the same call."""

    opened: Open
    began: float


def begin(source: str, *, enter: bool = True) -> Asked:
    """A framework asks a model."""
    return Asked(steps.begin("inference", "", source, enter=enter), time.perf_counter())


def end(
    asked: Asked,
    provider: Any,
    model: Any,
    usage: Usage | None,
    error: BaseException | str | None,
    *,
    reason: Any = None,
) -> None:
    """The model has answered with ``usage``, or has failed. Failures, and answers that say nothing of tokens, are not counted."""
    asked.opened.end(error)
    if error is None and usage is not None and usage.known:
        reasons = (str(reason),) if reason else ()
        seconds = time.perf_counter() - asked.began
        inference.reported(asked.opened.step, str(provider or ""), str(model or ""), usage, seconds, reasons=reasons)
