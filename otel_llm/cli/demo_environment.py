"""What the demo runs on: providers, the service under ``opentelemetry-instrument``, a Prometheus; all gone at the end."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import math
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from otel_llm.core.config import environment
from otel_llm.core.objectives import DEFAULT
from otel_llm.ops.prometheus import rule_files
from otel_llm.ops.promql import RELEASED, Clock
from otel_llm.ops.rules import Context

from . import live
from .problems import Problem
from .scenario import providers
from .scenario.plot import Plot
from .scrape import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"
READY_SECONDS = 60.0
STOP_SECONDS = 5.0
HURRY = 20.0  # how much faster the rules' clock runs in a demo: 5 minutes are 15 seconds
AUTO = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"
CLEARED = (
    "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER", "OTEL_SDK_DISABLED",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "OTEL_LLM_METRICS_SERVER", "OTEL_LLM_METRICS_TLS_CERT", "OTEL_LLM_METRICS_TLS_KEY",
    "OTEL_LLM_METRICS_BASIC_AUTH_FILE", "OTEL_LLM_BUDGETS_FILE", "OTEL_LLM_PRICES_FILE", "PROMETHEUS_MULTIPROC_DIR", "http_proxy",
    "HTTP_PROXY", "all_proxy", "ALL_PROXY",
)  # fmt: skip
DAILY_BUDGET, MONTHLY_BUDGET = 6.0, 60.0  # US dollars at speed 1 and 8 jobs a second: the cost spike passes the first


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user chose."""

    port: int
    speed: float
    seed: int
    rate: float
    prometheus: bool
    host: str = HOST  # that /metrics listens on
    otlp: str = ""  # where spans go

    @property
    def reached(self) -> str:
        """The address that /metrics is asked at from this machine."""
        return HOST if self.host in ("", "0.0.0.0", "::", "localhost") else self.host  # noqa: S104 - asked, not bound


@dataclass(frozen=True, slots=True)
class Stage:
    """What is running. ``prometheus`` is its address, empty where there is none."""

    endpoint: Endpoint
    plot: Plot
    service: subprocess.Popen[bytes]
    log: Path
    prometheus: str = ""

    def check(self) -> None:
        """Raises Problem where the service has ended by itself."""
        if self.service.poll() is not None:
            raise Problem(f"the demo's service ended by itself: {last_words(self.log)}")


def last_words(log: Path) -> str:
    """The last line that a process wrote."""
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else "it printed nothing"


@contextlib.contextmanager
def build(settings: Settings) -> Iterator[Stage]:
    """Start everything, and leave nothing behind. Raises Problem where something cannot start."""
    _require(settings)
    port = free_port(settings.port, settings.host)
    with contextlib.ExitStack() as stack:
        scratch = _scratch(stack)
        plot = Plot(speed=settings.speed)
        loopback = providers.start(plot, settings.seed)
        stack.callback(loopback.stop)
        log = scratch / "service.log"
        service = stack.enter_context(
            _process(_command(settings), log, _environ(loopback.url, port, scratch, settings))
        )
        stage = Stage(Endpoint.parse(f"{settings.reached}:{port}"), plot, service, log)
        if settings.prometheus:
            stage = stack.enter_context(_with_prometheus(stage, scratch))
        _wait(stage)
        yield stage


def _scratch(stack: contextlib.ExitStack) -> Path:
    try:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="otel-llm-demo-")))
    except OSError as error:
        raise Problem(f"the demo needs a directory for its files ({error.strerror}): set TMPDIR to one") from None


def _require(settings: Settings) -> None:
    missing = [name for name in ("openai", "anthropic") if importlib.util.find_spec(name) is None]
    if missing:
        raise Problem(f"the demo drives the real clients: pip install {' '.join(missing)}")
    if settings.prometheus and shutil.which("prometheus") is None:
        raise Problem("--prometheus needs the prometheus binary on the PATH: install it, or leave the option out")


def free_port(wanted: int, host: str = HOST) -> int:
    """``wanted`` if it is free, any free one for 0. Raises Problem where it is taken, or the host is not here."""
    try:
        with socket.create_server((socket.gethostbyname(host), wanted)) as probe:
            port: int = probe.getsockname()[1]
    except OSError as error:
        why = str(error.strerror).partition(" (while")[0]
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise Problem(f"--host {host} cannot be listened on ({why}): give an address of this machine") from None
        raise Problem(f"port {wanted} of {host} cannot be used ({why}): choose another, as --port 0") from None
    return port


