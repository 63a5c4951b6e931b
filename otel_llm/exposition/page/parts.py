"""What is wrong, and the numbers that matter: the upper half of the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

from . import charts
from .words import NONE, THIN, dollars, duration, moment, name, number, percent, plain, plural, seconds

Facts = Mapping[str, Any]

MARKS = (
    '<svg class="sr" aria-hidden="true"><defs>'
    '<symbol id="m-critical" viewBox="0 0 10 10"><path d="M0 0h10v10H0z"/></symbol>'
    '<symbol id="m-warning" viewBox="0 0 10 10"><path d="M5 0l5 10H0z"/></symbol>'
    '<symbol id="m-pending" viewBox="0 0 10 10"><path d="M0 4h10v2H0z"/></symbol>'
    '<symbol id="m-ended" viewBox="0 0 10 10"><circle cx="5" cy="5" r="4" fill="none" stroke="currentColor" stroke-width="1.5"/>'
    "</symbol></defs></svg>"
)
WHO = "{who}"  # where a sentence has its subject
LEVELS = ("critical", "warning", "pending", "ended")
SAYS_SOMETHING = 20.0  # seconds of a minute
HEADLINE = 48  # characters of a name in the judgement
_CLASS = {"critical": "over", "warning": "near"}


def mark(level: str, text: str = "") -> str:
    """A shape for a level before ``text``, and the level as a word for who cannot see it."""
    if level not in LEVELS:
        return text
    shape = f'<svg class="mark" aria-hidden="true"><use href="#m-{level}"/></svg>'
    return f'<span class="{level}">{shape}{text}<span class="sr"> {level}</span></span>'


def labelled(level: str) -> str:
    """The shape and the word."""
    css = level if level in _CLASS else f"is-{level}"
    return f'<span class="{css}"><svg class="mark" aria-hidden="true"><use href="#m-{level}"/></svg> {level}</span>'


def ago(facts: Facts, at: str | None) -> float:
    """Seconds between ``at`` and the page's time."""
    return (_read(facts["at"]) - _read(at)).total_seconds() if at else 0.0


