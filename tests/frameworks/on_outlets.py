"""One run of two model calls and a tool call, as a service's /metrics and as Prometheus 3, to which it pushes, have it.

``python tests/matrix.py runs-agents-outlets`` and its likes run it; Prometheus 3 is asked where it is the one on the PATH
(``tools/prometheus3.sh`` prints where it is).
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from otel_llm.testing.loopback import Loopback

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "ops"))

from prometheus_lab import Prometheus  # noqa: E402

MODULES = {
    "pydantic_ai": "pydantic_ai",
    "agent_framework": "agent_framework.openai",
    "strands": "strands.models.openai",
    "google_adk": "google.adk",
    "semantic_kernel": "semantic_kernel",
    "langchain": "langchain_openai",
    "agents": "agents",
    "crewai": "crewai",
    "llama_index": "llama_index.llms.openai",
    "smolagents": "smolagents",
}
"""The ten frameworks, and what each needs."""
RAISES = (
    "pydantic_ai",
    "google_adk",
    "langchain",
)  # what a tool raises; the others tell the model, which answers once more


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package above it
        return False


NAMES = [name for name, module in MODULES.items() if _installed(module)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ran(name: str, folder: Path, workers: int = 0, **environment: str) -> list[str]:
    """What /metrics of the service said, each time that it was asked."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "PROMETHEUS_"))}
    given = {
        **kept, "PYTHONPATH": os.pathsep.join([str(HERE.parent.parent), str(HERE), str(HERE.parent / "support")]),
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(free_port()), "OTEL_LLM_STATE_DIR": str(folder / "state"), "HOME": str(folder),
        **environment,
    }  # fmt: skip
    with Loopback() as server:
        command = [sys.executable, "-W", "ignore", str(HERE / "frameworks_process.py"), name, server.url, str(workers)]
        done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("METRICS\n")[1:]


def table(text: str) -> dict[str, float]:
    """Agent runs, inference calls, tool calls, failed tool calls, and tokens in and out."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            for key in keys(sample.name, sample.labels):
                found[key] = found.get(key, 0) + sample.value
    return found


METRICS = (
    "gen_ai_invoke_agent_duration_seconds_count", "gen_ai_invoke_agent_inference_calls_sum",
    "gen_ai_execute_tool_duration_seconds_count", "otel_llm_agent_tokens_total",
)  # fmt: skip


def keys(name: str, labels: Mapping[str, str]) -> list[str]:
    """The lines of the table that a sample is part of."""
    if name == "gen_ai_invoke_agent_duration_seconds_count" and labels["gen_ai_agent_name"] == "weather_agent":
        return ["runs"]
    if name == "gen_ai_invoke_agent_inference_calls_sum":
        return ["calls"]
    if name == "gen_ai_execute_tool_duration_seconds_count":
        return ["tools", "failed"] if labels.get("error_type") else ["tools"]
    if name == "otel_llm_agent_tokens_total":
        return [labels["gen_ai_token_type"]] if labels["gen_ai_agent_name"] == "weather_agent" else ["of nobody"]
    return []


ONE = {"runs": 1, "calls": 2, "tools": 1, "input": 200, "output": 40}


def with_a_failure(name: str) -> dict[str, float]:
    """The table after a second run, whose tool fails."""
    calls = 3 if name in RAISES else 4
    return {"runs": 2, "calls": calls, "tools": 2, "failed": 1, "input": 100 * calls, "output": 20 * calls}


@pytest.mark.parametrize("name", NAMES)
def test_the_metrics_of_a_service(name: str, tmp_path: Path) -> None:
    first, second = ran(name, tmp_path)
    assert table(first) == ONE
    assert table(second) == with_a_failure(name)


@pytest.mark.parametrize("name", NAMES)
def test_four_workers_that_watch_no_client_and_drop_all_spans(name: str, tmp_path: Path) -> None:
    (text,) = ran(name, tmp_path, 4, UNPATCHED="1", OTEL_TRACES_SAMPLER="always_off")
    assert table(text) == {key: 4 * value for key, value in ONE.items()}


def version() -> str:
    """The version of the Prometheus on the PATH."""
    if shutil.which("prometheus") is None:
        return ""
    return subprocess.run(["prometheus", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]


@pytest.mark.skipif(not version().startswith("3."), reason="Prometheus 3 is not on the PATH")
@pytest.mark.parametrize("name", NAMES)
def test_prometheus_3(name: str, tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    prometheus = Prometheus(tmp_path / "server", options=("--web.enable-otlp-receiver",))
    with prometheus.running():
        url = f"{prometheus.url}/api/v1/otlp/v1/metrics"
        ran(name, tmp_path, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=url, OTEL_SERVICE_NAME="shop")
        prometheus.end = time.time()
        found: dict[str, float] = {}
        for metric in METRICS:
            for series in prometheus.instant(metric):
                for key in keys(metric, series["metric"]):
                    found[key] = found.get(key, 0) + float(series["value"][1])
    assert found == with_a_failure(name)
