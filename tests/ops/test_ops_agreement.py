"""One scripted run with an incident for each condition: rules (promtool), the status page, ``top`` and handlers agree each minute."""

from __future__ import annotations

import json
import random
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import scripted_run
from incidents import BEGIN, DAILY, EVERY, JOINED, MINUTES, MONTHLY, PRICED, records, who
from prometheus_lab import needed

from otel_llm.aggregate import Store
from otel_llm.cli import samples, view
from otel_llm.cluster.text import render
from otel_llm.core.conditions import BY_ID, CONDITIONS
from otel_llm.core.objectives import DEFAULT
from otel_llm.ops.promql import RELEASED
from otel_llm.ops.rules import Context
from otel_llm.outputs.anomaly import Anomaly
from tools.generate.rules import needed_rules

FIRST, EVALUATED = 2, 30  # minutes before which nothing is compared, seconds between two evaluations
NEAR = EVERY + EVALUATED + 15  # seconds: a scrape, an evaluation, a judgement
_BUDGET = {
    ("budget", "warning"): "Near",
    ("budget", "critical"): "Reached",
    ("budget_forecast", "warning"): "Forecast",
}
_PERIODS = {"day": "Daily", "month": "Monthly"}
SHARED = tuple(one for one in CONDITIONS if not one.by_rules_only)
ALERTS = {one.alert for one in SHARED if one.kind != "budget"} | {
    f"LLM{period}Budget{what}" for period in _PERIODS.values() for what in _BUDGET.values()
}
# labels that an alert has because of what it is about, and that a condition need not say
OF_ITSELF = {"rate_limit_refused": {"error_type": "rate_limit"}, "cost_per_request": {"signal": "cost"}}
Fact = tuple[str, str, str]  # alert, severity, whom


@dataclass
class Seen:
    """What each surface says, minute by minute, and what was scraped."""

    page: list[set[Fact]] = field(default_factory=list)
    outer: list[set[tuple[str, str]]] = field(default_factory=list)  # incidents, as the page shows them
    whole: list[set[tuple[str, str]]] = field(default_factory=list)  # and with what they explain
    top: list[set[tuple[str, str]]] = field(default_factory=list)
    handlers: list[set[tuple[str, str]]] = field(default_factory=list)
    series: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    ids: set[str] = field(default_factory=set)


def rules() -> list[dict[str, Any]]:
    """The rules of all alerts that are compared, and what they read."""
    files = [f"otel-llm-{name}.yml" for name in ("recording", "parts", "anomaly", "slo")]
    return needed_rules(Context(DEFAULT, RELEASED), ALERTS, files)


