"""Models, panels and failed calls: the lower half of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from . import charts
from .marks import mark
from .tiles import grown
from .words import NONE, dollars, moment, name, number, percent, seconds, sigma

Facts = Mapping[str, Any]
SHOWN = 20  # rows of a table, unless all are asked for
LISTED = 6  # rows of a panel
LABELS = 2  # that top spenders are shown by
_CLASS = {"critical": "over", "warning": "near"}
_GRAVITY = {"critical": 0, "warning": 1, "pending": 2, "": 3}
_SIGNALS = {"latency": "latency", "output_tokens": "output", "cost": "cost"}

SORTS: Mapping[str, tuple[str, Callable[[Facts], float]]] = {
    "calls": ("calls/s", lambda row: row["calls_per_s"] or 0),
    "failed": ("failed", lambda row: row["failed"] or 0),
    "p95": ("p95 s", lambda row: row["p95_s"] or 0),
    "tokens": ("out tok/s", lambda row: row["out_tokens_per_s"] or 0),
    "usd": ("$/h", lambda row: row["usd_per_h"] or 0),
    "shift": (
        "shift \N{GREEK SMALL LETTER SIGMA}",
        lambda row: max((abs(z) for z in row["shift"].values()), default=0),
    ),
}


def gravest(levels: Iterable[str]) -> str:
    """The worst of some levels; empty where there is none."""
    return min(levels, key=_GRAVITY.__getitem__, default="")


def ordered(models: Sequence[Facts], sort: str) -> list[Facts]:
    """Worst first (then what costs most), by name, or by the largest of one column."""
    if sort == "name":
        return sorted(models, key=lambda row: (row["model"], row["provider"]))
    if sort in SORTS:
        return sorted(models, key=lambda row: (-SORTS[sort][1](row), row["model"], row["provider"]))
    return sorted(
        models,
        key=lambda row: (
            _GRAVITY[gravest(row["levels"].values())],
            bool(row["levels"]["failed"]) * -1,
            -(row["usd_per_h"] or 0),
            row["model"],
        ),
    )


def models(facts: Facts, sort: str, *, everything: bool) -> str:
    """One row a model, at most ``SHOWN``; the others are one row, too."""
    rows = ordered(facts["models"], sort)
    if not rows:
        return ""
    visible = rows if everything else rows[:SHOWN]
    body = "".join(_model(facts, row) for row in visible)
    if len(visible) < len(rows):
        body += _rest(rows[SHOWN:], sort)
    heads = [
        _head("name", "model", sort, numeric=False),
        *(_head(key, title, sort) for key, (title, _) in SORTS.items()),
    ]
    order = "worst first" if sort not in SORTS and sort != "name" else '<a href="?sort=worst">worst first</a>'
    return (
        f'<section><div class="head"><h2>Models</h2> <small>last 5 min · {order} · '
        "bars: calls a minute, failed ones stronger</small></div>"
        '<table class="stack" role="table" aria-label="Models"><thead role="rowgroup"><tr role="row">'
        f'{"".join(heads)}<th scope="col" role="columnheader">last hour</th></tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table></section>'
    )


def _head(key: str, title: str, sort: str, *, numeric: bool = True) -> str:
    css = ' class="n"' if numeric else ""
    order = f' aria-sort="{"descending" if numeric else "ascending"}"' if key == sort else ""
    return f'<th{css} scope="col" role="columnheader"{order}><a href="?sort={key}">{title}</a></th>'


def _cell(title: str, text: str) -> str:
    return f'<td class="n" role="cell" data-name="{title}">{text}</td>'


def _model(facts: Facts, row: Facts) -> str:
    failed = percent(row["failed"])
    failed = f'<span class="zero">{failed}</span>' if row["failed"] == 0 else failed
    shift = max(row["shift"].values(), key=abs, default=None)
    levels = row["levels"]
    cells = (
        number(row["calls_per_s"]), mark(levels["failed"], failed), mark(levels["p95"], seconds(row["p95_s"])),
        number(row["out_tokens_per_s"]), dollars(row["usd_per_h"]).removeprefix("$"), mark(levels["shift"], sigma(shift)),
    )  # fmt: skip
    titles = [title for title, _ in SORTS.values()]
    return (
        f'<tr role="row"><th scope="row" role="rowheader"><span class="name">{name(row["model"], none="(no model)")}</span>'
        f"<small>{name(row['provider'], 32, '')}</small></th>{''.join(map(_cell, titles, cells))}{_plot(facts, row)}</tr>"
    )


def _plot(facts: Facts, row: Facts) -> str:
    calls, failed = grown(facts, row["calls"]), grown(facts, row["failed_calls"])
    top = max(10.0, *(value or 0 for value in calls))  # little traffic looks little
    kind = _CLASS.get(row["levels"]["failed"], "")
    total = number(sum(value or 0 for value in row["calls"]))
    label = f"{total} calls in the last hour, {percent(row['failed'])} of the last 5 minutes failed"
    drawn = charts.bars(calls, top), charts.bars(failed, top, f"failed {kind}".strip())
    return f'<td class="plot" role="cell">{charts.svg(label, *drawn)}</td>'


def _rest(rows: Sequence[Facts], sort: str) -> str:
    calls = sum(row["calls_per_s"] or 0 for row in rows)
    failed = sum((row["failed"] or 0) * (row["calls_per_s"] or 0) for row in rows)
    money = sum(row["usd_per_h"] or 0 for row in rows)
    tokens = sum(row["out_tokens_per_s"] or 0 for row in rows)
    cells = (
        number(calls),
        percent(failed / calls if calls else None),
        NONE,
        number(tokens),
        dollars(money).removeprefix("$"),
        NONE,
    )
    titles = [title for title, _ in SORTS.values()]
    return (
        f'<tr role="row"><th scope="row" role="rowheader"><a href="?sort={escape(sort)}&amp;all=1">{len(rows)} others</a></th>'
        f'{"".join(map(_cell, titles, cells))}<td class="plot" role="cell"></td></tr>'
    )


def panels(facts: Facts) -> str:
    """What is unusual, what the limits leave, where money goes, what stands in."""
    tables = (
        _unusual(facts),
        _rate_limits(facts),
        _money(facts),
        *_top_spenders(facts),
        _around(facts),
    )
    return f'<div class="side">{"".join(tables)}</div>'


def _panel(title: str, window: str, rows: Sequence[tuple[str, str]], empty: str) -> str:
    body = "".join(f'<tr><th scope="row">{key}</th><td class="n">{value}</td></tr>' for key, value in rows[:LISTED])
    if len(rows) > LISTED:
        body += f'<tr><th scope="row"><span class="soft">{len(rows) - LISTED} others</span></th><td></td></tr>'
    table = f'<table aria-label="{title}"><tbody>{body}</tbody></table>' if rows else f'<p class="none">{empty}</p>'
    return f'<section><div class="head"><h2>{title}</h2> <small>{window}</small></div>{table}</section>'


def _unusual(facts: Facts) -> str:
    rows = []
    for one in sorted(facts["anomalies"], key=lambda one: -abs(one["shift"])):
        why = f"<small>{name(one['explanation'], 300)}</small>" if one["explanation"] else ""
        signal = escape(_SIGNALS.get(one["signal"], one["signal"].replace("_", " ")))
        rows.append((f"{name(one['model'], 32)} {signal}{why}", mark(one["level"], sigma(one["shift"]))))
    empty = "no baseline yet: it takes 20 earlier calls of a model"
    return _panel("Unusual", "shift against the baseline, \N{GREEK SMALL LETTER SIGMA}", rows, empty)


def _rate_limits(facts: Facts) -> str:
    rows = [
        (f"{name(one['model'], 32)} {escape(one['kind'].replace('_', ' '))}", mark(one["level"], percent(one["left"])))
        for one in sorted(facts["rate_limits"], key=lambda one: one["left"])
    ]
    return _panel("Left of rate limits", "last reading", rows, "no provider has reported what is left")


def _money(facts: Facts) -> str:
    label, rows = facts["spenders"]["label"], facts["spenders"]["rows"]
    pairs = [(name(row["value"], 32, "(none)"), dollars(row["usd"])) for row in rows]
    title = f"Money by {escape(label.replace('_', ' '))}" if label else "Money by model"
    return _panel(title, escape(facts["spenders"]["period"]), pairs, "no priced call yet")


def _top_spenders(facts: Facts) -> Iterable[str]:
    """By labels that are no metric labels, too; ``up to`` where an amount may be too large."""
    today = {one["label"]: {row["value"]: row for row in one["rows"]} for one in facts.get("top_spenders_today", ())}
    for one in facts["top_spenders"][:LABELS]:
        of_day = today.get(one["label"], {})
        values = {row["value"]: row for row in one["rows"]}
        order = sorted({**values, **of_day}, key=lambda value: -_usd(of_day.get(value)))
        rows = [
            (name(value, 32, "(none)") + f"<small>{_amount(values.get(value))} this month</small>", _amount(of_day.get(value)))
            for value in order
        ]  # fmt: skip
        yield _panel(f"Top spenders by {escape(one['label'].replace('_', ' '))}", "today", rows, "no priced call yet")


def _usd(row: Facts | None) -> float:
    return row["usd"] if row else 0.0


def _amount(row: Facts | None) -> str:
    return ("up to " if row["error_usd"] else "") + dollars(row["usd"]) if row else NONE


def _around(facts: Facts) -> str:
    rows = [
        (f"{name(one['from'], 32)} \N{RIGHTWARDS ARROW} {name(one['to'], 32)}{_reason(one)}", number(one["count"]))
        for one in facts["fallbacks"]
    ] or [("fallbacks", "0")]
    rows += [
        (f"breaker {name(one['name'], 32)}", mark(one["level"], escape(one["state"].replace("_", " "))))
        for one in facts["breakers"]
    ]
    rows += [
        (f"cache {name(one['name'], 32)} hits", mark(one["level"], percent(one["ratio"]))) for one in facts["caches"]
    ]
    rows.append(("retries", number(facts["retries"])))
    return _panel("Fallbacks, caches, retries", "last 15 min", rows, "")


def _reason(fallback: Facts) -> str:
    """Why, for the most part; a page of an older service does not say it."""
    reason = fallback.get("reason", "")
    return f" <small>{name(reason.replace('_', ' '), 32)}</small>" if reason else ""


def failures(facts: Facts, *, everything: bool) -> str:
    """Failed calls, alike ones as one row."""
    rows = facts["failures"] if everything else facts["failures"][:SHOWN]
    head = (
        '<section><div class="head"><h2>Failed calls</h2> <small>last 15 min, alike ones as one row · '
        "no prompt or answer is kept</small></div>"
    )
    if not rows:
        return f'{head}<p class="none">none</p></section>' if facts["totals"]["calls_hour"] else ""
    more = ""
    if len(rows) < len(facts["failures"]):
        left = facts["failures"][SHOWN:]
        more = (
            f'<tr role="row">{_cell("calls", number(sum(row["count"] for row in left)))}'
            f'<td role="cell" colspan="7"><a href="?all=1">of {len(left)} other kinds</a></td></tr>'
        )
    titles = ("calls", "last", "since", "model", "type", "status", "route", "newest trace")
    numeric = ("calls", "status")
    heads = "".join(
        f'<th scope="col" role="columnheader"{" class=n" if title in numeric else ""}>{title}</th>' for title in titles
    )
    return (
        f'{head}<table class="stack" role="table" aria-label="Failed calls"><thead role="rowgroup"><tr role="row">{heads}</tr></thead>'
        f'<tbody role="rowgroup">{"".join(map(_failure, rows))}{more}</tbody></table></section>'
    )


def _failure(row: Facts) -> str:
    trace = f"<code>{escape(row['trace_id'])}</code>" if row["trace_id"] else NONE
    status = str(row["status"]) if row["status"] else NONE
    return (
        f'<tr role="row">{_cell("calls", number(row["count"]))}'
        f'<td role="cell" data-name="last">{moment(row["last"], long=True)}</td>'
        f'<td role="cell" data-name="since">{moment(row["first"])}</td>'
        f'<th scope="row" role="rowheader">{name(row["model"], none="(no model)")}</th>'
        f'<td role="cell" data-name="type">{escape(row["type"])}</td>{_cell("status", status)}'
        f'<td class="all" role="cell" data-name="route">{name(row["route"])}</td>'
        f'<td class="all" role="cell" data-name="newest trace">{trace}</td></tr>'
    )
