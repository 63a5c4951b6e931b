"""What a reader picks on every board, and the annotations that every graph carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_llm.core.catalogue import BY_NAME

from .queries import LABEL, NAME, PROVIDER

if TYPE_CHECKING:
    from .queries import Queries

# Grafana offers these; another name is typed in, or listed by `otel-llm export grafana --label NAME`.
LABELS = ("tenant", "feature", "team", "customer", "environment")

ALERTS = (
    "Alerts",
    (
        'ALERTS{alertname=~"LLM.+", alertstate="firing", severity="critical", job=~"$job|", '
        'gen_ai_provider_name=~"$provider|", gen_ai_request_model=~"$model|"}'
    ),
    "{{alertname}}",
    "{{job}} {{gen_ai_provider_name}} {{gen_ai_request_model}}",
)  # name, query, title, text


def breakers(q: Queries) -> tuple[str, str, str, str]:
    """Breakers that opened: shown without any rules."""
    steps = q.select("otel_llm_circuit_breaker_transitions_total", to_state="open")
    return (
        "Breakers opened",
        f"sum by (breaker) (increase({steps}[$__rate_interval])) > 0",
        "Breaker opened",
        "{{breaker}}",
    )


def values_of(q: Queries) -> tuple[tuple[str, str, str], ...]:
    """Variable, title and query of the values to pick from, in the order in which they depend on each other."""
    info = BY_NAME["otel_llm_build_info"].name
    calls = q.vocabulary.durations[0]
    of_job = calls.selector("_count", job="=~$job")
    of_provider = calls.selector("_count", **{"job": "=~$job", PROVIDER: "=~$provider"})
    return (
        ("job", "Job", f"label_values({info}, job)"),
        ("provider", "Provider", f"label_values({of_job}, {PROVIDER})"),
        ("model", "Model", f"label_values({of_provider}, {NAME})"),
        ("value", "Value", f"label_values({of_job}, {LABEL})"),
    )
