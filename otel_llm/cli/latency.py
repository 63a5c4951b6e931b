"""Percentiles of several models or services as one, from the percentiles of each."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Latency(NamedTuple):
    """Seconds; of successful calls."""

    p50: float
    p95: float
    p99: float
    max: float


_RANKS = (0.5, 0.95, 0.99, 1.0)
_FLOOR = 8.0  # where nothing is known below the median, calls spread down to an eighth of it
_STEPS = 40  # halvings; far below a thousandth of the value


def read(quantiles: Mapping[str, float]) -> Latency | None:
    """From the gauge's samples by their ``quantile`` label; None where one is missing or is no number."""
    by_rank = {float(rank): value for rank, value in quantiles.items()}
    values = [by_rank.get(rank, math.nan) for rank in _RANKS]
    return None if any(math.isnan(value) for value in values) else Latency(*values)


def mix(parts: Sequence[tuple[Latency, float]]) -> Latency | None:
    """Percentiles of calls that come from ``parts`` in proportion to their weights.

    Each part is a distribution through its known percentiles, straight in the logarithm between them; their sum
    is inverted by bisection. Exact for a single part.
    """
    parts = [(latency, weight) for latency, weight in parts if weight > 0] or [(latency, 1.0) for latency, _ in parts]
    if len(parts) <= 1:
        return parts[0][0] if parts else None
    total = sum(weight for _, weight in parts)
    top = max(latency.max for latency, _ in parts)
    quantiles = [_invert(parts, rank * total, top) for rank in _RANKS[:-1]]
    return Latency(quantiles[0], quantiles[1], quantiles[2], top)


def _invert(parts: Sequence[tuple[Latency, float]], mass: float, top: float) -> float:
    low, high = min(max(latency.p50, 1e-9) for latency, _ in parts) / _FLOOR, max(top, 1e-9)
    for _ in range(_STEPS):
        middle = math.sqrt(low * high)
        if sum(weight * _share(latency, middle) for latency, weight in parts) < mass:
            low = middle
        else:
            high = middle
    return high


def _share(latency: Latency, value: float) -> float:
    """The share of calls at or below ``value``."""
    points = [(max(latency.p50, 1e-9) / _FLOOR, 0.0), *zip(latency, _RANKS, strict=True)]
    if value < points[0][0]:
        return 0.0
    for (low, below), (high, upto) in itertools.pairwise(points):
        if value < high:
            return below + (upto - below) * math.log(value / low) / math.log(high / low)
    return 1.0


def from_buckets(buckets: Mapping[float, float], rank: float) -> float | None:
    """A quantile of a histogram's cumulative buckets, straight within a bucket, clamped to the last finite bound.

    The formula of Prometheus's ``histogram_quantile``. None where the histogram is empty.
    """
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if total <= 0:
        return None
    mass, low, below = rank * total, 0.0, 0.0
    for bound in bounds:
        upto = buckets[bound]
        if upto >= mass:
            return low if math.isinf(bound) else low + (bound - low) * (mass - below) / max(upto - below, 1e-12)
        low, below = bound, upto
    return low
