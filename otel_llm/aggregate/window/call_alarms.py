"""Alarms by single calls: how many there were within five minutes, and how many a service has by itself.

Some services have calls far beyond all others while nothing is wrong, several at a time. The most of them within five minutes is
kept for every two hours of the last three days. Before that is known, and after: of many calls, a few such are no fault of the service.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from .trend import Line

WITHIN = 300.0  # seconds in which alarms add up
SHARE = 0.01  # of the calls in that time: fewer alarms page nobody while recent calls as a whole are where they were
MOST = 20  # that are counted
JOINED = 2.0  # a shift from which on recent calls as a whole are beside the usual: an alarm is not alone then


class CallAlarms:
    """Those of one signal to one side."""

    __slots__ = ("alone", "line", "most", "times")

    def __init__(self) -> None:
        self.times = array("d")
        self.alone = array("d")
        self.most = 0  # alone within five minutes, since the last minute was closed
        self.line = Line()  # of which the largest are kept

    def critical(self, at: float, shift: float, least: int, calls: int = 0) -> bool:
        """Count an alarm; whether it makes ``least`` within five minutes, and where recent calls as a whole have no ``shift`` to its
        side, more than the service has by itself, and at least ``SHARE`` of the ``calls`` in that time (of 2,000 at the most)."""
        _keep(self.times, at)
        together = _lately(self.times, at)
        if shift >= JOINED:
            return together >= least
        _keep(self.alone, at)
        self.most = max(self.most, _lately(self.alone, at))
        return together >= least and together > self.usual and together >= min(SHARE * calls, MOST)

    @property
    def usual(self) -> float:
        """The most within five minutes that the service had by itself in the last three days, up to six."""
        return max(self.line.maxima, default=0.0)

    def close(self, minute: int) -> None:
        self.line.see(minute, self.most)
        self.most = 0


def _keep(times: array[float], at: float) -> None:
    times.append(at)
    del times[:-MOST]


def _lately(times: Iterable[float], at: float) -> int:
    return sum(abs(at - one) <= WITHIN for one in times)
