"""The panels of the live view, each a function from facts to something that rich can print."""

# ruff: noqa: PLR2004 - the numbers are columns of a screen

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from . import theme
from .history import History
from .theme import AMBER, BLUE, DIM, FAINT, GREEN, HINT, INK, PINK, RED, TEAL, VIOLET, Glyphs

if TYPE_CHECKING:
    from .facts import Budget, View, Zscore

Line = Text
CARD_LINES = 5  # inside a card


@dataclass(frozen=True, slots=True)
class Frame:
    """What a panel may use: facts, their history (None where there is only one page), space and characters."""

    view: View
    history: History | None
    width: int
    glyphs: Glyphs


def panel(title: str, colour: str, body: RenderableType, frame: Frame, lines: int | None = CARD_LINES) -> Panel:
    """A bordered card of a fixed height, so that neighbours line up."""
    return Panel(
        body, title=Text(title, f"bold {colour}"), title_align="left", border_style=FAINT, box=frame.glyphs.border,
        padding=(0, 1), width=frame.width, height=None if lines is None else lines + 2,
    )  # fmt: skip


LABEL, VALUE = 10, 8


def line(label: str, value: str, colour: str, tail: Text | str = "", label_colour: str = DIM) -> Line:
    """``label      value  tail``: every card is made of these."""
    return Text.assemble(
        (f"{label:<{LABEL}.{LABEL}}", label_colour), (f"{value:>{VALUE}}", f"bold {colour}"), "  ", tail
    )


def _fit(frame: Frame, lines: Iterable[Line]) -> Group:
    visible = list(lines)
    for text in visible:
        text.truncate(max(1, frame.width - 4))
        text.no_wrap = True
    return Group(*visible)


Series = Callable[[History, int], Sequence[float | None]]


def _spark(frame: Frame, series: Series, colour: str, share: float | None = None) -> Text:
    """The last minutes; where there is no history, a bar for ``share``, if the value is a share of something."""
    cells = max(0, frame.width - 4 - LABEL - VALUE - 2)
    if frame.history:
        return theme.spark(series(frame.history, cells), cells, colour, frame.glyphs)
    return Text() if share is None else theme.bar(share, cells, colour, frame.glyphs)


def latency(frame: Frame) -> Panel:
    """Percentiles over the window; the sparklines are of the calls that ended in each moment."""
    view, latency = frame.view, frame.view.total.latency
    rows = [("p50", 0.5, TEAL), ("p95", 0.95, BLUE), ("p99", 0.99, VIOLET)]
    lines = [
        line(
            name,
            theme.seconds(value),
            colour,
            _spark(frame, _quantiles(rank), colour, value / latency.max if value and latency else None),
        )
        for (name, rank, colour), value in zip(rows, latency or (None, None, None), strict=False)
    ]
    lines.append(line("max", theme.seconds(latency.max if latency else None), INK))
    lines.append(line("1st token", theme.seconds(view.first_chunk_p95), INK, Text("p95 of streams", HINT)))
    return panel("LATENCY", BLUE, _fit(frame, lines), frame)


def _quantiles(rank: float) -> Series:
    return lambda history, cells: history.quantiles(rank, cells)


def _rates(name: str) -> Series:
    return lambda history, cells: history.rates(name, cells)


