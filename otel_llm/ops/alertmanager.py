"""Who is told: Alertmanager's routes, inhibitions and receivers, in the words of version 0.25."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

from .promql import Clock
from .yamltext import dump, write

if TYPE_CHECKING:
    from pathlib import Path

_MINUTE, _HOUR = 60, 3600
GROUP_BY = ("alertname", "gen_ai_provider_name", "gen_ai_request_model")
BEHIND_BREAKER = (
    "LLMErrorRateHigh",
    "LLMErrorBudgetBurn",
    "LLMLatencyP95High",
    "LLMTimeToFirstChunkHigh",
    "LLMFallbackRateHigh",
)  # fmt: skip - what an open breaker explains


@dataclass(frozen=True, slots=True)
class Routing:
    """Where notifications go. Secrets are read by Alertmanager from files, which it reads anew for each notification."""

    slack_channel: str = "#llm-alerts"
    finance_channel: str = "#llm-costs"
    slack_url_file: str = "/etc/alertmanager/secrets/slack_url"
    pagerduty_key_file: str = "/etc/alertmanager/secrets/pagerduty_key"
    pagerduty_url: str = "https://events.pagerduty.com/v2/enqueue"
    webhook_url: str = ""  # told of everything, where there is one
    templates: str = "templates/*.tmpl"  # beside alertmanager.yml
    clock: Clock = field(default_factory=Clock)


DEFAULT_ROUTING = Routing()


def template() -> str:
    """The notification templates."""
    return resources.files(__package__).joinpath("notification.tmpl").read_text(encoding="utf-8")


def configuration(routing: Routing) -> dict[str, Any]:
    """alertmanager.yml as data."""
    receivers = [
        _slack("slack", routing.slack_channel, routing),
        _slack("slack-finance", routing.finance_channel, routing),
    ]
    receivers.append(_pagerduty(routing))
    if routing.webhook_url:
        receivers.append({"name": "webhook", "webhook_configs": [{"url": routing.webhook_url, "send_resolved": True}]})
    return {
        "global": {"resolve_timeout": routing.clock.text(5 * _MINUTE)},
        "templates": [routing.templates],
        "route": _routes(routing),
        "inhibit_rules": _inhibitions(),
        "receivers": receivers,
    }


def files(routing: Routing = DEFAULT_ROUTING) -> dict[str, str]:
    """alertmanager.yml and its templates, by path."""
    header = "Written by otel-llm; the files that hold secrets are yours to put there."
    return {"alertmanager.yml": dump(configuration(routing), header), "templates/otel-llm.tmpl": template()}


def write_alertmanager(directory: Path, routing: Routing = DEFAULT_ROUTING) -> list[Path]:
    """Write alertmanager.yml and templates/ below ``directory``; return the paths. Raises OSError."""
    return write(directory, files(routing))


def _routes(routing: Routing) -> dict[str, Any]:
    over = routing.clock.text
    hourly = {"repeat_interval": over(_HOUR)}
    critical = ['severity="critical"']
    everything = [{"receiver": "webhook", "continue": True}] if routing.webhook_url else []
    return {
        "receiver": "slack",
        "group_by": list(GROUP_BY),
        "group_wait": over(30),
        "group_interval": over(5 * _MINUTE),
        "repeat_interval": over(4 * _HOUR),
        "routes": [
            *everything,
            {"receiver": "pagerduty", "matchers": critical, **hourly, "continue": True},
            {"receiver": "slack-finance", "matchers": ['category="cost"'], "continue": True},
            {"receiver": "slack", "matchers": critical, **hourly},
            {"receiver": "slack", "matchers": ['severity="info"'], "repeat_interval": over(24 * _HOUR)},
            # what went to the finance channel or the webhook still belongs here
            {"receiver": "slack"},
        ],
    }


def _inhibitions() -> list[dict[str, Any]]:
    """What need not be told, as something else says it already.

    A label that both alerts lack is equal for Alertmanager: "same model" must ask for a model, or else a budget that is
    exceeded silences every warning that is about no model.
    """
    model, provider = 'gen_ai_request_model=~".+"', 'gen_ai_provider_name=~".+"'
    return [
        _inhibition(
            ['severity="critical"', model],
            ['severity="warning"', model],
            "gen_ai_provider_name",
            "gen_ai_request_model",
        ),
        _inhibition(
            ['alertname=~"LLMCircuitBreaker(Open|StuckOpen)"', provider],
            [f'alertname=~"{"|".join(BEHIND_BREAKER)}"', provider],
            "gen_ai_provider_name",
        ),
        _inhibition(['alertname="LLMCircuitBreakerStuckOpen"'], ['alertname="LLMCircuitBreakerOpen"'], "breaker"),
        _inhibition(
            ['alertname=~"LLM(Daily|Monthly)BudgetExceeded"'],
            ['alertname=~"LLM(Daily|Monthly)BudgetForecast"'],
            "job",
            "budget",
            "period",
        ),
        _inhibition(
            ['alertname=~"LLMTelemetry(Absent|Down)"', 'reach!="one"'],
            ['service="llm"', 'alertname!~"LLMTelemetry.*"'],
        ),
    ]


_ELSEWHERE = ("cluster", "environment")
"""Labels of where a Prometheus is: one place's alerts say nothing of another's. Where both alerts lack them they are equal."""


def _inhibition(source: list[str], target: list[str], *equal: str) -> dict[str, Any]:
    return {"source_matchers": source, "target_matchers": target, "equal": [*equal, *_ELSEWHERE]}


def _slack(name: str, channel: str, routing: Routing) -> dict[str, Any]:
    config = {
        "api_url_file": routing.slack_url_file,
        "channel": channel,
        "send_resolved": True,
        "color": '{{ template "otel_llm.color" . }}',
        "title": '{{ template "otel_llm.title" . }}',
        "title_link": "{{ (index .Alerts 0).Annotations.dashboard_url }}",
        "text": '{{ template "otel_llm.text" . }}',
        "fallback": '{{ template "otel_llm.title" . }}',
    }
    return {"name": name, "slack_configs": [config]}


def _pagerduty(routing: Routing) -> dict[str, Any]:
    first = "{{{{ (index .Alerts 0).Annotations.{} }}}}"
    config = {
        "routing_key_file": routing.pagerduty_key_file,
        "url": routing.pagerduty_url,
        "send_resolved": True,
        "severity": "{{ .CommonLabels.severity }}",
        "class": "{{ .CommonLabels.alertname }}",
        "component": "{{ .CommonLabels.gen_ai_request_model }}",
        "group": "{{ .CommonLabels.gen_ai_provider_name }}",
        "description": '{{ template "otel_llm.title" . }}',
        "details": {
            "firing": '{{ template "otel_llm.plain" .Alerts.Firing }}',
            "resolved": '{{ template "otel_llm.plain" .Alerts.Resolved }}',
        },
        "links": [
            {"href": first.format("dashboard_url"), "text": "Dashboard"},
            {"href": first.format("runbook_url"), "text": "Runbook"},
            {"href": '{{ template "otel_llm.silence" . }}', "text": "Silence"},
        ],
    }
    return {"name": "pagerduty", "pagerduty_configs": [config]}