def _read(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def header(facts: Facts) -> str:
    """Who speaks, and when."""
    service = facts["service"]
    parts = [
        plural(service["workers"], "worker") if service["workers"] else "",
        f"otel-llm {escape(service['version'])}",
        f"up {duration(ago(facts, service['started']))}" if service["started"] else "",
    ]
    what = " · ".join(part for part in parts if part)
    return (
        f'<header><h1>{name(service["name"], none="LLM calls")}</h1><span class="soft">{what}</span>'
        f'<span class="soft fresh">{moment(facts["at"], long=True)} <span class="zone">UTC</span> · '
        '<span class="live" data-own>reload for newer</span> '
        '<button class="pause" type="button" data-own hidden aria-pressed="false">Pause</button></span></header>'
        '<p class="silent" role="alert" data-own hidden></p>'
    )


def verdict(facts: Facts) -> str:
    """The judgement: the worst first, or what was judged."""
    if facts["fresh"] == "old":
        return _unknown(facts)
    live = [one for one in facts["conditions"] if one["level"] in _CLASS]
    if live:
        return _worst(facts, live) + others([one for one in facts["conditions"] if one is not live[0]])
    shown = _nothing(facts) if facts["totals"]["calls"] or facts["totals"]["calls_hour"] else _no_call(facts)
    return shown + others(facts["conditions"])


def sentence(one: Facts, most: int = 72) -> str:
    """What is wrong, and with whom."""
    before, _, after = one["what"].partition(WHO)
    return _text(before) + name(one["subject"], most, "") + _text(after)


def title(facts: Facts) -> str:
    """For a row of tabs: the judgement before the name."""
    service = plain(facts["service"]["name"] or "LLM calls", 40)
    if facts["fresh"] == "old":
        return escape(f"? no new data · {service}")
    worst = next((one for one in facts["conditions"] if one["level"] in _CLASS), None)
    if worst is None:
        return escape(f"{service} · otel-llm")
    shape = {"critical": "\N{BLACK SQUARE}", "warning": "\N{BLACK UP-POINTING TRIANGLE}"}[worst["level"]]
    what = worst["what"].replace(WHO, plain(worst["subject"], 40), 1)
    return escape(f"{shape} {plain(what, 100)} · {service}")


def level(facts: Facts) -> str:
    """The worst level on the page; empty where nothing is wrong."""
    levels = {one["level"] for one in facts["conditions"]}
    return "" if facts["fresh"] == "old" else next((each for each in _CLASS if each in levels), "")


def _box(css: str, role: str, above: str, headline: str, pairs: Iterable[tuple[str, str]]) -> str:
    rows = "".join(f"<div><dt>{term}</dt><dd>{text}</dd></div>" for term, text in pairs if text)
    return (
        f'<section class="verdict{css}" aria-label="Judgement"><p class="sr" role="status">{role}</p>'
        f"{above}<h2>{headline}</h2>{f'<dl>{rows}</dl>' if rows else ''}</section>"
    )


def _worst(facts: Facts, live: Sequence[Facts]) -> str:
    worst = live[0]
    counts = {each: sum(1 for one in facts["conditions"] if one["level"] == each) for each in LEVELS}
    counts[worst["level"]] -= 1
    more = [
        f"{count} {each}{'s' if each == 'warning' and count > 1 else ''}" for each, count in counts.items() if count
    ]
    above = (
        f'<p class="level">{labelled(worst["level"])} for {duration(ago(facts, worst["since"]))}'
        f"{' · ' + _and(more) + ' below' if more else ''}</p>"
    )
    spoken = f"{worst['level'].capitalize()}: {name(worst['subject'], HEADLINE)}, {escape(worst['id'].replace('_', ' '))}. {_and(more)}"
    link = f' <a href="{escape(worst["runbook"])}">Runbook</a>' if worst["runbook"] else ""
    pairs = (
        ("For whom", _whom(worst)),
        ("Why", _text(worst["why"])),
        ("Meanwhile", _text(worst["meanwhile"])),
        ("Also", _text(worst["also"])),
        ("Next", f"{_text(worst['next'])}{link}"),
    )
    headline = f"{sentence(worst, HEADLINE)}, since {moment(worst['since'])}"
    return _box(f" is-{worst['level']}", spoken, above, headline, pairs)


def _and(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + words[-1] if words else ""


def _text(text: str | None) -> str:
    return escape(plain(text, 300)).replace(" %", f"{THIN}%") if text else ""


def _whom(one: Facts) -> str:
    parts = []
    if one["share"] is not None:
        parts.append(f"{percent(one['share'])} of all calls of the service")
    rows = one["who"]
    if rows:
        shown = [f"{name(row['value'], 32)} {percent(row['share'])}" for row in rows[:2]]
        rest = 1 - sum(row["share"] for row in rows[:2])
        if len(rows) > 2:  # noqa: PLR2004 - as shown
            shown.append(f"{plural(len(rows) - 2, 'other')} {percent(rest)}")
        parts.append(f"of the failed ones {', '.join(shown)}")
    return "; ".join(parts)


def _nothing(facts: Facts) -> str:
    judged, pending = facts["judged"], [one for one in facts["conditions"] if one["level"] == "pending"]
    ended = [one for one in facts["conditions"] if one["level"] == "ended"]
    headline = "Nothing is beyond a limit."
    if pending:
        headline = "Nothing has been beyond a limit for long enough to warn."
    pairs = (
        (
            "Judged",
            f"{judged['conditions']} of {judged['of']} conditions on {plural(judged['calls'], 'call')} of the last 5{THIN}min",
        ),
        ("Not judged", _not_judged(facts)),
        ("Ended in the last 15 min", number(len(ended)) if ended else "none"),
    )
    return _box("", headline, "", headline, pairs)


_REASONS = {"too_few": "too few calls to judge by", "no_baseline": "no baseline yet", "not_used": "not used here"}


def _not_judged(facts: Facts) -> str:
    by_reason: dict[str, list[str]] = {}
    for one in facts["not_judged"]:
        by_reason.setdefault(one["reason"], []).append(one["title"])
    return escape(
        "; ".join(f"{', '.join(titles)}: {_REASONS.get(reason, reason)}" for reason, titles in by_reason.items())
    )


def _no_call(facts: Facts) -> str:
    service, watched = facts["service"], facts["watched"]
    since = (
        f"started {moment(service['started'])}, {duration(ago(facts, service['started']))} ago"
        if service["started"]
        else ""
    )
    pairs = (
        ("Since", since),
        ("Watched", escape(", ".join(watched)) if watched else "no client library has been imported yet"),
        ("Not judged", f"all {facts['judged']['of']} conditions: they need calls"),
    )
    steps = (
        '<section><div class="head"><h2>What to do</h2></div><ol class="steps">'
        f"<li>Let the service make one call: it is here within 5{THIN}seconds.</li>"
        "<li>Nothing here after a call? Run <code>otel-llm doctor</code> beside the service: it says which client is not watched, "
        "and why.</li><li>To see this page with traffic: <code>otel-llm demo</code>.</li></ol></section>"
    )
    return _box("", "No call yet.", "", "No call yet.", pairs) + steps


def _unknown(facts: Facts) -> str:
    known = [one for one in facts["conditions"] if one["level"] in _CLASS]
    then = "nothing was beyond a limit"
    if known:
        more = f"; {len(known) - 1} more" if len(known) > 1 else ""
        then = f"{sentence(known[0])}, since {moment(known[0]['since'])}{more}"
    age = duration(ago(facts, facts["data_until"]))
    headline = f"Not judged: these numbers end at {moment(facts['data_until'], long=True)}, {age} ago."
    pairs = (
        ("Why", _text(facts["reason"])),
        ("Known then", then),
        (
            "Next",
            "See whether that process hangs or has ended. Calls are journaled meanwhile and counted when it answers.",
        ),
    )
    return _box(
        " is-unknown",
        "Not judged: the numbers are old.",
        '<p class="level"><strong>? unknown</strong></p>',
        headline,
        pairs,
    )


def others(rest: Sequence[Facts]) -> str:
    """The other conditions, one line each."""
    rows = []
    for one in rest:
        since = (
            f"since {moment(one['since'])}"
            if one["until"] is None
            else f"{moment(one['since'])} to {moment(one['until'])}"
        )
        link = ""
        if one["runbook"]:
            link = f'<a href="{escape(one["runbook"])}">runbook<span class="sr"> of {escape(one["id"])}</span></a>'
        why = f" <small>{_text(one['why'])}</small>" if one["why"] else ""
        css = f' class="is-{one["level"]}"' if one["level"] in ("ended", "pending") else ""
        rows.append(
            f'<li{css}>{labelled(one["level"])}<span class="soft">{since}</span><span>{sentence(one)}{why}</span>'
            f"{link or '<span></span>'}</li>"
        )
    return f'<ol class="more" aria-label="Other conditions">{"".join(rows)}</ol>' if rows else ""


def tiles(facts: Facts) -> str:
    """Five numbers, each with its last hour and its limit."""
    shown = (_calls(facts), _failed(facts), _latency(facts), _money(facts), _unpriced(facts))
    inner = "".join(f"<li>{tile}</li>" for tile in shown)
    return f'<ul class="tiles" aria-label="All models, last five minutes">{inner}</ul>'


def _tile(label: str, value: str, chart: str, below: str, unit: str = "") -> str:
    unit = f'<span class="unit">{THIN}{unit}</span>' if unit and value != NONE else ""
    return f'<span class="soft">{label}</span><br><b>{value}{unit}</b>{chart}<small>{below}</small>'


def _axis(facts: Facts) -> str:
    return (
        f'<span class="axis" aria-hidden="true"><span>{moment(facts["series"]["from"])}</span><span>now</span></span>'
    )


def whole(facts: Facts, values: Sequence[float | None]) -> list[float | None]:
    """The minutes that charts show: without the last one while too little of it has passed to say anything."""
    return list(values[:-1] if facts["series"]["partial_s"] < SAYS_SOMETHING else values)


def grown(facts: Facts, counts: Sequence[float | None]) -> list[float | None]:
    """Counts by minute, of which the last one has not passed yet: it is drawn as high as it will be at this rate."""
    shown, passed = whole(facts, counts), facts["series"]["partial_s"]
    if len(shown) == len(counts) and shown[-1] is not None:
        shown[-1] *= 60.0 / passed
    return shown


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _beyond(value: float | None, limits: Sequence[float | None]) -> str:
    """The level of a number against (warning, critical) limits."""
    warning, critical = limits
    if value is None:
        return ""
    if critical is not None and value > critical:
        return "critical"
    return "warning" if warning is not None and value > warning else ""


def _calls(facts: Facts) -> str:
    totals, series = facts["totals"], facts["series"]
    calls, failed = grown(facts, series["calls"]), grown(facts, series["failed"])
    chart, below = "", "none yet"
    if known := _known(calls):
        top, kind = max(known), _CLASS.get(_beyond(totals["failed"], facts["limits"]["failed"]), "")
        label = f"Calls a minute over the last hour: {number(min(known))} to {number(top)}"
        chart = charts.svg(label, charts.bars(calls, top), charts.bars(failed, top, f"failed {kind}".strip())) + _axis(
            facts
        )
        below = f"last hour {number(totals['calls_hour'])} · {number(totals['failed_hour'])} failed"
    if totals["in_flight"] and chart:
        below += f" · {number(totals['in_flight'])} open now"
    return _tile("Calls", number(totals["calls_per_s"]), chart, below, "/s")


def _line(
    facts: Facts, values: Sequence[float | None], value: float | None, limits: Sequence[float | None], what: str
) -> str:
    values = whole(facts, values)
    known = _known(values)
    if not known:
        return ""
    at, warning = _beyond(value, limits), limits[0]
    top = max(known) * 1.05
    if warning and warning <= 4 * top:
        top = max(top, warning * 1.05)
    top = top or 1.0
    drawn = [charts.limit(warning, top) if warning else "", charts.line(values, top)]
    if at and warning:
        drawn.append(charts.beyond(values, warning, top, _CLASS[at]))
    return charts.svg(what, *drawn, charts.now(values, top)) + _axis(facts)


def _failed(facts: Facts) -> str:
    failed, limits = facts["totals"]["failed"], facts["limits"]["failed"]
    series = facts["series"]
    shares = [bad / calls if calls else None for bad, calls in zip(series["failed"], series["calls"], strict=True)]
    known = _known(shares)
    label = f"Share of failed calls over the last hour: {percent(min(known))} to {percent(max(known))}" if known else ""
    below = f"limit {percent(limits[0])}" + (f" · peak {percent(max(known))}" if known else "")
    return _tile(
        "Failed", mark(_beyond(failed, limits), percent(failed)), _line(facts, shares, failed, limits, label), below
    )


def _latency(facts: Facts) -> str:
    p95, limits, values = facts["totals"]["p95_s"], facts["limits"]["p95_s"], facts["series"]["p95_s"]
    known = _known(values)
    label = (
        f"95th percentile of successful calls over the last hour: {seconds(min(known))} to {seconds(max(known))} seconds"
        if known
        else ""
    )
    below = f"limit {seconds(limits[0])}{THIN}s" + (f" · peak {seconds(max(known))}{THIN}s" if known else "")
    return _tile(
        "p95 of successes",
        mark(_beyond(p95, limits), seconds(p95)),
        _line(facts, values, p95, limits, label),
        below,
        "s",
    )


def _money(facts: Facts) -> str:
    day = next((one for one in facts["budgets"] if one["period"] == "day" and not one["name"]), None)
    if day is None or day["spend"] is None:
        return _tile("Spent today", NONE, "", "no priced call yet")
    whole = facts["totals"]["complete"]
    lacking = "" if whole is None or whole == 1 else f" · lacks {percent(1 - whole)} of calls"
    if not day["limit"]:
        rate = facts["totals"]["usd_per_h"]
        below = (f"no budget set · {dollars(rate)} an hour" if rate is not None else "no budget set") + lacking
        return _tile("Spent today", dollars(day["spend"]), _day(day), below)
    used, forecast = day["spend"] / day["limit"], day["forecast"]
    at = "critical" if used >= 1 else "warning" if used >= facts["limits"]["budget"][0] else ""
    coming = "warning" if not at and forecast is not None and forecast > 1 else ""
    below = f"{percent(used)} of {dollars(day['limit'])}"
    if forecast is not None:
        below = f"{mark(coming, f'forecast {percent(forecast)}')} of {dollars(day['limit'])}"
    below += lacking
    return _tile("Spent today", mark(at, dollars(day["spend"])), _day(day), below)


def _day(day: Facts) -> str:
    points = [(place * charts.WIDTH, spent) for place, spent in day["series"]]
    if not points:
        return ""
    forecast = day["forecast"] * day["limit"] if day["limit"] and day["forecast"] is not None else None
    top = max(value for value in (points[-1][1], day["limit"], forecast) if value is not None) * 1.05
    drawn = [charts.limit(day["limit"], top) if day["limit"] else "", charts.steps(points, top)]
    if forecast is not None:
        drawn.append(
            charts.segment(points[-1], (charts.WIDTH, forecast), top, "guess near" if day["forecast"] > 1 else "guess")
        )
    spoken = f"Spend of the day: {dollars(points[-1][1])} so far"
    if forecast is not None:
        spoken += f", {dollars(forecast)} expected by its end, budget {dollars(day['limit'])}"
    ends = '<span class="axis" aria-hidden="true"><span>start of day</span><span>end</span></span>'
    return charts.svg(spoken, *drawn, charts.dot(*points[-1], top)) + ends


def _unpriced(facts: Facts) -> str:
    totals, limits, values = facts["totals"], facts["limits"]["unpriced"], facts["series"]["unpriced"]
    known = _known(values)
    label = (
        f"Share of calls without a price over the last hour: {percent(min(known))} to {percent(max(known))}"
        if known
        else ""
    )
    below = f"limit {percent(limits[0])}"
    if totals["unknown"] is not None:
        below += f" · {percent(totals['unknown'])} without usage"
    value = totals["unpriced"]
    return _tile(
        "Without a price",
        mark(_beyond(value, limits), percent(value)),
        _line(facts, values, value, limits, label),
        below,
    )


def hour(facts: Facts) -> str:
    """The table behind the charts, for everyone."""
    series, rows = facts["series"], []
    for start in range(0, len(series["calls"]), 5):
        calls = sum(_known(series["calls"][start : start + 5]))
        failed = sum(_known(series["failed"][start : start + 5]))
        p95 = series["p95_5min_s"][start // 5]
        rows.append(
            f'<tr><th scope="row">{moment(series["times"][start // 5])}</th><td class="n">{number(calls / 300)}</td>'
            f'<td class="n">{percent(failed / calls) if calls else NONE}</td><td class="n">{seconds(p95)}</td></tr>'
        )
    if not facts["totals"]["calls_hour"]:
        return ""
    return (
        '<details id="hour"><summary>The last hour as numbers</summary><table><thead><tr><th scope="col">from</th>'
        '<th class="n" scope="col">calls/s</th><th class="n" scope="col">failed</th><th class="n" scope="col">p95 s</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></details>"
    )
