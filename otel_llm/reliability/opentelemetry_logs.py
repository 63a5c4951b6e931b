"""Evaluations that others in the process report: the event ``gen_ai.evaluation.result`` on OpenTelemetry's SDK, whoever emits it."""

from __future__ import annotations

from typing import Any

from opentelemetry.trace import get_current_span

from otel_llm.calls.context import custom_values
from otel_llm.calls.declarations import Args, Around, Kwargs, ReliabilityLibrary

from .evaluations import EVENT, OURS, count, result_of


def _emitted(_: Any, args: Args, kwargs: Kwargs) -> None:
    record = args[0] if args else kwargs.get("record")
    name = getattr(record, "event_name", None) if record is not None else kwargs.get("event_name")
    if name != EVENT or OURS.get():
        return
    attributes = (getattr(record, "attributes", None) if record is not None else kwargs.get("attributes")) or {}
    result = result_of(attributes)
    if result is not None:
        context = get_current_span(kwargs.get("context")).get_span_context()
        trace = getattr(record, "trace_id", None) or context.trace_id
        of = str(attributes.get("gen_ai.provider.name", "")), str(attributes.get("gen_ai.request.model", ""))
        count(of, result, custom_values(), format(trace, "032x") if trace else "")


signal = ReliabilityLibrary(
    name="opentelemetry_logs",
    distribution="opentelemetry-sdk",
    requires=">=1.30,<2",
    tested=("1.45.2",),
    hooks=(Around("opentelemetry.sdk._logs._internal", ("Logger.emit",), lambda *_: None, _emitted),),
    notes="Events gen_ai.evaluation.result of any evaluator in the process.",
)
