"""The table of models (or tenants, ...): its columns, their order, and which of them a width has room for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from rich.table import Table
from rich.text import Text

from . import theme
from .panels import Frame, panel
from .theme import AMBER, DIM, GREEN, HINT, INK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rich.panel import Panel

    from .facts import Row
    from .theme import Glyphs


Period = Literal["window", "start"]
PERIODS: dict[Period, str] = {"window": "over the window", "start": "since the start"}


@dataclass(frozen=True, slots=True)
class Column:
    """What a column says of a row, what it sorts by, and from which screen width on it is shown.

    ``period`` is what its values are over; without one it is the row's, which is the same for all columns of a table.
    """

    key: str
    title: str
    width: int
    least: int
    value: Callable[[Row], float | None]
    cell: Callable[[Row, Frame], Text]
    period: Period | Literal[""] = ""


def _plain(
    key: str, title: str, width: int, least: int, *, value: Callable[[Row], float | None],
    write: Callable[[float | None], str],
) -> Column:  # fmt: skip
    return Column(key, title, width, least, value, lambda row, _: Text(write(value(row)), INK))


def _of(period: Period, column: Column) -> Column:
    return replace(column, period=period)


def _latency(field: str, key: str, least: int) -> Column:
    def value(row: Row) -> float | None:
        return getattr(row.latency, field) if row.latency else None

    return _plain(key, field, 7, least, value=value, write=theme.seconds)


def _tokens(kind: str, title: str) -> Column:
    return _of("start", _plain(kind, title, 6, 125, value=lambda row: row.tokens.get(kind), write=theme.number))


def _zscore(signal: str, key: str, title: str) -> Column:
    def cell(row: Row, _: Frame) -> Text:
        zscore = row.zscores.get(signal)
        return Text(theme.sigma(zscore), theme.COLOURS[theme.severity(zscore)])

    return Column(key, title, 6, 110, lambda row: abs(row.zscores.get(signal, 0.0)), cell, "window")


def _errors(row: Row, _: Frame) -> Text:
    return Text(theme.percent(row.error_ratio), theme.share_colour(row.error_ratio, 0.01, 0.05))


def _cost(title: str, width: int, period: Period) -> Column:
    """What is spent: in all, or per hour."""

    def value(row: Row) -> float | None:
        return row.cost_usd if period == "start" else row.cost_per_hour

    def cell(row: Row, _: Frame) -> Text:
        if row.cost_usd is None and row.unpriced:
            return Text("unpriced", AMBER)
        return Text(theme.dollars(value(row)), f"bold {GREEN}")

    return Column("cost", title, width, 0, value, cell, period)


def _moved(row: Row, frame: Frame) -> Text:
    """The rate of the last minute beside that of the minutes before."""
    moved = frame.history.moved(row.key) if frame.history else None
    if moved is None:
        return Text("", HINT)
    before, now = moved
    mark = frame.glyphs.up if now > _MUCH * before else frame.glyphs.down if before > _MUCH * now else ""
    text = f"{theme.dollars(before)} {frame.glyphs.arrow} {theme.dollars(now)}"
    return Text.assemble((text, DIM if not mark else AMBER if now > before else INK), (f" {mark:<1}", AMBER))


_MUCH = 1.5  # times as much, or as little, to be marked


def _share(row: Row, frame: Frame) -> Text:
    cost = _column("cost", period_of(frame.view.rows)).value
    spent = sum(cost(other) or 0.0 for other in frame.view.rows)
    return theme.bar((cost(row) or 0.0) / spent if spent else 0.0, 10, GREEN, frame.glyphs)


COLUMNS = (
    _of("start", _plain("requests", "calls", 6, 60, value=lambda row: row.requests, write=theme.number)),
    _of("window", _plain("requests", "/s", 6, 60, value=lambda row: row.per_second, write=theme.number)),
    _latency("p50", "p50", 100),
    _latency("p95", "latency", 50),
    _latency("p99", "p99", 100),
    _latency("max", "max", 150),
    Column("errors", "errors", 6, 0, lambda row: row.error_ratio, _errors),
    _tokens("input", "in"),
    _tokens("output", "out"),
    _tokens("thinking", "think"),
    _tokens("cached", "cached"),
    _zscore("latency", "z-latency", "z lat"),
    _zscore("output_tokens", "z-output", "z out"),
    _zscore("cost", "z-cost", "z cost"),
    _plain("per-call", "per call", 9, 70, value=lambda row: row.cost_per_request, write=theme.dollars),
    _cost("per hour", 9, "window"),
    _cost("cost", 9, "start"),
    Column("moved", "$/h before \N{RIGHTWARDS ARROW} now", 20, 140, lambda row: row.cost_usd, _moved),
    Column("share", "share", 10, 110, lambda row: row.cost_usd, _share),
)
SORTS = ("cost", "requests", "latency", "errors", "output", "z-latency", "z-output", "z-cost", "name")


def period_of(rows: Iterable[Row]) -> Period:
    """What the rows of a table are over: the service has a window by provider and model only."""
    return "window" if any(row.per_second is not None for row in rows) else "start"


def _columns(period: Period) -> Sequence[Column]:
    return [column for column in COLUMNS if column.period in ("", period)]


def _column(key: str, period: Period) -> Column:
    """The one to sort by; what the rows' own period does not have is sorted by that of the other, which has it."""
    return next(column for column in (*_columns(period), *COLUMNS) if column.key == key)


