"""One scripted incident, seen by every surface: rules (promtool), the status page, ``top`` and handlers say the same each minute."""

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
from prometheus_lab import needed

from otel_llm.aggregate import Store
from otel_llm.cli import samples, view
from otel_llm.cluster.text import render
from otel_llm.core.conditions import BY_ID
from otel_llm.core.model import Observation
from otel_llm.core.objectives import DEFAULT
from otel_llm.ops.promql import RELEASED
from otel_llm.ops.rules import Context
from otel_llm.outputs.anomaly import Anomaly
from tools.generate.rules import needed_rules

BEGIN = 1_790_000_000.0 // 86_400 * 86_400 + 36_000  # ten in the morning, UTC
MINUTES, SCRAPE = 50, 15
PACE = 0.5  # calls per second of each model
BUDGET = 100.0

# the alerts that are compared, by condition and severity; of the others a few minutes say nothing
ALERTS = {
    ("errors", "critical"): "LLMErrorRateHigh", ("errors", "warning"): "LLMErrorRateHigh",
    ("latency", "warning"): "LLMLatencyP95High", ("rate_limit_refused", "critical"): "LLMRateLimited",
    ("budget", "warning"): "LLMDailyBudgetNear", ("budget", "critical"): "LLMDailyBudgetReached",
}  # fmt: skip
Fact = tuple[str, str, str]  # alert, severity, model


def calls(since: float, dice: random.Random) -> Iterator[Observation]:
    """Fifteen seconds: gpt-4o fails from minute 10 to 22 (60 %) and a little until 30 (12 %), Claude is slow from 25 to 37."""
    minute = (since - BEGIN) / 60
    for provider, model in (("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-6"), ("openai", "gpt-5-mini")):
        for number in range(int(SCRAPE * PACE)):
            at = since + number / PACE
            share = (0.6 if 10 <= minute < 22 else 0.12 if 22 <= minute < 30 else 0.0) if model == "gpt-4o" else 0.0
            slow = model.startswith("claude") and 25 <= minute < 37
            failed = "rate_limit" if dice.random() < share else ""
            seconds = (
                0.3 if failed else 55.0 * dice.lognormvariate(0, 0.1) if slow else 2.0 * dice.lognormvariate(0, 0.3)
            )
            call = Observation(at, provider, model, "chat", model, "api.test", failed, seconds, ("acme",))
            if not failed:
                call = call._replace(input_tokens=1000, output_tokens=200, cost=0.03, cost_source="prices")
            yield call


@dataclass
class Seen:
    """What each surface says, minute by minute, and what was scraped."""

    page: list[set[Fact]] = field(default_factory=list)
    outer: list[set[tuple[str, str]]] = field(default_factory=list)  # incidents, as the page shows them
    whole: list[set[tuple[str, str]]] = field(default_factory=list)  # and with what they explain
    top: list[set[tuple[str, str]]] = field(default_factory=list)
    handlers: list[set[tuple[str, str]]] = field(default_factory=list)
    series: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


