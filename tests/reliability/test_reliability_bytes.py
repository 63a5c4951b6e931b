"""What is kept for each model is bounded in bytes: a host may pass on names that its users make up."""

from __future__ import annotations

import tracemalloc

from otel_llm.calls.invocation import Invocation
from otel_llm.calls.observer import Observer
from otel_llm.core.model import Reader, Request
from otel_llm.reliability import rate_limits


def test_names_of_models_of_200_kb_are_not_kept() -> None:
    observer = Observer(on_reply=rate_limits.read)
    reader = Reader(lambda _result, _response: None)
    tracemalloc.start()
    try:
        for number in range(2000):
            call = Invocation(observer, Request("openai", "chat", f"{number}" * 50_000, reader), ())
            call.replied(200, {})
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(observer.due) == 2000
    assert kept < 2_000_000  # bytes; the names are 390 MB
