"""Who gets a notification: Alertmanager's routes, inhibitions and receivers, in the words of version 0.25."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

from .promql import Clock
from .recorded import SERVICE
from .yamltext import dump, write

if TYPE_CHECKING:
    from pathlib import Path

_MINUTE, _HOUR = 60, 3600
NOT_PRODUCTION = "(?i)(stag|dev|test|qa|sandbox|preview|demo).*"
"""Values of ``environment``, ``namespace`` and ``cluster`` whose alerts page nobody."""
BEHIND_BREAKER = (
    "LLMErrorRateHigh",
    "LLMErrorTypeRateHigh",
    "LLMErrorBudgetBurn",
    "LLMRateLimited",
    "LLMProviderFailing",
    "LLMLatencyP95High",
    "LLMTimeToFirstChunkHigh",
    "LLMFallbackRateHigh",
)  # fmt: skip - what an open breaker explains


@dataclass(frozen=True, slots=True)
class Routing:
    """Where notifications go. Secrets are read by Alertmanager from files, which it reads again for each notification."""

    slack_channel: str = "#llm-alerts"
    finance_channel: str = "#llm-costs"
    staging_channel: str = "#llm-staging"
    not_production: str = NOT_PRODUCTION  # empty: every environment pages
    slack_url_file: str = "/etc/alertmanager/secrets/slack_url"
    pagerduty_key_file: str = "/etc/alertmanager/secrets/pagerduty_key"
    pagerduty_url: str = "https://events.pagerduty.com/v2/enqueue"
    webhook_url: str = ""  # gets everything, where there is one
    templates: str = "templates/*.tmpl"  # beside alertmanager.yml
    clock: Clock = field(default_factory=Clock)
    service: tuple[str, ...] = SERVICE  # labels that distinguish services, as the rules have them

    @property
    def group_by(self) -> list[str]:
        """One notification for what is wrong with one provider in one service: its models and the alerts of a category."""
        return ["category", *self.service, "gen_ai_provider_name"]


DEFAULT_ROUTING = Routing()


def template() -> str:
    """The notification templates."""
    return resources.files(__package__).joinpath("notification.tmpl").read_text(encoding="utf-8")


def configuration(routing: Routing) -> dict[str, Any]:
    """alertmanager.yml as data."""
    receivers = [
        _slack("slack", routing.slack_channel, routing),
        _slack("slack-finance", routing.finance_channel, routing),
        _slack("slack-staging", routing.staging_channel, routing),
    ]
    receivers.append(_pagerduty(routing))
    if routing.webhook_url:
        receivers.append({"name": "webhook", "webhook_configs": [{"url": routing.webhook_url, "send_resolved": True}]})
    return {
        "global": {"resolve_timeout": routing.clock.text(5 * _MINUTE)},
        "templates": [routing.templates],
        "route": _routes(routing),
        "inhibit_rules": _inhibitions(routing),
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
        "group_by": routing.group_by,
        "group_wait": over(30),
        "group_interval": over(5 * _MINUTE),
        "repeat_interval": over(4 * _HOUR),
        "routes": [
            *everything,
            *_quiet(routing),
            {"receiver": "pagerduty", "matchers": critical, **hourly, "continue": True},
            {"receiver": "slack-finance", "matchers": ['category="cost"'], "continue": True},
            {"receiver": "slack", "matchers": critical, **hourly},
            {"receiver": "slack", "matchers": ['severity="info"'], "repeat_interval": over(24 * _HOUR)},
            # what went to the finance channel or the webhook still belongs here
            {"receiver": "slack"},
        ],
    }


def _quiet(routing: Routing) -> list[dict[str, Any]]:
    """Alerts from where no customer is: to a channel of their own, and no further."""
    if not routing.not_production:
        return []
    places = [name for name in ("environment", "namespace", "cluster") if name in routing.service]
    return [{"receiver": "slack-staging", "matchers": [f'{name}=~"{routing.not_production}"']} for name in places]


def _inhibitions(routing: Routing) -> list[dict[str, Any]]:
    """Which alerts are left out because another one covers them.

    A label that both alerts lack is equal for Alertmanager: "same model" must ask for a model, or else a budget that is
    exceeded silences every warning that is about no model.
    """
    model, provider = 'gen_ai_request_model=~".+"', 'gen_ai_provider_name=~".+"'
    of_model = ("gen_ai_provider_name", "gen_ai_request_model")
    pages = 'alertname=~"LLMErrorBudgetBurn|LLMRateLimited"'

    def one(source: list[str], target: list[str], *equal: str) -> dict[str, Any]:
        return {"source_matchers": source, "target_matchers": target, "equal": [*equal, *routing.service]}

    return [
        one(['severity="critical"', model], ['severity="warning"', model], "category", *of_model),
        one(
            [pages, 'severity="critical"', model],
            ['alertname=~"LLMErrorRateHigh|LLMErrorTypeRateHigh"', model],
            *of_model,
        ),
        one(['alertname="LLMRateLimited"', model], ['alertname="LLMErrorBudgetBurn"', model], *of_model),
        one(
            ['alertname="LLMErrorRateHigh"', model],
            ['alertname=~"LLMErrorTypeRateHigh|LLMFallbackRateHigh"', model],
            *of_model,
        ),
        one(
            ['alertname="LLMProviderFailing"', provider],
            ['alertname=~"LLMError(RateHigh|TypeRateHigh|BudgetBurn)|LLMRateLimited|LLMFallbackRateHigh"', provider],
            "gen_ai_provider_name",
        ),
        one(
            ['alertname=~"LLMCircuitBreaker(Open|StuckOpen)"', provider],
            [f'alertname=~"{"|".join(BEHIND_BREAKER)}"', provider],
            "gen_ai_provider_name",
        ),
        one(['alertname="LLMCircuitBreakerStuckOpen"'], ['alertname="LLMCircuitBreakerOpen"'], "breaker"),
        *(one([f'alertname="{by}"'], [f'alertname=~"{of}"'], *equal) for by, of, equal in _budgets()),
        {
            "source_matchers": ['alertname=~"LLMTelemetry(Absent|Down)"', 'reach!="one"'],
            "target_matchers": ['service="llm"', 'alertname!~"LLMTelemetry.*"'],
            "equal": [name for name in routing.service if name in ("cluster", "environment")],
        },
    ]


def _budgets() -> list[tuple[str, str, tuple[str, ...]]]:
    """Each step of a budget says what the steps before it say."""
    steps: list[tuple[str, str, tuple[str, ...]]] = []
    for word in ("Daily", "Monthly"):
        earlier = ("Reached", "Near", "Forecast")
        same = ("budget", "period")
        steps.append((f"LLM{word}BudgetExceeded", f"LLM{word}Budget({'|'.join(earlier)})", same))
        steps.append((f"LLM{word}BudgetReached", f"LLM{word}Budget({'|'.join(earlier[1:])})", same))
        steps.append((f"LLM{word}BudgetExceeded", f"LLMFleet{word}BudgetExceeded", ("period",)))
    return steps


def _slack(name: str, channel: str, routing: Routing) -> dict[str, Any]:
    config = {
        "api_url_file": routing.slack_url_file,
        "channel": channel,
        "send_resolved": True,
        "color": '{{ template "otel_llm.color" . }}',
        "title": '{{ template "otel_llm.title" . }}',
        "title_link": '{{ template "otel_llm.board" (index .Alerts 0) }}',
        "text": '{{ template "otel_llm.text" . }}',
        "fallback": '{{ template "otel_llm.title" . }}',
    }
    return {"name": name, "slack_configs": [config]}


def _pagerduty(routing: Routing) -> dict[str, Any]:
    config = {
        "routing_key_file": routing.pagerduty_key_file,
        "url": routing.pagerduty_url,
        "send_resolved": True,
        "severity": '{{ template "otel_llm.severity" . }}',
        "class": "{{ (index .Alerts 0).Labels.alertname }}",
        "component": "{{ .CommonLabels.job }}",
        "group": "{{ .CommonLabels.gen_ai_provider_name }}",
        "description": '{{ template "otel_llm.title" . }}',
        "details": {
            "alerts": '{{ template "otel_llm.names" . }}',
            "service": "{{ .CommonLabels.job }}",
            "provider": "{{ .CommonLabels.gen_ai_provider_name }}",
            "model": "{{ .CommonLabels.gen_ai_request_model }}",
            "firing": '{{ template "otel_llm.plain" .Alerts.Firing }}',
            "resolved": '{{ template "otel_llm.plain" .Alerts.Resolved }}',
        },
        "links": [
            {"href": '{{ template "otel_llm.board" (index .Alerts 0) }}', "text": "Dashboard"},
            {"href": "{{ (index .Alerts 0).Annotations.runbook_url }}", "text": "Runbook"},
            {"href": '{{ template "otel_llm.silence" . }}', "text": "Silence"},
        ],
    }
    return {"name": "pagerduty", "pagerduty_configs": [config]}
