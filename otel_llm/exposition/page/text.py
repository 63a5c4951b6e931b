"""The status page for a terminal without a browser: ``curl localhost:9464``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .words import NONE, dollars, number, percent, plain, seconds

Facts = Mapping[str, Any]
_ROWS = 20


def render(facts: Facts) -> str:
    """Some lines: the judgement, the totals, the models."""
    service = facts["service"]
    lines = [f"{plain(service['name'] or 'LLM calls', 72)} · otel-llm {service['version']} · {facts['at']}"]
    if facts["fresh"] == "old":
        lines.append(f"UNKNOWN  these numbers end at {facts['data_until']}: {facts['reason']}")
    lines += [f"{one['level'].upper():<9}{plain(one['text'], 200)} UTC" for one in facts["conditions"]]
    if not any(one["level"] in ("critical", "warning") for one in facts["conditions"]) and facts["fresh"] != "old":
        lines.append(_calm(facts))
    totals = facts["totals"]
    day = next((one for one in facts["budgets"] if one["period"] == "day" and not one["name"]), None)
    money = dollars(day["spend"]) if day else NONE
    lines.append("")
    lines.append(
        f"last 5 min: {number(totals['calls_per_s'])} calls/s, {percent(totals['failed'])} failed, p95 {seconds(totals['p95_s'])} s, "
        f"{percent(totals['unpriced'])} without a price; today {money}"
    )
    rows = [("model", "calls/s", "failed", "p95 s", "out tok/s", "$/h")]
    rows += [
        (plain(row["model"], 40), number(row["calls_per_s"]), percent(row["failed"]), seconds(row["p95_s"]),
         number(row["out_tokens_per_s"]), dollars(row["usd_per_h"]).removeprefix("$"))
        for row in facts["models"][:_ROWS]
    ]  # fmt: skip
    if len(rows) > 1:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines.append("")
        for first, *rest in rows:
            lines.append(
                "  ".join(
                    [first.ljust(widths[0]), *(text.rjust(width) for text, width in zip(rest, widths[1:], strict=True))]
                )
            )
    lines += ["", "In a browser this is a page. /status.json has the same facts, /metrics the raw metrics."]
    return "\n".join(lines).replace("\N{NARROW NO-BREAK SPACE}", " ") + "\n"


def _calm(facts: Facts) -> str:
    judged, level, calm = facts["judged"], "CALM", "nothing is beyond a limit"
    if not facts["totals"]["calls_hour"]:
        level, calm = "WAITING", "no call yet"
    elif any(one["level"] == "pending" for one in facts["conditions"]):
        calm = "nothing has been beyond a limit for long enough to warn"
    return f"{level:<9}{calm}; {judged['conditions']} of {judged['of']} conditions judged"
