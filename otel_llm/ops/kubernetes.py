"""The same rules, targets and dashboards as objects of a Kubernetes cluster with the Prometheus operator."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otel_llm.core.objectives import DEFAULT, Objectives

from .dashboards import texts_of
from .prometheus import NOTE, all_groups
from .promql import vocabulary_named
from .rules import Context
from .yamltext import dump, write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_API = "monitoring.coreos.com/v1"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the objects live, how the operator and Grafana find them, and which service is scraped."""

    namespace: str = "monitoring"
    name: str = "otel-llm"
    labels: Mapping[str, str] = field(default_factory=lambda: {"release": "kube-prometheus-stack"})
    dashboard_labels: Mapping[str, str] = field(default_factory=lambda: {"grafana_dashboard": "1"})
    service_labels: Mapping[str, str] = field(default_factory=lambda: {"otel-llm": "true"})
    port: str = "metrics"  # the name of the service's port


DEFAULT_PLACE = Place()


def write_kubernetes(
    directory: Path, vocabulary: str = "released", objectives: Objectives = DEFAULT, place: Place = DEFAULT_PLACE
) -> list[Path]:
    """Write PrometheusRule, ServiceMonitor and a ConfigMap for each dashboard; return the paths.

    Raises:
        OSError: where a file cannot be written.
        ValueError: for a vocabulary other than ``released`` and ``latest``.

    """
    groups = all_groups(Context(objectives, vocabulary_named(vocabulary)))
    texts = {name.removesuffix(".json"): text for name, text in texts_of(vocabulary, objectives).items()}
    found = objects(groups, texts, place)
    return write(directory, {f"{name}.yaml": dump(data, NOTE) for name, data in found.items()})


def objects(groups: Sequence[Mapping[str, Any]], dashboards: Mapping[str, str], place: Place) -> dict[str, Any]:
    """Objects by the name of the file that they go into."""
    boards = {name: _config_map(name, text, place) for name, text in dashboards.items()}
    return {
        "prometheusrule": _object(_API, "PrometheusRule", place.name, place, place.labels, {"groups": list(groups)}),
        "servicemonitor": _object(_API, "ServiceMonitor", place.name, place, place.labels, _monitor(place)),
        **{f"dashboard-{_plain(name)}": board for name, board in boards.items()},
    }


def _object(
    api: str, kind: str, name: str, place: Place, labels: Mapping[str, str], spec: Mapping[str, Any]
) -> dict[str, Any]:
    meta = {"name": name, "namespace": place.namespace, "labels": {"app.kubernetes.io/name": "otel-llm", **labels}}
    return {"apiVersion": api, "kind": kind, "metadata": meta, "spec": dict(spec)}


def _monitor(place: Place) -> dict[str, Any]:
    return {
        "selector": {"matchLabels": dict(place.service_labels)},
        "namespaceSelector": {"any": True},
        "endpoints": [{"port": place.port, "path": "/metrics", "interval": "15s", "scrapeTimeout": "10s"}],
    }


def _config_map(name: str, text: str, place: Place) -> dict[str, Any]:
    board = _object("v1", "ConfigMap", _plain(name), place, place.dashboard_labels, {})
    del board["spec"]
    return {**board, "data": {f"{name}.json": text}}


def _plain(name: str) -> str:
    """A name that Kubernetes accepts."""
    return re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")
