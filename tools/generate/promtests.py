"""Unit tests of the rules for ``promtool test rules``: each alert once firing and once just short of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from otel_llm.core.measures import outcome
from otel_llm.core.objectives import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from otel_llm.ops.promql import Vocabulary

Series = tuple[str, str]  # a selector and its values, as promtool writes them

MODEL = {"gen_ai_provider_name": "openai", "gen_ai_request_model": "gpt-5"}
TARGET = {"job": "shop", "instance": "shop:9464"}
AND_MODEL = "?var-job=shop&var-provider=openai&var-model=gpt-5"
OF_MODEL = {"job": "shop", **MODEL}
BOARDS = {
    "errors": "reliability",
    "quality": "tokens",
    "anomaly": "anomalies",
}  # the board of a category that has none of its own name


@dataclass(frozen=True, slots=True)
class Expected:
    """One alert that fires: its texts without who it is about, that, and labels beside its name."""

    severity: str
    category: str
    title: str
    text: str
    past: str
    dashboard: str
    about: str = " · gpt-5 · shop"
    who: str = "gpt-5 (openai) in shop – "  # noqa: RUF001 - a dash is meant
    labels: Mapping[str, str] = field(default_factory=lambda: OF_MODEL)

    def data(self, alert: str) -> dict[str, Any]:
        """As promtool reads it."""
        return {
            "exp_labels": {
                "severity": self.severity,
                "service": "llm",
                "category": self.category,
                "runbook": alert.lower(),
                **self.labels,
            },
            "exp_annotations": {
                "summary": self.title + self.about,
                "description": f"{self.who}{self.text}.",
                "resolved": f"{self.who}{self.past}.",
                "runbook_url": f"{DEFAULT.runbook_url}#{alert.lower()}",
                "dashboard_url": f"{DEFAULT.grafana_url}/d/{self.dashboard}",
            },
        }


@dataclass(frozen=True, slots=True)
class Case:
    """What is fed, when to look (minutes), and what then fires; ``expected`` is empty where it stays just short."""

    alert: str
    name: str
    series: tuple[Series, ...]
    at: int
    expected: tuple[Expected, ...] = ()
    quiet_at: tuple[int, ...] = ()  # minutes at which nothing fires: before it has held long enough, after recovery
    every: str = "1m"  # how far apart the values are

    def data(self) -> dict[str, Any]:
        """As promtool reads it."""
        checks = [{"eval_time": f"{minute}m", "alertname": self.alert, "exp_alerts": []} for minute in self.quiet_at]
        fires = [one.data(self.alert) for one in self.expected]
        return {
            "name": f"{self.alert}: {self.name}",
            "interval": self.every,
            "input_series": [{"series": series, "values": values} for series, values in self.series],
            "alert_rule_test": [*checks, {"eval_time": f"{self.at}m", "alertname": self.alert, "exp_alerts": fires}],
        }


def pair(case: Case, *almost: tuple[str, tuple[Series, ...]]) -> list[Case]:
    """The case that fires, and those just short of it, looked at at the same time."""
    return [case, *(replace(case, name=name, series=fed, expected=(), quiet_at=()) for name, fed in almost)]


def of_model(severity: str, category: str, title: str, text: str, past: str, **labels: str) -> Expected:
    """An alert about the model, with more labels than the model's own if need be."""
    board = f"otel-llm-{BOARDS.get(category, category)}{AND_MODEL}"
    return Expected(severity, category, title, text, past, board, labels={**OF_MODEL, **labels})


def of_service(severity: str, category: str, title: str, text: str, past: str, *about: str, **labels: str) -> Expected:
    """An alert that is about no model but about the service, and in it about what ``about`` names."""
    board = f"otel-llm-{BOARDS.get(category, category)}?var-job=shop"
    first = "".join(f" · {one}" for one in about)
    who = f"{' '.join(about)}{' in shop' if about else 'shop'} – "  # noqa: RUF001 - a dash is meant
    return Expected(severity, category, title, text, past, board, f"{first} · shop", who, {"job": "shop", **labels})


