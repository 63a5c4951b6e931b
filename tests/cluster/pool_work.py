"""What the processes of the fork tests do."""

from __future__ import annotations

from cluster_lab import Worker, call
from prometheus_client import CollectorRegistry

from otel_llm.aggregate import Store
from otel_llm.core.config import Config


def config(port: int, folder: str) -> Config:
    return Config(port=port, host="127.0.0.1", state_dir=folder)


def work(given: Config, number: int) -> None:
    """Make calls in a worker of this process's own."""
    worker = Worker(given, lambda: Store(given), registry=CollectorRegistry())
    worker.start()
    assert worker.role == "follower"
    for _ in range(number):
        worker.append(call())
