"""docs/alerts.md: every alert and every threshold, from the same constants as the rules."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING

from otel_llm.core.objectives import allowed, flag, show
from otel_llm.ops.alerts import Alert, alerts

if TYPE_CHECKING:
    from otel_llm.ops.rules import Context

_INTRO = """# Alerts

Written by `otel-llm generate` from the constants that make the rules; what to do when one fires is in the
[runbook](runbook.md).

`N` stands for the value at the time, a word in brackets for a label; the service, and where it runs, follow in every title.

Every alert has the labels `severity` (`critical` pages, `warning` and `info` do not), `service="llm"` and `category`, and the
annotations `summary` (what is wrong, how much, with whom), `description`, `resolved` (the same in the past tense), `runbook_url`
and `dashboard_url` (with service and model set).

```text
summary: errors 30 % · gpt-5 · shop
```
"""

_THRESHOLDS = """
## Thresholds

`otel-llm export prometheus DIR` writes the rules with other thresholds, for example
`otel-llm export prometheus DIR --p95 20s --error-rate 2% --daily-budget-factor 1.2 --slo 99.5%`.
"""


def alerts_page(it: Context) -> str:
    """The page as Markdown."""
    rows = [_row(it, alert) for alert in alerts(it)]
    table = ["| alert | severity | holds for | says |", "| --- | --- | --- | --- |", *dict.fromkeys(rows)]
    return "\n".join([_INTRO, *table, _THRESHOLDS, *_thresholds(it), ""])


def _row(it: Context, alert: Alert) -> str:
    waits = it.over(alert.wait) if alert.wait else "at once"
    kind = "".join(f" ({value})" for value in alert.labels.values())
    says = _plain(alert.title)
    return f"| [{alert.name}](runbook.md#{alert.name.lower()}){kind} | {alert.severity} | {waits} | {says} |"


def _plain(template: str) -> str:
    """A title without its template: values are ``N``, labels their names in brackets."""
    labelled = re.sub(r"\{\{ \$labels\.(\w+) \}\}", r"[\1]", template)
    return re.sub(r"\{\{.*?\}\}", "N", labelled)


def _thresholds(it: Context) -> list[str]:
    lines = ["| option | default | allowed | what |", "| --- | --- | --- | --- |"]
    for spec in fields(it.objectives):
        unit, default = spec.metadata["unit"], getattr(it.objectives, spec.name)
        lines.append(
            f"| `{flag(spec.name)}` | {show(default, unit)} | {allowed(spec.name)} | {spec.metadata['help']} |"
        )
    return lines
