"""Starting: under opentelemetry-instrument with no configuration, from code, switched off, beside others."""

from __future__ import annotations

import socket
from typing import Any

import pytest

CALL = """
import os, openai, urllib.request
from prometheus_client import REGISTRY, generate_latest
client = openai.OpenAI(base_url=os.environ["URL"] + "/v1", api_key="test-key")
for _ in range(3):
    client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
"""
SHOW = """
print("\\n".join(line for line in generate_latest(REGISTRY).decode().splitlines() if line.startswith(("gen_ai", "otel_llm"))))
"""
COUNT = "gen_ai_client_operation_duration_seconds_count{"


def counted(printed: str) -> float:
    return sum(float(line.rsplit(" ", 1)[1]) for line in printed.splitlines() if line.startswith(COUNT))


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_with_no_configuration(run: Any) -> None:
    done = run(CALL + SHOW)
    assert counted(done.stdout) == 3
    assert 'otel_llm_build_info{version="' in done.stdout
    assert 'otel_llm_instrumented{library="openai"' in done.stdout
    assert done.stderr == ""  # nothing to connect to, nothing to complain of


def test_metrics_are_served_on_the_port(run: Any) -> None:
    port = free_port()
    read = f'print(urllib.request.urlopen("http://localhost:{port}/metrics").read().decode())'
    done = run(CALL + read, OTEL_EXPORTER_PROMETHEUS_PORT=port)
    assert counted(done.stdout) == 3
    assert "python_info" in done.stdout  # what the host has in its registry is there too


TOLD = """
import logging, sys, threading
told = threading.Event()
class Ear(logging.StreamHandler):
    def emit(self, record):
        super().emit(record)
        told.set()
logging.getLogger("otel_llm").addHandler(Ear(sys.stderr))
"""
WARNED = """
from otel_llm import runtime
assert runtime.current().member.warn._logged or told.wait(30)  # on a busy machine it was told before anybody could hear it
"""


def test_a_taken_port_is_a_warning_and_no_failure(run: Any) -> None:
    """It is told a second later: until then it may be our own last start that is still leaving."""
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = str(stranger.getsockname()[1])
        done = run(TOLD + CALL + SHOW + WARNED, OTEL_EXPORTER_PROMETHEUS_PORT=port)
    assert counted(done.stdout) == 3
    assert done.stderr.count(port) == 1
    assert "OTEL_EXPORTER_PROMETHEUS_PORT" in done.stderr


def test_from_code(run: Any) -> None:
    done = run("import otel_llm\notel_llm.instrument()\n" + CALL + SHOW + "otel_llm.uninstrument()", bare=True)
    assert counted(done.stdout) == 3


def test_libraries_imported_before(run: Any) -> None:
    done = run("import openai, otel_llm\notel_llm.instrument('openai')\n" + CALL + SHOW, bare=True)
    assert counted(done.stdout) == 3


def test_an_unknown_library_is_refused() -> None:
    import otel_llm

    with pytest.raises(ValueError, match="no client library is called 'opneai'; there are openai"):
        otel_llm.instrument("opneai")


def test_switched_off(run: Any) -> None:
    assert counted(run(CALL + SHOW, OTEL_SDK_DISABLED="true").stdout) == 0
    for name in ("otel_llm_openai", "otel_llm"):
        assert counted(run(CALL + SHOW, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=name).stdout) == 0
    assert counted(run(CALL + SHOW, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="otel_llm_groq").stdout) == 3


def test_spans_go_where_the_environment_says(run: Any) -> None:
    done = run(CALL + SHOW, OTEL_TRACES_EXPORTER="console")
    assert done.stdout.count('"name": "chat gpt-4o"') == 3
    assert '"gen_ai.usage.input_tokens": 100' in done.stdout


