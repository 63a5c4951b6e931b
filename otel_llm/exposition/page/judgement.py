"""What is wrong, for whom, since when and what to do: the head of the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

from .marks import CLASSES, LEVELS, labelled
from .words import THIN, duration, moment, name, number, percent, plain, plural

Facts = Mapping[str, Any]

WHO = "{who}"  # where a sentence has its subject
HEADLINE = 48  # characters of a name in the judgement


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
    live = [one for one in facts["conditions"] if one["level"] in CLASSES]
    if live:
        return _worst(facts, live) + others([one for one in facts["conditions"] if one is not live[0]])
    box = _nothing(facts) if facts["totals"]["calls"] or facts["totals"]["calls_hour"] else _no_call(facts)
    return box + others(facts["conditions"])


def sentence(one: Facts, most: int = 72) -> str:
    """What is wrong, and with whom."""
    before, _, after = one["what"].partition(WHO)
    return _text(before) + name(one["subject"], most, "") + _text(after)


def title(facts: Facts) -> str:
    """For a row of tabs: the judgement before the name."""
    service = plain(facts["service"]["name"] or "LLM calls", 40)
    if facts["fresh"] == "old":
        return escape(f"? no new data · {service}")
    worst = next((one for one in facts["conditions"] if one["level"] in CLASSES), None)
    if worst is None:
        return escape(f"{service} · otel-llm")
    shape = {"critical": "\N{BLACK SQUARE}", "warning": "\N{BLACK UP-POINTING TRIANGLE}"}[worst["level"]]
    what = worst["what"].replace(WHO, plain(worst["subject"], 40), 1)
    return escape(f"{shape} {plain(what, 100)} · {service}")


def level(facts: Facts) -> str:
    """The worst level on the page; empty where nothing is wrong."""
    levels = {one["level"] for one in facts["conditions"]}
    return "" if facts["fresh"] == "old" else next((each for each in CLASSES if each in levels), "")


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
        shares = [f"{name(row['value'], 32)} {percent(row['share'])}" for row in rows[:2]]
        rest = 1 - sum(row["share"] for row in rows[:2])
        if len(rows) > 2:  # noqa: PLR2004 - as shown
            shares.append(f"{plural(len(rows) - 2, 'other')} {percent(rest)}")
        parts.append(f"of the failed ones {', '.join(shares)}")
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
    live = [one for one in facts["conditions"] if one["level"] in CLASSES]
    then = "nothing was beyond a limit"
    if live:
        more = f"; {len(live) - 1} more" if len(live) > 1 else ""
        then = f"{sentence(live[0])}, since {moment(live[0]['since'])}{more}"
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
