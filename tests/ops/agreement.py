"""What every surface says of one script, minute by minute, and promtool's view of the same."""

from __future__ import annotations

import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from prometheus_lab import needed

from otel_llm.aggregate import Store
from otel_llm.cli import samples, view
from otel_llm.cluster.text import render
from otel_llm.core.conditions import BY_ID, CONDITIONS
from otel_llm.core.model import Record
from otel_llm.core.objectives import DEFAULT
from otel_llm.ops.promql import RELEASED
from otel_llm.ops.rules import Context
from otel_llm.outputs.anomaly import Anomaly
from tools.generate.rules import needed_rules

BEGIN = 1_790_000_000.0 // 86_400 * 86_400 + 36_000  # ten in the morning, UTC
EVERY = 30  # seconds between two evaluations

# what a budget's alerts are called, by period and level: one condition
BUDGETS = {f"LLM{period}Budget{level}" for period in ("Daily", "Monthly") for level in ("Near", "Reached", "Forecast")}
ALERTS = frozenset({one.alert for one in CONDITIONS if not one.by_rules_only} - {"LLMBudgetReached"} | BUDGETS)
LONGER = sorted({one.alert for one in CONDITIONS if one.rules_longer})
# what is judged by its own past: of less than a day, the day's mean of rules holds the fault, and the page's does not
BY_PAST = (
    "LLMOutput.*", "LLMCostPerRequestHigh", "LLMPromptCacheHitRatioLow", "LLMTruncatedOutputs", "LLMContentFiltered",
    "LLMGuardrailBlocking",
)  # fmt: skip
# the page's names of what a condition is about, and the labels of its alert
ABOUT = {
    "model": "gen_ai_request_model", "error_type": "error_type", "signal": "signal", "direction": "direction", "kind": "kind", "slo": "slo",
    "cache": "cache", "breaker": "breaker", "budget": "budget", "period": "period", "decision": "decision", "guardrail": "guardrail",
    "agent": "gen_ai_agent_name", "tool": "gen_ai_tool_name", "gen_ai_evaluation_name": "gen_ai_evaluation_name",
    "component": "component", "label": "label",
}  # fmt: skip
Fact = tuple[str, str, str]  # alert, severity, whom it is about


@dataclass
class Seen:
    """What each surface says, minute by minute, and what was scraped."""

    page: list[set[Fact]] = field(default_factory=list)
    conditions: set[str] = field(default_factory=set)  # that were open at some time
    outer: list[set[tuple[str, str]]] = field(default_factory=list)  # incidents, as the page shows them
    whole: list[set[tuple[str, str]]] = field(default_factory=list)  # and with what they explain
    top: list[set[tuple[str, str]]] = field(default_factory=list)
    handlers: list[set[tuple[str, str]]] = field(default_factory=list)
    series: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def quiet(self) -> None:
        """A minute at which nobody looks."""
        for seen in (self.page, self.outer, self.whole, self.top, self.handlers):
            seen.append(set())


