"""One alert: its rule for Prometheus, and what all of them are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from otel_llm.core import objectives as normal
from otel_llm.ops import recorded
from otel_llm.ops.promql import PM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_llm.ops.rules import Context

MINUTE = 60
MODEL = "{{ $labels.gen_ai_request_model }} ({{ $labels.gen_ai_provider_name }})"
MODEL_VARIABLES = {"provider": "gen_ai_provider_name", "model": "gen_ai_request_model"}
_DASHBOARDS = {
    "latency": "otel-llm-latency",
    "errors": "otel-llm-reliability",
    "tokens": "otel-llm-tokens",
    "quality": "otel-llm-tokens",
    "cost": "otel-llm-cost",
    "reliability": "otel-llm-reliability",
    "anomaly": "otel-llm-anomalies",
    "telemetry": "otel-llm-health",
}  # category of an alert -> uid of the dashboard that shows it


@dataclass(frozen=True, slots=True)
class Alert:
    """One alerting rule. ``wait`` is in seconds; ``variables`` are dashboard variables and the labels that set them."""

    name: str
    expr: str
    severity: str
    category: str
    summary: str
    description: str
    wait: float = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=lambda: MODEL_VARIABLES)

    def rule(self, it: Context) -> dict[str, Any]:
        """As Prometheus reads it."""
        waiting = {"for": it.over(self.wait)} if self.wait else {}
        return {
            "alert": self.name,
            "expr": self.expr,
            **waiting,
            "labels": {"severity": self.severity, "service": "llm", "category": self.category, **self.labels},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{it.objectives.runbook_url}#{self.name.lower()}",
                "dashboard_url": self._dashboard(it.objectives.grafana_url),
            },
        }

    def _dashboard(self, grafana: str) -> str:
        set_ = "&".join(f"var-{name}={{{{ $labels.{label} | urlquery }}}}" for name, label in self.variables.items())
        return f"{grafana}/d/{_DASHBOARDS[self.category]}" + (f"?{set_}" if set_ else "")


def busy(it: Context, calls: str = recorded.CALLS, seconds: float = normal.MEDIUM) -> str:
    """Enough calls in the window for a share or a mean to say something."""
    window = it.clock.seconds(seconds)
    return f"\nand on ({PM})\navg_over_time({calls}[{it.over(seconds)}]) * {window:g} >= {it.objectives.min_requests}"
