"""Tools of these tests: a service under a real server, a scraper that never rests, and how to wait for something."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from typing_extensions import Self

from otel_llm.aggregate import Store
from otel_llm.cluster.member import Member
from otel_llm.core.config import Config
from otel_llm.core.model import Observation
from otel_llm.exposition.endpoint import Endpoint

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
CALLS = "gen_ai_client_operation_duration_seconds_count"


def until(condition: Callable[[], Any], seconds: float = 300.0) -> Any:
    """What ``condition`` returns as soon as that is true. Fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        if found := condition():
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {condition}")
        threading.Event().wait(0.02)


def call(**changes: Any) -> Observation:
    """A finished call, now."""
    made = Observation(
        time.time(), "openai", "gpt-4o", "chat", "gpt-4o", "api.example", "", 0.5, input_tokens=10, output_tokens=5
    )
    return made._replace(**changes)


def samples(text: str) -> dict[tuple[str, ...], float]:
    """(name, label values) -> value."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def counted(text: str) -> int:
    """How many calls a scrape shows."""
    return int(sum(value for key, value in samples(text).items() if key[0] == CALLS))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Worker(Member):
    """A member with its endpoint, as a process has them."""

    def __init__(
        self,
        config: Config,
        make_store: Callable[[], Store],
        *,
        serve: bool = True,
        registry: CollectorRegistry | None = None,
        **options: Any,
    ) -> None:
        super().__init__(config, make_store, **options)
        self.endpoint = Endpoint(config, self, serve=serve, registry=registry)
        self.scrape = self.endpoint.scrape

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "port": self.endpoint.port}


class Echo:
    """An aggregator that knows one answer."""

    def text(self, *, openmetrics: bool) -> bytes:
        return f"openmetrics {openmetrics}".encode()

    def stats(self) -> dict[str, Any]:
        return {"answer": 1}

    def count(self, owner: str, payloads: Iterable[bytes], ticket: tuple[str, int]) -> None: ...


def crash(one: Worker) -> None:
    """End ``one`` as kill -9 ends a process: nothing is written, the kernel closes its files."""
    one._clerk.dismiss(5)
    one._running = False
    one.endpoint.drop_after_fork()
    one._role.drop_after_fork()
    one._writer.close()
    one._begin()


class Service:
    """A server with the application of ``service_app.py``, on ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.metrics_port = free_port()
        self.log = folder / "service.log"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PROMETHEUS_"))},
            "OTEL_EXPORTER_PROMETHEUS_PORT": str(self.metrics_port),
            "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
            "OTEL_LLM_STATE_DIR": str(folder / "state"),
            "HOME": str(folder),
            "PYTHONPATH": str(HERE),
            "PYTHONUNBUFFERED": "1",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *command: str, instrument: bool = True) -> None:
        """Run ``command`` (of the environment's bin directory), under ``opentelemetry-instrument`` by default."""
        program = [str(BIN / command[0]), *command[1:]]
        if instrument:
            program.insert(0, str(BIN / "opentelemetry-instrument"))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                program, env=self.environment, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )

    def ready(self) -> Service:
        """Wait until it answers."""
        until(lambda: self.get("/", tries=1) is not None)
        return self

    def get(self, path: str, port: int = 0, tries: int = 1) -> str | None:
        """The answer of the application, or None where there was none."""
        for _ in range(tries):
            with suppress(OSError, HTTPException):
                url = f"http://127.0.0.1:{port or self.port}{path}"
                with urllib.request.urlopen(url, timeout=60) as answer:
                    return str(answer.read().decode())
        return None

    def send(self, number: int) -> int:
        """How many of ``number`` requests, each of which makes a call, were answered."""
        with ThreadPoolExecutor(8) as clients:
            return sum(answer is not None for answer in clients.map(lambda _: self.get("/call"), range(number)))

    def workers(self) -> set[int]:
        """The processes that answer."""
        with ThreadPoolExecutor(8) as clients:
            return {int(pid) for pid in clients.map(lambda _: self.get("/"), range(40)) if pid}

    def metrics(self) -> str:
        """What /metrics of the service says, once it says something."""
        return str(until(lambda: self.get("/metrics", self.metrics_port)))

    def calls(self) -> int:
        return counted(self.metrics())

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(15)
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(15)


class Scraper:
    """Scrapes all the time, and keeps the number of calls that each scrape showed."""

    def __init__(self, service: Service) -> None:
        self.shown: list[int] = []
        self._service = service
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.01):
            text = self._service.get("/metrics", self._service.metrics_port)
            if text is not None:
                self.shown.append(counted(text))

    @property
    def falls(self) -> list[tuple[int, int]]:
        """Where a scrape showed fewer calls than the one before."""
        return [(before, after) for before, after in zip(self.shown, self.shown[1:], strict=False) if after < before]
