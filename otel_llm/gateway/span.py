"""What the gateway works on: a span as it came, and the call that was read from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Attributes = Mapping[str, Any]
NONE: Attributes = {}
UNSET, OK, ERROR = 0, 1, 2
"""Status codes of OTLP."""
INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5
"""Kinds of OTLP."""


class Resource(NamedTuple):
    """Who sends: the values of the labels that its calls carry, and what distinguishes one process of the service from another."""

    labels: tuple[str, ...]
    instance: str
    attributes: Attributes


class Span(NamedTuple):
    """One span of a batch, without its content. ``key`` and ``parent`` are trace id and span id in one; an empty parent is none.

    Times are nanoseconds since the epoch; ``events`` are (name, time, attributes).
    """

    key: bytes
    parent: bytes
    name: str
    scope: str
    kind: int
    start: int
    end: int
    attributes: Attributes
    status: int = UNSET
    message: str = ""
    events: tuple[tuple[str, int, Attributes], ...] = ()
    trace_state: str = ""


class Tokens(NamedTuple):
    """What a call consumed, in tokens; None is "the sender did not say". As in ``Usage``, input includes what a cache held."""

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    thinking: int | None = None


class Call(NamedTuple):
    """One call as a span reports it. Plain values, so that it can be kept on disk as it is.

    ``part`` is empty for a whole call; ``attempt`` is an HTTP attempt that may be one of several, ``head`` a stream's beginning
    without its usage, and ``tail`` a record with the usage of a stream that has a head. A ``record`` is of a log, a ``point`` of metrics.
    """

    key: bytes
    parent: bytes
    labels: tuple[str, ...]
    instance: str
    scope: str
    server: bool
    start: float  # seconds since the epoch
    end: float
    provider: str
    model: str
    operation: str
    response_model: str
    address: str
    error: str
    stream: bool
    first_chunk: float | None  # seconds from the start
    tokens: Tokens | None
    finish: tuple[str, ...]
    response_id: str
    cost: float | None  # US dollars, as the sender reckons it
    tier: str
    agent: str
    weight: float
    part: str = ""

    @property
    def seconds(self) -> float:
        """How long the call took."""
        return max(0.0, self.end - self.start)


def call_of(values: tuple[Any, ...]) -> Call:
    """The call of plain values that were read from disk. Raises ``ValueError`` where they are none."""
    if len(values) != len(Call._fields):
        raise ValueError("not a call of this version")
    call = Call(*values)
    return call if call.tokens is None else call._replace(tokens=Tokens(*call.tokens))
