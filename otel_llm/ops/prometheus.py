"""The files that Prometheus reads: rules for everyone, and the configuration of the stack in this repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_llm.core.objectives import DEFAULT, Objectives

from .alerts import alert_group, alerts
from .promql import RELEASED, Clock, vocabulary_named
from .rules import Context, recording_groups
from .yamltext import dump, write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

NOTE = "Written by otel-llm. For other thresholds: otel-llm export --help"
TARGETS: Mapping[str, Sequence[str]] = {
    "otel-llm": ("demo:9464",),
    "otel-llm-gateway": ("gateway:9465",),
    "prometheus": ("localhost:9090",),
    "alertmanager": ("alertmanager:9093",),
}  # job -> who is scraped in the compose stack


def write_prometheus(directory: Path, vocabulary: str = "released", objectives: Objectives = DEFAULT) -> list[Path]:
    """Write the rule files into ``directory``; return the paths.

    Raises:
        OSError: where a file cannot be written.
        ValueError: for a vocabulary other than ``released`` and ``latest``.

    """
    return write_rules(directory, Context(objectives, vocabulary_named(vocabulary)))


def write_rules(directory: Path, it: Context) -> list[Path]:
    """The same for whatever else rules are made from: what distinguishes services, custom labels. Raises OSError."""
    return write(directory, rule_files(it))


def rule_files(it: Context) -> dict[str, str]:
    """The rules, by file name."""
    files = {**recording_groups(it), "otel-llm-alerts.yml": [alert_group(it)]}
    return {name: dump({"groups": groups}, NOTE) for name, groups in files.items()}


def all_groups(it: Context) -> list[dict[str, Any]]:
    """The rules, as one list of groups."""
    return [group for groups in recording_groups(it).values() for group in groups] + [alert_group(it)]


def alert_names() -> list[str]:
    """Every alert, once."""
    return list(dict.fromkeys(alert.name for alert in alerts(Context(DEFAULT, RELEASED))))


def configuration(
    clock: Clock | None = None, targets: Mapping[str, Sequence[str]] = TARGETS, alertmanager: str = "alertmanager:9093"
) -> str:
    """prometheus.yml: what is scraped, and where alerts go."""
    clock = clock or Clock()
    data = {
        "global": {
            "scrape_interval": clock.text(15),
            "scrape_timeout": clock.text(10),
            "evaluation_interval": clock.text(30),
        },
        "rule_files": ["rules/*.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": list(hosts)}]} for job, hosts in targets.items()
        ],
    }
    return dump(data, NOTE)
