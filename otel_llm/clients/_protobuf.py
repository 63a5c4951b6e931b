"""Messages of protobuf as the readers of JSON shapes want them: what was sent, by the fields' own names."""

from __future__ import annotations

from typing import Any


def sent(message: Any) -> dict[str, Any]:
    """What a message, or the one inside of proto-plus's, was sent with; empty for anything else.

    A number that was not sent is 0 in protobuf: it is not there, and neither is an unspecified enumeration. The others are
    given by their names.
    """
    raw = getattr(message, "_pb", message)
    return _fields(raw) if hasattr(raw, "ListFields") else {}


def _fields(message: Any) -> dict[str, Any]:
    return {field.name: _json(value, field) for field, value in message.ListFields()}


def _json(value: Any, field: Any = None) -> Any:
    kind = type(value)
    if kind is str or kind is bool or kind is bytes:
        return value
    if kind is int or kind is float:
        return value if field is None else _number(value, field)
    if hasattr(value, "keys"):  # a map, or a JSON object (google.protobuf.Struct)
        return {key: _json(value[key]) for key in value}
    if hasattr(value, "append"):
        return [_json(part, field) for part in value]
    return _fields(value) if hasattr(value, "ListFields") else value


def _number(value: Any, field: Any) -> Any:
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return value if named is None else named.name
    if field.cpp_type == field.CPPTYPE_FLOAT:
        return float(f"{value:.7g}")  # 32 bits: as it was written, not 0.699999988
    return value
