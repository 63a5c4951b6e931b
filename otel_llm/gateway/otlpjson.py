"""OTLP in JSON: ids are hexadecimal, and numbers come as numbers or as texts, enumerations as numbers or as names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .batch import MOST_ATTRIBUTES, MOST_EVENTS, MOST_SPANS, Batch, MalformedError, Naming, kept, short
from .span import NONE, Span

_KINDS = {
    "SPAN_KIND_INTERNAL": 1,
    "SPAN_KIND_SERVER": 2,
    "SPAN_KIND_CLIENT": 3,
    "SPAN_KIND_PRODUCER": 4,
    "SPAN_KIND_CONSUMER": 5,
}
_STATUSES = {"STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}
_LATEST = 1 << 63
_DIGITS = 24  # more than any number of OTLP has


def traces(body: bytes, naming: Naming) -> Batch:
    """The spans of a request. Raises ``MalformedError``."""
    batch = Batch()
    for resource_spans in members(parse(body), "resourceSpans"):
        resource = naming.resource(attributes(field(resource_spans, "resource", {}), "attributes"))
        spans: list[Span] = []
        for scope_spans in members(resource_spans, "scopeSpans"):
            scope = text(field(scope_spans, "scope", {}), "name")
            for one in members(scope_spans, "spans"):
                batch.count += 1
                span = _span(one, scope) if batch.count <= MOST_SPANS else None
                if span is None:
                    batch.rejected += 1
                else:
                    spans.append(span)
        if spans:
            batch.spans.append((resource, spans))
    return batch


def parse(body: bytes) -> dict[str, Any]:
    """The document. Raises ``MalformedError``."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedError("the body is no JSON") from error
    if not isinstance(document, dict):
        raise MalformedError("the body is no JSON object")
    return document


def _span(one: dict[str, Any], scope: str) -> Span | None:
    trace, span, parent = identity(one, "traceId", 16), identity(one, "spanId", 8), identity(one, "parentSpanId", 8)
    if not trace or not span or not any(span):
        return None
    status = field(one, "status", {})
    events = tuple(
        (text(event, "name", 64), integer(event, "timeUnixNano"), attributes(event, "attributes"))
        for _, event in zip(range(MOST_EVENTS), members(one, "events"), strict=False)
    )
    return Span(
        trace + span, trace + parent if parent else b"", text(one, "name"), scope, _enumerated(one.get("kind"), _KINDS),
        integer(one, "startTimeUnixNano"), integer(one, "endTimeUnixNano"), attributes(one, "attributes"),
        _enumerated(status.get("code"), _STATUSES), text(status, "message", 512), events, text(one, "traceState", 512),
    )  # fmt: skip


def field(of: dict[str, Any], name: str, default: dict[str, Any]) -> dict[str, Any]:
    """An object inside an object; ``default`` where there is none."""
    value = of.get(name)
    return value if isinstance(value, dict) else default


def members(of: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """The objects of a list. Raises ``MalformedError`` where it is there and is no list."""
    value = of.get(name)
    if value is None:
        return
    if not isinstance(value, list):
        raise MalformedError(f"{name} is no list")
    yield from (member for member in value if isinstance(member, dict))


def text(of: dict[str, Any], name: str, longest: int = 256) -> str:
    """A text, cut."""
    value = of.get(name)
    return value[:longest] if isinstance(value, str) else ""


def integer(of: dict[str, Any], name: str) -> int:
    """A whole number that may be written as a text; 0 for anything else."""
    value = of.get(name)
    if not isinstance(value, (int, float, str)) or (isinstance(value, str) and len(value) > _DIGITS):
        return 0
    try:
        whole = int(value)
    except (ValueError, OverflowError):
        return 0
    return whole if 0 <= whole < _LATEST else 0


def attributes(of: dict[str, Any], name: str) -> Any:
    """Attributes without content."""
    values: dict[str, Any] = {}
    for pair in members(of, name):
        key = pair.get("key")
        if isinstance(key, str) and kept(key):
            values[key] = value(pair.get("value"))
            if len(values) >= MOST_ATTRIBUTES:
                break
    return values or NONE


def value(of: Any) -> Any:
    """A plain value; of a list its texts. Numbers may be written as texts."""
    if not isinstance(of, dict):
        return None
    content: Any
    if isinstance(content := of.get("stringValue"), str):
        return short(content)
    if "intValue" in of:
        content = of["intValue"]
        return (
            content if isinstance(content, (int, float)) and not isinstance(content, bool) else integer(of, "intValue")
        )
    if isinstance(listed := of.get("arrayValue"), dict):
        inside = listed.get("values")
        values = [value(member) for member in inside[:64]] if isinstance(inside, list) else []
        return tuple(member for member in values if isinstance(member, str))
    content = of.get("doubleValue", of.get("boolValue"))
    return content if isinstance(content, (bool, int, float, str)) else None


def identity(of: dict[str, Any], name: str, size: int) -> bytes:
    """An id of so many bytes; an empty one for anything else."""
    digits = of.get(name)
    if not isinstance(digits, str) or len(digits) != 2 * size:
        return b""
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return b""


def _enumerated(value: Any, names: dict[str, int]) -> int:
    if isinstance(value, str):
        return names.get(value, 0)
    return value if isinstance(value, int) else 0
