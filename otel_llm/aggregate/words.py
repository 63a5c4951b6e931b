"""Numbers in sentences: short, with their unit, and in ASCII except for an arrow."""

from __future__ import annotations

import math
from collections.abc import Iterable

from .bounds import printable
from .window.facts import Cause


def percent(share: float) -> str:
    """``0 %``, ``0.4 %``, ``60 %``."""
    value = share * 100
    whole = not value or abs(value) >= 9.95 or abs(value - round(value)) < 0.05  # noqa: PLR2004 - three digits
    return f"{value:,.0f} %" if whole else f"{value:.1f} %"


def dollars(value: float) -> str:
    """``$0.0031``, ``$12.30``, ``$1,500``."""
    size = abs(value)
    if not size:
        return "$0"
    if size >= 999.5 or (size >= 20 and value == int(value)):  # noqa: PLR2004 - without cents
        return f"${value:,.0f}"
    return f"${value:.{2 if size >= 0.0995 else min(6, 1 - math.floor(math.log10(size)))}f}"  # noqa: PLR2004 - two digits


def seconds(value: float) -> str:
    """``210 ms``, ``6.8 s``, ``31 s``."""
    if value < 0.995:  # noqa: PLR2004 - below a second
        return f"{value * 1000:.0f} ms"
    return f"{value:.1f} s" if value < 9.95 else f"{value:,.0f} s"  # noqa: PLR2004 - two digits


def moved(causes: Iterable[Cause]) -> str:
    """What changed: ``tenant acme: 12 % → 48 % of calls (80 % of the change)``."""
    return "; ".join(
        f"{dimension} {printable(value)}: {percent(before)} \N{RIGHTWARDS ARROW} {percent(now)} of calls ({percent(share)} of the change)"
        for dimension, value, share, before, now in causes
    )
