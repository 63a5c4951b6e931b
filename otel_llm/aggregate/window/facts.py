"""What the window says: the plain values that its callers get."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from otel_llm.core.shapes import NamedTuple

Signal = Literal[
    "latency", "output_tokens", "cost", "time_to_first_chunk", "input_tokens", "output_spread", "output_short", "output_long",
    "latency_slow", "answer_problems", "calls", "spend", "errors",
]  # fmt: skip
Cause = tuple[str, str, float, float, float]  # dimension, value, share of the change, before, now
Direction = Literal["high", "low"]
Severity = Literal["warning", "critical"]
Key = tuple[Any, ...]  # provider, request model, and (name, value) of each label that has windows of its own
Sample = tuple[str, tuple[str, ...], float]  # Prometheus name, label values in the catalogue's order, value


class Judgement(NamedTuple):
    """A single call beyond the sensitivity, or recent calls that have shifted. Values are in seconds, tokens or US dollars.

    ``alarm`` says whether handlers get it: the call is far out on its own, or recent calls as a whole have shifted to
    the same side. Of healthy calls one in twenty is unusual, and an alarm for each would be useless. ``urgency`` is the severity
    that they get: critical only from the third alarm of a kind within five minutes on.
    """

    signal: Signal
    direction: Direction
    severity: Severity
    value: float
    baseline_mean: float
    baseline_stddev: float
    zscore: float
    alarm: bool = False
    urgency: Severity | None = None  # None: as the severity
    kind: Literal["call", "shift", "trend"] = "call"
    causes: tuple[Cause, ...] = ()


class Facts(NamedTuple):
    """What the window holds about one model, or about all of them; None is "nothing to say", never zero.

    Latencies are of successful calls, in seconds; ratios lie between 0 and 1; costs are US dollars.
    """

    calls: int
    errors: Mapping[str, int]  # by error type
    error_ratio: float | None
    fallback_ratio: float | None
    cache_hit_ratio: float | None
    requests_per_second: float
    latency: Mapping[float, float]  # quantile (0.5, 0.95, 0.99, 1) -> seconds
    latency_mean: float | None
    latency_stddev: float | None
    tokens: Mapping[str, int]  # input, output, thinking: sums over the window
    tokens_per_request: Mapping[str, float]
    output_tokens_stddev: float | None
    cost: float | None  # spent over the window
    cost_per_request: float | None
    cost_per_hour: float | None
    cost_count: int = 0  # calls with a known cost
    cost_median: float | None = None  # of successful calls
    cost_max: float | None = None
    complete: float | None = None  # share of the calls with something to price whose cost is all of it
    prompt_cache_read_ratio: float | None = None  # cached share of the input tokens of calls that reported it
    prompt_cache_saved: float = 0.0
    prompt_cache_avoidable: float = 0.0  # what its misses cost, where the provider says what they were


class Check(NamedTuple):
    """What one value would be called. ``severity`` is ``warning``, ``critical`` or empty; ``direction`` high or low.

    ``provider``, ``model`` and ``labels`` (name and value) say whose calls it was judged by: ``samples`` of them, with the mean
    ``baseline`` and the deviation ``stddev``, both in seconds, tokens or US dollars.
    """

    signal: Signal
    value: float
    z_score: float
    severity: str
    direction: Direction
    baseline: float
    stddev: float
    samples: int
    provider: str = ""
    model: str = ""
    labels: tuple[tuple[str, str], ...] = ()


class Shifted(NamedTuple):
    """A shift that has stayed until it was the baseline: the mean before and now, and how long ago that was, in seconds."""

    provider: str
    model: str
    signal: Signal
    before: float
    now: float
    seconds: float
    labels: tuple[tuple[str, str], ...] = ()


class Stats(NamedTuple):
    """The window at one moment: everything together, and by (provider, request model)."""

    total: Facts
    models: Mapping[Key, Facts]
    shifted: tuple[Shifted, ...] = ()
