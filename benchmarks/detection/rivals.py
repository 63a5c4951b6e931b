"""What else watches a series for changes: textbook methods and river's detectors, each as a score at every look.

All but the textbook's judge means of logarithms, in which a change by a factor is a step; that is to their advantage. A score is
signed where a method knows the side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    least: float = 0.0  # score below which nobody asks: less sensitive settings need not be tried


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


def page_hinkley(of: Binned) -> Numbers:
    """river's Page-Hinkley on means of looks: 1 / threshold of the least sensitive of ten settings that alarms."""
    from river.drift import PageHinkley

    settings = np.geomspace(0.2, 50, 10)
    return _river(of, {float(one): PageHinkley(min_instances=30, delta=0.05, threshold=one) for one in settings})


def adwin(of: Binned) -> Numbers:
    """river's ADWIN on means of looks, likewise by its confidence."""
    from river.drift import ADWIN

    settings = np.geomspace(1e-12, 0.3, 10)
    return _river(of, {float(-np.log(one)): ADWIN(delta=float(one), clock=1, grace_period=10) for one in settings})


def _river(of: Binned, detectors: Mapping[float, Any]) -> Numbers:
    """Of detectors by how little they are sensitive, the largest number of one that alarms; the side by the look itself."""
    scores = np.zeros(len(of.calls))
    usual = 0.0
    tried = {strength: detector for strength, detector in detectors.items() if strength >= of.least}
    for place, (first, calls) in enumerate(zip(of.first, of.calls, strict=True)):
        if not calls:
            continue
        mean = first / calls
        usual = mean if not place else 0.99 * usual + 0.01 * mean
        for strength, detector in tried.items():
            detector.update(mean)
            if detector.drift_detected and strength > abs(scores[place]):
                scores[place] = strength if mean >= usual else -strength
    return scores


RIVALS: dict[str, Callable[[Binned], Numbers]] = {
    "textbook z": textbook, "one-day band": band, "Welch's t": welch, "MAD": mad, "EWMA chart": ewma, "CUSUM": cusum,
}  # fmt: skip
if find_spec("river"):
    RIVALS |= {"Page-Hinkley (river)": page_hinkley, "ADWIN (river)": adwin}
WARM = DAY + HOUR  # of the past that a rival may need
