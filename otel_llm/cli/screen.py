"""The whole live view: which panels fit where, the line above and the line below."""

# ruff: noqa: PLR2004 - the numbers are columns and lines of a screen

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from otel_llm.core.objectives import DEFAULT

from . import legend, models, panels, theme
from .panels import CARD_LINES, Frame, spenders
from .theme import AMBER, DIM, GREEN, HINT, INK, RED, Glyphs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .facts import View, Zscore

NARROWEST = 60  # columns with two cards beside each other
MENTIONED = 2  # anomalies in the line at the top
CARDS: tuple[Callable[[Frame], RenderableType], ...] = (
    panels.latency, panels.cost, panels.traffic, panels.tokens, panels.anomalies, panels.health,
)  # fmt: skip  # the first are kept where there is little room
WIDE_ORDER = (0, 2, 1, 3, 4, 5)


@dataclass(slots=True)
class State:
    """What the keys change."""

    sort: str = "cost"
    reverse: bool = False
    filter: str = ""
    typing: bool = False
    paused: bool = False
    legend: bool = False  # instead of the panels
    group: str = "model"
    interval: float = 2.0  # seconds between pages
    trouble: str = ""  # why the last page is old


def glyphs_for(console: Console, *, plain: bool = False) -> Glyphs:
    """Unicode where the terminal's encoding has it."""
    return (
        theme.PLAIN
        if plain or console.options.ascii_only or not console.encoding.lower().startswith("utf")
        else theme.UNICODE
    )


def per_row(width: int) -> int:
    """Cards beside one another."""
    return 1 if width < NARROWEST else 2 if width < 108 else 3


def render(frame: Frame, state: State, height: int | None, banner: Text | None = None) -> Group:
    """The view on ``height`` lines; None prints all of it, without the line of keys."""
    columns = per_row(frame.width)
    footer = [_footer(state, frame.width, frame.glyphs)] if height is not None else []
    spent = 1 + len(footer) + (banner is not None)
    rows = _card_rows(columns, None if height is None else height - spent)
    limit = None if height is None else max(1, height - spent - len(rows) * (CARD_LINES + 2) - 3)
    title = _plural(state.group).upper() + (f" matching {state.filter!r}" if state.filter else "")
    above = [_header(frame, state), *([] if banner is None else [banner])]
    if state.legend:
        return Group(*above, legend.panel_of(frame), *footer)
    cards = [_beside(frame, row) for row in rows]
    table = models.table(frame, title, state.sort, limit, reverse=state.reverse)
    largest = [spenders(frame)] if frame.view.spenders and height is None else []
    return Group(*above, *cards, table, *largest, *footer)


def _plural(group: str) -> str:
    return f"{group}s" if group in ("model", "provider", "tenant", "feature", "operation") else f"by {group}"


