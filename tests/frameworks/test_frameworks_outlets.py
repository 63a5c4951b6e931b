"""Runs of two model calls and a tool call, as a service's /metrics has them; and as Prometheus 3 has them, to which it pushes.

Prometheus 3 is asked where it is the one on the PATH, as in ``make prometheus3``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from frameworks_common import free_port, installed
from frameworks_handover import ALL as HANDOVERS
from frameworks_runs import FIRST
from prometheus_client.parser import text_string_to_metric_families

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "ops"))

from prometheus_lab import Prometheus  # noqa: E402

NAMES = list(installed(FIRST))
HANDED_OVER = {run.__name__: calls for run, (calls, _) in HANDOVERS.items()}
RAISES = ("pydantic_ai", "google_adk", "langchain")
"""What a tool raises there, the run raises; the others tell the model, which answers once more."""
METRICS = (
    "gen_ai_invoke_agent_duration_seconds_count", "gen_ai_invoke_agent_inference_calls_sum",
    "gen_ai_execute_tool_duration_seconds_count", "otel_llm_agent_tokens_total",
)  # fmt: skip
ME = "weather_agent"
Table = Counter[tuple[str, str]]


def keys(name: str, labels: Mapping[str, str]) -> list[str]:
    """The lines of the table that a sample is part of."""
    error = labels.get("error_type")
    if name == "gen_ai_invoke_agent_duration_seconds_count":
        return ["runs", "cancelled"] if error == "cancelled" else ["runs"]
    if name == "gen_ai_execute_tool_duration_seconds_count":
        return ["tools", "failed"] if error else ["tools"]
    if name == "otel_llm_agent_tokens_total":
        return [labels["gen_ai_token_type"]]
    return ["calls"]


def add(table: Table, name: str, labels: Mapping[str, str], value: float) -> None:
    for key in keys(name, labels):
        table[key, labels["gen_ai_agent_name"]] += int(value)


def scraped(text: str) -> Table:
    """What /metrics says of agents."""
    table: Table = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in METRICS:
                add(table, sample.name, sample.labels, sample.value)
    return table


def one(agent: str, calls: int, tools: int, **more: int) -> Table:
    """A run of an agent, each of whose calls takes 100 tokens and gives 20."""
    counts = {"runs": 1, "calls": calls, "tools": tools, "input": 100 * calls, "output": 20 * calls, **more}
    return Counter({(key, agent): value for key, value in counts.items()})


def expected(name: str, way: str) -> Table:
    """What a way of running adds to the table."""
    if way == "failing":
        return one(ME, 1 if name in RAISES else 2, 1, failed=1)
    if way == "cancelled":  # before its only call is answered
        return one(ME, 1, 0, cancelled=1, input=0, output=0)
    if way == "handed over":
        return one("desk", *HANDED_OVER[name]) + one("specialist", 2, 1)
    return one(ME, 2, 1)


def ran(name: str, workers: int, folder: Path, **environment: str) -> list[tuple[str, Table]]:
    """Each way in which the service ran its agent, and what /metrics said after it."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "PROMETHEUS_"))}
    given = {
        **kept, "PYTHONPATH": os.pathsep.join(map(str, (HERE.parents[1], HERE, HERE.parent / "support"))), "HOME": str(folder),
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(free_port()), "OTEL_LLM_STATE_DIR": str(folder / "state"), **environment,
    }  # fmt: skip
    file = folder / "recorded"
    command = [sys.executable, "-W", "ignore", str(HERE / "frameworks_process.py"), name, str(workers), str(file)]
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return [(way, scraped(text)) for way, text in lines]


def is_3() -> bool:
    """Whether the Prometheus on the PATH takes what services push to it, as from version 3 on without a feature flag."""
    if shutil.which("prometheus") is None:
        return False
    options = subprocess.run(["prometheus", "--help"], capture_output=True, text=True, check=False)
    return "--web.enable-otlp-receiver" in options.stdout + options.stderr


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus | None]:
    if not is_3():
        yield None
        return
    server = Prometheus(tmp_path_factory.mktemp("prometheus"), options=("--web.enable-otlp-receiver",))
    with server.running():
        yield server


def endpoint(prometheus: Prometheus | None, service: str) -> dict[str, str]:
    """The environment in which a service pushes its metrics."""
    if prometheus is None:
        return {}
    url = f"{prometheus.url}/api/v1/otlp/v1/metrics"
    return {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": url, "OTEL_SERVICE_NAME": service}


def pushed(prometheus: Prometheus, service: str) -> Table:
    """What Prometheus has of a service."""
    prometheus.end = time.time()
    table: Table = Counter()
    for metric in METRICS:
        for series in prometheus.instant(f'{metric}{{job="{service}"}}'):
            add(table, metric, series["metric"], float(series["value"][1]))
    return table


@pytest.mark.parametrize("name", NAMES)
def test_every_way_of_running(name: str, tmp_path: Path, prometheus: Prometheus | None) -> None:
    answers: Any = ran(name, 0, tmp_path, **endpoint(prometheus, name))
    table: Table = Counter()
    for way, text in answers:
        table += expected(name, way)
        assert (way, text) == (way, table)
    assert [way for way, _ in answers if way != "cancelled"] == ["whole", "failing", "streamed", "handed over"]
    if prometheus is not None:
        assert pushed(prometheus, name) == table


@pytest.mark.parametrize("name", NAMES)
def test_four_workers_that_watch_no_client_and_drop_all_spans(
    name: str, tmp_path: Path, prometheus: Prometheus | None
) -> None:
    off = {"UNPATCHED": "1", "OTEL_TRACES_SAMPLER": "always_off"}
    answers = ran(name, 4, tmp_path, **off, **endpoint(prometheus, f"{name}-workers"))
    table: Table = Counter({key: 4 * value for key, value in one(ME, 2, 1).items()})
    assert answers == [("workers", table)]
    if prometheus is not None:
        assert pushed(prometheus, f"{name}-workers") == table
