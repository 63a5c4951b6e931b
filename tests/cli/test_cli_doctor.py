"""``otel-llm doctor``: what it finds in this environment, and in ones that are not in order."""

from __future__ import annotations

import http.server
import itertools
import json
import re
import sys
import threading
import time

import cli_pages
import pytest
import trustme

import otel_llm
from otel_llm.cli import demo_environment, doctor_checks, inspect_exporters, inspect_serving, probe
from otel_llm.cluster import statedir
from otel_llm.core.config import Config, overridden
from otel_llm.exposition import server


def test_this_environment(otel_llm, collector):
    """Its exporter sends one empty request, and nothing of the calls that the doctor makes up."""
    address, taken = collector
    port = str(demo_environment.free_port(0))
    ran = otel_llm(
        "doctor", "--json", OTEL_EXPORTER_PROMETHEUS_PORT=port, OTEL_LLM_NOTIFY_WARNING="slack://secret-token",
        OTEL_EXPORTER_OTLP_ENDPOINT=address, OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
    )  # fmt: skip
    assert ran.err == ""
    assert taken == [("/v1/traces", 0)]
    told = json.loads(ran.out)
    libraries = {found["topic"]: found for found in told["Libraries"]}
    for name in ("openai", "anthropic"):
        assert libraries[name]["status"] == "ok"
        assert "is watched" in libraries[name]["says"]
    assert "its own span is merged" in libraries["anthropic"]["says"]
    assert re.search("us of CPU per call|this machine is too busy", told["Overhead"][0]["says"])
    says = [found["says"] for found in told["Configuration"]]
    assert f"OTEL_EXPORTER_PROMETHEUS_PORT = {port}" in says
    assert "OTEL_LLM_NOTIFY_WARNING = 1 set" in says
    assert "secret" not in ran.out
    assert any(f"{port} is free" in found["says"] for found in told["Serving"])
    failed = [found for part in told.values() if isinstance(part, list) for found in part if found["status"] == "fail"]
    assert (ran.code, told["ok"]) == (bool(failed), not failed)


def test_mistakes_are_named_and_make_it_fail(otel_llm):
    wrong = {
        "OTEL_LLM_SEMCONV": "newest",
        "OTEL_LLM_BUDGT_DAILY_USD": "5",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "otel_llm_openai",
    }
    ran = otel_llm("doctor", "--no-overhead", **wrong)
    assert ran.code == 1
    assert "OTEL_LLM_SEMCONV='newest': 'newest' is no vocabulary (allowed: released, latest, both" in ran.out
    assert "did you mean OTEL_LLM_BUDGET_DAILY_USD?" in ran.out
    assert "is switched off by OTEL_PYTHON_DISABLED_INSTRUMENTATIONS" in ran.out
    assert "not measured" in ran.out
    assert re.search(r"^\d+ to fix", ran.out, re.MULTILINE)


def serving(port, **settings):
    config = Config(host="127.0.0.1", port=port, **settings)
    return {found.topic: found for found in (*inspect_serving.port(config), inspect_serving.state(config))}


def test_a_service_that_runs_is_asked(serve):
    page = cli_pages.busy()
    page.add("otel_llm_internal_errors_total", 2.0, component="reader")
    found = serving(serve(page.text()).port)
    assert "is served by otel-llm, 4 processes behind it" in found["port"].says
    assert found["own errors"].says == "otel-llm swallowed 2 of its own"


def test_a_stranger_on_the_port(serve):
    found = serving(serve("<html></html>", content_type="text/html").port)
    assert found["port"].status == "warn"
    assert found["port"].remedy == "set OTEL_EXPORTER_PROMETHEUS_PORT to another one"


def test_a_server_that_is_switched_off():
    assert "mount otel_llm.asgi_app()" in serving(9, server="off")["port"].says


def test_a_state_directory_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file" / "below", "/proc/nope"):
        found = serving(0, state_dir=str(place))
        assert found["state"].status == "fail"
        assert "OTEL_LLM_STATE_DIR" in found["state"].remedy


def test_a_state_directory_that_is_open_to_others(tmp_path):
    folder = statedir.base(Config(port=0, state_dir=str(tmp_path)))
    folder.mkdir()
    folder.chmod(0o777)
    found = serving(0, state_dir=str(tmp_path))["state"]
    assert (found.status, found.says) == ("fail", f"processes do not find each other: {folder} is open to other users")
    folder.chmod(0o700)
    assert serving(0, state_dir=str(tmp_path))["state"].says == str(folder)


def test_a_state_directory_that_is_not_there_yet_is_not_made(tmp_path):
    found = serving(0, state_dir=str(tmp_path / "some" / "where"))["state"]
    assert (found.status, list(tmp_path.iterdir())) == ("ok", [])
    assert found.says.endswith("(made when a service starts)")


