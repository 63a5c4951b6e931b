"""Scores of evaluations: their mean over the window, and how far recent ones lie from what is usual, both ways.

Scores come at any pace, so time is counted in blocks of them: a block is over with its minute, or with its fifth score. Blocks are
judged by the trend of the window's engine, as minutes of calls are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from otel_llm.core.shapes import NamedTuple

from .window.facts import Sample
from .window.trend import LINE, Trend

BLOCK = 5
"""Scores that make a block, where they come within one minute."""
SPREAD, LEAST, WANDER = 0.05, 0.02, 0.05
"""Least spread of single scores, least error of a mean, and how far means are believed to wander before it is known."""
HELD, LASTING, GRAVE = 5, 2, 6.0
"""Blocks in a row beyond the line that make a drop critical, a warning, and the score at which two are enough for critical."""
MOST = 1000
"""Evaluations, by name and model, that are kept; past it the one that was silent longest goes."""
KEPT = 60 * BLOCK
"""Blocks that the window's mean is made of, at most."""
Key = tuple[str, str, str]  # provider, request model, evaluation


class Standing(NamedTuple):
    """Where an evaluation stands: its mean over the window, the usual mean, the distance in standard deviations, blocks low in a row."""

    mean: float
    usual: float | None
    zscore: float | None
    low: int
    samples: int


class _Series:
    """Scores of one evaluation of one model."""

    def __init__(self) -> None:
        self.trend = Trend(SPREAD, LEAST, both=True, wander=WANDER)
        self.blocks: deque[tuple[float, int, float]] = deque(maxlen=KEPT)  # when it ended, scores, their sum
        self.number = 0  # of blocks
        self.minute = -1
        self.at = 0.0
        self.sums = [0.0, 0.0, 0.0]
        self.low = 0

    def add(self, at: float, score: float) -> None:
        minute = int(at // 60)
        if minute != self.minute or self.sums[0] >= BLOCK:
            self.close()
        self.minute, self.at = minute, max(at, self.at)
        self.sums = [self.sums[0] + 1, self.sums[1] + score, self.sums[2] + score * score]

    def close(self) -> None:
        """The block is over."""
        count, total, squares = self.sums
        if not count:
            return
        self.sums = [0.0, 0.0, 0.0]
        self.number += 1
        self.trend.close(self.number, count, total, squares)
        self.blocks.append((self.at, int(count), total))
        score = self.zscore
        self.low = self.low + 1 if score is not None and score <= -LINE else 0

    @property
    def zscore(self) -> float | None:
        return self.trend.line.shown(self.trend.score) if self.trend.known else None

    def standing(self, since: float) -> Standing | None:
        blocks = [block for block in self.blocks if block[0] >= since]
        count = sum(block[1] for block in blocks)
        if not count:
            return None
        usual = self.trend.centre if self.trend.known else None
        return Standing(sum(block[2] for block in blocks) / count, usual, self.zscore, self.low, count)


class Quality:
    """All evaluations of a service. ``window`` is seconds. Not thread-safe: the caller holds its lock."""

    def __init__(self, window: float) -> None:
        self.window = window
        self._series: dict[Key, _Series] = {}

    def add(self, key: Key, at: float, score: float) -> None:
        """Take a score that was given ``at``, seconds since the epoch."""
        series = self._series.get(key)
        if series is None:
            if len(self._series) >= MOST:
                del self._series[min(self._series, key=lambda one: self._series[one].at)]
            series = self._series[key] = _Series()
        series.add(at, score)

    def standings(self, now: float) -> Iterator[tuple[Key, Standing]]:
        """Every evaluation that has scores in the window."""
        for key, series in self._series.items():
            if int(now // 60) > series.minute:
                series.close()
            standing = series.standing(now - self.window)
            if standing is not None:
                yield key, standing

    def gauges(self, now: float) -> Iterator[Sample]:
        """Means and distances as a scrape shows them."""
        for key, standing in self.standings(now):
            yield "otel_llm_evaluation_mean", key, standing.mean
            if standing.zscore is not None:
                yield "otel_llm_evaluation_zscore", key, standing.zscore

    def dump(self) -> list[Any]:
        """What ``load`` takes."""
        return [
            (key, (one.trend.dump(), list(one.blocks), one.number, one.minute, one.at, one.sums, one.low))
            for key, one in self._series.items()
        ]

    @classmethod
    def load(cls, state: Any, window: float) -> Quality:
        """What ``dump`` gave. Raises ValueError or TypeError for anything else."""
        quality = cls(window)
        for (provider, model, name), (trend, blocks, *rest) in state:
            series = quality._series[provider, model, name] = _Series()
            series.trend.load(trend)
            series.blocks.extend((float(at), int(count), float(total)) for at, count, total in blocks)
            series.number, series.minute, series.at, series.sums, series.low = rest
        return quality


def severity(standing: Standing) -> str:
    """``critical`` or ``warning`` where scores have dropped, else empty."""
    if standing.zscore is None or standing.low < LASTING:
        return ""
    return "critical" if standing.low >= HELD or standing.zscore <= -GRAVE else "warning"