def instrumented() -> list[str]:
    """The words before a command that start it under ``opentelemetry-instrument``."""
    beside = Path(sys.executable).with_name("opentelemetry-instrument")
    return [str(beside)] if beside.exists() else [sys.executable, "-c", AUTO]


def _command(settings: Settings) -> list[str]:
    story = {"--parent": os.getpid(), "--speed": settings.speed, "--seed": settings.seed, "--rate": settings.rate}
    words = [word for name, value in story.items() for word in (name, str(value))]
    return [*instrumented(), sys.executable, "-m", "otel_llm.cli.scenario.service", *words]


def _environ(providers_url: str, port: int, scratch: Path, settings: Settings) -> dict[str, str]:
    cleared = dict.fromkeys(CLEARED)
    scale = settings.rate / 8 / settings.speed
    traces = {"OTEL_EXPORTER_OTLP_ENDPOINT": settings.otlp} if settings.otlp else {}
    return environment(
        **{**cleared, **traces},
        OPENAI_BASE_URL=f"{providers_url}/v1",
        OPENAI_API_KEY="demo",
        ANTHROPIC_BASE_URL=providers_url,
        ANTHROPIC_API_KEY="demo",
        OTEL_SERVICE_NAME="otel-llm-demo",
        OTEL_EXPORTER_PROMETHEUS_HOST=settings.host,
        OTEL_EXPORTER_PROMETHEUS_PORT=str(port),
        OTEL_LLM_METRIC_LABELS="tenant",
        OTEL_LLM_STATE_DIR=str(scratch / "state"),
        OTEL_LLM_WINDOW_SECONDS="300",
        OTEL_LLM_BUDGET_DAILY_USD=f"{DAILY_BUDGET * scale:.2f}",
        OTEL_LLM_BUDGET_MONTHLY_USD=f"{MONTHLY_BUDGET * scale:.2f}",
    )


@contextlib.contextmanager
def _process(command: list[str], log: Path, environ: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A child in a session of its own, so that Ctrl-C reaches us first; ended with us."""
    with log.open("wb") as out:
        child = subprocess.Popen(  # noqa: S603 - our own command
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=environ, start_new_session=True
        )
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _wait(stage: Stage) -> None:
    """Until /metrics answers and the first call has been made."""
    until = time.monotonic() + READY_SECONDS
    while trouble := _not_ready(stage):
        stage.check()
        if time.monotonic() > until:
            raise Problem(f"the demo's service does not begin: {trouble}")
        time.sleep(0.05)


def _not_ready(stage: Stage) -> str:
    if math.isinf(stage.plot.began):
        return "it makes no call"
    try:
        live.gather([stage.endpoint])
    except Problem as problem:
        return problem.format_message()
    return ""


@contextlib.contextmanager
def _with_prometheus(stage: Stage, scratch: Path) -> Iterator[Stage]:
    """A Prometheus that scrapes the service each second and holds the rules."""
    binary = shutil.which("prometheus") or "prometheus"
    rules = scratch / "rules"
    _write_rules(rules, stage.plot.speed)
    config = scratch / "prometheus.yml"
    config.write_text(_PROMETHEUS.format(rules=rules, target=stage.endpoint.name), "utf-8")
    listen = f"{HOST}:{free_port(0)}"
    command = [
        binary,
        f"--config.file={config}",
        f"--storage.tsdb.path={scratch / 'data'}",
        f"--web.listen-address={listen}",
    ]
    with _process(command, scratch / "prometheus.log"):
        yield Stage(stage.endpoint, stage.plot, stage.service, stage.log, f"http://{listen}")


_PROMETHEUS = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 2s}}
rule_files: ["{rules}/*.yml"]
scrape_configs:
  - job_name: otel-llm-demo
    static_configs: [{{targets: ["{target}"]}}]
"""


def _write_rules(directory: Path, speed: float) -> None:
    """The rules on a clock as fast as the story, so that alerts fire within a chapter."""
    directory.mkdir()
    for name, text in rule_files(Context(DEFAULT, RELEASED, Clock(HURRY * speed))).items():
        (directory / name).write_text(text, "utf-8")
