"""The gateway as objects of a Kubernetes cluster: one process with a volume, and the Service that senders and Prometheus reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .kubernetes import DEFAULT_PLACE, Place
from .prometheus import NOTE
from .yamltext import dump, write

NAME = "otel-llm-gateway"
HTTP, GRPC = 4318, 4317
_STATE = "/var/lib/otel-llm"


def write_gateway(directory: Path, place: Place = DEFAULT_PLACE) -> list[Path]:
    """Write a Deployment, a Service and a PersistentVolumeClaim; return the paths. Raises OSError where a file cannot be written."""
    return write(directory, {f"gateway-{name}.yaml": dump(one, NOTE) for name, one in objects(place).items()})


def objects(place: Place) -> dict[str, Any]:
    """Objects by the name of the file that they go into. They name no namespace: it is that of the services that send."""
    ports = {"otlp-http": HTTP, "otlp-grpc": GRPC, place.port: place.port_number}
    labels = {"app.kubernetes.io/name": NAME}
    pod = {**labels, **place.service_labels}
    container = {
        "name": "gateway",
        "image": "otel-llm-gateway:local",
        "args": ["gateway", "--http", f":{HTTP}", "--grpc", f":{GRPC}"],
        "env": [
            {"name": "OTEL_LLM_STATE_DIR", "value": _STATE},
            {"name": "OTEL_EXPORTER_PROMETHEUS_HOST", "value": "0.0.0.0"},  # noqa: S104 - as a pod is reached
            {"name": "OTEL_EXPORTER_PROMETHEUS_PORT", "value": str(place.port_number)},
        ],
        "ports": [{"name": name, "containerPort": number} for name, number in ports.items()],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "otlp-http"}},
        "livenessProbe": {
            "httpGet": {"path": "/healthz", "port": "otlp-http"},
            "periodSeconds": 30,
            "timeoutSeconds": 10,
        },
        "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True},
        "volumeMounts": [{"name": "state", "mountPath": _STATE}, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - in the container
    }
    template = {
        "metadata": {"labels": pod},
        "spec": {
            "securityContext": {"fsGroup": 1000, "runAsUser": 1000},
            "terminationGracePeriodSeconds": 30,  # what is held is counted first
            "containers": [container],
            "volumes": [
                {"name": "state", "persistentVolumeClaim": {"claimName": NAME}},
                {"name": "tmp", "emptyDir": {}},
            ],
        },
    }
    # one process writes the state: the next one starts when the last one has ended
    deployment = {
        "replicas": 1,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": labels},
        "template": template,
    }
    service = {
        "selector": labels,
        "ports": [{"name": name, "port": number, "targetPort": name} for name, number in ports.items()],
    }
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "4Gi"}}}
    return {
        "deployment": _object("apps/v1", "Deployment", labels, deployment),
        "service": _object("v1", "Service", pod, service),
        "volume": _object("v1", "PersistentVolumeClaim", labels, claim),
    }


def _object(api: str, kind: str, labels: dict[str, str], spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": NAME, "labels": labels}, "spec": spec}
