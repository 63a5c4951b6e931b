"""Spans, events and instruments held against the table of the conventions: names, types, enumerations, levels, bounds, units."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from opentelemetry.trace import SpanKind, StatusCode

from otel_llm.core.semconv.instruments import INSTRUMENTS
from otel_llm.core.semconv.steps import OPERATIONS, STEPS
from otel_llm.core.semconv.table import REQUIRED, SCHEMA_URL, TABLE, kind_of
from otel_llm.core.semconv.vocabulary import of, words

_IS = {
    "string": lambda value: type(value) is str,
    "int": lambda value: type(value) is int,
    "double": lambda value: type(value) is float,
    "boolean": lambda value: type(value) is bool,
    "string[]": lambda value: isinstance(value, (tuple, list)) and all(type(part) is str for part in value),
}
_CONTENT = {"gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions"}
_DETAILS, _EXCEPTION = "gen_ai.client.inference.operation.details", "gen_ai.client.operation.exception"


def of_span(span: Any, switch: str = "released") -> list[str]:
    """What is wrong with the span of a call, in the vocabulary of ``switch``."""
    found = dict(span.attributes)
    wrong = list(_attributes(found, switch, texts=True))
    name = " ".join(found[key] for key in ("gen_ai.operation.name", "gen_ai.request.model") if key in found)
    if span.name != name:
        wrong.append(f"name: {span.name!r} is not {name!r}")
    if span.kind is not SpanKind.CLIENT:
        wrong.append(f"kind: {span.kind}")
    if span.status.status_code is StatusCode.ERROR and "error.type" not in found:
        wrong.append("error.type is not there, and the status is ERROR")
    return wrong


def of_step(span: Any, switch: str = "released") -> list[str]:
    """What is wrong with the span of an agent run, a workflow, a tool call or a retrieval."""
    found = dict(span.attributes)
    kind = next((kind for kind, one in OPERATIONS.items() if one.operation == found.get("gen_ai.operation.name")), "")
    if not kind:
        return [f"operation: {found.get('gen_ai.operation.name')}"]
    _, subject, span_kind = OPERATIONS[kind]
    wrong = [
        f"not in the table for {kind}: {name}" for name in found if name not in STEPS or kind not in STEPS[name].on
    ]
    wrong += [
        f"type: {name} is {row.type_in(*words(switch))}, not {found[name]!r:.40}"
        for name, row in STEPS.items()
        if name in found and not _IS[row.type_in(*words(switch))](found[name])
    ]
    wrong += [f"required: {name}" for name, row in STEPS.items() if row.on.get(kind) == REQUIRED and name not in found]
    name = " ".join(found[key] for key in ("gen_ai.operation.name", subject) if key in found)
    if span.name != name:
        wrong.append(f"name: {span.name!r} is not {name!r}")
    if span.kind is not SpanKind[span_kind]:
        wrong.append(f"kind: {span.kind}")
    if span.status.status_code is StatusCode.ERROR and "error.type" not in found:
        wrong.append("error.type is not there, and the status is ERROR")
    if span.instrumentation_scope.schema_url != SCHEMA_URL:
        wrong.append(f"schema: {span.instrumentation_scope.schema_url}")
    return wrong


def of_event(record: Any, switch: str = "released") -> list[str]:
    """What is wrong with a log record that is an event of a call."""
    found = dict(record.attributes)
    if record.event_name not in (_DETAILS, _EXCEPTION):
        return [f"event: {record.event_name!r}"]
    wrong = list(_attributes(found, switch, texts=False))
    severity = {_DETAILS: 9, _EXCEPTION: 13}[record.event_name]
    if record.severity_number is None or record.severity_number.value != severity:
        wrong.append(f"severity of {record.event_name}: {record.severity_number}")
    if record.event_name == _DETAILS and kind_of(found["gen_ai.operation.name"]) != "inference":
        wrong.append(f"details of {found['gen_ai.operation.name']}")
    if record.event_name == _EXCEPTION and "exception.type" not in found:
        wrong.append("exception.type is not there")
    return wrong


def _attributes(found: Mapping[str, Any], switch: str, *, texts: bool) -> Iterator[str]:
    shown = of(switch).rows
    kind = kind_of(found.get("gen_ai.operation.name", ""))
    for name, value in found.items():
        row = TABLE.get("otel_llm.label.*" if name.startswith("otel_llm.label.") else name)
        if row is None or row.name not in shown:
            yield f"not in the table: {name} = {value!r:.40}"
        elif kind not in row.on:
            yield f"not on spans of {kind}: {name}"
        elif name in _CONTENT:
            if texts and not isinstance(json.loads(value), list):
                yield f"no list: {name}"
        elif not _IS[row.type_in(*words(switch))](value):
            yield f"type: {name} is {row.type_in(*words(switch))}, not {value!r:.40}"
    yield from _missing(found, shown, kind)


def _missing(found: Mapping[str, Any], shown: Mapping[str, Any], kind: str) -> Iterator[str]:
    for row in shown.values():
        if row.on.get(kind) == REQUIRED and row.name not in found:
            yield f"required: {row.name}"
    if "server.address" in found and "server.port" not in found:
        yield "server.port is not there, and server.address is"
    if found.get("gen_ai.output.type", "text") not in TABLE["gen_ai.output.type"].values:
        yield f"enumeration: gen_ai.output.type = {found['gen_ai.output.type']}"


def of_metrics(data: Any, switch: str = "released") -> list[str]:
    """What is wrong with what a reader of OpenTelemetry's SDK has collected."""
    metrics = [metric for one in data.resource_metrics for scope in one.scope_metrics for metric in scope.metrics]
    return [f"{metric.name}: {wrong}" for metric in metrics for wrong in _metric(metric, switch)]


def _metric(metric: Any, switch: str) -> Iterator[str]:
    points = metric.data.data_points
    if metric.name.startswith("otel_llm."):
        for name in {name for point in points for name in point.attributes}:
            if not name.startswith("otel_llm.") and name not in _KNOWN:
                yield f"attribute without a namespace: {name}"
        return
    fact = INSTRUMENTS.get(metric.name)
    if fact is None or not set(fact.words) & set(words(switch)):
        yield "no instrument of this vocabulary"
        return
    if metric.unit != fact.unit:
        yield f"unit: {metric.unit}"
    if (type(metric.data).__name__ == "Sum") != (fact.kind == "counter"):
        yield f"kind: {type(metric.data).__name__}"
    for point in points:
        if fact.bounds and not set(fact.bounds) <= set(point.explicit_bounds):
            yield f"bounds: {point.explicit_bounds}"
        yield from _point(point.attributes, fact.on)


_KNOWN = set(TABLE) | {
    "gen_ai.agent.name",
    "gen_ai.tool.name",
    "gen_ai.data_source.id",
    "gen_ai.token.type",
    "http.route",
}


def _point(found: Mapping[str, Any], levels: Mapping[str, str]) -> Iterator[str]:
    for name in found.keys() - levels.keys():
        yield f"not on this instrument: {name}"
    for name, level in levels.items():
        if level == REQUIRED and name not in found:
            yield f"required: {name}"
    if "server.address" in found and "server.port" not in found:
        yield "server.port is not there, and server.address is"


def assert_conform(spans: Iterable[Any], switch: str = "released") -> None:
    """No span of a call that is wrong. Raises ``AssertionError`` with all that is."""
    wrong = {f"{span.name}: {fault}" for span in spans for fault in of_span(span, switch)}
    assert not wrong, "\n".join(sorted(wrong))
