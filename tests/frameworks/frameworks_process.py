"""A service that runs an agent of a framework, for ``on_outlets.py``: ``frameworks_process.py NAME URL WORKERS``.

It runs the agent once, in each of its workers where it has any, and prints what /metrics says; then once more with a tool that
fails, and prints that. ``UNPATCHED`` watches no client library that it uses; where an OTLP endpoint is set, metrics are pushed.
"""

from __future__ import annotations

import os
import sys
import urllib.request
from contextlib import suppress
from typing import Any

if os.environ.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"):
    from opentelemetry import metrics
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    METERS: Any = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter(), 3_600_000)])
    metrics.set_meter_provider(METERS)
else:
    METERS = None

import otel_llm

otel_llm.instrument(*(("ollama",) if os.environ.get("UNPATCHED") else ()))

import test_frameworks_runs as frameworks  # noqa: E402 - its imports of frameworks come after, as a service's may
from opentelemetry.sdk.trace import sampling  # noqa: E402


def run(name: str, url: str, answer: str = "sunny") -> None:
    """A run of two model calls and a tool call, whose tool fails where its answer is empty."""
    with suppress(ValueError):  # some frameworks raise it, others tell the model
        frameworks.FRAMEWORKS[name](url, weather(answer), stream=False)


def weather(answer: str) -> Any:
    def get_weather(city: str = "x") -> str:
        """The weather of a city."""
        if not answer:
            raise ValueError(city)
        return answer

    return get_weather


def main(name: str, url: str, workers: int) -> None:
    if os.environ.get("OTEL_TRACES_SAMPLER") == "always_off":
        frameworks.SAMPLER.inner = sampling.ALWAYS_OFF
    if not workers:
        run(name, url)
    for pid in [worker(name, url) for _ in range(workers)]:
        assert os.waitpid(pid, 0)[1] == 0, "a worker failed"
    show()
    if not workers:
        run(name, url, "")
        show()


def worker(name: str, url: str) -> int:
    """A fork that runs the agent."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            run(name, url)
            code = 0
        finally:
            sys.stdout.flush()
            os._exit(code)
    return pid


def show() -> None:
    """Push, and print what /metrics says."""
    if METERS is not None:
        METERS.force_flush()
    port = os.environ["OTEL_EXPORTER_PROMETHEUS_PORT"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        print("METRICS", answer.read().decode(), sep="\n", flush=True)


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
