"""What the keys do and what the signs mean: shown in place of the panels while ``?`` is on."""

from __future__ import annotations

from rich.console import Group
from rich.panel import Panel
from rich.text import Text

from .panels import Frame, panel
from .theme import AMBER, DIM, INK, RED

_KEYS = (
    ("?", "this page, and back"), ("q", "quit"), ("s r", "sort by the next column, reverse"), ("/", "filter by model or provider"),
    ("g", "group by the next label"), ("p", "pause"), ("+ -", "faster, slower"),
)  # fmt: skip


def panel_of(frame: Frame) -> Panel:
    """Keys first, then signs, each on one line."""
    glyphs = frame.glyphs
    sigma = glyphs.sigma.strip()
    signs = (
        (glyphs.up, "unusually high, from 2 standard deviations on", AMBER), (glyphs.down, "unusually low", AMBER),
        (sigma, "standard deviations from the model's own baseline", INK), ("amber", "warning: look at it today", AMBER),
        ("red", "critical: look at it now", RED),
        ("z lat", f"distance of the latency's mean from usual, in {sigma}; z out, z cost likewise", INK),
        ("not in it", "calls without a price or without usage: amounts are higher than shown", INK),
        ("window", "what rates, percentiles and shares are over; before the first minute ends, since the start", INK),
        ("start", "calls, tokens and errors by type are since then; and a table by a label of your own", INK),
    )  # fmt: skip
    lines = [Text.assemble((f"{key:<10}", f"bold {INK}"), (words, DIM)) for key, words in _KEYS]
    lines += [
        Text(),
        *(Text.assemble((f"{sign:<10}", f"bold {colour}"), (words, DIM)) for sign, words, colour in signs),
    ]
    for text in lines:
        text.no_wrap = True
        text.truncate(max(1, frame.width - 4))
    return panel("KEYS AND SIGNS", INK, Group(*lines), frame, None)
