"""The end of a call that a response cache answered: no provider was asked, so there is nothing to count."""

from __future__ import annotations

from typing import Any

from otel_llm.core.guard import guard, guarded

_end = guard("end")
_return = guarded("limits", lambda hold: hold.settle(0, 0), 1)


def conclude(call: Any) -> None:
    """End the span of ``call`` with what was asked and ``otel_llm.cache.hit``; what a guard has reserved for it is free again."""
    if call.hold is not None:
        _return(call.hold)
    if call.span is not None:
        with _end:
            call.span.set_attributes({**call.request.attributes, "otel_llm.cache.hit": True})
        with _end:
            if call.foreign is None:
                call.span.end()
            else:
                call.foreign.over(call)