def anomaly(kind: str, severity: str, signal: str, direction: str, says: str, **more: str) -> Expected:
    """An LLMAnomaly about the model."""
    return Expected(
        severity,
        "anomaly",
        f"{signal} unusually {direction}",
        f"{signal} is unusually {direction}, it {says}",
        f"{signal} was unusually {direction}",
        f"otel-llm-anomalies{AND_MODEL}&var-signal={signal}",
        labels={**OF_MODEL, "signal": signal, "direction": direction, "kind": kind, **more},
    )


def document(tests: Iterable[Mapping[str, Any]], rules: Iterable[str], every: str = "1m") -> dict[str, Any]:
    """One file for ``promtool test rules``, which finds ``rules`` from its own directory."""
    return {"rule_files": list(rules), "evaluation_interval": every, "tests": list(tests)}


def series(metric: str, values: str, **labels: str) -> Series:
    """One series of the service ``shop``, about its model."""
    return exactly(metric, values, **MODEL, **labels)


def aggregated(metric: str, values: str, **labels: str) -> Series:
    """One recorded series about the model, fed as it is where hours of history matter."""
    shown = ", ".join(f'{name}="{value}"' for name, value in {**OF_MODEL, **labels}.items())
    return f"{metric}{{{shown}}}", values


def exactly(metric: str, values: str, **labels: str) -> Series:
    """One series of the service ``shop``, with these labels only."""
    shown = ", ".join(f'{name}="{value}"' for name, value in {**TARGET, **labels}.items())
    return f"{metric}{{{shown}}}", values


def ramp(*parts: tuple[float, int]) -> str:
    """A counter from 0: (increase a minute, for how many minutes)."""
    reached, text = 0.0, ["0"]
    for step, minutes in parts:
        text.append(f"{reached + step:.10g}+{step:.10g}x{minutes - 1}")
        reached += step * minutes
    return " ".join(text)


def level(*parts: tuple[float, int]) -> str:
    """A gauge: (value, for how many minutes)."""
    return " ".join(f"{value:.10g}x{minutes - 1}" for value, minutes in parts)


def calls(v: Vocabulary, *parts: tuple[float, int], took: float = 2.0, error_type: str = "") -> tuple[Series, ...]:
    """Calls a minute that all take ``took`` seconds."""
    name, labels = v.durations[0].name, {"gen_ai_operation_name": "chat", "error_type": error_type}
    counted = series("otel_llm_calls_total", ramp(*parts), **labels, outcome=outcome(error_type))
    return (counted, *histogram(name, v.durations[0].buckets, took, *parts, **labels))


def histogram(
    name: str, bounds: Iterable[float], value: float, *parts: tuple[float, int], **labels: str
) -> tuple[Series, ...]:
    """A histogram in which every observation is ``value``: (observations a minute, for how many minutes)."""
    none = ramp(*((0, minutes) for _, minutes in parts))
    buckets = [
        series(f"{name}_bucket", ramp(*parts) if bound >= value else none, **labels, le=_le(bound))
        for bound in (*bounds, float("inf"))
        if _near(bound, value)
    ]
    total = ramp(*((rate * value, minutes) for rate, minutes in parts))
    return (*buckets, series(f"{name}_sum", total, **labels), series(f"{name}_count", ramp(*parts), **labels))


def means(name: str, *parts: tuple[float, int], **labels: str) -> tuple[Series, ...]:
    """Sum and count of a histogram with 60 observations a minute: (their mean, for how many minutes)."""
    total = ramp(*((60 * mean, minutes) for mean, minutes in parts))
    count = ramp((60, sum(minutes for _, minutes in parts)))
    return series(f"{name}_sum", total, **labels), series(f"{name}_count", count, **labels)


def output(v: Vocabulary, *parts: tuple[float, int]) -> tuple[Series, ...]:
    """Output tokens of 60 calls a minute: (their mean, for how many minutes); and the calls."""
    metric, where = v.output_tokens
    minutes = sum(minutes for _, minutes in parts)
    return (*means(metric.name, *parts, **where), *calls(v, (60, minutes)))


def _near(bound: float, value: float) -> bool:
    """The bounds that a quantile around ``value`` and a latency objective of 30 s need."""
    return bound in (30.0, float("inf")) or value / 4 <= bound <= value * 4


def _le(bound: float) -> str:
    return "+Inf" if bound == float("inf") else repr(float(bound))
