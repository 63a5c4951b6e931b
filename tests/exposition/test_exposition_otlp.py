"""OTLP as the docs have it: with HTTP or gRPC or both or none installed, spans and metrics leave as far as they can."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from otel_llm.runtime import exporters

PROGRAM = """
import sys
from importlib import metadata
from otel_llm.runtime import exporters
hidden, extra = sys.argv[1].split(","), sys.argv[2].split(",")
find = exporters.entry_points
class Grpc:
    name = "otlp_proto_grpc"
    def __init__(self, signal): self.signal = signal
    def load(self):
        print("grpc", self.signal, flush=True)
        raise ImportError("no grpc here")
def entry_points(group):
    signal = group.split("_")[1]
    found = [one for one in find(group=group) if one.name not in hidden]
    return [*found, *([Grpc(signal)] if "grpc" in extra else [])]
exporters.entry_points = entry_points
if "private" in extra:
    from opentelemetry.sdk import _configuration
    del _configuration._initialize_components
from otel_llm.core.config import Config
exporters.set_up(Config.from_env())
from opentelemetry import metrics, trace
with trace.get_tracer("host").start_as_current_span("span"): pass
metrics.get_meter("host").create_counter("things").add(1)
for provider in (trace.get_tracer_provider(), metrics.get_meter_provider()):
    if hasattr(provider, "shutdown"): provider.shutdown()
"""


@pytest.fixture
def collector() -> Iterator[tuple[str, list[str]]]:
    """Where OTLP goes, and the paths that something came to."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", paths
    server.shutdown()
    server.server_close()


def run(endpoint: str, hidden: str = "", extra: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    given = {
        **inherited,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        **environment,
    }
    command = [sys.executable, "-c", PROGRAM, hidden, extra]
    return subprocess.run(command, env=given, capture_output=True, text=True, timeout=60, check=True)


BOTH = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "otlp"}


def test_with_http_installed_spans_and_metrics_are_sent_once(collector: tuple[str, list[str]]) -> None:
    endpoint, paths = collector
    done = run(endpoint, **BOTH)
    assert sorted(paths) == ["/v1/metrics", "/v1/traces"]
    assert done.stderr == ""


def test_one_that_is_not_installed_costs_itself_only(collector: tuple[str, list[str]]) -> None:
    endpoint, paths = collector
    done = run(endpoint, OTEL_TRACES_EXPORTER="zipkin,otlp", OTEL_METRICS_EXPORTER="otlp")
    assert sorted(paths) == ["/v1/metrics", "/v1/traces"]
    assert "OTEL_TRACES_EXPORTER: no exporter 'zipkin' is installed" in done.stderr


def test_without_any_the_remedy_is_named_and_the_program_runs(collector: tuple[str, list[str]]) -> None:
    endpoint, paths = collector
    done = run(endpoint, hidden="otlp_proto_http", **BOTH)
    assert paths == []
    assert done.stderr.count("pip install 'otel-llm[otlp]'") == 2


def test_the_protocol_that_is_asked_for_is_not_replaced_by_another(collector: tuple[str, list[str]]) -> None:
    endpoint, paths = collector
    done = run(endpoint, OTEL_EXPORTER_OTLP_PROTOCOL="grpc", **BOTH)
    assert paths == []
    assert done.stderr.count("pip install opentelemetry-exporter-otlp-proto-grpc") == 2


def test_grpc_comes_first_where_both_are_installed(collector: tuple[str, list[str]]) -> None:
    endpoint, paths = collector
    done = run(endpoint, extra="grpc,private", **BOTH)
    assert (paths, done.stdout.split()) == ([], ["grpc", "traces", "grpc", "metrics"])


def test_an_endpoint_of_http_is_asked_by_http_where_both_are_installed(collector: tuple[str, list[str]]) -> None:
    endpoint, paths = collector
    done = run(endpoint, extra="grpc,private", OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=f"{endpoint}/v1/metrics", **BOTH)
    assert (paths, done.stdout.split()) == (["/v1/metrics"], ["grpc", "traces"])


def test_each_signal_has_its_own_protocol(collector: tuple[str, list[str]]) -> None:
    endpoint, paths = collector
    done = run(endpoint, extra="grpc,private", OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="http/protobuf", **BOTH)
    assert (paths, done.stdout.split()) == (["/v1/traces"], ["grpc", "metrics"])


@pytest.mark.parametrize(
    ("endpoint", "speaks"),
    [
        ("http://collector:4318", True),
        ("https://backend.example/otlp", True),
        ("http://collector:4317/", False),
        ("collector:4317", False),
        ("http://[::1]:port", False),
        ("", False),
    ],
)
def test_what_speaks_http(endpoint: str, speaks: bool) -> None:
    assert exporters._speaks_http(endpoint) is speaks


def test_an_sdk_without_the_private_set_up_is_set_up_by_its_public_names(collector: tuple[str, list[str]]) -> None:
    endpoint, paths = collector
    done = run(endpoint, extra="private", OTEL_LOGS_EXPORTER="otlp", **BOTH)
    assert sorted(paths) == ["/v1/metrics", "/v1/traces"]
    assert "AttributeError" in done.stderr
