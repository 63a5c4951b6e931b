"""Many attributes on a span at once, for less than OpenTelemetry's SDK takes.

The SDK looks at the type of each value three times, which costs more than everything else that a call's end does. Ours are
plain by the time they come here, so they go to where it would put them, as long as that is the place we know: its own kind of
attributes, without a limit that they would meet. In any other case the span is asked to do it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.attributes import BoundedAttributes

from otel_llm.model import AttributeValue

_PLAIN = frozenset((str, int, float, bool))


def put(span: Any, attributes: Mapping[str, AttributeValue]) -> None:
    """What ``span.set_attributes`` does, with the same outcome."""
    kept = getattr(span, "_attributes", None)
    if type(kept) is not BoundedAttributes or kept.max_value_len is not None:
        span.set_attributes(attributes)
        return
    plain = {key: value if type(value) in _PLAIN else _plain(value) for key, value in attributes.items()}
    room = kept.maxlen
    with span._lock:  # noqa: SLF001 - what set_attributes holds
        into = kept._dict  # noqa: SLF001
        if span._end_time is None and (room is None or len(into) + len(plain) <= room):  # noqa: SLF001
            into.update(plain)
            return
    span.set_attributes(attributes)


def _plain(value: AttributeValue) -> AttributeValue:
    return tuple(value) if isinstance(value, list) else value