def _card_rows(columns: int, height: int | None) -> list[list[Callable[[Frame], RenderableType]]]:
    """The cards, row by row; of a low terminal only as many rows as leave five lines for the table."""
    order = [CARDS[index] for index in WIDE_ORDER] if columns > 2 else list(CARDS)
    rows = [order[start : start + columns] for start in range(0, len(order), columns)]
    fitting = len(rows) if height is None else max(0, (height - 6) // (CARD_LINES + 2))
    if columns == 2 and fitting == 2:  # what is wrong goes before how much there is
        return [rows[0], rows[2]]
    return rows[:fitting]


def _beside(frame: Frame, cards: Sequence[Callable[[Frame], RenderableType]]) -> Table:
    grid = Table.grid(padding=0)
    share, rest = divmod(frame.width, len(cards))
    widths = [share + (index < rest) for index in range(len(cards))]
    for each in widths:
        grid.add_column(width=each)
    grid.add_row(
        *(card(Frame(frame.view, frame.history, each, frame.glyphs)) for card, each in zip(cards, widths, strict=True))
    )
    return grid


def _header(frame: Frame, state: State) -> Text:
    view = frame.view
    mark, words, colour = _verdict(view, state)
    words = theme.words(words, frame.glyphs)
    left = Text.assemble(
        (f" {frame.glyphs.dot} ", colour), ("otel-llm ", f"bold {INK}"), (f"{mark} ", f"bold {colour}"), (words, colour)
    )
    where = theme.shorten(" + ".join(view.endpoints), 40, frame.glyphs)
    processes = f"{view.processes:.0f} process{'es' if view.processes != 1 else ''}  " if view.processes else ""
    clock = time.strftime("%H:%M:%S ", time.localtime(view.at))
    right = [(processes, DIM), (f"{where}  ", INK), (clock, DIM)]
    while right and left.cell_len + Text.assemble(*right).cell_len >= frame.width:
        right.pop(0)
    left.pad_right(max(0, frame.width - left.cell_len - Text.assemble(*right).cell_len))
    text = Text.assemble(left, *right, no_wrap=True)
    text.truncate(frame.width, overflow="ellipsis" if frame.glyphs is theme.UNICODE else "crop")
    return text


def _verdict(view: View, state: State) -> tuple[str, str, str]:
    """The one line to read: what is wrong, worst first."""
    if state.trouble:
        return "LOST", state.trouble, RED
    if state.paused:
        return "PAUSED", "p goes on", AMBER
    if view.fresh == "old":
        return "UNKNOWN", "nobody in the service can say what is going on now; these numbers are old", RED
    return _judged(view) if view.conditions is not None else _guessed(view)


def _guessed(view: View) -> tuple[str, str, str]:
    """What the metrics of a service without a judgement of its own let one say."""
    troubles = _troubles(view)
    grave = [words for words, critical in troubles if critical]
    if grave:
        return "CRITICAL", ", ".join(grave + [words for words, critical in troubles if not critical]), RED
    if troubles:
        return "WARNING", ", ".join(words for words, _ in troubles), AMBER
    return ("CALM", "", GREEN) if view.total.requests else ("WAITING", "no calls yet", DIM)


def _judged(view: View) -> tuple[str, str, str]:
    """What the service itself says is wrong: the same as its page, its alerts and its handlers.

    Of several instances each knows its own part of what they spend of one budget: that is judged here, of their sum.
    """
    by_level: dict[str, list[str]] = {}
    several = len(view.endpoints) > 1
    for words, critical in _overspent(view) if several else ():
        by_level.setdefault("critical" if critical else "warning", []).append(words)
    for one in view.conditions or ():
        if several and one["id"] == "budget":
            continue
        by_level.setdefault(one["level"], []).append(" ".join(one["what"].replace("{who}", one["subject"], 1).split()))
    for level, colour in (("critical", RED), ("warning", AMBER)):
        if level in by_level:
            return (
                level.upper(),
                "; ".join([*by_level[level], *(by_level.get("warning", ()) if level == "critical" else ())]),
                colour,
            )
    if not view.total.requests:
        return "WAITING", "no calls yet", DIM
    ended = by_level.get("ended", ())
    return "CALM", f"ended: {'; '.join(ended)}" if ended else "", GREEN


def _troubles(view: View) -> list[tuple[str, bool]]:
    """What is wrong in words, and whether it is critical, at the limits of the alerts' defaults."""
    troubles = [(f"breaker {name} open", True) for name, state in view.breakers.items() if state == "open"]
    if (ratio := view.total.error_ratio) is not None and ratio >= DEFAULT.error_rate:
        troubles.append((f"{theme.percent(ratio)} errors", True))
    troubles += _overspent(view)
    return troubles + [troubles for zscore in view.zscores for troubles in _unusual(zscore)][:MENTIONED]


def _overspent(view: View) -> list[tuple[str, bool]]:
    return [
        (
            f"{_PERIODS.get(budget.period, budget.period)} {theme.percent(budget.used)} of budget {budget.name}".rstrip(),
            budget.used >= DEFAULT.budget_reached,
        )
        for budget in view.budgets
        if budget.used is not None and budget.used >= DEFAULT.budget_warning
    ]


def _unusual(zscore: Zscore) -> Iterable[tuple[str, bool]]:
    shift = zscore.shift or 0.0
    words = _WORDS.get((zscore.signal, shift > 0))
    if words and theme.severity(shift) != "calm":
        yield f"{words} {zscore.model}", theme.severity(shift) == "critical"


_PERIODS = {"day": "daily spend", "month": "monthly spend"}
_WORDS = {
    ("latency", True): "slow", ("output_tokens", True): "long answers", ("output_tokens", False): "short answers",
    ("cost", True): "costly",
}  # fmt: skip


def _footer(state: State, width: int, glyphs: Glyphs) -> Text:
    if state.typing:
        return Text.assemble(
            (" filter: ", AMBER), (state.filter, f"bold {INK}"), ("_", INK), ("   enter keeps, esc clears", HINT)
        )
    keys = [
        ("q", "quit"),
        ("s", f"sort: {state.sort}"),
        ("r", "reverse"),
        ("/", "filter"),
        ("g", f"group: {state.group}"),
        ("p", "pause"),
        ("+-", f"{state.interval:g}s"),
    ]
    text = Text(no_wrap=True)
    for key, words in keys:
        text.append(f" {key} ", f"bold {INK}")
        text.append(f"{words} ", DIM)
    for more in (" help ", ""):
        if text.cell_len + len(f" ? {more}") <= width:
            text.append(" ?", f"bold {INK}").append(more, DIM)
            break
    hint = f" {glyphs.separator} numbers: the service's window; curves: the last 5 minutes"
    if text.cell_len + len(hint) <= width:
        text.append(hint, HINT)
    text.truncate(width)
    return text
