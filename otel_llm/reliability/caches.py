"""Response caches: look-ups that hit or missed. A hit is no call of a provider, and costs nothing."""

from __future__ import annotations

import time

from otel_llm.calls.context import custom_values
from otel_llm.core import dispatch
from otel_llm.core.model import Event

METRIC = "otel_llm_cache_requests_total"


def record_cache(*, hit: bool, cache: str, provider: str = "", model: str = "", operation: str = "chat") -> None:
    """Count a look-up in a response cache of your own.

    ``cache`` names it in a word (``redis``); ``provider`` and ``model`` are those that would have been asked, if you know them.
    Raises nothing.
    """
    labels = (provider, model, operation, cache, "hit" if hit else "miss", *custom_values())
    dispatch.emit(Event(METRIC, time.time(), labels))
