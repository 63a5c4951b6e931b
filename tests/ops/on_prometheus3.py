"""What only Prometheus 3 has: metrics that services push to it. Run by ``make prometheus3``, which puts its programs on the path."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import scripted_run
import yaml
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from prometheus_lab import Prometheus, filled_in, free_port

from otel_llm.cluster.text import render
from otel_llm.core.model import Observation
from otel_llm.core.objectives import DEFAULT
from otel_llm.exposition.server import serve
from otel_llm.ops.boards import boards
from otel_llm.ops.boards.queries import Queries
from otel_llm.ops.dashboards import asked
from otel_llm.ops.otlp import renamed
from otel_llm.ops.prometheus import rule_files
from otel_llm.ops.promql import RELEASED, Clock
from otel_llm.ops.rules import Context

SERVICE = """
import sys
import openai
from opentelemetry import metrics
from otel_llm.testing.loopback import Loopback

# another package that follows the conventions, and counts the same calls: 90 seconds each, it says
other = metrics.get_meter("other.instrumentation")
durations = other.create_histogram("gen_ai.client.operation.duration", unit="s")
tokens = other.create_histogram("gen_ai.client.token.usage", unit="{token}")
labels = {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5-mini", "gen_ai.operation.name": "chat"}
with Loopback() as server:
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="test-key", max_retries=0)
    for line in sys.stdin:  # a line is ten calls
        for _ in range(10):
            client.chat.completions.create(model="gpt-5-mini", messages=[{"role": "user", "content": "Where is it?"}])
            durations.record(90, labels)
            tokens.record(1e6, {**labels, "gen_ai.token.type": "output"})