@pytest.mark.parametrize(
    ("settings", "says", "remedy"),
    [
        ({"tls_cert": "no", "tls_key": "file"}, "cannot use no and file: No such file", "OTEL_LLM_METRICS_TLS_CERT"),
        ({"tls_cert": "no"}, "OTEL_LLM_METRICS_TLS_KEY go together", "OTEL_LLM_METRICS_TLS_CERT"),
        ({"basic_auth_file": "nofile"}, "No such file or directory", "OTEL_LLM_METRICS_BASIC_AUTH_FILE"),
        ({"host": "bad.invalid"}, "='bad.invalid' is no address here", "OTEL_EXPORTER_PROMETHEUS_HOST"),
        ({"host": "192.0.2.1"}, "cannot listen on 192.0.2.1:0", "OTEL_EXPORTER_PROMETHEUS_HOST and _PORT"),
    ],
)
def test_a_page_that_a_service_would_not_serve(settings, says, remedy):
    (found,) = inspect_serving.port(Config(port=0, **settings))
    assert found.status == "fail"
    assert found.says.startswith("/metrics is not served: ")
    assert says in found.says
    assert remedy in found.remedy


def test_a_service_with_this_environment_that_asks_for_a_password(tmp_path):
    authority = trustme.CA()
    made = authority.issue_cert("localhost")
    made.private_key_pem.write_to_path(tmp_path / "key.pem")
    made.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    (tmp_path / "users").write_text("me:secret\n")
    secured = {
        "tls_cert": str(tmp_path / "cert.pem"),
        "tls_key": str(tmp_path / "key.pem"),
        "basic_auth_file": str(tmp_path / "users"),
    }
    running = server.serve(Config(port=0, **secured), lambda _: ("text/plain", b""))
    try:
        (found,) = inspect_serving.port(Config(port=running.port, **secured))
    finally:
        running.close()
    where = f"https://localhost:{running.port}/metrics"
    assert (found.status, found.says) == ("ok", f"{where} is served by otel-llm, and asks for a user and password")


def test_a_stranger_that_asks_for_a_password(serve):
    assert serving(serve("no", status=401).port)["port"].status == "warn"


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise tries it on Python < 3.13
def test_notifications_that_reach_nobody(monkeypatch):
    config = Config(notify_warning=("json://localhost",), notify_critical=("nonsense", "slack://secret"))
    first, second = inspect_serving.notify_urls(config)
    assert (first.status, second.status) == ("fail", "fail")
    assert first.says.startswith("OTEL_LLM_NOTIFY_CRITICAL: URL number 1 (without a scheme) is none that apprise knows")
    assert "secret" not in second.says
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert [found.remedy for found in inspect_serving.notify_urls(config)] == ["pip install 'otel-llm[notify]'"] * 2