def ordered(rows: Iterable[Row], sort: str, *, reverse: bool = False) -> list[Row]:
    """Largest first, names from a to z; ``reverse`` the other way round."""
    rows = list(rows)
    by_name = sorted(rows, key=lambda row: (row.name, row.provider), reverse=reverse and sort == "name")
    if sort == "name":
        return by_name
    value = _column(sort, period_of(rows)).value
    return sorted(by_name, key=lambda row: value(row) or 0.0, reverse=not reverse)


def table(frame: Frame, title: str, sort: str, limit: int | None, *, reverse: bool = False) -> Panel:
    """One row per model, at most ``limit``; as many columns as the width allows, all over one period, which the title names."""
    live = frame.history is not None  # one page knows no before
    period = period_of(frame.view.rows)
    columns = [column for column in _columns(period) if frame.width >= column.least and (live or column.key != "moved")]
    grid = Table(box=None, expand=True, padding=(0, 0, 0, 1), header_style=DIM, show_edge=False, pad_edge=False)
    grid.add_column(_heading("name", "name", frame.glyphs, sort, reverse=reverse), no_wrap=True, ratio=1)
    for column in columns:
        heading = _heading(column.key, column.title, frame.glyphs, sort, reverse=reverse)
        grid.add_column(heading, justify="right", no_wrap=True, width=max(column.width, heading.cell_len))
    room = frame.width - 5 - sum(max(column.width, len(column.title)) + 1 for column in columns)
    rows = ordered(frame.view.rows, sort, reverse=reverse)
    for row in rows[:limit]:
        grid.add_row(_name(row, room, frame.glyphs), *(column.cell(row, frame) for column in columns))
    title = f"{title} {PERIODS[period]}" if rows else title
    if limit is not None and len(rows) > limit:
        title = f"{title} ({limit} of {len(rows)})"
    return panel(title, INK, grid if rows else Text("no calls yet", DIM), frame, None)


def _heading(key: str, title: str, glyphs: Glyphs, sort: str, *, reverse: bool) -> Text:
    if key != sort:
        return Text(title, DIM)
    downward = reverse if sort != "name" else not reverse
    return Text(title + (glyphs.up if downward else glyphs.down), f"bold {INK}")


def _name(row: Row, room: int, glyphs: Glyphs) -> Text:
    name = theme.shorten(row.name, room, glyphs)
    text = Text(name, f"bold {INK}")
    if row.provider and room - len(name) > len(row.provider):
        text.append(f" {row.provider}", HINT)
    return text
