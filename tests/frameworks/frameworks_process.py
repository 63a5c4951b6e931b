"""A service that runs an agent of a framework, for ``test_frameworks_outlets.py``: ``frameworks_process.py NAME WORKERS FILE``.

Without workers it runs one agent in all the ways there are, and writes into the file what /metrics says after each. With workers,
which are forks, each of them runs it once, and that is written at the end. ``UNPATCHED`` watches no client library that it uses;
where an OTLP endpoint is set, each process pushes its metrics.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import frameworks_handover
import frameworks_hanging
import frameworks_runs
import wire_formats  # noqa: F401 - the loopback speaks Gemini's, too
from frameworks_common import imported
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import otel_llm
from otel_llm.testing.loopback import Loopback


def named(runs: Any, name: str) -> Any:
    return next((run for run in runs if run.__name__ == name), None)


def weather(answer: str = "sunny") -> Any:
    """A tool, which fails where it has no answer."""

    def get_weather(city: str = "x") -> str:
        """The weather of a city."""
        if not answer:
            raise ValueError(city)
        return answer

    return get_weather


def ways(name: str, server: Loopback) -> Iterator[str]:
    """Run the agent in each way, one after the other."""
    run = named(frameworks_runs.ALL, name)
    run(server.url, weather(), stream=False)
    yield "whole"
    with suppress(ValueError):  # some frameworks raise it, others tell the model
        run(server.url, weather(""), stream=False)
    yield "failing"
    run(server.url, weather(), stream=True)
    yield "streamed"
    if hangs := named(frameworks_hanging.ALL, name):
        asyncio.run(cancelled(hangs))
        yield "cancelled"
    server.script = frameworks_handover.Script()
    named(frameworks_handover.ALL, name)(server.url)
    yield "handed over"


async def cancelled(hangs: Any) -> None:
    """Start a run, and cancel it as soon as its model is asked. The server goes, too: CrewAI's thread waits for its answer."""
    with Loopback() as server:
        run = asyncio.ensure_future(hangs(server.url))
        await asyncio.to_thread(server.wait_for, 1, 60.0)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)


def pushing(instance: int) -> MeterProvider | None:
    """The host's own metrics, pushed when it asks for it."""
    if not os.environ.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"):
        return None
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(), 3_600_000)
    provider = MeterProvider([reader], Resource.create({"service.instance.id": str(instance)}))
    metrics.set_meter_provider(provider)
    return provider


def worker(name: str, url: str, instance: int) -> int:
    """A fork that runs the agent."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            provider = pushing(instance)
            named(frameworks_runs.ALL, name)(url, weather(), stream=False)
            if provider is not None:
                provider.force_flush()
            code = 0
        finally:
            sys.stdout.flush()
            os._exit(code)
    return pid


def show(way: str, file: str) -> None:
    """Add what /metrics says to the file, as a line of JSON."""
    port = os.environ["OTEL_EXPORTER_PROMETHEUS_PORT"]
    with (
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer,
        Path(file).open("a", encoding="utf-8") as lines,
    ):
        print(json.dumps([way, answer.read().decode()]), file=lines)


def main(name: str, workers: int, file: str) -> None:
    otel_llm.instrument(*(("ollama",) if os.environ.get("UNPATCHED") else ()))
    trace.set_tracer_provider(TracerProvider())  # whose sampler the environment sets
    assert imported(*frameworks_runs.ALL[named(frameworks_runs.ALL, name)])
    with Loopback() as server:
        if workers:
            for pid in [worker(name, server.url, instance) for instance in range(workers)]:
                assert os.waitpid(pid, 0)[1] == 0, "a worker failed"
            show("workers", file)
            return
        provider = pushing(0)
        for way in ways(name, server):
            show(way, file)
        if provider is not None:
            provider.force_flush()


main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