"""
INGESTED = "--enable-feature=created-timestamp-zero-ingestion"
OTHER = 'otel_scope_name="other.instrumentation"'


@pytest.fixture
def pushed(tmp_path: Path) -> Iterator[tuple[Prometheus, Any]]:
    """A Prometheus that takes OTLP (only version 3 has the flag), with rules sixty times as fast, and a service that pushes."""
    for name, text in rule_files(Context(DEFAULT, RELEASED, Clock(60))).items():
        (tmp_path / name).write_text(renamed(text), encoding="utf-8")
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [f"{tmp_path}/*.yml"],
        "otlp": {"promote_scope_metadata": True},
    }
    (tmp_path / "server").mkdir()
    prometheus = Prometheus(tmp_path / "server", yaml.safe_dump(config), options=("--web.enable-otlp-receiver",))
    environ = {
        **os.environ, "OTEL_SERVICE_NAME": "checkout", "OTEL_METRICS_EXPORTER": "otlp", "OTEL_TRACES_EXPORTER": "none",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{prometheus.url}/api/v1/otlp/v1/metrics", "OTEL_METRIC_EXPORT_INTERVAL": "500",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_LLM_STATE_DIR": str(tmp_path / "state"),
        "OTEL_EXPORTER_PROMETHEUS_PORT": "0",
    }  # fmt: skip
    with prometheus.running():
        command = [str(Path(sys.executable).parent / "opentelemetry-instrument"), sys.executable, "-c", SERVICE]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, env=environ)
        try:
            yield prometheus, process.stdin
        finally:
            if process.stdin:
                process.stdin.close()
            process.terminate()  # it may still have many lines to read
            process.wait(30)


def test_pushed_calls_reach_rules_and_boards(pushed: tuple[Prometheus, Any]) -> None:
    prometheus, service = pushed

    def calls(expr: str) -> list[Any]:
        service.write("x\n")
        service.flush()
        prometheus.end = time.time()
        return prometheus.instant(expr)

    prometheus.until(lambda: calls('otel_llm_calls_total{job="checkout"}'), "calls", 180)
    prometheus.until(
        lambda: calls('provider_model:otel_llm_duration_seconds:quantile5m{job="checkout"} > 0'), "a recorded quantile"
    )
    (rate,) = prometheus.instant('provider_model:otel_llm_calls:rate5m{job="checkout"}')
    assert rate["metric"]["gen_ai_request_model"] == "gpt-5-mini"
    assert float(rate["value"][1]) > 0
    waiting = {
        "otel-llm-overview": {"slow", "failing", "traffic", "slowest"},
        "otel-llm-latency": {"p50", "p95", "p99", "slowest", "percentiles", "heatmap", "p95_by_model", "compare"},
        "otel-llm-tokens": {
            "in",
            "out",
            "amounts",
            "input_by_model",
            "output_by_model",
            "mean_length",
            "length_heatmap",
        },
        "otel-llm-cost": {"by_model", "per_request"},
        "otel-llm-reliability": {"error_rate", "by_model", "by_provider"},
    }
    for board in boards(asked(None), DEFAULT):
        for panel in board.panels():
            if panel.key in waiting.get(board.uid, ()):
                exprs = [
                    renamed(filled_in(query.expr))
                    for query in panel.queries
                    if " @ 0" not in query.expr and "offset" not in query.expr
                ]
                prometheus.until(
                    lambda exprs=exprs: any(calls(expr) for expr in exprs), f"{board.uid} {panel.key}: {exprs}", 20
                )


def test_what_another_package_pushes_of_the_same_calls_is_not_counted(pushed: tuple[Prometheus, Any]) -> None:
    prometheus, service = pushed
    durations = "gen_ai_client_operation_duration_seconds"

    def asked_of(expr: str) -> list[Any]:
        service.write("x\n")
        service.flush()
        prometheus.end = time.time()
        return prometheus.instant(expr)

    prometheus.until(
        lambda: asked_of(f'rate({durations}_count{{job="checkout", {OTHER}}}[5s]) > 0'), "the other's histogram", 180
    )
    prometheus.until(
        lambda: asked_of('count_over_time(provider_model:otel_llm_ok_calls:rate5m{job="checkout"}[10s]) > 5'), "records"
    )

    def most(expr: str) -> float:
        (one,) = asked_of(f"max_over_time(({expr})[10s:1s])")
        return float(one["value"][1])

    assert most('provider_model:otel_llm_duration_seconds:quantile5m{job="checkout", quantile="0.95"}') < 5
    assert most('provider_model:otel_llm_output_tokens:mean5m{job="checkout"}') < 10_000
    calls, answered = "provider_model:otel_llm_calls:rate5m", "provider_model:otel_llm_ok_calls:rate5m"
    assert (
        most(f'sum_over_time({answered}{{job="checkout"}}[10s]) / sum_over_time({calls}{{job="checkout"}}[10s])') < 1.5
    )
    p95 = Queries(RELEASED).quantile(0.95, "duration", ("job",), error_type="")
    assert most(renamed(filled_in(p95, __rate_interval="5s", job="checkout"))) < 5


def test_a_service_with_another_package_alone_is_judged_by_it(pushed: tuple[Prometheus, Any]) -> None:
    prometheus, _ = pushed
    exporter = OTLPMetricExporter(f"{prometheus.url}/api/v1/otlp/v1/metrics")
    reader = PeriodicExportingMetricReader(exporter, 500)
    provider = MeterProvider([reader], Resource({"service.name": "elsewhere"}))
    histogram = provider.get_meter("other.instrumentation").create_histogram(
        "gen_ai.client.operation.duration", unit="s"
    )

    def recorded_value(expr: str) -> list[Any]:
        histogram.record(7, {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5-mini"})
        prometheus.end = time.time()
        return prometheus.instant(expr)

    p95 = 'provider_model:otel_llm_duration_seconds:quantile5m{job="elsewhere", quantile="0.95"} > 5'
    prometheus.until(lambda: recorded_value(p95), "the other's quantile")
    assert recorded_value('provider_model:otel_llm_calls:rate5m{job="elsewhere"} > 0')
    provider.shutdown()


@pytest.mark.parametrize("options", [(), (INGESTED,)], ids=["as they are", "with their times of creation"])
def test_what_fails_in_a_fresh_pod_before_its_first_scrape_counts(tmp_path: Path, options: tuple[str, ...]) -> None:
    for name, text in rule_files(Context(DEFAULT, RELEASED, Clock(60))).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    port = free_port()
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [f"{tmp_path}/*.yml"],
        "scrape_configs": [{"job_name": "shop", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}],
    }
    (tmp_path / "server").mkdir()
    prometheus = Prometheus(tmp_path / "server", yaml.safe_dump(config), options=options)

    def recorded_value(expr: str) -> list[Any]:
        prometheus.end = time.time()
        return prometheus.instant(expr)

    with prometheus.running():
        prometheus.until(lambda: recorded_value('up{job="shop"} == 0'), "a scrape without an answer")
        server = serve(scripted_run.config(host="127.0.0.1", port=port), _thirty_failures())
        try:
            failed = 'max_over_time(provider_model:otel_llm_failed_calls:rate5m{job="shop"}[1m]) > 0'
            prometheus.until(lambda: recorded_value(failed), "failures")
            (found,) = recorded_value(failed)
        finally:
            server.close()
    assert float(found["value"][1]) * 5 == 30  # a second of this clock is a minute


def _thirty_failures() -> Callable[[str], tuple[str, bytes]]:
    """What a process shows that has just begun, and whose first calls have all failed."""
    store = scripted_run.store()
    for _ in range(30):
        store.apply(
            Observation(time.time(), "openai", "gpt-5-mini", "chat", "", "", "authentication", 0.1, labels=("",))
        )

    def scrape(_: str) -> tuple[str, bytes]:
        body = render(store.views(time.time()), store.lock, openmetrics=True)
        return "application/openmetrics-text; version=1.0.0; charset=utf-8", body + b"# EOF\n"

    return scrape
