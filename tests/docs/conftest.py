"""What the pages' snippets and commands run against: a loopback for the providers, and a service of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs_pages import ROOT

from otel_llm.testing.loopback import Loopback

BIN = Path(sys.executable).parent


@pytest.fixture(scope="session")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a newcomer who has keys, and whose providers are all on this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    with Loopback() as server:
        yield {
            **kept,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(tmp_path_factory.mktemp("tmp")),
            "NO_PROXY": "127.0.0.1,localhost",
            "OPENAI_BASE_URL": f"{server.url}/v1",
            "OPENAI_API_KEY": "test-key",
            "ANTHROPIC_BASE_URL": server.url,
            "ANTHROPIC_API_KEY": "test-key",
            "OTEL_EXPORTER_PROMETHEUS_PORT": "0",
        }


APP = """
import runpy, sys, otel_llm.runtime
runpy.run_path("script.py")
with otel_llm.labels(tenant="acme"):
    runpy.run_path("script.py")
print("port", otel_llm.runtime.current().endpoint.port, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="session")
def service(surroundings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """``examples/script.py`` as the README starts it, still there; its environment, with the port that it serves."""
    home = tmp_path_factory.mktemp("service")
    (home / "script.py").write_text((ROOT / "examples" / "script.py").read_text())
    (home / "app.py").write_text(APP)
    around = {**surroundings, "OTEL_LLM_METRIC_LABELS": "tenant", "OTEL_LLM_BUDGET_DAILY_USD": "5"}
    with subprocess.Popen(
        ["opentelemetry-instrument", "python", "app.py"], cwd=home, env=around,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdin is not None
        port = next(line.split()[1] for line in process.stdout if line.startswith("port "))
        yield {**around, "OTEL_EXPORTER_PROMETHEUS_PORT": port}
        process.stdin.close()


@pytest.fixture(scope="session")
def page(service: dict[str, str]) -> str:
    """What the service shows."""
    with urllib.request.urlopen(f"http://localhost:{service['OTEL_EXPORTER_PROMETHEUS_PORT']}/metrics") as answer:
        return answer.read().decode()