@pytest.fixture(scope="module")
def seen() -> Seen:
    store = Store(
        scripted_run.config(metric_labels=("tenant",), budget_daily=BUDGET, budget_monthly=None), price_date=lambda: 0.0
    )
    dice, found, told = random.Random(7), Seen(), set[tuple[str, str]]()
    for scrape in range(MINUTES * 60 // SCRAPE):
        at = BEGIN + (scrape + 1) * SCRAPE
        for call in calls(at - SCRAPE, dice):
            store.apply(call)
        for change in store.incidents(at):
            anomaly = Anomaly.of_change(change)
            who = (anomaly.condition, anomaly.model or anomaly.detail)
            (told.discard if anomaly.type == "condition_ended" else told.add)(who)
        keep(found.series, render(store.views(at), store.lock, openmetrics=False).decode(), scrape)
        if (scrape + 1) * SCRAPE % 60 == 0:
            status = store.status(at, {})
            found.page.append(set(facts(status["conditions"])))
            found.outer.append({(one["id"], who_of(one)) for one in status["conditions"] if is_open(one)})
            found.whole.append({(one["id"], who_of(one)) for one in unfolded(status["conditions"]) if is_open(one)})
            page = samples.Page(at, {}, {}, json.loads(json.dumps(status)))
            shown = view.read(page, ("test",), ()).conditions or ()
            found.top.append({(one["id"], who_of(one)) for one in shown if is_open(one)})
            found.handlers.append(set(told))
    return found


def is_open(one: Mapping[str, Any]) -> bool:
    return one["level"] in ("warning", "critical")


def who_of(one: Mapping[str, Any]) -> str:
    return str(one["key"].get("model") or one["subject"])


def unfolded(conditions: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for one in conditions:
        yield one
        yield from unfolded(one["folded"])


def facts(conditions: list[dict[str, Any]]) -> Iterator[Fact]:
    """What is open, folded or not, as the alert that it is."""
    for one in unfolded(conditions):
        alert = ALERTS.get((one["id"], one["level"]))
        if alert is not None and one["key"].get("period", "day") == "day":
            yield alert, one["level"], one["key"].get("model", "")


READ = re.compile(
    r"(gen_ai_client_operation_duration_seconds\w*|otel_llm_(?:calls_total|spend_usd|budget_usd|build_info|start_time_seconds))\b"
)


def keep(series: dict[str, list[str]], text: str, scrape: int) -> None:
    """Add one scrape to promtool's input."""
    for line in text.splitlines():
        if READ.match(line):
            head, _, value = line.rpartition(" ")
            name, _, labels = head.partition("{")
            values = series[f'{name}{{job="shop",instance="shop-1:9464"' + ("," + labels if labels else "}")]
            values += ["_"] * (scrape - len(values))
            values.append(f"{float(value) - BEGIN if name == 'otel_llm_start_time_seconds' else float(value):g}")


def test_every_fault_of_the_script_is_on_the_page(seen: Seen) -> None:
    first = {
        fact: next(minute for minute, page in enumerate(seen.page, 1) if fact in page)
        for page in seen.page
        for fact in page
    }
    assert set(first) == {
        ("LLMErrorRateHigh", "critical", "gpt-4o"), ("LLMErrorRateHigh", "warning", "gpt-4o"),
        ("LLMRateLimited", "critical", "gpt-4o"), ("LLMLatencyP95High", "warning", "claude-sonnet-4-6"),
        ("LLMDailyBudgetNear", "warning", ""), ("LLMDailyBudgetReached", "critical", ""),
    }  # fmt: skip
    assert 10 < first["LLMErrorRateHigh", "critical", "gpt-4o"] <= 16
    assert 25 < first["LLMLatencyP95High", "warning", "claude-sonnet-4-6"] <= 33
    assert not any(model for _, _, model in seen.page[-1])  # all of it has ended but the budget


def test_top_shows_what_the_page_shows(seen: Seen) -> None:
    assert seen.top == seen.outer
    assert max(map(len, seen.top)) >= 2


def test_handlers_hear_of_every_incident_within_one_judgement(seen: Seen) -> None:
    for minute in range(1, MINUTES - 1):
        near = seen.handlers[minute - 1] | seen.handlers[minute] | seen.handlers[minute + 1]
        assert seen.outer[minute] <= near, minute + 1
        around = seen.whole[minute - 1] | seen.whole[minute] | seen.whole[minute + 1]
        assert seen.handlers[minute] <= around, minute + 1
    assert seen.handlers[-1] <= seen.whole[-1]


def firing(**labels: str) -> str:
    return "ALERTS{" + ",".join(f'{name}="{value}"' for name, value in {"alertstate": "firing", **labels}.items()) + "}"


# one severity for each fault: what is critical is not a warning as well, and a budget that is reached is not near
WORST = (
    f"({firing(severity='critical')} or on (alertname, gen_ai_request_model) {firing(severity='warning')}) "
    f"unless on (alertname) label_replace({firing(alertname='LLMDailyBudgetReached')}, 'alertname', 'LLMDailyBudgetNear', '', '')"
)


def test_rules_agree_with_the_page_each_minute_within_one_evaluation(seen: Seen, tmp_path: Path) -> None:
    every = {fact for page in seen.page for fact in page}
    of_page = [
        {
            "series": f'page{{alertname="{alert}",severity="{severity}",gen_ai_request_model="{model}"}}',
            "values": " ".join(
                "1" if (alert, severity, model) in page else "0" for page in [set(), *seen.page] for _ in range(4)
            ),
        }
        for alert, severity, model in sorted(every)
    ]
    fed = [{"series": name, "values": " ".join(["_", *values])} for name, values in seen.series.items()]
    on = "on (alertname, severity, gen_ai_request_model)"
    near = "[2m30s:15s] offset -75s"
    only_rules = (
        f"count by (alertname, severity, gen_ai_request_model) ({WORST}) unless {on} max_over_time((page == 1){near})"
    )
    only_page = f"(page == 1) unless {on} max_over_time(({firing()}){near})"
    checks: list[dict[str, Any]] = [
        {"expr": expr, "eval_time": f"{minute}m", "exp_samples": []}
        for minute in range(2, MINUTES - 1)
        for expr in (only_rules, only_page)
    ]
    for alert, minute in (("LLMErrorRateHigh", 18), ("LLMLatencyP95High", 35), ("LLMDailyBudgetReached", 49)):
        fires = f"count({firing(alertname=alert)})"  # so that there is something to agree about
        checks.append({"expr": fires, "eval_time": f"{minute}m", "exp_samples": [{"value": 2 if minute == 18 else 1}]})
    document = {
        "rule_files": ["rules.yml"], "evaluation_interval": "30s",
        "tests": [{"interval": f"{SCRAPE}s", "input_series": [*fed, *of_page], "promql_expr_test": checks}],
    }  # fmt: skip
    files = [f"otel-llm-{name}.yml" for name in ("recording",)]
    wanted = needed_rules(Context(DEFAULT, RELEASED), set(ALERTS.values()), files)
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "all", "interval": "30s", "rules": wanted}]}))
    (tmp_path / "test.yml").write_text(json.dumps(document))
    done = subprocess.run(
        [needed("promtool"), "test", "rules", str(tmp_path / "test.yml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_table_of_conditions_has_these_alerts() -> None:
    for condition, severity in ALERTS:
        assert getattr(BY_ID[condition], severity) is not None
