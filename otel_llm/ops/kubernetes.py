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
    port_number: int = 9464  # of the container
    scraper_labels: Mapping[str, str] = field(default_factory=lambda: {"app.kubernetes.io/name": "prometheus"})

    @property
    def first_other(self) -> int:
        """The first port above that of the metrics."""
        return self.port_number + 1


DEFAULT_PLACE = Place()


def write_kubernetes(
    directory: Path, vocabulary: str = "released", objectives: Objectives = DEFAULT, place: Place = DEFAULT_PLACE
) -> list[Path]:
    """Write a PrometheusRule for each group, ServiceMonitor, NetworkPolicy and a ConfigMap for each dashboard; return the paths.

    Raises:
        OSError: where a file cannot be written.
        ValueError: for a vocabulary other than ``released`` and ``latest``.

    """
    return write_objects(directory, Context(objectives, vocabulary_named(vocabulary)), place=place)


def write_objects(directory: Path, it: Context, labels: Sequence[str] = (), place: Place = DEFAULT_PLACE) -> list[Path]:
    """The same for whatever else rules are made from; ``labels`` are custom labels for the boards to offer. Raises OSError."""
    texts = {name.removesuffix(".json"): text for name, text in texts_of(None, it.objectives, labels, it.read).items()}
    data = objects(all_groups(it), texts, place)
    return write(directory, {f"{name}.yaml": dump(one, NOTE) for name, one in data.items()})


def objects(groups: Sequence[Mapping[str, Any]], dashboards: Mapping[str, str], place: Place) -> dict[str, Any]:
    """Objects by the name of the file that they go into. Each group of rules has an object of its own.

    The operator puts all rules that it selects into ConfigMaps, and refuses an object that does not fit into one (1 MiB).
    """
    boards = {name: _config_map(name, text, place) for name, text in dashboards.items()}
    return {
        **{f"prometheusrule-{_part(group)}": _rules(group, place) for group in groups},
        "servicemonitor": _object(_API, "ServiceMonitor", place.name, place, place.labels, _monitor(place)),
        "networkpolicy": _policy(place),
        **{f"dashboard-{_plain(name)}": board for name, board in boards.items()},
    }


def _part(group: Mapping[str, Any]) -> str:
    return _plain(str(group["name"]).removeprefix("otel_llm.").replace("_", "-"))


def _rules(group: Mapping[str, Any], place: Place) -> dict[str, Any]:
    return _object(_API, "PrometheusRule", f"{place.name}-{_part(group)}", place, place.labels, {"groups": [group]})


def _policy(place: Place) -> dict[str, Any]:
    """Only Prometheus reaches the port of the metrics and the status page; all other ports of the pods stay as they are."""
    scraper = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": place.namespace}},
        "podSelector": {"matchLabels": dict(place.scraper_labels)},
    }
    spec = {
        "podSelector": {"matchLabels": dict(place.service_labels)},
        "policyTypes": ["Ingress"],
        "ingress": [
            {"from": [scraper], "ports": [{"port": place.port_number}]},
            {"ports": [{"port": place.first_other, "endPort": 65_535}, {"port": 1, "endPort": place.port_number - 1}]},
        ],
    }
    policy = _object("networking.k8s.io/v1", "NetworkPolicy", place.name, place, {}, spec)
    del policy["metadata"]["namespace"]  # it belongs into that of the pods: kubectl apply --namespace says which
    return policy


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
