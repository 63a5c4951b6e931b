"""An agent of a framework, and what its provider billed, its trace says and /metrics counts: ``numbers_program.py NAME WATCHED WAY...``.

Each of its calls is billed otherwise, so that one which is left out or said twice shows. ``WAY`` is ``whole`` or ``streamed``, a run each,
one after the other; with ``WATCHED`` 0 no client library is watched that a framework here uses.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from itertools import chain
from typing import Any

os.environ |= {
    "OTEL_LLM_METRICS_SERVER": "off",
    "OTEL_LLM_STATE_DIR": tempfile.mkdtemp(prefix="otel-llm-numbers-"),
    "OTEL_METRICS_EXPORTER": "none",
}

import otel_llm

otel_llm.instrument(*(() if sys.argv[2] == "1" else ("ollama",)))

import test_frameworks_runs as frameworks  # noqa: E402 - its imports of frameworks come after, as a service's may
import wire_formats  # noqa: E402, F401 - Gemini is one of them
from prometheus_client import generate_latest  # noqa: E402

from otel_llm.core.guard import Guard  # noqa: E402
from otel_llm.testing.loopback import Loopback, Timing  # noqa: E402

BILLED = [(101, 21), (211, 43), (401, 83), (809, 167)]
"""Tokens in and out of each call, in order: every sum of some of them is another."""
INFERENCES = ("chat", "generate_content", "text_completion")


def total(metric: str) -> int:
    """The sum of a metric over all of its series."""
    lines = generate_latest().decode().splitlines()
    return int(sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{metric}{{", f"{metric} "))))


def billed(spans: list[Any], direction: str) -> int:
    return sum(span.attributes.get(f"gen_ai.usage.{direction}_tokens", 0) for span in spans)


def counted() -> list[int]:
    """Calls, and tokens in and out, since the process began."""
    tokens = (f"gen_ai_client_inference_usage_{direction}_tokens_total" for direction in ("input", "output"))
    return [total("otel_llm_calls_total"), *map(total, tokens)]


def main(name: str, *, stream: bool) -> dict[str, Any]:
    def get_weather(city: str = "x") -> str:
        """The weather of a city."""
        return "sunny"

    before = counted()
    frameworks.SPANS.clear()
    made = chain.from_iterable(BILLED)
    with Loopback(delay=lambda _: Timing(input_tokens=next(made), output_tokens=next(made))) as server:
        frameworks.FRAMEWORKS[name](server.url, get_weather, stream=stream)
        asked = len(server.requests)
    spans = frameworks.SPANS.get_finished_spans()
    inferences = [span for span in spans if span.attributes.get("gen_ai.operation.name") in INFERENCES]
    calls, *tokens = (now - then for now, then in zip(counted(), before, strict=True))
    return {
        "requests": asked,
        "billed": [sum(part) for part in zip(*BILLED[:asked], strict=True)],
        "spans": len(inferences),
        "traces": len({span.context.trace_id for span in inferences}),
        "trace": [billed(inferences, direction) for direction in ("input", "output")],
        "calls": calls,
        "metrics": tokens,
        "errors": dict(Guard.errors),
    }


if __name__ == "__main__":
    print(json.dumps({way: main(sys.argv[1], stream=way == "streamed") for way in sys.argv[3:]}))
    sys.stdout.flush()
    os._exit(0)