def traffic(frame: Frame) -> Panel:
    """How many calls, and how they ended."""
    view, total = frame.view, frame.view.total
    error = theme.share_colour(total.error_ratio, 0.01, 0.05)
    fallback = theme.share_colour(view.fallback_ratio, 0.02, 0.10)
    open_calls = (
        Text(f"{theme.number(total.requests)} in all", HINT)
        if not frame.history
        else _spark(frame, History.in_flight, DIM)
    )
    lines = (
        line("requests", f"{theme.number(total.per_second)}/s", TEAL, _spark(frame, _rates("requests"), TEAL)),
        line(
            "errors",
            theme.percent(total.error_ratio),
            error,
            _spark(frame, lambda h, n: h.ratios("errors", "requests", n), RED, total.error_ratio),
        ),
        line(
            "fallbacks",
            theme.percent(view.fallback_ratio),
            fallback,
            _spark(frame, _rates("fallbacks"), AMBER, view.fallback_ratio),
        ),
        line(
            "cache hits",
            theme.percent(view.cache_hit_ratio),
            GREEN,
            _spark(frame, lambda h, n: h.ratios("hits", "lookups", n), GREEN, view.cache_hit_ratio),
        ),
        line("in flight", theme.number(view.in_flight), INK, open_calls),
    )
    return panel("TRAFFIC", TEAL, _fit(frame, lines), frame)


def cost(frame: Frame) -> Panel:
    """Money: what it costs now and what is left of the budgets."""
    total = frame.view.total
    lines = [*_budget_lines(frame)]
    lines.append(line("per hour", theme.dollars(total.cost_per_hour), GREEN, _spark(frame, _rates("cost"), GREEN)))
    lines.append(line("per call", theme.dollars(total.cost_per_request), INK))
    lines += _incomplete(frame)
    if frame.view.cache_savings_usd:
        lines.append(line("saved", theme.dollars(frame.view.cache_savings_usd), TEAL, Text("by cached input", HINT)))
    return panel("COST", GREEN, _fit(frame, lines[:CARD_LINES]), frame)


def _incomplete(frame: Frame) -> Iterable[Line]:
    """Calls that the amounts do not contain."""
    unpriced, unknown, partly = frame.view.unpriced_requests, frame.view.usage_unknown, frame.view.incomplete
    if unpriced or unknown or partly:
        parts = ((unpriced, "no price"), (unknown, "no usage"), (partly, "in part"))
        why = ", ".join(f"{theme.number(count)} {what}" for count, what in parts if count)
        room = frame.width - 4 - LABEL - VALUE - 2
        tail = next((text for text in (f"calls: {why}", why) if len(text) <= room), "calls")
        yield line("not in it", theme.number(unpriced + unknown + partly), AMBER, Text(tail, HINT))


_PERIODS = {"day": "today", "month": "month"}
SHORTEST_BAR = 8


def _budget_lines(frame: Frame) -> Iterable[Line]:
    overall = [budget for budget in frame.view.budgets if not budget.name]
    for budget in overall:
        colour = theme.share_colour(budget.used, 0.8, 1.0) if budget.used is not None else GREEN
        yield line(
            _PERIODS.get(budget.period, budget.period),
            theme.dollars(budget.spend_usd),
            colour,
            _budget_tail(frame, budget, colour),
        )


def _budget_tail(frame: Frame, budget: Budget, colour: str) -> Text:
    if budget.used is None or not budget.budget_usd:
        return Text("no budget set", HINT)
    room = frame.width - 4 - LABEL - VALUE - 2
    words = f" {theme.percent(budget.used)}"
    whole = f"{words} of {theme.dollars(budget.budget_usd)}"
    expected = f", {theme.percent(budget.forecast)} at its end" if budget.forecast is not None else ""
    for more in (whole, whole + expected):
        words = more if room - len(more) >= SHORTEST_BAR else words
    return Text.assemble(theme.bar(budget.used, max(room - len(words), 0), colour, frame.glyphs), (words, DIM))


_KINDS = (("input", BLUE), ("output", VIOLET), ("thinking", PINK), ("cached", TEAL))


def tokens(frame: Frame) -> Panel:
    """What goes in and out; thinking is a part of output, cached a part of input."""
    since = frame.view.total.tokens
    everything = since.get("input", 0.0) + since.get("output", 0.0) or 1.0
    lines = [
        line(kind, f"{theme.number(_per_second(frame, kind))}/s", colour,
             _spark(frame, _rates(kind), colour, since.get(kind, 0.0) / everything))
        for kind, colour in _KINDS
    ]  # fmt: skip
    lines.append(_token_mix(frame))
    return panel("TOKENS", VIOLET, _fit(frame, lines), frame)


