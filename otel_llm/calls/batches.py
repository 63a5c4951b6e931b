"""Answers out of batches: money, counted when their results are read in this process, each of them once.

They are no calls: nobody waited for them, and their time is not known. So there is no span, and no duration.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from otel_llm.core.guard import guard
from otel_llm.core.model import BATCH, Reader, Request

from . import observe
from .reported import Reported

MOST = 100_000
"""Answers remembered as counted, the newest ones."""
_GUARD = guard("chunk")
_counted: OrderedDict[tuple[str, ...], None] = OrderedDict()


def count(key: tuple[str, ...], provider: str, model: str | None, reader: Reader, answer: Any) -> None:
    """Count an answer that ``reader`` reads, unless that of the same ``key`` has been counted."""
    observer = observe.active()
    if observer is None or key in _counted:
        return
    _counted[key] = None
    if len(_counted) > MOST:
        _counted.popitem(last=False)
    with _GUARD:
        Reported(observer, Request(provider, BATCH, model, reader, service_tier=BATCH), ()).bill(answer)


def forget() -> None:
    """Count all again, as a new process does."""
    _counted.clear()