def test_spans_go_to_otlp_where_an_endpoint_is_set(run: Any, server: Any) -> None:
    done = run(CALL, OTEL_EXPORTER_OTLP_ENDPOINT=server.url, OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf")
    assert any(request.path.endswith("/v1/traces") for request in server.requests), done.stderr


def test_bad_settings_are_told_and_replaced(run: Any) -> None:
    done = run(CALL + SHOW, OTEL_LLM_SEMCONV="new", OTEL_LLM_WINDOW_SECOND="10", OTEL_LLM_BUDGET_DAILY_USD="-1")
    assert counted(done.stdout) == 3
    assert "OTEL_LLM_SEMCONV='new': 'new' is no vocabulary (allowed: released, latest, both;" in done.stderr
    assert "OTEL_LLM_WINDOW_SECOND is not a setting of otel-llm; did you mean OTEL_LLM_WINDOW_SECONDS?" in done.stderr
    assert "OTEL_LLM_BUDGET_DAILY_USD='-1': not between 0" in done.stderr


def test_the_latest_vocabulary(run: Any) -> None:
    done = run(CALL + SHOW, OTEL_LLM_SEMCONV="both")
    assert counted(done.stdout) == 3
    assert "gen_ai_client_inference_duration_seconds_count{" in done.stdout
    latest = run(CALL + SHOW, OTEL_LLM_SEMCONV="latest").stdout
    assert "gen_ai_client_operation_duration_seconds" not in latest
    assert "gen_ai_client_inference_operation_input_tokens_count{" in latest


def test_opentelemetrys_own_prometheus_exporter_shows_each_metric_once(run: Any) -> None:
    port = free_port()
    show = f'print(urllib.request.urlopen("http://localhost:{port}/metrics").read().decode())'
    done = run(CALL + show, OTEL_METRICS_EXPORTER="prometheus", OTEL_EXPORTER_PROMETHEUS_PORT=port)
    lines = [line for line in done.stdout.splitlines() if line.startswith(COUNT)]
    assert len(lines) == 1
    assert counted(done.stdout) == 3


def test_labels_of_the_caller(run: Any) -> None:
    labelled = """
import otel_llm
with otel_llm.labels(tenant="acme", secret="no"):
    client.chat.completions.create(model="gpt-4o", messages=[])
"""
    shown = run(CALL + labelled + SHOW, OTEL_LLM_METRIC_LABELS="tenant").stdout
    assert any(
        'tenant="acme"' in line and line.endswith(" 1.0") for line in shown.splitlines() if line.startswith(COUNT)
    )
    assert "secret" not in shown


def test_stats_from_code(run: Any) -> None:
    shown = run(CALL + "import otel_llm; print(otel_llm.stats())").stdout
    assert "gpt-4o" in shown


def test_stats_before_anybody_has_imported_prometheus_client(run: Any) -> None:
    early = "import otel_llm, sys\nassert 'prometheus_client' not in sys.modules\notel_llm.stats()\n"
    done = run("import otel_llm\notel_llm.instrument()\n" + early + CALL + SHOW)
    assert done.stderr == ""
    assert counted(done.stdout) == 3
    assert 'otel_llm_internal_errors_total{component="registry"} 0.0' in done.stdout


def test_another_instrumentation_that_does_nothing_is_not_complained_of(run: Any) -> None:
    """What others do is seen on their spans (tests/contract/test_contract_company.py), and not by a module's name."""
    other = "import sys, types\nsys.modules['opentelemetry.instrumentation.openai_v2'] = types.ModuleType('stand_in')\n"
    done = run(other + CALL + SHOW)
    assert counted(done.stdout) == 3
    assert done.stderr == ""


def test_a_version_that_nobody_knows_is_left_alone(run: Any) -> None:
    future = "import importlib.metadata as m\nknown = m.version\nm.version = lambda name: '0.1' if name == 'openai' else known(name)\n"
    done = run(future + CALL + SHOW)
    assert counted(done.stdout) == 0
    assert done.stderr.count("openai 0.1 is outside >=1.26: it is not watched") == 1


NO_DESCRIPTOR = """
import otel_llm, resource
otel_llm.instrument()
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
held = []
try:
    while True:
        held.append(open("/dev/null"))
except OSError:
    pass
with otel_llm.observe(provider="acme", model="m") as call:
    call.response.model = "m"
otel_llm.record_fallback(from_model="m", to_model="m2")
otel_llm.record_cache(hit=True, cache="redis")
otel_llm.track_cost
otel_llm.circuit_breaker
otel_llm.record_evaluation
while held:
    held.pop().close()
print(otel_llm.stats()["total"]["calls"])
"""


def test_what_a_host_calls_first_when_there_is_no_descriptor_left_reaches_it_with_no_error(run: Any) -> None:
    assert run(NO_DESCRIPTOR).stdout == "1\n"
