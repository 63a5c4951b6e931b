"""Evaluations: what an evaluator, a judge or a user thinks of an answer, as the conventions' event and as metrics."""

from __future__ import annotations

import inspect
import time
from contextvars import ContextVar
from math import isfinite
from typing import Any

from opentelemetry.trace import Span, SpanContext, get_current_span, set_span_in_context

from otel_llm.calls.context import custom_values
from otel_llm.core import dispatch
from otel_llm.core.guard import guarded
from otel_llm.core.model import Event
from otel_llm.core.semconv.table import SCHEMA_URL
from otel_llm.core.version import __version__

EVENT = "gen_ai.evaluation.result"
SCORES, COUNTS = "otel_llm_evaluation_score", "otel_llm_evaluations_total"
_LONGEST = 128
OURS: ContextVar[bool] = ContextVar("otel_llm_evaluation", default=False)
"""Set while an event of ours is emitted, so that it is not counted again."""


def record_evaluation(
    name: str,
    score: float | None = None,
    *,
    label: str | None = None,
    response_id: str | None = None,
    span: Span | SpanContext | None = None,
    provider: str = "",
    model: str = "",
) -> None:
    """Record what an evaluation says of an answer: as a metric by its ``name``, and as the event ``gen_ai.evaluation.result``.

    ``name`` is the evaluation's (``faithfulness``, ``thumbs``), ``score`` a finite number on a scale of its own, ``label`` a word of few
    (``pass``, ``fail``, ``up``); one of the two has to be there. ``response_id`` is that of the answer, ``span`` its span, open or
    ended (the current one by default): the event and the exemplar lead there, and provider and model are read from it unless they
    are given. A user's feedback is ``record_evaluation("thumbs", 1.0)``.

    Raises ValueError for a name that is empty, a score that is no finite number, or neither score nor label.
    """
    if not name or not isinstance(name, str):
        raise ValueError(f"name {name!r} is no evaluation's (allowed: a text)")
    if score is not None and not (isinstance(score, int | float) and isfinite(score)):
        raise ValueError(f"score {score!r} is not a finite number")
    if score is None and not label:
        raise ValueError("an evaluation needs a score, a label, or both")
    _record(
        (name[:_LONGEST], None if score is None else float(score), (label or "")[:_LONGEST]),
        response_id,
        span,
        (provider, model),
    )


def _recorded(result: tuple[str, float | None, str], response_id: str | None, span: Any, of: tuple[str, str]) -> None:
    span = get_current_span() if span is None else span
    context = span if isinstance(span, SpanContext) else span.get_span_context()
    attributes = getattr(span, "attributes", None) or {}
    provider = of[0] or str(attributes.get("gen_ai.provider.name", ""))
    model = of[1] or str(attributes.get("gen_ai.request.model", ""))
    trace_id = format(context.trace_id, "032x") if context.is_valid and context.trace_flags.sampled else ""
    count((provider, model), result, custom_values(), trace_id)
    _emit(result, response_id or attributes.get("gen_ai.response.id"), span, (provider, model))


def count(
    of: tuple[str, str], result: tuple[str, float | None, str], custom: tuple[str, ...] = (), trace_id: str = ""
) -> None:
    """Count a result: name, score and label, for provider and model."""
    name, score, label = result
    now = time.time()
    dispatch.emit(Event(COUNTS, now, (*of, name, label, *custom), 1.0, trace_id))
    if score is not None:
        dispatch.emit(Event(SCORES, now, (*of, name, *custom), score, trace_id))


def _emit(result: tuple[str, float | None, str], response_id: Any, span: Any, of: tuple[str, str]) -> None:
    from opentelemetry import _logs  # noqa: PLC0415 - only where there is something to say

    if "event_name" not in inspect.signature(_logs.Logger.emit).parameters:
        return  # an OpenTelemetry before 1.36, which knows no events
    name, score, label = result
    attributes = {
        "gen_ai.evaluation.name": name, "gen_ai.evaluation.score.value": score, "gen_ai.evaluation.score.label": label or None,
        "gen_ai.response.id": response_id, "gen_ai.provider.name": of[0] or None, "gen_ai.request.model": of[1] or None,
    }  # fmt: skip
    from opentelemetry.trace import NonRecordingSpan  # noqa: PLC0415 - as above

    current = NonRecordingSpan(span) if isinstance(span, SpanContext) else span
    token = OURS.set(True)
    try:
        _logs.get_logger("otel_llm", __version__, schema_url=SCHEMA_URL).emit(
            event_name=EVENT, timestamp=time.time_ns(), context=set_span_in_context(current),
            severity_text="INFO", severity_number=_logs.SeverityNumber.INFO,
            attributes={key: value for key, value in attributes.items() if value is not None},
        )  # fmt: skip
    finally:
        OURS.reset(token)


def result_of(attributes: Any) -> tuple[str, float | None, str] | None:
    """Name, score and label in the attributes of such an event; None where they are of no evaluation."""
    name, score = attributes.get("gen_ai.evaluation.name"), attributes.get("gen_ai.evaluation.score.value")
    if not isinstance(name, str) or not name:
        return None
    number = float(score) if isinstance(score, int | float) and isfinite(score) else None
    return name[:_LONGEST], number, str(attributes.get("gen_ai.evaluation.score.label") or "")[:_LONGEST]


_record = guarded("evaluations", _recorded, 4)