def test_passwords_in_addresses_are_not_shown():
    config = Config.from_env({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://me:secret@collector:4318/x"})
    says = [found.says for found in doctor_checks.configuration(config)]
    assert 'OTEL_EXPORTER_OTLP_ENDPOINT = "https://...@collector:4318/x"' in says


def test_budgets(tmp_path):
    path = tmp_path / "budgets.json"
    assert [found.topic for found in doctor_checks.budgets(Config())] == ["none"]
    assert [found.says for found in doctor_checks.budgets(Config(budget_daily=5.0))] == ["5 USD a day"]
    path.write_text('{"budgets": [{"name": "acme", "match": {"tenant": "acme"}, "daily_usd": 5}]}')
    (found,) = doctor_checks.budgets(Config(budgets_file=str(path), metric_labels=("tenant",)))
    assert (found.status, found.says) == ("ok", f"{path}: acme")
    (found,) = doctor_checks.budgets(Config(budgets_file=str(path)))
    assert found.status == "fail"
    assert found.says.startswith(f"{path}:1: budgets[0].match.tenant: is unknown (allowed: provider, model)")


def test_prices(tmp_path):
    path = tmp_path / "prices.json"
    path.write_text('{"prices": [{"modle": "x"}]}')
    found = {each.topic: each for each in doctor_checks.prices(Config(prices_file=str(path)))}
    assert found["table"].status == "ok"
    assert found["table"].says.startswith("list prices of 20")
    assert found["file"].status == "fail"
    assert str(path) in found["file"].says


@pytest.mark.parametrize(
    ("days", "status", "says"),
    [(59, "ok", "list prices of "), (61, "warn", ", 61 days old"), (None, "fail", "there are no list prices")],
)
def test_old_prices_are_warned_of(monkeypatch, days, status, says):
    made = None if days is None else time.time() - days * 86400
    monkeypatch.setattr(doctor_checks.Prices, "date", lambda _: made)
    (found,) = doctor_checks.prices(Config())
    assert found.status == status
    assert says in found.says
    assert bool(found.remedy) == (status != "ok")


@pytest.mark.parametrize(
    ("added", "spread", "status", "says"),
    [
        (1000.0, 30.0, "warn", "1000 us of CPU per call, beside 900 us of the client itself"),
        (58.2, 30.0, "ok", "58 us of CPU per call, beside 900 us of the client itself"),
        (21.0, 30.0, "ok", "too small to measure here (below about 30 us of CPU per call), beside 900 us of the client itself"),
        (-5.0, 30.0, "ok", "too small to measure here (below about 30 us of CPU per call), beside 900 us of the client itself"),
    ],
)  # fmt: skip
def test_overhead_is_told_where_it_can_be(added, spread, status, says):
    facts = {"overhead": {"client": 900.0, "added": added, "spread": spread}}
    (found,) = doctor_checks.cost(facts, wanted=True)
    assert (found.status, found.says) == (status, says)


def test_overhead_that_there_was_no_time_for_is_told():
    (found,) = doctor_checks.cost({"timed_out": True, "libraries": {}}, wanted=True)
    assert (found.topic, found.says) == ("not measured", "this machine is too busy: the time was up before")


def test_overhead_is_told_by_neighbours_where_the_machine_slows_down_and_is_busy_at_times(monkeypatch):
    watched, now, calls = [True], [0.0], itertools.count()

    def call():
        number = next(calls)
        busy = 5000 if number % 100 < 10 else 0
        now[0] += (1000 + number + busy + 200 * watched[-1]) / 1e6

    monkeypatch.setattr(otel_llm, "instrument", lambda _: watched.append(True))
    monkeypatch.setattr(otel_llm, "uninstrument", lambda _: watched.append(False))
    monkeypatch.setattr(probe.time, "thread_time", lambda: now[0])
    found = probe._compare(call)
    assert watched == [True, *[False, True] * probe.PAIRS]
    assert found["added"] == pytest.approx(200 - probe.CALLS - probe.WARM_UP)
    assert found["spread"] < 20


@pytest.fixture
def collector():
    """Something that takes what OTLP over HTTP sends: its address, and what came, by path and size."""
    taken = []

    class Taking(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            taken.append((self.path, len(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Taking) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", taken
        server.shutdown()
        thread.join()


def test_an_exporter_is_made_and_sends_an_empty_request(collector):
    """A collector that takes it, and one that is not there: the reason is the exporter's own."""
    address, taken = collector
    asked = Config(traces_exporter=("otlp",), metrics_exporter=("otlp", "prometheus"), otlp_protocol="http/protobuf")
    with overridden({"OTEL_EXPORTER_OTLP_ENDPOINT": address}):
        found = {(one.topic, one.status): one.says for one in inspect_exporters.exporting(asked)}
    assert found == {
        ("traces", "ok"): "otlp_proto_http works: its endpoint accepted an empty request",
        ("metrics", "ok"): "otlp_proto_http works: its endpoint accepted an empty request",
        ("metrics", "note"): "prometheus is set, and sends nothing by itself: it was not tried",
    }
    assert sorted(taken) == [("/v1/metrics", 0), ("/v1/traces", 0)]  # side by side, in any order
    nobody = f"http://127.0.0.1:{demo_environment.free_port(0)}"
    with overridden({"OTEL_EXPORTER_OTLP_ENDPOINT": nobody}):
        (found,) = inspect_exporters.exporting(Config(logs_exporter=("otlp",), otlp_protocol="http/protobuf"))
    assert (found.topic, found.status) == ("logs", "fail")
    assert "Connection refused" in found.says
    (missing,) = inspect_exporters.exporting(Config(traces_exporter=("zipkin",)))
    assert missing.status == "fail"
    assert "no exporter 'zipkin' is installed" in missing.says
    assert not [*inspect_exporters.exporting(Config())]


def test_an_exporter_that_cannot_be_made_is_no_end_of_the_doctor(monkeypatch):
    class Broken:
        name = "broken"

        def load(self):
            raise RuntimeError("half installed")

    monkeypatch.setattr(inspect_exporters.exporters, "find", lambda *_: (Broken(), ""))
    (found,) = inspect_exporters.exporting(Config(traces_exporter=("broken",)))
    assert (found.status, found.says) == ("fail", "broken cannot send: RuntimeError: half installed")


def test_exporters_that_do_not_come_back_are_reported(monkeypatch):
    """As that of SDK 1.30 over gRPC, which tries a collector that is gone for a minute."""
    monkeypatch.setattr(inspect_exporters, "DEADLINE", 0.0)
    never, both = threading.Event(), threading.Barrier(3)

    class Endless:
        name = "endless"

        def load(self):
            return Endless

        def export(self, _):
            both.wait(60)
            never.wait()

    monkeypatch.setattr(inspect_exporters.exporters, "find", lambda *_: (Endless(), ""))
    findings = inspect_exporters.exporting(Config(traces_exporter=("endless",), logs_exporter=("endless",)))
    both.wait(60)  # both were begun
    never.set()
    reason = "endless cannot send: timed out, no answer within 0 s"
    assert [(one.topic, one.status, one.says) for one in findings] == [
        ("traces", "fail", reason),
        ("logs", "fail", reason),
    ]
