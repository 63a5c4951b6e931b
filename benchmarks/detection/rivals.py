"""What else watches a series for changes: textbook methods and river's detectors, each as a score at every look.

All but the textbook's judge means of logarithms, in which a change by a factor is a step; that is to their advantage. A score is
signed where a method knows the side.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from methods import textbook_zscores
from traces import DAY, HOUR, Numbers, Trace

LOOK = 30.0
UNIT = {"latency": 0.001, "output_tokens": 1.0, "cost": 1e-9}
LEAST = 0.02  # of a deviation of logarithms


class Binned(NamedTuple):
    """Calls, sums of logarithms and of their squares, by looks; and the trace that they are of."""

    calls: Numbers
    first: Numbers
    second: Numbers
    plain: Numbers
    trace: Trace
    signal: str
    begin: float


def binned(trace: Trace, signal: str, begin: float, end: float) -> Binned:
    count = round((end - begin) / LOOK)
    first, last = np.searchsorted(trace.at, (begin, end))
    place = np.minimum(((trace.at[first:last] - begin) / LOOK).astype(int), count - 1)
    values = getattr(trace, signal)[first:last]
    logs = np.log(np.maximum(values, UNIT[signal]))
    sums = (np.bincount(place, weights, count) for weights in (None, logs, logs * logs, values))
    return Binned(*(one.astype(float) for one in sums), Trace(*(column[first:last] for column in trace)), signal, begin)


def rolled(values: Numbers, width: int) -> Numbers:
    """Sums of the last ``width``."""
    total = np.concatenate(([0.0], np.cumsum(values)))
    upto = np.arange(1, len(values) + 1)
    return total[upto] - total[np.maximum(upto - width, 0)]


def late(values: Numbers, by: int, fill: float = np.nan) -> Numbers:
    return np.concatenate((np.full(by, fill), values[: len(values) - by]))


def textbook(of: Binned) -> Numbers:
    """The largest z-score of a single call since the last look, by mean and deviation of the hour before."""
    scores = textbook_zscores(of.trace, of.signal)
    cuts = np.searchsorted(of.trace.at, of.begin + np.arange(len(of.calls) + 1) * LOOK)
    sized = np.abs(scores) if of.signal == "output_tokens" else scores
    return np.array([scores[a + np.argmax(sized[a:b])] if b > a else 0.0 for a, b in pairwise(cuts)])


def band(of: Binned) -> Numbers:
    """The mean of 5 minutes against mean and deviation of such means over the day before, 10 minutes apart."""
    with np.errstate(invalid="ignore", divide="ignore"):
        means = rolled(of.plain, 10) / rolled(of.calls, 10)
        there = np.isfinite(means)
        known = np.where(there, means, 0.0)
        count, total, squares = (rolled(one, int(DAY / LOOK)) for one in (there.astype(float), known, known * known))
        centre, spread = total / count, np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0.0))
        centre, spread, count = late(centre, 20), late(spread, 20), late(count, 20, 0.0)
        return np.where(count >= 200, (means - centre) / np.maximum(spread, 0.01 * centre), np.nan)


def welch(of: Binned) -> Numbers:
    """Welch's t of 2 minutes against the hour before."""
    now = [rolled(one, 4) for one in of[:3]]
    past = [late(rolled(one, 120), 4, 0.0) for one in of[:3]]
    with np.errstate(invalid="ignore", divide="ignore"):
        (m1, v1), (m2, v2) = ((s / n, np.maximum(q / n - (s / n) ** 2, 0.01)) for n, s, q in (now, past))
        return np.where((now[0] > 0) & (past[0] >= 20), (m1 - m2) / np.sqrt(v1 / now[0] + v2 / past[0]), np.nan)


