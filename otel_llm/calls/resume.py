"""The answer of a call that was made in the background, as a later request brings it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from otel_llm.core.guard import foreign
from otel_llm.core.model import Request

from . import background
from .declarations import ITSELF, Item, Parsed, Value, Watched
from .invocation import Invocation
from .iterate import follow


def resume(name: str, watch: Callable[[Any, Request], Watched | None], result: Any) -> None:
    """Show the call that waits for the answer ``name`` the ``result`` of a request for it: the answer so far, or a stream of the rest."""
    call = background.waiting(name)
    if not isinstance(call, Invocation):
        return
    watched = watch(result, call.request)
    if isinstance(watched, Value):
        call.value(result if watched is ITSELF else watched.value)
    elif isinstance(watched, Parsed):
        with foreign(lambda _: None):
            parsed = watched.parse()
            if inspect.iscoroutine(parsed):
                parsed.close()  # nobody here can await it: the caller will, and may poll again
            else:
                call.value(parsed)
    elif watched is not None and not isinstance(watched, Item):
        follow(call, watched)