def _per_second(frame: Frame, kind: str) -> float | None:
    """Over the window; the service has no rate of cached tokens, so theirs is input's times their share since the start."""
    rate, since = frame.view.tokens_per_second, frame.view.total.tokens
    if kind != "cached":
        return rate.get(kind)
    return (
        rate["input"] * since.get("cached", 0.0) / since["input"] if rate.get("input") and since.get("input") else None
    )


def _token_mix(frame: Frame) -> Line:
    since = frame.view.total.tokens
    cached, thinking = since.get("cached", 0.0), since.get("thinking", 0.0)
    fresh, answering = since.get("input", 0.0) - cached, since.get("output", 0.0) - thinking
    parts = ((fresh, BLUE), (cached, TEAL), (answering, VIOLET), (thinking, PINK))
    total = sum(value for value, _ in parts)
    words = f"{theme.number(total)} in all"
    return Text.assemble(theme.stacked(parts, max(0, frame.width - 6 - len(words)), frame.glyphs), "  ", (words, DIM))


def anomalies(frame: Frame) -> Panel:
    """The most unusual signals, as bars from the middle: low at the left, high at the right."""
    zscores = [zscore for zscore in frame.view.zscores if zscore.shift is not None][:CARD_LINES]
    if not zscores:
        body = _fit(frame, [Text("no baseline yet", DIM), Text("needs 20 earlier calls", HINT)])
        return panel("ANOMALIES", AMBER, body, frame)
    return panel("ANOMALIES", AMBER, _fit(frame, (_zscore(frame, zscore) for zscore in zscores)), frame)


_SIGNAL = {
    "output_tokens": "output", "input_tokens": "input", "time_to_first_chunk": "1st out", "output_spread": "spread",
    "output_long": "long", "output_short": "short", "latency_slow": "slow", "answer_problems": "answers",
}  # fmt: skip
"""Signals in seven letters, where their names are longer."""


def _zscore(frame: Frame, zscore: Zscore) -> Line:
    shift = zscore.shift or 0.0
    severity = theme.severity(shift)
    colour = theme.COLOURS[severity]
    mark = (frame.glyphs.up if shift > 0 else frame.glyphs.down) if severity in ("critical", "warning") else ""
    room = frame.width - 4 - 8 - 6 - len(frame.glyphs.sigma) - 3
    scale = 7 if room < 30 else 13 if room < 50 else 21
    peak = f"peak {theme.sigma(zscore.peak):<6}" if room >= 40 and zscore.peak is not None else ""
    room -= scale + 1 + len(peak)
    return Text.assemble(
        (f"{_SIGNAL.get(zscore.signal, zscore.signal):<8.7}", INK),
        (f"{theme.shorten(zscore.model, room, frame.glyphs):<{room}} ", DIM), (peak, HINT),
        _balance(shift, scale, colour, frame.glyphs),
        (f"{theme.sigma(shift):>6}{frame.glyphs.sigma} ", f"bold {colour}"), (f"{mark:<2}", colour),
    )  # fmt: skip


def _balance(zscore: float, width: int, colour: str, glyphs: Glyphs) -> Text:
    """A bar from the middle, full at 4 standard deviations."""
    half = width // 2
    filled = min(half, round(abs(zscore) / 4 * half))
    left, right = (filled, 0) if zscore < 0 else (0, filled)
    return Text.assemble(
        (glyphs.empty * (half - left), FAINT), (glyphs.full * left, colour), (glyphs.middle, DIM),
        (glyphs.full * right, colour), (glyphs.empty * (half - right), FAINT),
    )  # fmt: skip


