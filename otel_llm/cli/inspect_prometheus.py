"""Does a Prometheus scrape us, are the rules loaded, and would each alert have data to judge."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

from otel_llm.core.catalogue import METRICS
from otel_llm.ops.prometheus import alert_names

from . import scrape
from .findings import Finding, some
from .problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .scrape import Endpoint

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_:]*")
_OURS = "otel_llm_.*|gen_ai_client_.*|.+:.*(llm|gen_ai).*|otel_llm.*:.*"
_DOWN = "up == 0 and on (job, instance) last_over_time(otel_llm_build_info[1d])"
_SINCE = "1h"  # a metric that had data in it counts as present


class Prometheus:
    """The HTTP API of a Prometheus, https://prometheus.io/docs/prometheus/latest/querying/api/."""

    def __init__(self, endpoint: Endpoint) -> None:
        parts = urlsplit(endpoint.url)
        path = "" if parts.path == "/metrics" else parts.path.rstrip("/")
        self.endpoint = replace(endpoint, url=urlunsplit((parts.scheme, parts.netloc, path, "", "")))

    def ask(self, path: str) -> Any:
        """The ``data`` of an answer. Raises Problem where this is no Prometheus."""
        where = self.endpoint.url
        stranger = Problem(f"{where} does not answer as a Prometheus: give the address of its web page")
        try:
            text = scrape.get(replace(self.endpoint, url=f"{where}/api/v1/{path}"), "application/json").text
            return json.loads(text)["data"]
        except scrape.Refusal as refusal:
            raise (stranger if refusal.status == HTTPStatus.NOT_FOUND else refusal) from None
        except (ValueError, KeyError, TypeError):
            raise stranger from None

    def query(self, expression: str) -> list[dict[str, Any]]:
        """An instant query's samples. Raises Problem where it fails."""
        series: list[dict[str, Any]] = self.ask(f"query?query={quote(expression)}")["result"]
        return series


def inspect(prometheus: Prometheus) -> list[Finding]:
    """Findings about the server, its targets, its rules, each alert."""
    version = prometheus.ask("status/buildinfo").get("version", "?")
    rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"] if _is_ours(rule)]
    present = {
        sample["metric"]["__name__"]
        for sample in prometheus.query(f'group by (__name__) (last_over_time({{__name__=~"{_OURS}"}}[{_SINCE}]))')
    }
    findings = [Finding("ok", "Prometheus", f"{version} answers"), *_targets(prometheus), *_rules(rules)]
    return [*findings, *_alerts(prometheus, rules, present)]


def _is_ours(rule: dict[str, Any]) -> bool:
    return (
        "otel_llm_" in rule["query"]
        or "gen_ai_client_" in rule["query"]
        or rule["name"].startswith("LLM")
        or "llm" in rule["name"]
    )


def _targets(prometheus: Prometheus) -> Iterable[Finding]:
    up, down = _names(prometheus, "otel_llm_build_info"), _names(prometheus, _DOWN)
    if not (up or down):
        yield Finding(
            "fail",
            "targets",
            "none of them shows otel-llm",
            "add the service's /metrics to scrape_configs (see prometheus/prometheus.yml)",
        )
        return
    if up:
        yield Finding("ok", "targets", f"{len(up)}: {some(up)}")
    if down:
        yield Finding("fail", "targets", f"down: {some(down)}", "do they run, and can Prometheus reach them there?")


def _names(prometheus: Prometheus, expression: str) -> list[str]:
    labels = [sample["metric"] for sample in prometheus.query(expression)]
    return sorted(f"{each.get('job', '?')}/{each.get('instance', '?')}" for each in labels)


def _rules(rules: list[dict[str, Any]]) -> Iterable[Finding]:
    loaded = {rule["name"] for rule in rules if rule["type"] == "alerting"}
    recorded = sum(1 for rule in rules if rule["type"] == "recording")
    missing = sorted(set(alert_names()) - loaded)
    if not loaded:
        yield Finding(
            "fail",
            "rules",
            "none of otel-llm's is loaded",
            "otel-llm export prometheus DIR, then name DIR/*.yml under rule_files",
        )
        return
    yield Finding("ok", "rules", f"{len(loaded)} alerts, {recorded} recording rules loaded")
    if missing:
        yield Finding("warn", "rules", f"not loaded: {', '.join(missing)}", "older rules? export and reload them")
    for rule in rules:
        if rule.get("health") == "err":
            yield Finding(
                "fail", rule["name"], rule.get("lastError", "cannot be evaluated")[:160], "export and reload the rules"
            )


def _alerts(prometheus: Prometheus, rules: list[dict[str, Any]], present: set[str]) -> Iterable[Finding]:
    recorded = {rule["name"] for rule in rules if rule["type"] == "recording"}
    ours = recorded | {name for metric in METRICS for name in metric.samples}
    for rule in {rule["name"]: rule for rule in rules if rule["type"] == "alerting"}.values():
        same = [other for other in rules if other["name"] == rule["name"]]
        inputs = {name for other in same for name in _NAME.findall(_bare(other["query"])) if name in ours}
        yield _alert(prometheus, rule["name"], same, sorted(inputs - present))


def _bare(query: str) -> str:
    return re.sub(r'"[^"]*"', "", query)


def _alert(prometheus: Prometheus, name: str, rules: list[dict[str, Any]], lacking: list[str]) -> Finding:
    active = sum(len(prometheus.query(rule["query"])) for rule in rules)
    firing = sum(1 for rule in rules for alert in rule.get("alerts", ()) if alert.get("state") == "firing")
    if firing:
        return Finding("warn", name, f"fires ({firing})", "see docs/runbook.md")
    if lacking:
        return Finding("note", name, f"no data yet: {some(lacking, 2)}")
    return Finding("ok", name, "has data" + (f", {active} over its limit now" if active else ""))
