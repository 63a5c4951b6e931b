"""Real senders against a provider and a gateway of this machine: ``make gateway-senders``, some minutes the first time.

Each language's packages go into a cache outside of the clone (``OTEL_LLM_SENDERS``). A language that is not on the machine is skipped.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from gateway_process import Process, free_port  # noqa: E402 - found there
from provider import Provider  # noqa: E402 - likewise

CACHE = Path(os.environ.get("OTEL_LLM_SENDERS", Path.home() / ".cache" / "otel-llm-senders"))
PYTHON = ("openai", "anthropic", "opentelemetry-exporter-otlp-proto-http")
INPUT = "gen_ai_client_inference_usage_input_tokens_total"
OUTPUT = "gen_ai_client_inference_usage_output_tokens_total"
READ = "gen_ai_client_inference_usage_cache_read_input_tokens_total"


class Sender(NamedTuple):
    """How a sender is installed and started, and what its calls came to: calls that were answered, and cached tokens it tells."""

    needs: str
    install: tuple[tuple[str, ...], ...]
    run: tuple[str, ...]
    answered: int
    cached: int
    environment: dict[str, str] = {}  # noqa: RUF012 - never changed
    error: str = "rate_limit"
    requests: int = 0  # of the refused model, where it is asked again


NPM = (("npm", "install", "--no-audit", "--no-fund"),)
GO = (("go", "mod", "tidy"), ("go", "build", "-o", "sender", "."))
MAVEN = (("mvn", "-q", "-B", "compile", "dependency:build-classpath", "-Dmdep.outputFile=classpath"),)


def python(name: str, *packages: str) -> Sender:
    environment = f"venv-{name}"
    install = (
        (sys.executable, "-m", "venv", environment),
        (f"{environment}/bin/pip", "install", "-q", *PYTHON, *packages),
    )
    return Sender("python3", install, (f"{environment}/bin/python", "python_sender.py", name), 10, 6 * 100 + 3 * 60)


SENDERS = {
    "node, protobuf": Sender("npm", NPM, ("node", "openai.js"), 7, 0, {"OTLP_FORM": "proto"}),
    "node, json": Sender("npm", NPM, ("node", "openai.js"), 7, 0, {"OTLP_FORM": "http"}),
    "vercel": Sender("npm", NPM, ("node", "vercel.js"), 3, 300, requests=2),
    "go, http": Sender("go", GO, ("./sender",), 5, 500, {"OTLP_FORM": "http"}),
    "go, grpc": Sender("go", GO, ("./sender",), 5, 500, {"OTLP_FORM": "grpc"}),
    "openinference": python(
        "openinference", "openinference-instrumentation-openai", "openinference-instrumentation-anthropic"
    ),
    "openllmetry": python(
        "openllmetry", "opentelemetry-instrumentation-openai", "opentelemetry-instrumentation-anthropic"
    ),
    "java": Sender("mvn", MAVEN, ("sh", "-c", "java -cp target/classes:$(cat classpath) Sender"), 5, 0),
}
FOLDERS = {"npm": HERE, "go": HERE / "go", "mvn": HERE / "java", "python3": HERE}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[tuple[Process, int]]:
    rpc = free_port()
    made = Process(tmp_path, "--grpc", f"127.0.0.1:{rpc}", settle="1")
    yield made, rpc
    made.end()


@pytest.mark.parametrize("name", SENDERS)
def test_what_a_sender_reports_is_what_the_provider_served(name: str, gateway: tuple[Process, int]) -> None:
    sender = SENDERS[name]
    if shutil.which(sender.needs) is None:
        pytest.skip(f"{sender.needs} is not on this machine")
    folder = CACHE / sender.needs
    shutil.copytree(FOLDERS[sender.needs], folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for command in sender.install:
        if not (command[-1].startswith("venv-") and (folder / command[-1]).exists()):
            subprocess.run(command, cwd=folder, check=True, timeout=900, stdout=sys.stderr)
    process, rpc = gateway
    provider = Provider()
    endpoint = f"http://127.0.0.1:{rpc}" if sender.environment.get("OTLP_FORM") == "grpc" else process.url
    told = {
        **os.environ, "PROVIDER": provider.url, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_SERVICE_NAME": "sender",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none", **sender.environment,
    }  # fmt: skip
    done = subprocess.run(sender.run, cwd=folder, env=told, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    provider.close()
    assert process.end() == 0  # what is held is counted first
    process.start()
    page = process.scrape()

    def total(metric: str, *where: str) -> float:
        lines = re.findall(rf"^{metric}\{{(.*)\}} (\S+)$", page, re.MULTILINE)
        return sum(
            float(value) for labels, value in lines if all(one in labels for one in ('service_name="sender"', *where))
        )

    answered = sum(number for model, number in provider.served.items() if not model.endswith("refused"))
    embedded = provider.served["text-embedding-3-small"]
    assert total("otel_llm_calls_total", 'outcome="ok"') == answered == sender.answered
    assert total("otel_llm_calls_total", 'outcome="failed"', f'error_type="{sender.error}"') == 1
    assert provider.served["gpt-4o-refused"] == (sender.requests or 1)
    assert total("otel_llm_retries_total") == max(sender.requests - 1, 0)
    assert (total(INPUT), total(OUTPUT), total(READ)) == (120 * answered, 30 * (answered - embedded), sender.cached)
    assert total("otel_llm_unpriced_requests_total") == 0
    assert total("otel_llm_cost_usd_total") > 0
