"""Numbers, times and names as the page writes them. Whatever comes from outside is escaped here and nowhere else."""

# ruff: noqa: PLR2004 - the numbers are places where a format changes

from __future__ import annotations

import math
import unicodedata
from html import escape

NONE = "\N{EN DASH}"
THIN = "\N{NARROW NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
LONGEST_TITLE = 300
_UNSEEN = frozenset(("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"))


def number(value: float | None) -> str:
    """Three digits: ``0``, ``0.02``, ``7.3``, ``23,463``, ``1.2M``."""
    if value is None or not math.isfinite(value):
        return NONE
    size = abs(value)
    if size >= 999_500:
        unit, scale = next(
            (unit, scale) for unit, scale in (("T", 1e12), ("G", 1e9), ("M", 1e6)) if size >= scale * 0.9995
        )
        return f"{_signed(value / scale, 1)}{unit}"
    if not size or size >= 99.5 or value == int(value):
        return _signed(value, 0)
    if size < 0.005:
        return f"<{0.01}"
    return _signed(value, 1 if size >= 9.95 else 2 if size < 1 else 1)


def _signed(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}".replace("-", MINUS)


def percent(share: float | None) -> str:
    """``0 %``, ``0.4 %``, ``12 %``; ``<0.1 %`` for what is not zero."""
    if share is None or not math.isfinite(share):
        return NONE
    value = share * 100
    if 0 < value < 0.05:
        return f"<0.1{THIN}%"
    digits = 0 if not value or abs(value) >= 9.95 or abs(value - round(value)) < 0.05 else 1
    return f"{_signed(value, digits)}{THIN}%"


def dollars(value: float | None) -> str:
    """``$0.0031``, ``$0.42``, ``$410.20``, ``$12,300``."""
    if value is None or not math.isfinite(value):
        return NONE
    size = abs(value)
    if not size:
        return "$0"
    if size < 0.0001:
        return "<$0.0001"
    digits = (
        0
        if size >= 9_999.5 or (size >= 20 and value == int(value))
        else 2
        if size >= 0.0995
        else 1 - math.floor(math.log10(size))
    )
    return f"{MINUS if value < 0 else ''}${size:,.{digits}f}"


def seconds(value: float | None) -> str:
    """Seconds in two or three digits, without their unit: ``0.21``, ``6.8``, ``31``."""
    if value is None or not math.isfinite(value):
        return NONE
    return f"{value:.2f}" if value < 0.995 else f"{value:.1f}" if value < 9.95 else f"{value:,.0f}"


def sigma(value: float | None) -> str:
    """``+4.2``; a z-score above 99 is shown as 99."""
    if value is None or not math.isfinite(value):
        return NONE
    return f"{max(-99.0, min(99.0, value)):+.1f}".replace("-", MINUS)


def duration(seconds: float) -> str:
    """``29 s``, ``21 min``, ``3 h 12 min``, ``3 d 4 h``."""
    left = max(0, int(seconds))
    for unit, size, smaller, part in (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1)):
        if left >= size:
            whole, rest = divmod(left, size)
            more = f" {rest // part}{THIN}{smaller}" if rest // part and not (unit == "min" and whole >= 10) else ""
            return f"{whole}{THIN}{unit}{more}"
    return f"{left}{THIN}s"


def plural(count: float, noun: str, nouns: str = "") -> str:
    """``1 warning``, ``3 warnings``."""
    return f"{number(count)} {noun if count == 1 else nouns or noun + 's'}"


def plain(text: str, most: int) -> str:
    """``text`` with its invisible and direction-changing characters spelled out, cut in the middle at ``most``."""
    text = "".join(
        _spelt(sign) if unicodedata.category(sign) in _UNSEEN else sign for sign in text[: 4 * LONGEST_TITLE]
    )
    if len(text) <= most:
        return text
    return text[: most - most // 3 - 1] + "\N{HORIZONTAL ELLIPSIS}" + text[-(most // 3) :]


def _spelt(sign: str) -> str:
    code = ord(sign)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def name(text: str, most: int = 72, none: str = NONE) -> str:
    """A name from outside as HTML: isolated from our text's direction, whole on hover where it was cut."""
    if not text:
        return none
    cut = plain(text, most)
    whole = plain(text, LONGEST_TITLE)
    title = f' title="{escape(whole)}"' if whole != cut else ""
    return f"<bdi{title}>{escape(cut)}</bdi>"


def moment(at: str | None, *, long: bool = False) -> str:
    """An RFC 3339 time in UTC as HTML; the page's script turns it into the viewer's own."""
    if not at:
        return NONE
    return f'<time datetime="{escape(at)}">{escape(at[11:19] if long else at[11:16])}</time>'
