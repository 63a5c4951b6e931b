"""What a reader picks on every board, and the annotations that every graph carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_llm.core.catalogue import BY_NAME
from otel_llm.ops import recorded

from .queries import LABEL, NAME, PROVIDER

if TYPE_CHECKING:
    from .queries import Queries

# Grafana offers these, which rules record by default; others are named at the export, for rules and boards.
LABELS = recorded.CUSTOM

_PICKED = 'alertname=~"LLM.+", job=~"$job|", gen_ai_provider_name=~"$provider|", gen_ai_request_model=~"$model|"'
_WHO = "alertname, severity, runbook, job, gen_ai_provider_name, gen_ai_request_model"
ALERTS_SINCE = (
    f"1000 * min by ({_WHO}) (ALERTS_FOR_STATE{{{_PICKED}}}) and on ({_WHO}) "
    f'max by ({_WHO}) (ALERTS{{{_PICKED}, alertstate="firing"}})'
)
"""Milliseconds since the epoch, as Grafana reads dates."""

Note = tuple[str, str, str, str, str, bool]  # name, query, title, text, colour, whether it is shown until somebody asks


def _firing(severity: str) -> str:
    return f'ALERTS{{{_PICKED}, alertstate="firing", severity="{severity}"}}'


_ABOUT = "{{job}} {{gen_ai_provider_name}} {{gen_ai_request_model}}"
ALERTS: Note = ("Alerts", _firing("critical"), "{{alertname}}", _ABOUT, "red", True)
WARNINGS: Note = ("Warnings", _firing("warning"), "{{alertname}}", _ABOUT, "orange", False)


def notes(q: Queries) -> tuple[Note, ...]:
    """What graphs mark: alerts that wake somebody, breakers that opened, and restarts and deployments."""
    return (ALERTS, WARNINGS, breakers(q), deployments(q))


def deployments(q: Queries) -> Note:
    """Instances that began: a roll-out, a restart, a crash."""
    start = "otel_llm_start_time_seconds"
    raw = f"count by (job) (max by (job, instance) ({q.select(start)}) > time() - 60)"
    query = q.pick(f"{q.rule(recorded.STARTED, ('job',))} > 0" if q.rules else "", raw)
    return ("Deployments", query, "started", "{{job}}", "blue", True)


def breakers(q: Queries) -> Note:
    """Breakers that opened."""
    opened = q.increase("otel_llm_circuit_breaker_transitions_total", ("breaker",), "$__rate_interval", to_state="open")
    return ("Breakers opened", f"{opened} > 0", "Breaker opened", "{{breaker}}", "purple", True)


def values_of(q: Queries) -> tuple[tuple[str, str, str], ...]:
    """Variable, title and query of the values to pick from, in the order in which they depend on each other."""
    if q.rules:
        return _values_of_records()
    info = BY_NAME["otel_llm_build_info"].name
    calls = q.vocabulary.durations[0]
    of_job = q.read.selector(calls, "_count", job="=~$job")
    of_provider = q.read.selector(calls, "_count", **{"job": "=~$job", PROVIDER: "=~$provider"})
    return (
        ("job", "Job", f"label_values({info}, job)"),
        ("instance", "Instance", f'label_values({info}{{job=~"$job"}}, instance)'),
        ("pod", "Pod", f'label_values({info}{{job=~"$job"}}, pod)'),
        ("provider", "Provider", f"label_values({of_job}, {PROVIDER})"),
        ("model", "Model", f"label_values({of_provider}, {NAME})"),
        ("value", "Value", f"label_values({of_job}, {LABEL})"),
    )


def _values_of_records() -> tuple[tuple[str, str, str], ...]:
    calls, custom = recorded.CALLS, recorded.CALLS_BY_CUSTOM
    of_job, of_provider = '{job=~"$job"}', f'{{job=~"$job", {PROVIDER}=~"$provider"}}'
    return (
        ("job", "Job", f"label_values({calls}, job)"),
        ("instance", "Instance", f"label_values({recorded.CALLS_BY_INSTANCE}{of_job}, instance)"),
        ("pod", "Pod", f"label_values({recorded.CALLS_BY_INSTANCE}{of_job}, pod)"),
        ("provider", "Provider", f"label_values({calls}{of_job}, {PROVIDER})"),
        ("model", "Model", f"label_values({calls}{of_provider}, {NAME})"),
        ("value", "Value", f"label_values({custom}{of_job}, {LABEL})"),
    )
