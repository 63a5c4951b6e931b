"""One run of the real thing: real clients, exporter, Prometheus and Alertmanager, sixty times as fast."""

from __future__ import annotations

import re
from collections.abc import ItemsView, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from alerting_lab import Alertmanager, Service, Told, rules_of, scraper, within
from prometheus_lab import Prometheus

from otel_llm.core.objectives import Objectives

# what takes seconds instead of half a minute, and a baseline after a quarter of a minute; the rest is as shipped
OBJECTIVES = Objectives(
    p95=1.0, latency_slo_threshold=2.56, min_requests=2, min_samples=2, min_change=0.5, budget_forecast_factor=100
)

BASELINE = 'count(provider_model:otel_llm_signal:baseline_mean1d{signal="output_tokens"}) >= 5'
AT_ONCE = (
    ("suppressed", {"alertname": "LLMErrorRateHigh", "gen_ai_provider_name": "anthropic"}),
    ("active", {"alertname": "LLMErrorBudgetBurn", "gen_ai_request_model": "gpt-4.1", "severity": "critical"}),
    ("suppressed", {"alertname": "LLMErrorRateHigh", "gen_ai_request_model": "gpt-4.1", "severity": "critical"}),
    ("suppressed", {"alertname": "LLMErrorBudgetBurn", "gen_ai_request_model": "gpt-4.1", "severity": "warning"}),
    ("active", {"alertname": "LLMFallbackRateHigh", "severity": "critical"}),
    ("suppressed", {"alertname": "LLMLatencyP95High", "gen_ai_request_model": "gpt-5-nano"}),
)
"""The state that each of these has while the trouble is on."""


@dataclass
class Run:
    """What was seen while the run went on."""

    told: Told
    calm: list[dict[str, Any]] = field(default_factory=list)
    rules: list[dict[str, Any]] = field(default_factory=list)
    trouble: list[dict[str, Any]] = field(default_factory=list)
    dark: list[dict[str, Any]] = field(default_factory=list)

    def state(self, alert: str, **labels: str) -> dict[str, Any]:
        """Of one alert, while the trouble was on."""
        wanted = {"alertname": alert, **labels}.items()
        return dict(next(one["status"] for one in self.trouble if wanted <= one["labels"].items()))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("live")
    told, service = Told(), Service(folder)
    manager = Alertmanager(folder, told)
    server = scraper(folder, service, manager, OBJECTIVES)
    with told.running(), manager.running(), server.running(), service.running():
        seen = Run(told)
        _calm(seen, service, manager, server)
        _trouble(seen, service, manager, server)
        _recovery(seen, service, server)
        _darkness(seen, service, manager, server)
        yield seen


def _calm(seen: Run, service: Service, manager: Alertmanager, server: Prometheus) -> None:
    within(60, "a baseline", lambda: _now(server, BASELINE), server)
    seen.calm = manager.alerts()
    manager.silence(alertname="LLMLatencyP95High", gen_ai_request_model="gpt-5-nano")


def _trouble(seen: Run, service: Service, manager: Alertmanager, server: Prometheus) -> None:
    told = seen.told
    service.say("trouble")
    arrives = {
        "breaker": lambda: told.pages("LLMCircuitBreakerOpen"),
        "error budget": lambda: told.pages("LLMErrorBudgetBurn"),
        "anomaly": lambda: told.slack_messages("LLMAnomaly", "gpt-4o"),
        "latency": lambda: told.slack_messages("LLMLatencyP95High", "gpt-5-mini"),
        "fallbacks": lambda: told.slack_messages("LLMFallbackRateHigh", "gpt-4.1-mini"),
        "cache": lambda: manager.about("LLMCacheHitRatioLow", gen_ai_request_model="gpt-4.1-mini"),
        "budget": lambda: told.slack_messages("LLMDailyBudgetExceeded", channel="#llm-costs"),
        "length": lambda: manager.about("LLMOutputLengthDrop"),
        "tokens": lambda: manager.about("LLMOutputTokensHigh"),
        "cost": lambda: manager.about("LLMCostPerRequestHigh"),
        "ticket": lambda: manager.about("LLMErrorBudgetBurn", gen_ai_request_model="gpt-4.1", severity="warning"),
        "silenced": lambda: manager.about("LLMLatencyP95High", gen_ai_request_model="gpt-5-nano"),
        "inhibited": lambda: manager.about("LLMErrorRateHigh", gen_ai_provider_name="anthropic"),
    }
    for what, arrived in arrives.items():
        within(60, what, arrived, server)
    seen.trouble = within(60, "all that the tests look at, at one moment", lambda: _whole(manager.alerts()), server)
    seen.rules = rules_of(server)


