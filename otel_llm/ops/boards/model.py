"""What a board is made of: questions, the panels that answer them and the queries behind those. Plain data."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["timeseries", "stat", "gauge", "bargauge", "heatmap", "table", "state-timeline"]
Step = tuple[float, str]  # from this value on, this colour

COLUMNS = 24  # of Grafana's grid
GOOD, WARN, BAD, NEUTRAL, CLEAR = "green", "orange", "red", "blue", "transparent"
NO_CALLS = "No calls in this time range"


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression. ``instant`` asks for one value at the end of the range, as tables and bars want it."""

    expr: str
    legend: str = ""
    instant: bool = False
    exemplar: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """Where a click leads: a path that Grafana completes with the present variables and time."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: ``source`` is a label, or ``Value #A`` for the values of the first query."""

    source: str
    title: str
    unit: str = "none"
    steps: tuple[Step, ...] = ()
    width: int = 0  # pixels; 0 shares what is left
    decimals: int | None = None
    base: str = "text"  # colour below the first step
    links: tuple[Link, ...] = ()
    words: tuple[tuple[str, str], ...] = ()  # text, colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One answer. ``key`` is unique within the board and gives the panel the id that links rely on.

    ``steps`` colour values from a limit on; a time series draws the limits as dashed lines. ``empty`` is shown when a
    query returns nothing, and says why. ``colours`` fixes the colour of a series by its legend.
    """

    kind: Kind
    key: str
    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    width: int = 8
    height: int = 8
    base: str = CLEAR
    steps: tuple[Step, ...] = ()
    empty: str = NO_CALLS
    links: tuple[Link, ...] = ()
    low: float | None = None
    high: float | None = None
    soft_high: float | None = None  # the axis goes at least up to here
    decimals: int | None = None
    stack: Literal["", "normal", "percent"] = ""
    bars: bool = False
    log: bool = False  # each step of the axis doubles
    fill_between: tuple[str, str] | None = None  # legends: the upper line, filled down to the lower one
    colours: tuple[tuple[str, str], ...] = ()
    states: tuple[tuple[float, str, str], ...] = ()  # value, text, colour
    columns: tuple[Column, ...] = ()
    sort: str = ""  # title of the column that a table is sorted by, largest first
    ascending: bool = False  # smallest first
    dashed: tuple[str, ...] = ()  # legends of lines to compare with
    sparkline: bool = True
    reduce: str = "lastNotNull"

    @property
    def id(self) -> int:
        """Stable as long as the key is: inserting or moving panels changes no other id."""
        return zlib.crc32(self.key.encode()) % 100_000 + 1


@dataclass(frozen=True, slots=True)
class Row:
    """A question and the panels that answer it. ``folded`` rows cost nothing until somebody asks."""

    question: str
    panels: tuple[Panel, ...]
    folded: bool = False

    @property
    def id(self) -> int:
        return zlib.crc32(self.question.encode()) % 100_000 + 200_001


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard. A first row with an empty question has no header, which saves a line of the screen."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    since: str = "now-6h"
    tags: tuple[str, ...] = field(default=("otel-llm", "llm"))

    def panels(self) -> Iterable[Panel]:
        """All panels, those of folded rows too."""
        return (panel for row in self.rows for panel in row.panels)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a panel stands in Grafana's grid, in grid units."""

    x: int
    y: int
    w: int
    h: int


def flow(panels: Iterable[Panel], top: int) -> tuple[list[Place], int]:
    """Place ``panels`` from left to right, line by line, below ``top``. Returns the places and the first free line."""
    places: list[Place] = []
    x, y, tallest = 0, top, 0
    for panel in panels:
        if x + panel.width > COLUMNS:
            x, y, tallest = 0, y + tallest, 0
        places.append(Place(x, y, panel.width, panel.height))
        x, tallest = x + panel.width, max(tallest, panel.height)
    return places, y + tallest


def plain_steps(base: str, steps: Iterable[Step]) -> list[dict[str, Any]]:
    """Thresholds as Grafana's JSON has them."""
    return [{"color": base, "value": None}, *({"color": colour, "value": value} for value, colour in steps)]


def plain_links(links: Iterable[Link]) -> list[dict[str, Any]]:
    """Links of values as Grafana's JSON has them."""
    return [{"targetBlank": False, "title": link.title, "url": link.url} for link in links]
