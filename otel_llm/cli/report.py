"""``otel-llm report``: who used and spent what, by day, month, provider, model and label, from the ledger of the state directory."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import click

from otel_llm.cluster import ledgerview, statedir
from otel_llm.cluster.ledgerfile import Spent
from otel_llm.core.config import Config

from . import report_top
from .problems import Problem
from .terminal import busy

HELP = """Show what was used and spent, from the ledger that a service keeps in its state directory for 400 days.

\b
  otel-llm report                                     this month, by model
  otel-llm report --month 2026-11 --by tenant
  otel-llm report --day 2026-11-28 --by provider,model --csv
  otel-llm report --month 2026-11 --by day,tenant --json
  otel-llm report --top user                          who spent most this month, by any label of otel_llm.labels()

Days are those of OTEL_LLM_TIMEZONE. Labels are those of OTEL_LLM_METRIC_LABELS when the calls were made. The sums include
what a running service has counted and not written yet, so that they equal its counters.
"""
_OWN = ("day", "month", "provider", "model")
_SHOWN = ("calls", "input_tokens", "output_tokens", "cost_usd")
_LACKING = ("unknown_usage_calls", "unpriced_calls", "incomplete_calls")
Row = dict[str, Any]


def _month(_ctx: click.Context, _param: click.Parameter, text: str | None) -> tuple[date, date] | None:
    if text is None:
        return None
    try:
        first = datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007 - a calendar month
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a month such as 2026-11") from None
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _day(_ctx: click.Context, _param: click.Parameter, text: str | None) -> tuple[date, date] | None:
    if text is None:
        return None
    try:
        return (date.fromisoformat(text),) * 2
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a day such as 2026-11-28") from None


@click.command("report", help=HELP)
@click.option("--month", callback=_month, metavar="YYYY-MM", help="A calendar month.  [default: this one]")
@click.option("--day", callback=_day, metavar="YYYY-MM-DD", help="One day instead of a month.")
@click.option(
    "--by", default="model", show_default=True, metavar="NAME,...", help="day, month, provider, model, or labels."
)
@click.option(
    "--top", "label", metavar="LABEL", help="Instead, the top spenders by a label: of this month, --month or --day."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print it as CSV.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(
    *,
    month: tuple[date, date] | None,
    day: tuple[date, date] | None,
    by: str,
    label: str | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    if month and day:
        raise click.UsageError("--month and --day exclude each other")
    config = Config.from_env()
    if nowhere := statedir.unused(config):
        click.echo(f"otel-llm: {nowhere}", err=True)
    first, last = day or month or this_month(config)
    if label is not None:
        click.echo(report_top.shown(config, f"{first}" if day else f"{first:%Y-%m}", label, csv=as_csv, json=as_json))
        return
    names = tuple(dict.fromkeys(name.strip() for name in by.split(",") if name.strip()))
    with busy(f"Reading the ledger from {first} to {last}"):
        spent = read(config, first, last)
    _refuse_unknown(names, spent, config)
    rows, total = grouped(spent, names), summed(spent)
    if as_json:
        facts = {"from": f"{first}", "to": f"{last}", "by": list(names), "rows": rows, "total": total}
        click.echo(json.dumps(facts, indent=2))
    else:
        click.echo(_csv(rows, names) if as_csv else _text(rows, total, names, f"{first} to {last}"), nl=not as_csv)


def this_month(config: Config) -> tuple[date, date]:
    """The first day of the month in the configured time zone, and today."""
    today = datetime.now(ZoneInfo(config.timezone)).date()
    return today.replace(day=1), today


def read(config: Config, first: date, last: date) -> list[Spent]:
    """The ledger's rows. Raises Problem where it cannot be read."""
    try:
        return ledgerview.read(config, first, last)
    except (OSError, sqlite3.Error, ValueError) as error:
        raise Problem(f"the ledger cannot be read: {error}") from None


def grouped(spent: Iterable[Spent], names: tuple[str, ...]) -> list[Row]:
    """One row for each combination of ``names``, the most money first; in the order of time where they have a time."""
    groups: dict[tuple[str, ...], list[Spent]] = {}
    for one in spent:
        groups.setdefault(tuple(_value(one, name) for name in names), []).append(one)
    rows: list[Row] = [{**dict(zip(names, key, strict=True)), **summed(group)} for key, group in groups.items()]
    times = [name for name in ("month", "day") if name in names]
    return sorted(rows, key=lambda row: ([row[name] for name in times], -row["cost_usd"], -row["calls"]))


def summed(spent: Iterable[Spent]) -> dict[str, float]:
    """The sums of all values, and ``complete``: the share of calls with usage and a price for all of it; 1 without calls."""
    sums: dict[str, float] = {}
    for one in spent:
        for name, value in one.values.items():
            sums[name] = sums.get(name, 0.0) + value
    calls = sums.get("calls", 0.0)
    lacking = sum(sums.get(name, 0.0) for name in _LACKING)
    whole: dict[str, float] = {name: value if name.endswith("usd") else int(value) for name, value in sums.items()}
    return {**dict.fromkeys(_SHOWN, 0), **whole, "complete": round(1 - lacking / calls, 6) if calls else 1.0}


def _value(one: Spent, name: str) -> str:
    own: Mapping[str, str] = {
        "day": f"{one.day}", "month": f"{one.day:%Y-%m}", "provider": one.provider, "model": one.model,
    }  # fmt: skip
    return own[name] if name in own else one.labels.get(name, "")


def _refuse_unknown(names: tuple[str, ...], spent: list[Spent], config: Config) -> None:
    labels = {*config.metric_labels, *(name for one in spent for name in one.labels)}
    for name in names:
        if name not in _OWN and name not in labels:
            accepted = ", ".join([*_OWN, *sorted(labels)])
            raise Problem(
                f"--by {name}: known are {accepted}; other labels need OTEL_LLM_METRIC_LABELS={name} in the service"
            )


def _csv(rows: list[Row], names: tuple[str, ...]) -> str:
    columns = [*names, *(name for name in (rows[0] if rows else summed([])) if name not in names)]
    written = io.StringIO()
    out = csv.DictWriter(written, columns, lineterminator="\n")
    out.writeheader()
    out.writerows(rows)
    return written.getvalue()


def _text(rows: list[Row], total: Mapping[str, float], names: tuple[str, ...], days: str) -> str:
    heads = [*names, "calls", "input", "output", "US dollars", "complete"]
    lines = [[*(str(row[name]) or "(none)" for name in names), *_numbers(row)] for row in rows]
    lines.append(["total", *[""] * (len(names) - 1), *_numbers(total)])
    widths = [max(len(line[column]) for line in [heads, *lines]) for column in range(len(heads))]

    def spaced(line: list[str]) -> str:
        cells = (
            cell.ljust(width) if column < len(names) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        return "  ".join(cells).rstrip()

    return "\n".join([days, spaced(heads), *map(spaced, lines)])


def _numbers(row: Mapping[str, float]) -> list[str]:
    counts = [f"{row[name]:,.0f}" for name in _SHOWN[:3]]
    return [*counts, f"{row['cost_usd']:.6f}", f"{100 * row['complete']:.1f} %"]
