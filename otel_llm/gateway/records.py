"""Log records and metric points as plain values, from protobuf and from JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from . import otlpjson, protobuf
from .batch import MOST_SPANS, Naming
from .span import Attributes, Resource

DELTA, CUMULATIVE = 1, 2
_TEMPORALITIES = {"AGGREGATION_TEMPORALITY_DELTA": DELTA, "AGGREGATION_TEMPORALITY_CUMULATIVE": CUMULATIVE}


class Record(NamedTuple):
    """One log record. ``at`` is nanoseconds since the epoch; ``name`` is its event's, from wherever the sender writes it."""

    resource: Resource
    scope: str
    name: str
    at: int
    trace: bytes
    span: bytes
    attributes: Attributes


class Point(NamedTuple):
    """One point of a sum or a histogram; a sum has no ``number`` of values. ``start`` is where the counting began."""

    resource: Resource
    scope: str
    name: str
    unit: str
    start: int
    at: int
    temporality: int
    attributes: Attributes
    sum: float
    number: int | None


def logs(body: bytes, naming: Naming, *, is_json: bool) -> list[Record]:
    """The log records of a request, at most as many as spans. Raises ``MalformedError``."""
    logged = _logs_of_json(body, naming) if is_json else _logs_of_protobuf(body, naming)
    return [record for _, record in zip(range(MOST_SPANS), logged, strict=False)]


def points(body: bytes, naming: Naming, *, is_json: bool) -> list[Point]:
    """The points of a request that are sums or histograms. Raises ``MalformedError``."""
    measured = _points_of_json(body, naming) if is_json else _points_of_protobuf(body, naming)
    return [point for _, point in zip(range(MOST_SPANS), measured, strict=False)]


def _logs_of_protobuf(body: bytes, naming: Naming) -> Iterator[Record]:
    request = ExportLogsServiceRequest()
    protobuf.parse(request, body)
    for outer in request.resource_logs:
        resource = naming.resource(protobuf.attributes(outer.resource.attributes) or {})
        for inner in outer.scope_logs:
            for one in inner.log_records:
                attributes = protobuf.attributes(one.attributes)
                text = one.body.string_value if one.body.WhichOneof("value") == "string_value" else ""
                name = one.event_name or str(attributes.get("event.name") or text)[:128]
                at = one.time_unix_nano or one.observed_time_unix_nano
                yield Record(resource, inner.scope.name[:256], name, at, one.trace_id, one.span_id, attributes)


def _logs_of_json(body: bytes, naming: Naming) -> Iterator[Record]:
    for outer in otlpjson.members(otlpjson.parse(body), "resourceLogs"):
        resource = naming.resource(dict(otlpjson.attributes(otlpjson.field(outer, "resource", {}), "attributes")))
        for inner in otlpjson.members(outer, "scopeLogs"):
            scope = otlpjson.text(otlpjson.field(inner, "scope", {}), "name")
            for one in otlpjson.members(inner, "logRecords"):
                attributes = otlpjson.attributes(one, "attributes")
                content = otlpjson.value(one.get("body"))
                name = otlpjson.text(one, "eventName") or str(attributes.get("event.name") or content or "")[:128]
                at = otlpjson.integer(one, "timeUnixNano") or otlpjson.integer(one, "observedTimeUnixNano")
                trace, span = otlpjson.identity(one, "traceId", 16), otlpjson.identity(one, "spanId", 8)
                yield Record(resource, scope, name, at, trace, span, attributes)


def _points_of_protobuf(body: bytes, naming: Naming) -> Iterator[Point]:
    request = ExportMetricsServiceRequest()
    protobuf.parse(request, body)
    for outer in request.resource_metrics:
        resource = naming.resource(protobuf.attributes(outer.resource.attributes) or {})
        for inner in outer.scope_metrics:
            for metric in inner.metrics:
                kind = metric.WhichOneof("data")
                if kind not in ("sum", "histogram", "exponential_histogram"):
                    continue
                data = getattr(metric, kind)
                for one in data.data_points:
                    is_sum = kind == "sum"
                    total = (
                        (one.as_double if one.WhichOneof("value") == "as_double" else one.as_int) if is_sum else one.sum
                    )
                    yield Point(
                        resource, inner.scope.name[:256], metric.name[:128], metric.unit[:32], one.start_time_unix_nano,
                        one.time_unix_nano, data.aggregation_temporality, protobuf.attributes(one.attributes), float(total),
                        None if is_sum else one.count,
                    )  # fmt: skip


def _points_of_json(body: bytes, naming: Naming) -> Iterator[Point]:
    for outer in otlpjson.members(otlpjson.parse(body), "resourceMetrics"):
        resource = naming.resource(dict(otlpjson.attributes(otlpjson.field(outer, "resource", {}), "attributes")))
        for inner in otlpjson.members(outer, "scopeMetrics"):
            scope = otlpjson.text(otlpjson.field(inner, "scope", {}), "name")
            for metric in otlpjson.members(inner, "metrics"):
                kind = next((kind for kind in ("sum", "histogram", "exponentialHistogram") if kind in metric), "")
                data = otlpjson.field(metric, kind, {})
                sent = data.get("aggregationTemporality")
                temporality = (
                    _TEMPORALITIES.get(sent, 0) if isinstance(sent, str) else sent if isinstance(sent, int) else 0
                )
                for one in otlpjson.members(data, "dataPoints"):
                    yield Point(
                        resource, scope, otlpjson.text(metric, "name", 128), otlpjson.text(metric, "unit", 32),
                        otlpjson.integer(one, "startTimeUnixNano"), otlpjson.integer(one, "timeUnixNano"), temporality,
                        otlpjson.attributes(one, "attributes"), _float(one), None if kind == "sum" else otlpjson.integer(one, "count"),
                    )  # fmt: skip


def _float(one: dict[str, Any]) -> float:
    value = one.get("asDouble", one.get("asInt", one.get("sum", 0)))
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
