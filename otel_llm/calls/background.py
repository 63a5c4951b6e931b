"""Calls whose answer is made in the background: open from the request to the poll, or the resumed stream, that brings the answer.

Bounded in number and in age: what is given up, and what is open when the process stops watching, is counted with unknown usage.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from contextlib import suppress
from typing import Protocol

from otel_llm.core.model import Response


class Call(Protocol):
    """A call that is open."""

    response: Response
    began: float
    done: bool

    def end(self, error: str = "") -> None: ...


MOST = 1000
"""Answers that are waited for; past it the oldest is given up."""
OLDEST = 6 * 3600.0
"""Seconds after which an answer is given up."""

_waiting: OrderedDict[str, Call] = OrderedDict()


def keep(call: Call) -> None:
    """Wait for the answer whose id ``call`` has got."""
    _waiting[call.response.pending] = call
    while len(_waiting) > MOST:
        with suppress(KeyError):  # another thread was faster
            _give_up(_waiting.popitem(last=False)[1])
    expire()


def waiting(name: str) -> Call | None:
    """The call that waits for the answer with the id ``name``."""
    call = _waiting.get(name)
    if call is None or not call.done:
        return call
    _waiting.pop(name, None)
    return None


def expire(age: float = OLDEST) -> None:
    """Give up answers that have been waited for longer than ``age`` seconds."""
    before = time.perf_counter() - age
    for name, call in list(_waiting.items()):
        if call.done:
            _waiting.pop(name, None)
        elif call.began <= before:
            _waiting.pop(name, None)
            _give_up(call)


def _give_up(call: Call) -> None:
    call.response.unknown = "background"
    call.end()