def spenders(frame: Frame) -> Panel:
    """Who spent most this month, by the labels that calls have, two to a line."""
    rows = [
        Text.assemble(
            (f"{label:<{LABEL}.{LABEL}}", DIM), (f"{theme.dollars(usd):>{VALUE}} ", GREEN), (theme.shorten(value, 40, frame.glyphs), INK),
            (f"  or {theme.dollars(error)} less" if error else "", HINT),
        )
        for label, value, usd, error in frame.view.spenders
    ]  # fmt: skip
    return panel("TOP SPENDERS THIS MONTH", GREEN, _fit(frame, rows), frame, None)


def health(frame: Frame) -> Panel:
    """Breakers, rate limits, errors by type, fallbacks by way: what does not work and what stands in."""
    around, away = [*_breakers(frame), *_limits(frame)], list(_fallbacks(frame))
    errors = list(_errors(frame))
    room = CARD_LINES - len(around) - min(len(away), 1) - bool(frame.view.internal_errors)
    lines = [*around, *errors[: max(1, room)], *away]
    if frame.view.internal_errors:
        lines.insert(
            0,
            line(
                "otel-llm",
                theme.number(frame.view.internal_errors),
                AMBER,
                Text("own errors: see otel-llm doctor", HINT),
            ),
        )
    if not lines:
        lines = [Text("no errors, no fallbacks, no breakers seen", DIM)]
    return panel(
        "HEALTH", RED if "open" in frame.view.breakers.values() else PINK, _fit(frame, lines[:CARD_LINES]), frame
    )


def _limits(frame: Frame) -> Iterable[Line]:
    """The rate limit of which the least is left."""
    for one in frame.view.rate_limits[:1]:
        colour = RED if one.left < 0.05 else AMBER if one.left < 0.10 else INK
        what = theme.words(f"{one.kind.replace('_', ' ')} {one.model}", frame.glyphs)
        room = frame.width - 4 - LABEL - VALUE - 2
        yield line("rate limit", theme.percent(one.left), colour, Text(theme.shorten(what, room, frame.glyphs), HINT))


_STATES = {"open": RED, "half_open": AMBER, "closed": GREEN}


def _breakers(frame: Frame) -> Iterable[Line]:
    order = sorted(frame.view.breakers.items(), key=lambda item: list(_STATES).index(item[1]))
    if order:
        states = [part for name, state in order for part in _breaker(name, state, frame.glyphs)]
        yield Text.assemble((f"{'breaker':<{LABEL}}", DIM), *states)


def _breaker(name: str, state: str, glyphs: Glyphs) -> Iterable[tuple[str, str]]:
    yield f"{glyphs.dot} ", _STATES[state]
    yield f"{name} ", INK
    yield f"{state.replace('_', ' ')}  ", f"bold {_STATES[state]}"


def _errors(frame: Frame) -> Iterable[Line]:
    total = sum(frame.view.errors.values())
    errors = list(frame.view.errors.items())[: CARD_LINES - 2]
    for kind, count in errors:
        words = f"{kind:<16.16}{theme.number(count):>6} "
        cells = max(0, frame.width - 4 - len(words))
        yield Text.assemble((words, INK), theme.bar(count / total, cells, RED, frame.glyphs))


def _fallbacks(frame: Frame) -> Iterable[Line]:
    for way, count in list(frame.view.fallbacks.items())[:2]:
        start, _, end = way.partition(" -> ")
        reason = frame.view.fallback_reasons.get(way, "").replace("_", " ")
        whole = len(f"{start} {frame.glyphs.arrow} {end}  {theme.number(count)} {reason}") <= frame.width - 4
        reason = f" {reason}" if whole or frame.width >= 50 else ""
        room = len(way) if whole else max(6, (frame.width - 4 - len(frame.glyphs.arrow) - 10 - len(reason)) // 2)
        names = (
            f"{theme.shorten(start, room, frame.glyphs)} {frame.glyphs.arrow} {theme.shorten(end, room, frame.glyphs)}"
        )
        yield Text.assemble((names, AMBER), (f"  {theme.number(count)}", f"bold {INK}"), (reason, HINT))
