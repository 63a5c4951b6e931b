"""What otel-llm says of a trace at its shipped lines: pages when all is well, and how soon a planted fault shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from methods import KEY
from traces import Numbers, Trace

from otel_llm.aggregate.window import Engine

LOOK = 30.0  # seconds between two looks, as between two scrapes
LINE = 3.0
WITHIN = {
    "latency": ("latency", "latency_slow"),
    "output_tokens": ("output_tokens", "output_short", "output_spread"),
    "cost": ("cost", "spend"),
}
"""Signals that a fault of one shows in."""
BOTH = ("output_tokens", "output_spread")


class Run(NamedTuple):
    """Times of looks; by signal and kind what the gauges said then; pages of the process: when, of what; engines by moment."""

    at: Numbers
    says: dict[tuple[str, str], Numbers]
    pages: list[tuple[float, str, str]]
    kept: dict[float, Any]


def run(
    trace: Trace,
    begin: float,
    end: float,
    engine: Engine,
    keep: Iterable[float] = (),
    enough: Callable[[dict[tuple[str, str], float]], bool] | None = None,
    look: float = LOOK,
) -> Run:
    """Give ``engine`` the calls of ``trace`` from ``begin`` to ``end``; ``keep`` are moments to keep the engine's state at.

    The run ends early where ``enough`` says so of the scores of a look. ``look`` is the seconds between two.
    """
    looks = np.arange(begin + look, end + 1e-6, look)
    cuts = np.searchsorted(trace.at, np.concatenate(([begin], looks)))
    says: dict[tuple[str, str], Numbers] = {}
    pages: list[tuple[float, str, str]] = []
    kept: dict[float, Any] = {}
    waiting = sorted(keep)
    for number, (now, (first, last)) in enumerate(zip(looks.tolist(), pairwise(cuts.tolist()), strict=True)):
        pages += _recorded(engine, trace, first, last)
        engine.forget(now)
        lately = {(signal, kind): score for signal, kind, score in scores(engine, now)}
        for name, score in lately.items():
            if name not in says:
                says[name] = np.full(len(looks), np.nan)
            says[name][number] = score
        while waiting and waiting[0] <= now + 1e-6:
            kept[waiting.pop(0)] = engine.dump()
        if enough is not None and enough(lately):
            break
    return Run(looks, says, pages, kept)


def _recorded(engine: Engine, trace: Trace, first: int, last: int) -> list[tuple[float, str, str]]:
    """Give ``engine`` some calls; returns what handlers that ask for critical ones would get."""
    pages: list[tuple[float, str, str]] = []
    for at, latency, output, cost, inputs in zip(*(column[first:last].tolist() for column in trace), strict=True):
        verdicts = engine.record(
            KEY, at, operation="chat", duration=latency, error_type="", input_tokens=int(inputs),
            output_tokens=int(output), thinking_tokens=None, cost=cost,
        )  # fmt: skip
        pages += [
            (at, f"{verdict.kind} {verdict.signal}", verdict.direction)
            for verdict in verdicts
            if verdict.alarm and (verdict.urgency or verdict.severity) == "critical"
        ]
    return pages


def scores(engine: Engine, now: float) -> Iterable[tuple[str, str, float]]:
    """As the gauge ``otel_llm_zscore`` has them."""
    track = engine.tracks.get(KEY)
    if track is None:
        return
    at = engine.grid.of(now)
    for signal, baseline in track.baselines.items():
        if baseline is not None and (shift := track.shift(signal, at, baseline)) is not None:
            yield signal, "shift", shift
    yield from track.watch.scores(at // track.grid.per_minute)


def first(seen: Run, signal: str, side: int, start: float, related: bool) -> float:
    """Minutes from ``start`` until the gauge of a signal, or of one that shows the same fault, is beyond the line; nan is never."""
    found = []
    for (name, _), values in seen.says.items():
        if name != signal and not (related and name in WITHIN[signal]):
            continue
        way = side if name in BOTH and name == signal else 1
        beyond = (
            np.abs(np.nan_to_num(values)) >= LINE if name == "output_spread" else np.nan_to_num(values) * way >= LINE
        )
        found += seen.at[beyond].tolist()[:1]
    return (min(found) - start) / 60 if found else float("nan")
