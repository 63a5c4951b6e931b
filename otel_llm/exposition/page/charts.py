"""Charts as SVG paths: small, without a script, each with a sentence for who cannot see it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 60, 20
Values = Sequence[float | None]


def svg(label: str, *paths: str) -> str:
    """A chart; ``label`` says what it shows."""
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{escape(label)}">'
        f"{''.join(paths)}</svg>"
    )


def bars(values: Values, top: float, kind: str = "bars") -> str:
    """One bar for each value, from zero up; full height is ``top``."""
    step = WIDTH / max(len(values), 1)
    drawn = [
        f"M{_place((at + 0.5) * step)} {HEIGHT}v-{_place(min(value / top, 1) * HEIGHT)}"
        for at, value in enumerate(values)
        if value and top > 0
    ]
    return f'<path class="{kind}" d="{"".join(drawn)}"/>' if drawn else ""


def line(values: Values, top: float, kind: str = "") -> str:
    """A line through the values that are known; it breaks where one is not."""
    if not values or top <= 0:
        return ""
    step = WIDTH / max(len(values) - 1, 1)
    drawn, pen = [], "M"
    for at, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        drawn.append(f"{pen}{_place(at * step)} {_height(value, top)}")
        pen = "L"
    kind = f' class="{kind}"' if kind else ""
    return f'<path{kind} d="{"".join(drawn)}"/>' if drawn else ""


def beyond(values: Values, limit: float, top: float, kind: str) -> str:
    """The part of a line that is above ``limit``, drawn once more."""
    over = [value if value is not None and value > limit else None for value in values]
    return line(over, top, kind) if any(value is not None for value in over) else ""


def limit(value: float, top: float) -> str:
    """A horizontal line at ``value``, where it fits the scale."""
    return f'<path class="limit" d="M0 {_height(value, top)}h{WIDTH}"/>' if 0 < value <= top else ""


def now(values: Values, top: float) -> str:
    """A dot at the newest value, if it is known."""
    if not values or values[-1] is None or top <= 0:
        return ""
    return dot(WIDTH, values[-1], top)


def dot(at: float, value: float, top: float) -> str:
    """A dot at a place on the horizontal axis."""
    return f'<path class="now" d="M{_place(at)} {_height(value, top)}h0"/>' if top > 0 else ""


def segment(start: tuple[float, float], end: tuple[float, float], top: float, kind: str) -> str:
    """A straight line between two points (place, value)."""
    if top <= 0:
        return ""
    (x1, y1), (x2, y2) = start, end
    return f'<path class="{kind}" d="M{_place(x1)} {_height(y1, top)}L{_place(x2)} {_height(y2, top)}"/>'


def steps(points: Sequence[tuple[float, float]], top: float) -> str:
    """A line through points (place, value)."""
    if top <= 0 or not points:
        return ""
    return f'<path d="M{"L".join(f"{_place(at)} {_height(value, top)}" for at, value in points)}"/>'


def _height(value: float, top: float) -> str:
    return _place(HEIGHT * (1 - min(max(value / top, 0), 1)))


def _place(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
