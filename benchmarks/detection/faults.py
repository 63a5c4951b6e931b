"""What may go wrong, planted into a healthy trace."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from traces import Trace


class Fault(NamedTuple):
    """From ``start`` on, for ``minutes``, a signal is ``factor`` of what it was; a drift only gets there by the end."""

    name: str
    signal: str
    factor: float
    minutes: float
    drift: bool = False

    @property
    def side(self) -> int:
        return 1 if self.factor > 1 else -1


KINDS = (
    ("latency x2", "latency", 2.0, False),
    ("latency x5", "latency", 5.0, False),
    ("output -30 %", "output_tokens", 0.7, False),
    ("output -60 %", "output_tokens", 0.4, False),
    ("cost x3", "cost", 3.0, False),
    ("drift of latency to x2", "latency", 2.0, True),
)
MINUTES = (5, 15, 60)
FAULTS = tuple(
    Fault(name, signal, factor, minutes, drift) for name, signal, factor, drift in KINDS for minutes in MINUTES
)


def plant(trace: Trace, fault: Fault, start: float) -> Trace:
    values = getattr(trace, fault.signal)
    passed = (trace.at - start) / (fault.minutes * 60)
    there = (passed >= 0) & (passed < 1)
    factor = 1 + (fault.factor - 1) * passed if fault.drift else fault.factor
    changed = np.where(there, values * factor, values)
    if fault.signal == "output_tokens":
        changed = np.round(changed)
    return trace._replace(**{fault.signal: changed})
