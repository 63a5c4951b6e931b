"""The numbers that matter, each with its last hour and its limit, and the table behind their charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import charts
from .marks import CLASSES, mark
from .words import NONE, THIN, dollars, moment, number, percent, seconds

Facts = Mapping[str, Any]

SAYS_SOMETHING = 20.0  # seconds of a minute


def tiles(facts: Facts) -> str:
    """Five numbers, each with its last hour and its limit."""
    five = (_calls(facts), _failed(facts), _latency(facts), _money(facts), _unpriced(facts))
    inner = "".join(f"<li>{tile}</li>" for tile in five)
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
    drawn, passed = whole(facts, counts), facts["series"]["partial_s"]
    if len(drawn) == len(counts) and drawn[-1] is not None:
        drawn[-1] *= 60.0 / passed
    return drawn


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
    if reported := _known(calls):
        top, kind = max(reported), CLASSES.get(_beyond(totals["failed"], facts["limits"]["failed"]), "")
        label = f"Calls a minute over the last hour: {number(min(reported))} to {number(top)}"
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
    reported = _known(values)
    if not reported:
        return ""
    at, warning = _beyond(value, limits), limits[0]
    top = max(reported) * 1.05
    if warning and warning <= 4 * top:
        top = max(top, warning * 1.05)
    top = top or 1.0
    drawn = [charts.limit(warning, top) if warning else "", charts.line(values, top)]
    if at and warning:
        drawn.append(charts.beyond(values, warning, top, CLASSES[at]))
    return charts.svg(what, *drawn, charts.now(values, top)) + _axis(facts)


def _failed(facts: Facts) -> str:
    failed, limits = facts["totals"]["failed"], facts["limits"]["failed"]
    series = facts["series"]
    shares = [bad / calls if calls else None for bad, calls in zip(series["failed"], series["calls"], strict=True)]
    reported = _known(shares)
    label = (
        f"Share of failed calls over the last hour: {percent(min(reported))} to {percent(max(reported))}"
        if reported
        else ""
    )
    below = f"limit {percent(limits[0])}" + (f" · peak {percent(max(reported))}" if reported else "")
    return _tile(
        "Failed", mark(_beyond(failed, limits), percent(failed)), _line(facts, shares, failed, limits, label), below
    )


def _latency(facts: Facts) -> str:
    p95, limits, values = facts["totals"]["p95_s"], facts["limits"]["p95_s"], facts["series"]["p95_s"]
    reported = _known(values)
    label = (
        f"95th percentile of successful calls over the last hour: {seconds(min(reported))} to {seconds(max(reported))} seconds"
        if reported
        else ""
    )
    below = f"limit {seconds(limits[0])}{THIN}s" + (f" · peak {seconds(max(reported))}{THIN}s" if reported else "")
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
    reported = _known(values)
    label = (
        f"Share of calls without a price over the last hour: {percent(min(reported))} to {percent(max(reported))}"
        if reported
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
