"""Otel-llm as a judge of traffic, the textbook's z-score, and how alarms are counted."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from traces import HOUR, Numbers, Trace

from otel_llm.aggregate.window import Engine, Judgement

EVERY = 15.0  # seconds between two looks, as between two scrapes
CRITICAL = 3.0
SIGNALS = ("latency", "output_tokens", "cost")
KEY = ("openai", "gpt")
WARM = 1.5 * HOUR  # of traffic before our first look


class Seen(NamedTuple):
    """What a judge saw: times of its looks, and for each signal what it said then (signed; beyond its line is an alarm)."""

    at: Numbers
    says: dict[str, Numbers]
    line: float


class Ours(NamedTuple):
    seen: Seen
    critical: dict[str, float]  # share of single calls called critical


def ours(
    trace: Trace, begin: float, end: float, scale: str = "calibrated", sought: tuple[str, int] | None = None
) -> Ours:
    """The engine's gauge ``otel_llm_zscore{kind="shift"}`` from ``begin`` on, and its verdicts on single calls.

    It has watched for ``WARM`` seconds before. With ``sought`` (a signal and a side) the first alarm ends it.
    """
    engine = Engine(scale=scale)
    looks = np.arange(begin + EVERY, end, EVERY)
    says = {signal: np.full(len(looks), np.nan) for signal in SIGNALS}
    counts = {"warning": dict.fromkeys(SIGNALS, 0), "critical": dict.fromkeys(SIGNALS, 0)}
    warm = np.arange(begin - WARM, begin, 60.0)
    cuts = np.searchsorted(trace.at, np.concatenate((warm, [begin], looks)))
    for upto, (first, last) in zip(warm[1:].tolist(), pairwise(cuts[: len(warm)].tolist()), strict=True):
        _record(engine, trace, first, last)
        engine.forget(upto)
    _record(engine, trace, cuts[len(warm) - 1], cuts[len(warm)])
    calls = 0
    for number, (look, (first, last)) in enumerate(
        zip(looks.tolist(), pairwise(cuts[len(warm) :].tolist()), strict=True)
    ):
        for verdict in _record(engine, trace, first, last):
            if verdict.signal in says:
                counts[verdict.severity][verdict.signal] += 1
        calls += last - first
        for name, labels, value in engine.gauges(look):
            if name == "otel_llm_zscore" and labels[3] == "shift" and labels[2] in says:
                says[labels[2]][number] = value
        if sought and sought[1] * says[sought[0]][number] >= CRITICAL:
            break
    critical = {signal: count / max(calls, 1) for signal, count in counts["critical"].items()}
    return Ours(Seen(looks, says, CRITICAL), critical)


def _record(engine: Engine, trace: Trace, first: int, last: int) -> list[Judgement]:
    found: list[Judgement] = []
    for at, latency, output, cost, inputs in zip(*(column[first:last].tolist() for column in trace), strict=True):
        found += engine.record(
            KEY, at, operation="chat", duration=latency, error_type="", input_tokens=int(inputs), output_tokens=int(output),
            thinking_tokens=None, cost=cost,
        )  # fmt: skip
    return found


def textbook_zscores(trace: Trace, signal: str) -> Numbers:
    """(value - mean) / stddev of each call against the 60 minutes before it."""
    values = getattr(trace, signal)
    start = np.searchsorted(trace.at, trace.at - HOUR)
    place = np.arange(len(values))
    count = place - start
    shifted = values - values.mean()
    first, second = (np.concatenate(([0.0], np.cumsum(part))) for part in (shifted, shifted * shifted))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (first[place] - first[start]) / count
        variance = ((second[place] - second[start]) - count * mean**2) / (count - 1)
        floor = {"latency": 0.001, "output_tokens": 1.0, "cost": 0.001}[signal]
        zscores = (shifted - mean) / np.maximum(np.sqrt(np.maximum(variance, 0)), floor)
    return np.where(count >= 20, zscores, 0.0)


def alarms(seen: Seen, signal: str, side: int = 0) -> Numbers:
    """When the line was passed, to ``side`` (0: either; of latency and cost only upwards)."""
    says = np.nan_to_num(seen.says[signal])
    if not side and signal == "output_tokens":
        return seen.at[np.abs(says) >= seen.line]
    return seen.at[(side or 1) * says >= seen.line]


def episodes(times: Numbers, apart: float = 300.0) -> int:
    """How many alarms people would have got: those within ``apart`` seconds are one."""
    return int(len(times) > 0) + int((np.diff(times) > apart).sum()) if len(times) else 0