@pytest.fixture(scope="module")
def seen() -> Seen:
    config = scripted_run.config(
        metric_labels=("tenant",), budget_daily=DAILY, budget_monthly=MONTHLY, max_label_values=24
    )
    store = Store(config, price_date=lambda: BEGIN - PRICED)
    dice, found, told = random.Random(7), Seen(), set[tuple[str, str]]()
    read = reader()
    for scrape in range(MINUTES * 60 // EVERY):
        at = BEGIN + (scrape + 1) * EVERY
        for record in records(at - EVERY, dice):
            store.apply(record)
        for change in store.incidents(at):
            anomaly = Anomaly.of_change(change)
            whom = (anomaly.condition, who(dict(change.entry.reading.key)))
            (told.discard if anomaly.type == "condition_ended" else told.add)(whom)
        keep(found.series, render(store.views(at), store.lock, openmetrics=False).decode(), scrape, read)
        if (scrape + 1) * EVERY % 60 == 0:
            status = store.status(at, {})
            found.page.append(set(facts(status["conditions"])))
            found.ids |= {one["id"] for one in unfolded(status["conditions"]) if is_open(one)}
            found.outer.append({(one["id"], who(one["key"])) for one in status["conditions"] if is_open(one)})
            found.whole.append({(one["id"], who(one["key"])) for one in unfolded(status["conditions"]) if is_open(one)})
            page = samples.Page(at, {}, {}, json.loads(json.dumps(status)))
            shown = view.read(page, ("test",), ()).conditions or ()
            found.top.append({(one["id"], who(one["key"])) for one in shown if is_open(one)})
            found.handlers.append(set(told))
    return found


def is_open(one: Mapping[str, Any]) -> bool:
    return one["level"] in ("warning", "critical")


def unfolded(conditions: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for one in conditions:
        yield one
        yield from unfolded(one["folded"])


def facts(conditions: list[dict[str, Any]]) -> Iterator[Fact]:
    """What is open, folded or not, as the alert that it is."""
    for one in filter(is_open, unfolded(conditions)):
        alert = BY_ID[one["id"]].alert
        if BY_ID[one["id"]].kind == "budget":
            alert = f"LLM{_PERIODS[one['key']['period']]}Budget{_BUDGET[one['id'], one['level']]}"
        yield alert, one["level"], who({**one["key"], **OF_ITSELF.get(one["id"], {})})


def reader() -> re.Pattern[str]:
    """Lines of a scrape that a rule reads."""
    names = {
        name for rule in rules() for name in re.findall(r"(?<![\w:])(?:gen_ai|otel_llm)_\w+(?![\w:])", rule["expr"])
    }
    return re.compile(rf"(?:{'|'.join(sorted(names, key=len, reverse=True))})[{{ ]")


def keep(series: dict[str, list[str]], text: str, scrape: int, read: re.Pattern[str]) -> None:
    """Add one scrape to promtool's input, whose clock begins at zero."""
    for line in text.splitlines():
        if read.match(line):
            head, _, value = line.rpartition(" ")
            name, _, labels = head.partition("{")
            values = series[f'{name}{{job="shop",instance="shop-1:9464"' + ("," + labels if labels else "}")]
            values += ["_"] * (scrape - len(values))
            values.append(f"{float(value) - BEGIN if name == 'otel_llm_start_time_seconds' else float(value):g}")


def test_every_condition_that_is_shared_has_an_incident(seen: Seen) -> None:
    assert seen.ids == {one.id for one in SHARED}


def test_what_a_surface_cannot_know_says_why() -> None:
    assert {one.id for one in CONDITIONS if one.by_rules_only} == {"endpoint"}
    assert {one.id for one in CONDITIONS if one.rules_longer} == {"burn", "rate_limit", "breaker"}


def test_top_shows_what_the_page_shows(seen: Seen) -> None:
    assert seen.top == seen.outer
    assert max(map(len, seen.top)) >= 10


def test_handlers_hear_of_every_incident_within_one_judgement(seen: Seen) -> None:
    for minute in range(1, MINUTES - 1):
        near = seen.handlers[minute - 1] | seen.handlers[minute] | seen.handlers[minute + 1]
        assert seen.outer[minute] <= near, minute + 1
        around = seen.whole[minute - 1] | seen.whole[minute] | seen.whole[minute + 1]
        assert seen.handlers[minute] <= around, minute + 1
    assert seen.handlers[-1] <= seen.whole[-1]


def firing(where: str = "") -> str:
    """Alerts that fire, with whom they are about in one label; what only Prometheus can judge is left out."""
    names = "|".join(sorted(ALERTS))
    alerts = (
        f'ALERTS{{alertstate="firing",alertname=~"{names}"{where}}} '
        'unless ALERTS{alertname="LLMAnomaly",kind=~"fleet|season|share"} '
        'unless ALERTS{alertname="LLMErrorBudgetBurn",severity="warning"}'  # of days
    )
    return f'count by (alertname, severity, who) (label_join({alerts}, "who", "/", {JOINED}))'


# one severity for each fault: what is critical is not a warning as well, and a budget that is reached is not near
_REACHED = firing(',alertname=~"LLM.*BudgetReached"')
_CRITICAL = firing(',severity="critical"')
WORST = (
    f"(({firing()}) unless on (alertname, who) {_CRITICAL} or {_CRITICAL}) "
    f"unless on (alertname) label_replace({_REACHED}, 'alertname', '${{1}}Near', 'alertname', '(.*)Reached')"
)
_BURNS = firing(',alertname="LLMErrorBudgetBurn"')
LONGER = {BY_ID[one.id].alert for one in CONDITIONS if one.rules_longer}


def test_rules_agree_with_the_page_each_minute_within_one_evaluation(seen: Seen, tmp_path: Path) -> None:
    on = "on (alertname, severity, who)"
    near = f"[{2 * NEAR}s:{EVALUATED}s] offset -{NEAR}s"
    longer = f'"{"|".join(sorted(LONGER))}"'
    only_rules = f"({WORST}) unless {on} max_over_time((page == 1){near})"
    only_rules = f"({only_rules}) unless {on} max_over_time((page{{alertname=~{longer}}} == 1)[10m:{EVALUATED}s] offset -{NEAR}s)"
    only_rules = f"sum by (alertname, severity, who) (({only_rules}) unless {_BURNS})"
    only_page = f"(page == 1) unless {on} max_over_time(({firing()}){near})"
    checks = [
        {"expr": expr, "eval_time": f"{minute}m", "exp_samples": []}
        for minute in range(FIRST, MINUTES - 1)
        for expr in (only_rules, only_page)
    ]
    # so that there is something to agree about
    fired = f"count(count by (alertname) (count_over_time(({firing()})[{MINUTES}m:1m])))"
    checks.append({"expr": fired, "eval_time": f"{MINUTES}m", "exp_samples": [{"value": len(ALERTS)}]})
    assert not fails(seen, checks, tmp_path)


def fails(seen: Seen, checks: list[dict[str, Any]], folder: Path) -> str:
    """What promtool says against ``checks``, having been fed with all that was scraped and with what the page says."""
    every = {fact for page in seen.page for fact in page}
    of_page = [
        {
            "series": f'page{{alertname="{alert}",severity="{severity}",who="{whom}"}}',
            "values": " ".join(
                "1" if (alert, severity, whom) in page else "0"
                for page in [set(), *seen.page]
                for _ in range(60 // EVERY)
            ),
        }
        for alert, severity, whom in sorted(every)
    ]
    fed = [{"series": name, "values": " ".join(["_", *values])} for name, values in seen.series.items()]
    document = {
        "rule_files": ["rules.yml"], "evaluation_interval": f"{EVALUATED}s",
        "tests": [{"interval": f"{EVERY}s", "input_series": [*fed, *of_page], "promql_expr_test": checks}],
    }  # fmt: skip
    (folder / "rules.yml").write_text(
        json.dumps({"groups": [{"name": "all", "interval": f"{EVALUATED}s", "rules": rules()}]})
    )
    (folder / "test.yml").write_text(json.dumps(document))
    done = subprocess.run(
        [needed("promtool"), "test", "rules", str(folder / "test.yml")], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr
