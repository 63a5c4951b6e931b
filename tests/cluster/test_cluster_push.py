"""Pushing: each process is an instance of its own to OpenTelemetry, so that a backend can add them up."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cluster_lab import Service, until
from otlp_receiver import receiving

from otel_llm.testing.loopback import Loopback

DURATION = "gen_ai.client.operation.duration"
SERVERS = {
    "forked": ("gunicorn", "-b", "127.0.0.1:{port}", "--no-control-socket", "-w", "2", "service_app:wsgi"),
    "spawned": ("uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--workers", "2", "service_app:asgi"),
}


def pushed(service: Service) -> dict[str, int]:
    """Instance -> how many calls it pushed last (cumulative)."""
    text, decoder, found = service.log.read_text(), json.JSONDecoder(), {}
    at = text.find('{\n    "resource_metrics"')
    while at >= 0:
        try:
            export, end = decoder.raw_decode(text, at)
        except ValueError:  # just being written
            break
        found |= {resource: count for resource, count in map(_calls, export["resource_metrics"]) if count}
        at = text.find('{\n    "resource_metrics"', end)
    return found


def _calls(resource: dict[str, Any]) -> tuple[str, int]:
    points = [
        point["count"]
        for scope in resource["scope_metrics"]
        for metric in scope["metrics"]
        if metric["name"] == DURATION
        for point in metric["data"]["data_points"]
    ]
    return resource["resource"]["attributes"]["service.instance.id"], sum(points)


@pytest.mark.parametrize("server", SERVERS)
def test_each_process_pushes_as_an_instance_of_its_own(service: Service, server: str) -> None:
    service.environment |= {"OTEL_METRICS_EXPORTER": "console", "OTEL_METRIC_EXPORT_INTERVAL": "500"}
    service.start(*(part.format(port=service.port) for part in SERVERS[server]))
    service.ready()
    workers: set[str | None] = set()
    sent = 0
    with ThreadPoolExecutor(8) as clients:
        while len(workers) < 2:
            workers |= set(clients.map(lambda _: service.get("/call"), range(20)))
            sent += 20
    until(lambda: sum(pushed(service).values()) == sent)
    assert len(pushed(service)) == 2
    assert service.calls() == sent


def test_a_service_that_is_stopped_pushes_what_it_has(service: Service) -> None:
    """As Cloud Run ends an instance: SIGTERM, and ten seconds later nothing is left."""
    with receiving() as received, Loopback() as server:
        service.environment |= {
            "LLM_URL": server.url,
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": received.url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_BSP_SCHEDULE_DELAY": "3600000",
        }
        service.start(*(part.format(port=service.port) for part in SERVERS["forked"]), "--timeout", "300")
        service.ready()
        service.send(10)  # on a busy machine, the client may not wait for all of the answers
        until(lambda: service.calls() == 10, 300)
        assert service.process is not None
        service.process.terminate()
        service.process.wait(300)
        assert sum(received.calls.values()) == 10
        assert received.spans.count("chat gpt-4o") == 10
