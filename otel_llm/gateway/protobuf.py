"""OTLP in protobuf: a request's bytes to the spans in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from .batch import CONTENT, MOST_ATTRIBUTES, MOST_EVENTS, MOST_SPANS, Batch, MalformedError, Naming, kept, short
from .span import NONE, Span

_TRACE, _SPAN = 16, 8  # bytes of an id


def traces(body: bytes, naming: Naming) -> Batch:
    """The spans of a request. Raises ``MalformedError``."""
    request = ExportTraceServiceRequest()
    parse(request, body)
    return of_request(request, naming)


def parse(message: Any, body: bytes) -> None:
    """Fill ``message``. Raises ``MalformedError``."""
    try:
        message.ParseFromString(body)
    except (DecodeError, RecursionError) as error:
        raise MalformedError("the body is no OTLP message in protobuf") from error


def of_request(request: Any, naming: Naming) -> Batch:
    """The spans of a request that was parsed already."""
    batch = Batch()
    for resource_spans in request.resource_spans:
        resource = naming.resource(attributes(resource_spans.resource.attributes))
        spans: list[Span] = []
        for scope_spans in resource_spans.scope_spans:
            scope = scope_spans.scope.name[:256]
            for one in scope_spans.spans:
                batch.count += 1
                span = _span(one, scope) if batch.count <= MOST_SPANS else None
                if span is None:
                    batch.rejected += 1
                else:
                    spans.append(span)
        if spans:
            batch.spans.append((resource, spans))
    return batch


def _span(one: Any, scope: str) -> Span | None:
    trace, span, parent = one.trace_id, one.span_id, one.parent_span_id
    if len(trace) != _TRACE or len(span) != _SPAN or not any(span):
        return None
    status = one.status
    events = tuple(
        (event.name[:64], event.time_unix_nano, attributes(event.attributes)) for event in one.events[:MOST_EVENTS]
    ) if one.events else ()  # fmt: skip
    return Span(
        trace + span, trace + parent if len(parent) == _SPAN else b"", one.name[:256], scope, one.kind, one.start_time_unix_nano,
        one.end_time_unix_nano, attributes(one.attributes), status.code, status.message[:512], events, one.trace_state[:512],
    )  # fmt: skip


def attributes(pairs: Iterable[Any]) -> Any:
    """Attributes without content."""
    if not pairs:
        return NONE
    values: dict[str, Any] = {}
    for pair in pairs:
        name = pair.key
        if name.startswith(CONTENT) and not kept(name):
            continue
        values[name] = value(pair.value)
        if len(values) >= MOST_ATTRIBUTES:
            break
    return values


def value(of: Any) -> Any:
    """A plain value; of a list its plain members, of a map or bytes nothing."""
    kind = of.WhichOneof("value")
    if kind == "string_value":
        return short(of.string_value)
    if kind == "int_value":
        return of.int_value
    if kind == "double_value":
        return of.double_value
    if kind == "bool_value":
        return of.bool_value
    if kind == "array_value":
        return tuple(member.string_value for member in of.array_value.values[:64] if member.string_value)
    return None
