"""The levels of the page, each with a shape and a word, as a colour alone says nothing to who cannot see it."""

from __future__ import annotations

MARKS = (
    '<svg class="sr" aria-hidden="true"><defs>'
    '<symbol id="m-critical" viewBox="0 0 10 10"><path d="M0 0h10v10H0z"/></symbol>'
    '<symbol id="m-warning" viewBox="0 0 10 10"><path d="M5 0l5 10H0z"/></symbol>'
    '<symbol id="m-pending" viewBox="0 0 10 10"><path d="M0 4h10v2H0z"/></symbol>'
    '<symbol id="m-ended" viewBox="0 0 10 10"><circle cx="5" cy="5" r="4" fill="none" stroke="currentColor" stroke-width="1.5"/>'
    "</symbol></defs></svg>"
)
LEVELS = ("critical", "warning", "pending", "ended")
CLASSES = {"critical": "over", "warning": "near"}
"""The CSS classes of the levels that are beyond a limit."""


def mark(level: str, text: str = "") -> str:
    """A shape for a level before ``text``, and the level as a word for who cannot see it."""
    if level not in LEVELS:
        return text
    shape = f'<svg class="mark" aria-hidden="true"><use href="#m-{level}"/></svg>'
    return f'<span class="{level}">{shape}{text}<span class="sr"> {level}</span></span>'


def labelled(level: str) -> str:
    """The shape and the word."""
    css = level if level in CLASSES else f"is-{level}"
    return f'<span class="{css}"><svg class="mark" aria-hidden="true"><use href="#m-{level}"/></svg> {level}</span>'
