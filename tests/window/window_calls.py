"""Raw calls, and engines fed with them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from otel_llm.aggregate.window import Engine
from otel_llm.aggregate.window.slices import SIGNALS

KEY = ("openai", "gpt-4o")


class Call(NamedTuple):
    at: float
    duration: float
    error_type: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    thinking_tokens: int | None = None
    cost: float | None = None
    fallback: bool = False
    operation: str = "chat"


def feed(engine: Engine, calls, key=KEY):
    """Record ``calls``; returns what was judged unusual."""
    found = []
    for call in calls:
        told = call._asdict()
        found += engine.record(key, told.pop("at"), **told)
    return found


def gauges(engine: Engine, now: float) -> dict[tuple[str, ...], float]:
    """The gauges by (name, labels ...), those of one key without it."""
    found = {(name, *labels): value for name, labels, value in engine.gauges(now)}
    return {(name[0], *name[3:]) if name[1:3] == KEY else name: value for name, value in found.items()}


def added(engine: Engine, now: float) -> dict[tuple[str, ...], float]:
    """All that adds up; errors that are learned over time do not, and of two windows the longer past stays."""
    return {
        labels: value
        for labels, value in gauges(engine, now).items()
        if labels[0] != "otel_llm_zscore" or labels[2] == "peak" or (labels[1] in SIGNALS and labels[2] == "shift")
    }


def steady(
    start: float, seconds: float, *, every: float = 1.0, seed: int = 1, factor: float = 1.0, output: float = 1.0
) -> list[Call]:
    """Calls as they are when all is well: log-normal latency around a second, some 200 tokens."""
    rng = np.random.default_rng(seed)
    number = int(seconds / every)
    latency = rng.lognormal(0.0, 0.3, number) * factor
    tokens = rng.lognormal(5.3, 0.4, number) * output
    return [
        Call(
            start + index * every, float(latency[index]), "", 100, int(tokens[index]), None, float(tokens[index] * 1e-5)
        )
        for index in range(number)
    ]
