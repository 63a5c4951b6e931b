"""A real Prometheus scrapes us, through TLS and with a password, and then knows exactly what was sent."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from prometheus_client import CollectorRegistry, Counter

from otel_llm.aggregate import Store
from otel_llm.cluster.families import StoreFamilies
from otel_llm.core.catalogue import BY_NAME
from otel_llm.core.config import Config
from otel_llm.core.described import described
from otel_llm.core.model import Observation
from otel_llm.exposition.collector import Collector
from otel_llm.exposition.server import serve

CONFIG = """
scrape_configs:
  - job_name: service
    scheme: https
    scrape_interval: 250ms
    scrape_timeout: 250ms
    basic_auth: {{username: prom, password: letmein}}
    tls_config: {{ca_file: {folder}/ca.pem, server_name: localhost}}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
MODELS = ("gpt-5", 'odd "model"\\', "claude-5")


def calls() -> Iterator[Observation]:
    for number in range(300):
        yield Observation(
            at=time.time(), provider="openai", request_model=MODELS[number % 3], operation="chat", response_model="", server_address="",
            error_type="" if number % 10 else "rate_limit", duration=number / 100, labels=("acme",), input_tokens=number,
            output_tokens=2 * number, cost=number / 1024, cost_source="prices", trace_id=f"{number:032x}", span_id="b" * 16,
        )  # fmt: skip


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prometheus")
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "users").write_text("prom:letmein\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def query(secrets: Path) -> Iterator[Callable[..., Any]]:
    """How to ask a Prometheus that has scraped all of ``calls``."""
    config = Config(
        host="127.0.0.1", port=0, tls_cert=str(secrets / "cert.pem"), tls_key=str(secrets / "key.pem"),
        basic_auth_file=str(secrets / "users"), metric_labels=("tenant",),
    )  # fmt: skip
    store = Store(config)
    for call in calls():
        store.apply(call)
    registry = CollectorRegistry()
    Counter("host_requests", "of the host", registry=registry).inc(5)
    server = serve(config, Collector(config, StoreFamilies(store), registry).render)
    (secrets / "prometheus.yml").write_text(CONFIG.format(folder=secrets, port=server.port), encoding="utf-8")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{found.getsockname()[1]}"
    with (secrets / "log").open("w") as log:
        process = subprocess.Popen(command(secrets, address), stderr=log)

    def ask(path: str, **parameters: str) -> Any:
        with urllib.request.urlopen(
            f"http://{address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=5
        ) as answer:
            return json.load(answer)["data"]

    try:
        wait_for(lambda: ask("query", query='up{job="service"} == 1')["result"], secrets / "log")
        yield ask
    finally:
        process.terminate()
        process.wait(30)
        server.close()


def command(folder: Path, address: str) -> list[str]:
    program = shutil.which("prometheus")
    if program is None:
        raise RuntimeError("prometheus is needed here: apt-get install prometheus")
    return [program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data", f"--web.listen-address={address}",
            "--enable-feature=exemplar-storage", "--log.level=warn"]  # fmt: skip


def wait_for(happened: Callable[[], object], log: Path) -> None:
    last = time.monotonic() + 60
    while time.monotonic() < last:
        with suppress(OSError):
            if happened():
                return
        time.sleep(0.05)  # another program's time, not ours
    raise RuntimeError(f"Prometheus has not scraped us: {log.read_text(encoding='utf-8')}")


def vector(answer: Any, label: str) -> dict[str, float]:
    return {entry["metric"].get(label, ""): float(entry["value"][1]) for entry in answer["result"]}


def test_counters_and_histograms_are_what_was_sent(query) -> None:
    sent = list(calls())
    by_model = vector(
        query("query", query="sum by (gen_ai_request_model) (gen_ai_client_operation_duration_seconds_count)"),
        "gen_ai_request_model",
    )
    assert by_model == dict.fromkeys(MODELS, 100)
    errors = vector(
        query("query", query="sum by (error_type) (gen_ai_client_operation_duration_seconds_count)"), "error_type"
    )
    assert errors == {"": 270, "rate_limit": 30}
    for name, field in (("input_tokens", "input_tokens"), ("output_tokens", "output_tokens")):
        tokens = query("query", query=f"sum(gen_ai_client_inference_usage_{name}_total)")
        assert vector(tokens, "") == {"": sum(getattr(call, field) for call in sent)}
    cost = vector(query("query", query='sum by (tenant) (otel_llm_cost_usd_total{cost_source="prices"})'), "tenant")
    assert cost == {"acme": pytest.approx(sum(call.cost or 0 for call in sent))}


@pytest.mark.parametrize("bound", [0.64, 2.56])
def test_every_bucket_is_what_was_sent(query, bound: float) -> None:
    found = query("query", query=f'sum(gen_ai_client_operation_duration_seconds_bucket{{le="{bound}"}})')
    assert vector(found, "") == {"": sum(call.duration <= bound for call in calls())}


def test_exemplars_lead_to_traces(query) -> None:
    found = query(
        "query_exemplars",
        query="gen_ai_client_operation_duration_seconds_bucket",
        start=str(time.time() - 600),
        end=str(time.time()),
    )
    sent = {call.trace_id: call.duration for call in calls()}
    told = {entry["labels"]["trace_id"]: float(entry["value"]) for series in found for entry in series["exemplars"]}
    assert len(told) > 10
    assert told.items() <= sent.items()


def test_types_and_help_arrive(query) -> None:
    told = query("metadata")
    assert told["gen_ai_client_operation_duration_seconds"][0]["type"] == "histogram"
    assert told["otel_llm_cost_usd"][0] == {
        "type": "counter",
        "help": described(BY_NAME["otel_llm_cost_usd_total"]),
        "unit": "",
    }


def test_the_hosts_metrics_come_along(query) -> None:
    assert vector(query("query", query="host_requests_total"), "") == {"": 5}
