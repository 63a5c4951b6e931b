"""Records as bytes and back, for the journal: by marshal, the cheapest way that keeps tuples and None as they are."""

from __future__ import annotations

import marshal
import sys
from typing import Any, Final

from otel_llm.core.model import Event, Observation, Record

VERSION: Final = 1
"""Changes with the meaning of a payload. What fields a record has is checked by their number."""

SIGNATURE: Final = f"otel-llm records {VERSION} python {sys.version_info[0]}.{sys.version_info[1]}"
"""What a file of records should open with: marshal is only sure to be read by the Python that wrote it."""

LARGEST: Final = 16384
"""Bytes of a record that is kept as it is; a usual one has 400."""
LONGEST: Final = 1024
"""Characters of each text in a larger one."""

_OBSERVATION: Final = 2 * VERSION
_EVENT: Final = 2 * VERSION + 1
_OBSERVATION_LENGTH: Final = len(Observation._fields) + 1
_EVENT_LENGTH: Final = len(Event._fields) + 1
_MARSHAL: Final = 2  # the last one without a table of references, which costs more than it saves here

_dumps = marshal.dumps
_loads = marshal.loads
_tuple = tuple.__new__


def encode(record: Record) -> bytes:
    """One record as bytes. Subclasses of plain values (a ``str`` enumeration as model name) become plain.

    Names are user input: in a record of more than ``LARGEST`` bytes, each text is cut at ``LONGEST`` characters, which is more than
    any label shows. Raises ``ValueError`` where a field holds what is neither plain nor a subclass of a plain value.
    """
    tag = _OBSERVATION if type(record) is Observation else _EVENT
    try:
        payload = _dumps((tag, *record), _MARSHAL)
    except ValueError:
        payload = _dumps((tag, *_plain(tuple(record))), _MARSHAL)
    return payload if len(payload) <= LARGEST else _dumps((tag, *_plain(tuple(record), LONGEST)), _MARSHAL)


def decode(payload: bytes | memoryview) -> Record:
    """The record of ``encode``. Raises ``ValueError`` for anything else."""
    try:
        fields = _loads(payload)
    except (EOFError, TypeError, ValueError) as error:
        raise ValueError(f"not a record: {error}") from None
    if type(fields) is tuple and fields:
        if fields[0] == _OBSERVATION and len(fields) == _OBSERVATION_LENGTH:
            return _tuple(Observation, fields[1:])
        if fields[0] == _EVENT and len(fields) == _EVENT_LENGTH:
            return _tuple(Event, fields[1:])
    raise ValueError("not a record of this version of otel-llm")


def _plain(value: Any, longest: int | None = None) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)[:longest]
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (tuple, list)):
        return tuple(_plain(item, longest) for item in value)
    raise ValueError(f"a record holds plain values only, not {type(value).__name__}")
