"""``otel-llm prices --as MODEL``: what real calls would have cost with another model, by their own tokens."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from otel_llm.core.model import Usage
from otel_llm.pricing.explain import explain

from . import live, report, view
from .problems import Problem
from .samples import MODEL
from .scrape import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from otel_llm.cluster.ledgerfile import Spent
    from otel_llm.core.config import Config
    from otel_llm.pricing.price import Price
    from otel_llm.pricing.pricer import Pricer

    from .samples import Page

_TOKENS = {
    "input": "input_tokens", "output": "output_tokens", "thinking": "thinking_tokens", "cached": "cache_read_tokens",
    "written": "cache_write_tokens",
}  # fmt: skip
_LACKING = ("usage_unknown", "unpriced_requests", "incomplete_requests")
Key = tuple[str, str]  # provider, request model


class Used(NamedTuple):
    """What the calls of one model used and cost, US dollars; ``lacking`` of them have no usage, no price or a part of it only."""

    calls: float
    cost: float
    lacking: float
    tokens: Mapping[str, float]  # by the fields of ``Usage``


def of_month(config: Config) -> tuple[str, dict[Key, Used]]:
    """What the ledger has of this month. Raises Problem where it cannot be read."""
    first, last = report.this_month(config)
    groups: dict[Key, list[Spent]] = defaultdict(list)
    for one in report.read(config, first, last):
        groups[one.provider, one.model].append(one)
    return f"{first} to {last}", {key: _of_rows(rows) for key, rows in groups.items()}


def _of_rows(rows: Iterable[Spent]) -> Used:
    sums: dict[str, float] = defaultdict(float)
    for row in rows:
        for name, value in row.values.items():
            sums[name] += value
    lacking = sum(sums[name] for name in ("unknown_usage_calls", "unpriced_calls", "incomplete_calls"))
    return Used(sums["calls"], sums["cost_usd"], lacking, {name: sums[name] for name in _TOKENS.values()})


def of_page(url: str) -> tuple[str, dict[Key, Used]]:
    """What a service has counted since it started, by its /metrics. Raises Problem where that cannot be read."""
    endpoint = Endpoint.parse(url)
    page = live.gather([endpoint])
    calls, _ = view.requests(page, *MODEL)
    cost = page.by("otel_llm_cost_usd_total", *MODEL)
    tokens = {field: page.by(view.USAGE.format(view.TOKENS[kind]), *MODEL) for kind, field in _TOKENS.items()}
    lacking = _lacking(page)
    keys = dict.fromkeys(key for counts in (calls, cost, *tokens.values()) for key in counts)
    usages = {
        (key[0], key[1]): Used(
            calls.get(key, 0.0), cost.get(key, 0.0), lacking.get(key, 0.0),
            {field: counts.get(key, 0.0) for field, counts in tokens.items()},
        )
        for key in keys
    }  # fmt: skip
    return f"{endpoint.name}, since it started", usages


def _lacking(page: Page) -> dict[tuple[str, ...], float]:
    sums: dict[tuple[str, ...], float] = defaultdict(float)
    for name in _LACKING:
        for key, count in page.by(f"otel_llm_{name}_total", *MODEL).items():
            sums[key] += count
    return sums


def compared(
    used: Mapping[Key, Used], model: str, provider: str | None, tier: str | None, pricer: Pricer
) -> list[dict[str, Any]]:
    """A row for each model that was called: what it cost, and what ``model`` would have. Raises Problem without a price of it."""
    if not explain(model, provider, service_tier=tier, pricer=pricer).model:
        raise Problem(f"--as {model}: it has no price; ask otel-llm prices {model}")
    rows = []
    for key, one in sorted(used.items(), key=lambda pair: -pair[1].cost):
        price = _priced(one, model, provider, tier, pricer)
        rows.append({
            "provider": key[0], "model": key[1], "calls": int(one.calls), **{name: int(n) for name, n in one.tokens.items()},
            "cost_usd": one.cost, "complete": round(1 - one.lacking / one.calls, 6) if one.calls else 1.0,
            "as_usd": (price.cost or 0.0) * max(one.calls, 1.0), "as_lacks": list(price.incomplete),
        })  # fmt: skip
    return rows


def _priced(one: Used, model: str, provider: str | None, tier: str | None, pricer: Pricer) -> Price:
    """The price of the mean call: a price that rises with the context depends on what one call sends, not by all together.

    Where ``model`` has no price of cache writes, they are input as any other.
    """
    mean = {name: tokens / max(one.calls, 1.0) for name, tokens in one.tokens.items()}

    def asked(tokens: Mapping[str, float]) -> Price:
        usage = Usage(**cast("dict[str, Any]", tokens))  # means have fractions
        return explain(model, provider, usage, service_tier=tier, pricer=pricer).price

    price = asked(mean)
    if "cache_write" in price.incomplete:
        price = asked({**mean, "cache_write_tokens": 0})
    return price


def as_json(rows: list[dict[str, Any]], model: str, when: str) -> str:
    facts = {"as": model, "of": when, "rows": rows, "total": _total(rows)}
    return json.dumps(facts, indent=2)


def as_text(rows: list[dict[str, Any]], model: str, when: str) -> str:
    """A table; what it cannot know is a line below it."""
    total, often = _total(rows), Counter(row["model"] for row in rows)
    names = [f"{row['provider']}/{row['model']}" if often[row["model"]] > 1 else row["model"] for row in rows]
    lines = [["model", "calls", "US dollars", f"as {model}", "change"]]
    lines += [
        [name, f"{row['calls']:,}", f"{row['cost_usd']:.6f}", f"{row['as_usd']:.6f}", _change(row)]
        for name, row in [*zip(names, rows, strict=True), ("total", total)]
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = [
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        )
        for line in lines
    ]
    notes = [
        "Priced by the mean call of each model; another model would use other numbers of tokens for the same text."
    ]
    if lacks := sorted({name for row in rows for name in row["as_lacks"]}):
        notes.append(f"incomplete: {model} has no rate for {', '.join(lacks)}.")
    if total["complete"] < 1:
        notes.append(f"incomplete: only {100 * total['complete']:.1f} % of calls have usage and a price for all of it.")
    return "\n".join([when, *table, *notes])


def _total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    calls = sum(row["calls"] for row in rows)
    whole = sum(row["calls"] * row["complete"] for row in rows)
    sums = {name: sum(row[name] for row in rows) for name in ("cost_usd", "as_usd")}
    return {"calls": calls, **sums, "complete": round(whole / calls, 6) if calls else 1.0}


def _change(row: Mapping[str, float]) -> str:
    return f"{row['as_usd'] / row['cost_usd'] - 1:+.1%}" if row["cost_usd"] else ""
