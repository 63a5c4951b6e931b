"""A model call that only a foreign span reports: counted as a call, from what the span says."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from otel_llm.calls.observe import active
from otel_llm.calls.observer import Observer
from otel_llm.calls.reported import Reported
from otel_llm.calls.runs import Step
from otel_llm.core.model import Reader, Request, Response, Usage

from . import reading, steps


def _reads_nothing(_: Any, __: Response) -> None: ...


READER = Reader(_reads_nothing)


def count(observer: Observer, step: Step, span: Any, seconds: float, error: str) -> None:
    """Count the call of an inference span that has ended. It has no span of ours, and no chunk of it was seen."""
    attributes = span.attributes or {}
    operation = str(attributes.get(reading.OPERATION) or reading.operation_of(span.name))
    model = reading.model(attributes) or attributes.get("gen_ai.response.model")
    host, port = _server(attributes.get("server.address"), attributes.get("server.port"))
    request = Request(
        reading.provider(attributes), operation, str(model) if model else None, READER, host, port,
        attributes.get("gen_ai.request.stream") is True,
    )  # fmt: skip
    call = Reported(observer, request, ())
    call.step = step.parent
    response = call.response
    response.model = attributes.get("gen_ai.response.model")
    response.finish_reasons = reading.finish_reasons(attributes)
    response.usage = reading.usage(attributes)
    call.recorded = span.context if span.context.trace_flags.sampled else None
    call.count(error, seconds)


def reported(
    step: Step,
    provider: str,
    model: str,
    usage: Usage,
    seconds: float,
    *,
    answered: str = "",
    reasons: tuple[str, ...] = (),
    error: str = "",
) -> None:
    """Count the call of an inference step that a framework's hook reports, unless one inside of it was counted, and make its
    span. ``error`` is an error type of the closed set."""
    observer = active()
    if step.covered or observer is None:
        return
    name = reading.PROVIDERS.get(provider.lower(), provider.lower()) or "_OTHER"
    call = Reported(observer, Request(name, "chat", model or None, READER), ())
    call.step = step.parent
    call.response.model, call.response.usage, call.response.finish_reasons = answered or None, usage, list(reasons)
    with steps.inside(step.parent):
        call.show(error, seconds)
    above = step.parent
    while above is not None:  # a model that asks another for its answer: one call
        above.covered = above.covered or above.resolve() == "inference"
        above = above.parent


def _server(address: Any, port: Any) -> tuple[str | None, int | None]:
    """Host and port; some frameworks put a whole URL there."""
    if not isinstance(address, str) or not address:
        return None, None
    if "://" in address:
        parts = urlsplit(address)
        return parts.hostname, port if isinstance(port, int) else parts.port
    return address, port if isinstance(port, int) else None
