"""Parts of otel-llm that can be left out, to see what they are good for: in the benchmark only."""

from __future__ import annotations

from otel_llm.aggregate.window import baseline, signals
from otel_llm.aggregate.window.length import Lengths
from otel_llm.aggregate.window.summary import Summary
from otel_llm.aggregate.window.trend import Sums, Trend


def _without_lengths() -> None:
    """Judge the latency as it is, whatever the length of the answer."""
    learn, beyond = baseline.Baseline._learn_lengths, signals._beyond

    def learned(self: baseline.Baseline, blocks: object) -> None:
        if self.signal != "latency":
            learn(self, blocks)  # type: ignore[arg-type]

    def read(lengths: Lengths, signal: str, summary: Summary, trend: Trend) -> Sums:
        if signal != "latency":
            return beyond(lengths, signal, summary, trend)  # type: ignore[arg-type]
        return signals._logs(signal, summary, trend)

    baseline.Baseline._learn_lengths, signals._beyond = learned, read  # type: ignore[method-assign, assignment]


SWITCHES = {"lengths": _without_lengths}


def off(name: str) -> None:
    """Leave out ``name``, in this process; nothing for an empty one. Raises KeyError on one that is not there."""
    if name:
        SWITCHES[name]()