def watch(
    store: Store, script: Callable[[float, float], Iterable[Record]], minutes: int, step: int, calm: int = 0
) -> Seen:
    """Play ``script`` (what happens from one second after ``BEGIN`` to another one) and look each ``step`` seconds; in the
    ``calm`` minutes of the beginning nobody looks but Prometheus, every two minutes."""
    seen, heard, read = Seen(), set[tuple[str, str]](), _read()
    for scrape in range(minutes * 60 // step):
        at = BEGIN + (scrape + 1) * step
        for record in script(at - step - BEGIN, at - BEGIN):
            store.apply(record)
        passed = (scrape + 1) * step
        if passed > calm * 60 or passed % 120 == 0:
            _keep(seen.series, read, render(store.views(at), store.lock, openmetrics=False).decode(), scrape)
        if passed <= calm * 60:
            if passed % 60 == 0:
                seen.quiet()
            continue
        for change in store.incidents(at):
            anomaly = Anomaly.of_change(change)
            who = (anomaly.condition, "|".join(value for _, value in change.entry.reading.key))
            (heard.discard if anomaly.type == "condition_ended" else heard.add)(who)
        if passed % 60 == 0:
            status = store.status(at, {})
            seen.page.append(set(_facts(status["conditions"])))
            seen.conditions |= {one["id"] for one in _unfolded(status["conditions"]) if _is_open(one)}
            seen.outer.append({(one["id"], _who(one)) for one in status["conditions"] if _is_open(one)})
            seen.whole.append({(one["id"], _who(one)) for one in _unfolded(status["conditions"]) if _is_open(one)})
            page = samples.Page(at, {}, {}, json.loads(json.dumps(status)))
            shown = view.read(page, ("test",), ()).conditions or ()
            seen.top.append({(one["id"], _who(one)) for one in shown if _is_open(one)})
            seen.handlers.append(set(heard))
    return seen


def _is_open(one: Mapping[str, Any]) -> bool:
    return one["level"] in ("warning", "critical")


def _who(one: Mapping[str, Any]) -> str:
    return "|".join(map(str, one["key"].values()))


def _unfolded(conditions: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for one in conditions:
        yield one
        yield from _unfolded(one["folded"])


def _facts(conditions: list[dict[str, Any]]) -> Iterator[Fact]:
    """What is open, folded or not, as the alert that it is."""
    for one in _unfolded(conditions):
        if _is_open(one):
            who = "|".join(str(one["key"].get(name, "")) for name in ABOUT)
            yield BY_ID[one["id"]].alert, one["level"], who


@cache
def rules() -> list[dict[str, Any]]:
    """The alerts of all conditions, as far as a service can know them of itself, and what they read."""
    files = [f"otel-llm-{name}.yml" for name in ("recording", "anomaly", "slo")]
    every = needed_rules(Context(DEFAULT, RELEASED), set(ALERTS), files)
    wanted = [rule for rule in every if "alert" in rule and rule["labels"].get("kind", "recent") == "recent"]
    records = [rule for rule in every if "record" in rule]
    read: set[str] = set()
    todo = list(wanted)
    while todo:
        expr = todo.pop()["expr"]
        more = [rule for rule in records if rule["record"] in expr and rule["record"] not in read]
        read |= {rule["record"] for rule in more}
        todo += more
    return [rule for rule in records if rule["record"] in read] + wanted


def _read() -> set[str]:
    """Names of metrics that rules read."""
    return set(re.findall(r"\b(?:gen_ai|otel_llm)_\w+", " ".join(rule["expr"] for rule in rules())))


def _keep(series: dict[str, list[str]], read: set[str], text: str, scrape: int) -> None:
    """Add one scrape to promtool's input."""
    for line in text.splitlines():
        head, _, value = line.rpartition(" ")
        name, _, labels = head.partition("{")
        if name in read:
            values = series[f'{name}{{job="shop",instance="shop-1:9464"' + ("," + labels if labels else "}")]
            values += ["_"] * (scrape - len(values))
            values.append(f"{float(value) - BEGIN if name == 'otel_llm_start_time_seconds' else float(value):g}")


def short(values: list[str]) -> str:
    """Promtool's way to write values: what is the same again and again is written once."""
    written, place = [], 0
    while place < len(values):
        end = place
        while end < len(values) and values[end] == values[place]:
            end += 1
        if (count := end - place) > 1:
            written.append(f"_x{count}" if values[place] == "_" else f"{values[place]}x{count - 1}")
        else:
            written.append(values[place])
        place = end
    return " ".join(written)


def _replaced(of: str, label: str, value: str, source: str, pattern: str) -> str:
    return f"label_replace({of}, '{label}', '{value}', '{source}', '{pattern}')"


def _named(of: str) -> str:
    """One name for each condition, and whom it is about in one label."""
    of = _replaced(of, "alertname", "LLMBudgetReached", "alertname", "LLM(?:Daily|Monthly)Budget(?:Near|Reached)")
    of = _replaced(of, "alertname", "LLMDailyBudgetForecast", "alertname", "LLMMonthlyBudgetForecast")
    of = _replaced(of, "kind", "", "kind", "recent")
    for label in ("error_type", "signal"):  # of a record that an alert reads, and not of what it is about
        of = _replaced(
            of, label, "", "alertname", "|".join(sorted({one.alert for one in CONDITIONS if label not in one.key}))
        )
    return f"label_join({of}, 'who', '|', {', '.join(map(repr, ABOUT.values()))})"


_BY = "(alertname, severity, who)"


def firing(severity: str) -> str:
    """Alerts of one severity that fire."""
    alerts = f'ALERTS{{alertstate="firing",severity="{severity}",kind!~"fleet|season|share"}}'
    return f"max by {_BY} ({_named(alerts)})"


def disagreements(seen: Seen, step: int, folder: Path, first: int = 2, ended: int = 10_000) -> str:
    """What promtool says about rules that fire while the page shows nothing of it for an evaluation around, or the other way.

    ``first`` is the minute from which on it is asked, ``ended`` the one in which faults end: until then all is compared.
    """
    every, minutes = sorted({fact for page in seen.page for fact in page}), len(seen.page)
    of_page = [
        {
            "series": f'page{{alertname="{alert}",severity="{severity}",who="{who}"}}',
            "values": short(
                [
                    "1" if (alert, severity, who) in page else "0"
                    for page in [set(), *seen.page]
                    for _ in range(60 // step)
                ]
            ),
        }
        for alert, severity, who in every
    ]
    fed = [{"series": name, "values": short(["_", *values])} for name, values in seen.series.items()]
    groups = [
        {"name": "all", "interval": f"{EVERY}s", "rules": [*rules(), *_compared()]},
    ]
    (folder / "rules.yml").write_text(json.dumps({"groups": groups}))
    after = max(75, 2 * step + EVERY)  # an evaluation later or earlier, of what two scrapes tell
    near, later = f"[{2 * after}s:{step}s] offset -{after}s", f'alertname!~"{"|".join(BY_PAST)}"'
    checks: list[dict[str, Any]] = [
        {"expr": expr, "eval_time": f"{minute}m", "exp_samples": []}
        for minute in range(first, minutes - 1)
        for expr in _differences("" if minute <= ended else later, near, f"[45m:{step}s] offset -{after}s")
    ]
    # and each of them fires in rules as well, so that there is something to agree about
    last = min(ended, minutes)
    shown = {fact for page in seen.page[first : last - 4] for fact in page}
    of = f"max_over_time((page == 1)[{last - 4 - first}m:{step}s] offset 4m)"
    fired = f"count(count by {_BY} (max_over_time(rules_all[{last}m]) and on {_BY} {of}))"
    checks.append({"expr": fired, "eval_time": f"{last}m", "exp_samples": [{"value": len(shown)}]})
    document = {
        "rule_files": ["rules.yml"], "evaluation_interval": f"{EVERY}s",
        "tests": [{"interval": f"{step}s", "input_series": [*fed, *of_page], "promql_expr_test": checks}],
    }  # fmt: skip
    (folder / "test.yml").write_text(json.dumps(document))
    done = subprocess.run(
        [needed("promtool"), "test", "rules", str(folder / "test.yml")], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr if done.returncode else ""


def _differences(where: str, near: str, long: str) -> tuple[str, str]:
    """What rules alone have and what the page alone has, of ``where``; rules know some things longer, and of a burning budget sooner."""
    lasting = f"(page{{alertname=~'{'|'.join(LONGER)}'}} == 1){long}"
    shown = f"max_over_time((page == 1){near}) unless on {_BY} max_over_time({lasting})"
    only_rules = f"rules{{{where}}} unless on {_BY} {shown} unless rules{{alertname='LLMErrorBudgetBurn'}}"
    burns = "max_over_time(rules_all{alertname='LLMErrorBudgetBurn'}[5m] offset -4m)"  # an hour of rates of five minutes rises later
    return only_rules, f"(page{{{where}}} == 1) unless on {_BY} max_over_time(rules_all{near}) unless on {_BY} {burns}"


def _compared() -> list[dict[str, Any]]:
    """All that fires, and of it the gravest of each fault."""
    return [
        {"record": "rules_all", "expr": f"{firing('critical')} or {firing('warning')}"},
        {
            "record": "rules",
            "expr": "rules_all{severity='critical'} or on (alertname, who) rules_all{severity='warning'}",
        },
    ]
