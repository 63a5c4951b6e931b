"""How things look: palette, glyphs for rich and for poor terminals, and numbers in few characters."""

# ruff: noqa: PLR2004 - the numbers are places where a format changes

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.box import ASCII, ROUNDED, Box
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

INK, DIM, HINT, FAINT = "#d7dce5", "#8b95a7", "#667085", "#3d4657"
BLUE, TEAL, GREEN, AMBER, RED, VIOLET, PINK = (
    "#61afef", "#4ec9b0", "#98c379", "#e5c07b", "#f7768e", "#bb9af7", "#ff9ec7",
)  # fmt: skip
WARNING, CRITICAL = 2.0, 3.0  # standard deviations; the severities of the metric contract
NONE = "-"


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters a terminal can show."""

    bars: str
    full: str
    empty: str
    middle: str
    dot: str
    arrow: str
    up: str
    down: str
    sigma: str
    separator: str
    warning: str
    critical: str
    cut: str
    border: Box


UNICODE = Glyphs(
    bars="▁▂▃▄▅▆▇█", full="━", empty="─", middle="┼", dot="●", arrow="→", up="▲", down="▼",
    sigma="\N{GREEK SMALL LETTER SIGMA}", separator="·", warning="▲", critical="■", cut="…", border=ROUNDED,
)  # fmt: skip
PLAIN = Glyphs(
    bars="_.-:=+*#", full="#", empty=".", middle="|", dot="*", arrow="->", up="^", down="v",
    sigma=" sigma", separator="|", warning="!", critical="!!", cut="~", border=ASCII,
)  # fmt: skip


_ASCII = str.maketrans({
    "\N{GREEK SMALL LETTER SIGMA}": "sigma", "\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "\N{NARROW NO-BREAK SPACE}": " ",
    "\N{NO-BREAK SPACE}": " ", "\N{MIDDLE DOT}": "|", "\N{MULTIPLICATION SIGN}": "x",
})  # fmt: skip


def words(text: str, glyphs: Glyphs) -> str:
    """``text`` in the characters that the terminal has."""
    return text.translate(_ASCII).encode("ascii", "replace").decode() if glyphs is PLAIN else text


def number(value: float | None) -> str:
    """At most six characters: ``0.034``, ``12.3``, ``12.1k``, ``2.05M``."""
    if value is None or math.isnan(value):
        return NONE
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    size = abs(value)
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= limit * 0.99995:
            scale = {"T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3}[unit]
            return f"{value / scale:.3g}{unit}" if size < scale * 999.5 else f"{value / scale:.0f}{unit}"
    if size >= 100 or value == int(value):
        return f"{value:.0f}"
    if size < 0.001:
        return "<.001"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 0.1 else f"{value:.2g}"


def seconds(value: float | None) -> str:
    """``840 ms``, ``3.42 s``, ``25.0 s``, ``2.1 m``."""
    if value is None or math.isnan(value):
        return NONE
    for limit, scale, digits, unit in ((0.9995, 1000, 0, "ms"), (9.995, 1, 2, "s"), (99.95, 1, 1, "s")):
        if value < limit:
            return f"{value * scale:.{digits}f} {unit}"
    return f"{value / 60:.1f} m"


def dollars(value: float | None) -> str:
    """``$0.000023``, ``$0.0031``, ``$0.42``, ``$12.30``, ``$4,210``; whole amounts from 20 on without cents."""
    if value is None or math.isnan(value):
        return NONE
    size = abs(value)
    if not size:
        return "$0"
    if size >= 999.995 or (size >= 20 and value == int(value)):
        return f"${value:,.0f}"
    if size < 1e-6:
        return f"${value:.0e}"
    digits = 2 if size >= 0.0995 else min(6, 1 - math.floor(math.log10(size)))
    return f"${value:.{digits}f}"


def percent(value: float | None) -> str:
    """``0 %``, ``0.4 %``, ``12 %``."""
    if value is None or math.isnan(value):
        return NONE
    share = value * 100
    return f"{share:.0f} %" if not share or abs(share) >= 9.95 else f"{share:.1f} %"


def sigma(value: float | None) -> str:
    """``+2.4``; a z-score above 99 is shown as 99."""
    if value is None or math.isnan(value):
        return NONE
    return f"{max(-99.0, min(99.0, value)):+.1f}"


def severity(zscore: float | None) -> str:
    """``critical``, ``warning``, ``calm``, or empty where there is no z-score."""
    if zscore is None or math.isnan(zscore):
        return ""
    size = abs(zscore)
    return "critical" if size >= CRITICAL else "warning" if size >= WARNING else "calm"


COLOURS = {"critical": RED, "warning": AMBER, "calm": GREEN, "": DIM}


def share_colour(value: float | None, warning: float, critical: float) -> str:
    """Green, amber or red for a value that is better low."""
    if value is None:
        return DIM
    return RED if value >= critical else AMBER if value >= warning else GREEN


def bar(value: float, width: int, colour: str, glyphs: Glyphs) -> Text:
    """A bar filled to ``value`` of 1; beyond 1 it is full."""
    filled = max(0, min(width, round(value * width)))
    if value > 0 and not filled:
        filled = 1
    return Text.assemble((glyphs.full * filled, colour), (glyphs.empty * (width - filled), FAINT))


def stacked(parts: Iterable[tuple[float, str]], width: int, glyphs: Glyphs) -> Text:
    """One bar divided in proportion to the parts, which have a colour each."""
    parts = [(value, colour) for value, colour in parts if value > 0]
    total = sum(value for value, _ in parts)
    text, done, before = Text(), 0, 0.0
    for value, colour in parts:
        before += value
        upto = round(before / total * width)
        text.append(glyphs.full * (upto - done), colour)
        done = upto
    return text.append(glyphs.empty * (width - done), FAINT)


def spark(values: Sequence[float | None], width: int, colour: str, glyphs: Glyphs, top: float | None = None) -> Text:
    """The last ``width`` values as columns from 0 to the highest, the newest at the right; gaps stay blank."""
    latest = list(values)[-width:] if width > 0 else []
    highest = max([top or 0.0, *(value for value in latest if value is not None)])
    text = Text(" " * (width - len(latest)))
    for value in latest:
        if value is None:
            text.append(" ")
            continue
        step = round(value / highest * (len(glyphs.bars) - 1)) if highest > 0 else 0
        text.append(glyphs.bars[max(0, step)], colour if value > 0 else FAINT)
    return text


def shorten(text: str, width: int, glyphs: Glyphs) -> str:
    """``text`` cut in its middle, because both the start and the end of a model's name matter."""
    if len(text) <= width:
        return text
    if width <= len(glyphs.cut) + 2:
        return text[:width]
    keep = width - len(glyphs.cut)
    return text[: keep - keep // 3] + glyphs.cut + text[len(text) - keep // 3 :]
