"""Workers as a service has them: several in one process, and a service under a real server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cluster_lab import Service, Worker, free_port
from prometheus_client import CollectorRegistry

from otel_llm.aggregate import Store
from otel_llm.cluster import processes, spendkeeper, statedir
from otel_llm.core.config import Config
from otel_llm.core.files import FileLock, locked, own_directory
from otel_llm.core.guard import Guard


@pytest.fixture(autouse=True)
def _strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guard, "strict", True)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(port=free_port(), host="127.0.0.1", state_dir=str(tmp_path))


@pytest.fixture
def worker(config: Config) -> Iterator[Callable[..., Worker]]:
    """Makes workers that take each other for other processes."""
    made: list[Worker] = []

    def make(**options: Any) -> Worker:
        given = options.pop("config", config)
        one = Worker(given, lambda: Store(given), **{"serve": False, "registry": CollectorRegistry(), **options})
        made.append(one)
        one.start()
        return one

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def serve(worker: Callable[..., Worker], config: Config, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Worker]:
    """Makes a worker of the service ``name``. Services live as long as one of their workers, and come in the order of their names."""

    def enter(given: Config, _program: object) -> tuple[Path, FileLock]:
        base = statedir.base(given)
        own_directory(base)
        start = base / f"start.{statedir._FORM}-{processes.boot()}-{given.service_name}"
        with locked(base / statedir.LOCK):
            own_directory(start)
            return start, statedir.join(start)

    def made(name: str, **changes: Any) -> Worker:
        return worker(config=replace(config, service_name=name, **changes))

    monkeypatch.setattr(statedir, "enter", enter)
    monkeypatch.setattr(spendkeeper, "SAVE_SECONDS", 0.0)  # each round, not each minute
    return made


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    made.stop()
    sys.stdout.write(made.log.read_text() if made.log.exists() else "")  # shown where the test fails
