"""What is judged of calls, by name."""

from __future__ import annotations

PAGING = ("latency", "output_tokens", "cost", "time_to_first_chunk", "errors", "calls", "spend")
"""Signals of ``anomaly``, which may page."""
SHAPES = ("input_tokens", "latency_slow", "output_long", "output_short", "output_spread")
"""Signals of ``mix``: they mean other requests."""
SIGNALS = (*PAGING, *SHAPES, "answer_problems")
"""All signals; the share of answers that go wrong has conditions of its own."""
