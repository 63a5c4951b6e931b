"""``otel-llm report --top LABEL``: who spent most, by any label, as the sketch of the service has it."""

from __future__ import annotations

import csv as comma
import io
import json as plain_json

from otel_llm.aggregate.spenders import Sketch
from otel_llm.cluster import spenderview
from otel_llm.core.config import Config

from .problems import Problem

SHOWN = 20


def shown(config: Config, period: str, label: str, *, csv: bool, json: bool) -> str:
    """The twenty largest of ``period`` (a day or month). Raises Problem where there is nothing of the kind."""
    try:
        periods = spenderview.read(config).periods
    except (OSError, ValueError) as error:
        raise Problem(f"the top spenders cannot be read: {error}") from None
    labels = periods.get(period, {})
    if label not in labels:
        names = sorted({name for labels_of in periods.values() for name in labels_of})
        counted = (
            f"there are {', '.join(names)} in {', '.join(sorted(periods))}"
            if names
            else "no labels were counted at all"
        )
        raise Problem(
            f"--top {label}: no calls of {period} have that label; {counted}. Give calls one with otel_llm.labels({label}=...)"
        )
    if json:
        return plain_json.dumps({"period": period, "label": label, **_facts(labels[label])}, indent=2)
    return _csv(labels[label], label) if csv else _text(labels[label], period, label)


def _facts(sketch: Sketch) -> dict[str, object]:
    rows = [
        {"value": one.value, "cost_usd": one.amount, "error_usd": one.error, "calls": one.calls}
        for one in sketch.top(SHOWN)
    ]
    return {"rows": rows, "total_usd": sketch.total, "not_shown_at_most_usd": sketch.bound}


def _csv(sketch: Sketch, label: str) -> str:
    written = io.StringIO()
    out = comma.writer(written, lineterminator="\n")
    out.writerow((label, "cost_usd", "error_usd", "calls"))
    out.writerows((one.value, f"{one.amount:.9f}", f"{one.error:.9f}", one.calls) for one in sketch.top(SHOWN))
    return written.getvalue().rstrip("\n")


def _text(sketch: Sketch, period: str, label: str) -> str:
    rows = [
        (one.value, f"{one.amount:.6f}", f"{one.error:.6f}", f"{one.amount / sketch.total:.1%}")
        for one in sketch.top(SHOWN)
    ]
    width = max(len(label), *(len(row[0]) for row in rows))
    lines = [period, f"{label:{width}}  {'US dollars':>12}  {'at most less':>12}  {'share':>7}"]
    lines += [f"{value:{width}}  {amount:>12}  {error:>12}  {share:>7}" for value, amount, error, share in rows]
    lines.append(f"{'total':{width}}  {sketch.total:>12.6f}")
    if sketch.bound:
        lines.append(f"Whoever is not in the list of {len(sketch.entries)} has spent {sketch.bound:.6f} at most.")
    return "\n".join(lines)