def _whole(alerts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """``alerts``, if those of ``AT_ONCE`` are among them: under load, one may end for a moment."""
    there = [(alert["status"]["state"], alert["labels"].items()) for alert in alerts]
    return alerts if all(_is_there(state, labels.items(), there) for state, labels in AT_ONCE) else []


def _is_there(state: str, labels: ItemsView[str, str], there: list[tuple[str, ItemsView[str, str]]]) -> bool:
    return any(state == its and labels <= of_it for its, of_it in there)


def _recovery(seen: Run, service: Service, server: Prometheus) -> None:
    service.say("calm")
    told = seen.told
    within(60, "the error budget's end", lambda: told.pages("LLMErrorBudgetBurn", "resolve"), server)
    within(60, "the breaker's end", lambda: told.pages("LLMCircuitBreakerOpen", "resolve"), server)
    within(60, "Slack's word of it", lambda: told.slack_messages("LLMErrorBudgetBurn", status="RESOLVED"), server)


def _darkness(seen: Run, service: Service, manager: Alertmanager, server: Prometheus) -> None:
    service.stop()
    within(60, "the target's end", lambda: seen.told.slack_messages("LLMTelemetryDown"), server)
    seen.dark = manager.alerts()


def _now(server: Prometheus, expr: str) -> list[Any]:
    return list(server.ask("query", {"query": expr})["result"])


def test_no_alert_before_the_trouble(run: Run) -> None:
    assert run.calm == []


def test_all_rules_are_evaluated_without_an_error(run: Run) -> None:
    assert {rule["name"]: rule["lastError"] for rule in run.rules if rule.get("lastError")} == {}
    assert {rule["health"] for rule in run.rules} == {"ok"}


def test_critical_alerts_page_and_go_to_slack(run: Run) -> None:
    for alert in (
        "LLMErrorBudgetBurn",
        "LLMCircuitBreakerOpen",
        "LLMDailyBudgetExceeded",
        "LLMAnomaly",
    ):
        assert run.told.pages(alert), alert
        assert run.told.slack_messages(alert), alert


def test_a_page_says_what_and_where(run: Run) -> None:
    page = run.told.pages("LLMErrorBudgetBurn", group="openai")[0]
    assert page["routing_key"] == "test-key"
    payload = page["payload"]
    assert (payload["severity"], payload["component"], payload["group"]) == ("critical", "shop", "openai")
    assert re.fullmatch(r"\[FIRING\] availability budget burns, [\d.]+ % missed · gpt-4.1 · shop.*", payload["summary"])
    assert "% of the calls miss the availability objective, and at this rate" in payload["custom_details"]["firing"]
    links = {link["text"]: link["href"] for link in page["links"]}
    assert "/d/otel-llm-reliability?var-job=shop&var-provider=openai&var-model=gpt-4.1&from=" in links["Dashboard"]
    assert links["Runbook"].endswith("docs/runbook.md#llmerrorbudgetburn")
    assert "/#/silences/new?filter=%7B" in links["Silence"]


def test_a_slack_message_says_what_and_where(run: Run) -> None:
    message = run.told.slack_messages("LLMLatencyP95High", "gpt-5-mini")[0]
    assert re.match(r"\[FIRING\] p95 [\d.]+m?s · gpt-5-\w+ · shop", message["title"])
    assert message["color"] == "warning"
    text = message["text"].replace("&amp;", "&")
    assert "gpt-5-mini (openai) in shop – 5 % of calls take longer than " in text  # noqa: RUF001 - a dash is meant
    assert "/d/otel-llm-latency?var-job=shop&var-provider=openai&var-model=gpt-5-mini&from=" in text
    assert "docs/runbook.md#llmlatencyp95high|Runbook>" in text


def test_warnings_do_not_page(run: Run) -> None:
    paged = {event["payload"]["severity"] for event in run.told.pagerduty}
    assert paged == {"critical"}
    for alert in ("LLMLatencyP95High", "LLMCacheHitRatioLow"):
        assert run.told.pages(alert) == []


def test_money_goes_to_finance_too(run: Run) -> None:
    for channel in ("#llm-costs", "#llm-alerts"):
        assert run.told.slack_messages("LLMDailyBudgetExceeded", channel=channel)
    texts = [
        part["text"]
        for message in run.told.slack
        if message["channel"] == "#llm-costs"
        for part in message["attachments"]
    ]
    about = {name for text in texts for name in re.findall(r"#(\w+)\|Runbook>", text)}
    assert all(
        "budget" in name or name in ("llmcostperrequesthigh", "llmunpricedmodel", "llmpromptcachehitratiolow")
        for name in about
    )


def test_an_open_breaker_explains_the_errors_behind_it(run: Run) -> None:
    status = run.state("LLMErrorRateHigh", gen_ai_provider_name="anthropic")
    assert status["state"] == "suppressed"
    assert status["inhibitedBy"]
    assert run.state("LLMErrorBudgetBurn", gen_ai_request_model="gpt-4.1", severity="critical")["state"] == "active"


def test_critical_silences_the_warnings_of_its_model(run: Run) -> None:
    assert run.state("LLMErrorBudgetBurn", gen_ai_request_model="gpt-4.1", severity="warning")["inhibitedBy"]
    assert run.state("LLMErrorRateHigh", gen_ai_request_model="gpt-4.1", severity="critical")["inhibitedBy"]
    assert run.state("LLMFallbackRateHigh", severity="critical")["state"] == "active"


def test_a_silence_holds(run: Run) -> None:
    assert run.state("LLMLatencyP95High", gen_ai_request_model="gpt-5-nano")["silencedBy"]
    assert run.told.slack_messages("LLMLatencyP95High", "gpt-5-nano") == []


def test_a_webhook_is_told_of_everything(run: Run) -> None:
    told = {alert["labels"]["alertname"] for body in run.told.webhook for alert in body["alerts"]}
    assert {"LLMErrorBudgetBurn", "LLMLatencyP95High", "LLMDailyBudgetExceeded"} <= told
    assert {body["version"] for body in run.told.webhook} == {"4"}


def test_recovery_is_told(run: Run) -> None:
    ends = run.told.pages("LLMErrorBudgetBurn", "resolve")
    begins = run.told.pages("LLMErrorBudgetBurn", "trigger")
    assert {event["dedup_key"] for event in ends} & {event["dedup_key"] for event in begins}
    message = run.told.slack_messages("LLMErrorBudgetBurn", status="RESOLVED")[0]
    assert message["color"] == "good"
    assert "of the calls missed the " in message["text"]


def test_a_dark_service_silences_all_else(run: Run) -> None:
    (down,) = [one for one in run.dark if one["labels"]["alertname"] == "LLMTelemetryDown"]
    assert down["labels"]["reach"] == "all"
    others = [one["status"]["state"] for one in run.dark if not one["labels"]["alertname"].startswith("LLMTelemetry")]
    assert set(others) <= {"suppressed"}
