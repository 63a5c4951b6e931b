"""One alert: its rule for Prometheus, and what all of them are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from otel_llm.core import objectives as normal
from otel_llm.core.conditions import BY_ID
from otel_llm.ops import recorded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_llm.core.conditions import Severity
    from otel_llm.ops.rules import Context

MINUTE, HOUR, DAY = 60, 3600, 86_400
KEPT = 15 * MINUTE  # how long a gauge's last value is used when it is absent: a restart, a roll-out, a gap in scraping
# 52.37% is written "52 %", 5.237% "5.2 %"
SHARE = (
    "{{ $value | humanizePercentage | reReplaceAll `^(\\d{2,})\\.\\d+%` `$1%` | reReplaceAll `^(\\d\\.\\d)\\d+%` `$1%` "
    "| reReplaceAll `%` ` %` }}"
)
DURATION = "{{ $value | humanizeDuration }}"
NUMBER = "{{ $value | humanize }}"
COUNT = '{{ $value | printf "%.0f" }}'
MODEL = "{{ $labels.gen_ai_request_model }}{{ with $labels.gen_ai_provider_name }} ({{ . }}){{ end }}"
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
    "agents": "otel-llm-agents",
}  # category of an alert -> uid of the dashboard that shows it


@dataclass(frozen=True, slots=True)
class Alert:
    """One alerting rule.

    ``title`` is what is wrong and how much, as ``errors 52 %``; who it is about is added from the labels named in ``about``.
    ``text`` is the sentence of the condition while it lasts, ``past`` after it has ended; both follow who it is about. ``wait``
    and ``keep`` are in seconds. ``variables`` are dashboard variables and the labels that set them.
    """

    name: str
    expr: str
    severity: str
    category: str
    title: str
    text: str
    past: str
    wait: float = 0
    keep: float = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    about: tuple[str, ...] = ("gen_ai_request_model",)
    variables: Mapping[str, str] = field(default_factory=lambda: MODEL_VARIABLES)

    def rule(self, it: Context) -> dict[str, Any]:
        """As Prometheus reads it."""
        holding = {"for": it.over(self.wait)} if self.wait else {}
        if self.keep:
            holding["keep_firing_for"] = it.over(self.keep)
        who = self._who(it)
        return {
            "alert": self.name,
            "expr": self.expr,
            **holding,
            "labels": {
                "severity": self.severity,
                "service": "llm",
                "category": self.category,
                "runbook": self.name.lower(),
                **self.labels,
            },
            "annotations": {
                "summary": self.title + self._tail(it),
                "description": f"{who}{self.text}.",
                "resolved": f"{who}{self.past}.",
                "runbook_url": f"{it.objectives.runbook_url}#{self.name.lower()}",
                "dashboard_url": self._dashboard(it),
            },
        }

    def _tail(self, it: Context) -> str:
        """Who it is about, for a title: what is named first, then the service and where it runs."""
        names = (*self.about, *it.service)
        return "".join(f"{{{{ with $labels.{name} }}}} · {{{{ . }}}}{{{{ end }}}}" for name in names)

    def _who(self, it: Context) -> str:
        """Who it is about, for a sentence. No colon follows: Alertmanager 0.30 and later read a detail with one as YAML."""
        if self.name == "LLMTelemetryAbsent":  # which is about nobody
            return ""
        first = "".join(f"{{{{ with $labels.{one} }}}}{{{{ . }}}} {{{{ end }}}}" for one in self.about)
        first = f"{MODEL} " if self.about == ("gen_ai_request_model",) else first
        # a budget of all calls has no name
        joined = f"{{{{ with $labels.{self.about[-1]} }}}}in {{{{ end }}}}" if self.about else ""
        place = "".join(
            f"{{{{ with $labels.{name} }}}}{', ' if name != 'job' else joined}{{{{ . }}}}{{{{ end }}}}"
            for name in it.service
        )
        return f"{first}{place} – "  # noqa: RUF001 - a dash is meant

    def _dashboard(self, it: Context) -> str:
        narrowed = "".join(
            f"{{{{ with $labels.{label} }}}}&var-{name}={{{{ . | urlquery }}}}{{{{ end }}}}"
            for name, label in self.variables.items()
        )
        board = f"{it.objectives.grafana_url}/d/{_DASHBOARDS[self.category]}"
        return f"{board}?var-job={{{{ $labels.job | urlquery }}}}{narrowed}"


def judged(
    condition: str, severity: Severity, category: str, expr: str, title: str, value: str, detail: str = "", **more: Any
) -> Alert:
    """The alert of a condition of the shared table: its words, its name and how long it must hold are the table's."""
    one = BY_ID[condition]
    level = one.critical if severity == "critical" else one.warning
    wait = more.pop("wait", level.held if level else 0)
    now, past = (one.sentence("", value, detail, ended=ended).removeprefix(": ").lstrip() for ended in (False, True))
    return Alert(more.pop("name", one.alert), expr, severity, category, title, now, past, wait, **more)


def busy(it: Context, seconds: float = normal.MEDIUM, least: str = "min_requests") -> str:
    """Enough calls in the window for a share or a mean to say something."""
    return f"\nand on ({it.model})\n{calls_in(it, seconds)} >= {getattr(it.objectives, least)}"


def calls_in(it: Context, seconds: float) -> str:
    """How many calls there were within ``seconds``."""
    if seconds <= normal.SHORT:
        return f"{recorded.CALLS} * {it.clock.seconds(seconds):g}"
    return it.total(recorded.CALLS, seconds)


def failing_enough(it: Context) -> str:
    """Enough calls, or enough of them failed, for an error rate."""
    window = f"{it.clock.seconds(normal.SHORT):g}"
    o = it.objectives
    return (
        f"\nand on ({it.model})\n(\n  {recorded.CALLS} * {window} >= {o.min_requests}\n  or\n"
        f"  {recorded.FAILED_CALLS} * {window} >= {o.min_failures}\n)"
    )