def _blocks(of: Binned, width: int, apart: int) -> tuple[Numbers, Numbers]:
    """Means of ``width`` looks, and of the disjoint blocks of the hour before them."""
    with np.errstate(invalid="ignore", divide="ignore"):
        means = rolled(of.first, width) / rolled(of.calls, width)
    return means, np.stack([late(means, apart + width * (block + 1)) for block in range(120 // width)])


def _robust(of: Binned, width: int, apart: int) -> Numbers:
    means, past = _blocks(of, width, apart)
    enough = np.isfinite(past).sum(0) >= 5
    past = np.where(enough, past, 0.0)
    centre = np.nanmedian(past, 0)
    return np.where(
        enough, (means - centre) / np.maximum(1.4826 * np.nanmedian(np.abs(past - centre), 0), LEAST), np.nan
    )


def mad(of: Binned) -> Numbers:
    """2 minutes against median and median deviation of the blocks of the hour before."""
    return _robust(of, 4, 4)


def ewma(of: Binned) -> Numbers:
    """EWMA chart (half-life of 2 minutes) against centre and deviation of the chart over the hour before."""
    kept, chart = 0.5**0.25, np.empty(len(of.calls))
    total = count = 0.0
    for place, (first, calls) in enumerate(zip(of.first, of.calls, strict=True)):
        total, count = kept * total + first, kept * count + calls
        chart[place] = total / count if count > 1e-9 else 0.0
    centre = rolled(chart, 120) / 120
    spread = np.sqrt(np.maximum(rolled(chart * chart, 120) / 120 - centre * centre, 0.0))
    return (chart - late(centre, 8)) / np.maximum(late(spread, 8), LEAST)


def cusum(of: Binned) -> Numbers:
    """Tabular CUSUM (allowance of half a deviation) of minutes, standardised by median and median deviation of the hour before."""
    high = low = 0.0
    scores = np.zeros(len(of.calls))
    for place, value in enumerate(_robust(of, 2, 20)):
        if np.isfinite(value):
            step = min(max(value, -4.0), 4.0)
            high, low = max(0.0, high + step - 0.5), max(0.0, low - step - 0.5)
        scores[place] = high if high >= low else -low
    return scores


class Rival:
    """A judge of a trace: on a healthy day, and on faults that begin within it. One object for each signal of each trace."""

    def __init__(self, judge: Callable[[Binned], Numbers], warm: float) -> None:
        self.judge = judge
        self.warm = warm  # seconds of the past that it needs

    def healthy(self, of: Binned, starts: Sequence[float]) -> Numbers:
        """Scores of every look; ``starts`` are moments from which ``broken`` is asked for."""
        return self.judge(of)

    def broken(self, trace: Trace, signal: str, start: float, end: float, least: float) -> Numbers:
        """Scores of the looks from ``start`` to ``end``; nobody asks below ``least``."""
        return self.judge(binned(trace, signal, start - self.warm, end))[-round((end - start) / LOOK) :]


class Drift(Rival):
    """One of river's detectors at several settings: the score is that of the least sensitive one that alarms.

    Its state is kept at the moments that faults begin at, so that no day is read twice. The side is that of the look itself.
    """

    def __init__(self, detectors: Mapping[float, Any]) -> None:
        super().__init__(self._scores, 0.0)
        self.detectors = dict(detectors)
        self.usual = float("nan")
        self.kept: dict[float, tuple[float, dict[float, bytes]]] = {}

    def healthy(self, of: Binned, starts: Sequence[float]) -> Numbers:
        scores, before = [], 0
        for start in sorted(starts):
            look = round((start - of.begin) / LOOK)
            scores.append(self._scores(of, before, look))
            self.kept[start] = (self.usual, {strength: pickle.dumps(one) for strength, one in self.detectors.items()})
            before = look
        return np.concatenate([*scores, self._scores(of, before)])

    def broken(self, trace: Trace, signal: str, start: float, end: float, least: float) -> Numbers:
        self.usual, kept = self.kept[start]
        self.detectors = {strength: pickle.loads(one) for strength, one in kept.items() if strength >= least}
        return self._scores(binned(trace, signal, start, end))

    def _scores(self, of: Binned, first: int = 0, last: int | None = None) -> Numbers:
        scores = np.zeros(len(of.calls[first:last]))
        for place, (total, calls) in enumerate(zip(of.first[first:last], of.calls[first:last], strict=True)):
            if not calls:
                continue
            mean = total / calls
            self.usual = 0.99 * self.usual + 0.01 * mean if self.usual == self.usual else mean
            for strength, detector in self.detectors.items():
                detector.update(mean)
                if detector.drift_detected and strength > abs(scores[place]):
                    scores[place] = strength if mean >= self.usual else -strength
        return scores


def page_hinkley() -> Drift:
    """river's Page-Hinkley on means of looks: 1 / threshold of the least sensitive of ten settings that alarms."""
    from river.drift import PageHinkley

    settings = np.geomspace(0.2, 50, 10)
    return Drift({float(one): PageHinkley(min_instances=30, delta=0.05, threshold=one) for one in settings})


def adwin() -> Drift:
    """river's ADWIN on means of looks, likewise by its confidence."""
    from river.drift import ADWIN

    settings = np.geomspace(1e-12, 0.3, 10)
    return Drift({float(-np.log(one)): ADWIN(delta=float(one), clock=1, grace_period=10) for one in settings})


RIVALS: dict[str, Callable[[], Rival]] = {
    "textbook z": lambda: Rival(textbook, 1.5 * HOUR), "one-day band": lambda: Rival(band, DAY + HOUR),
    "Welch's t": lambda: Rival(welch, 1.5 * HOUR), "MAD": lambda: Rival(mad, 1.5 * HOUR),
    "EWMA chart": lambda: Rival(ewma, 3 * HOUR), "CUSUM": lambda: Rival(cusum, 6 * HOUR),
}  # fmt: skip
if find_spec("river"):
    RIVALS |= {"Page-Hinkley (river)": page_hinkley, "ADWIN (river)": adwin}
