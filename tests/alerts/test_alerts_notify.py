"""Notifications through the real apprise, to an HTTP endpoint on the loopback."""

from __future__ import annotations

import json
import logging
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from otel_llm.cli import app
from otel_llm.core.config import Config
from otel_llm.outputs import alerts, notifications
from otel_llm.outputs.alerts import Anomaly

pytestmark = pytest.mark.filterwarnings(
    "ignore:'imghdr' is deprecated:DeprecationWarning"
)  # apprise tries it on Python < 3.13
WAIT = 300.0  # seconds, on a machine at a load of 50


class Endpoint(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, json.loads(body)))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def endpoint():
    with ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        server.received, server.status = [], 200
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(alerts, "_DISPATCHER", alerts.Dispatcher())


def url(endpoint, path: str) -> str:
    return f"json://127.0.0.1:{endpoint.server_port}/{path}"


def test_warnings_and_criticals_reach_their_urls(endpoint):
    end = notifications.start(Config(notify_warning=(url(endpoint, "all"),), notify_critical=(url(endpoint, "pager"),)))
    alerts.deliver(Anomaly(type="cost_spike", severity="warning", value=0.5, baseline=0.1, z_score=2.5, model="gpt-4o"))
    alerts.deliver(
        Anomaly(type="latency_spike", severity="critical", value=9.0, baseline=1.0, z_score=4.0, model="gpt-4o")
    )
    assert alerts.drain(WAIT)
    end()
    alerts.deliver(Anomaly(type="breaker_open", severity="critical", value=1.0))
    assert alerts.drain(WAIT)
    got = sorted((path, body["title"], body["type"]) for path, body in endpoint.received)
    assert got == [
        ("/all", "otel-llm: cost_spike", "warning"),
        ("/all", "otel-llm: latency_spike", "failure"),
        ("/pager", "otel-llm: latency_spike", "failure"),
    ]
    lines = {body["message"].splitlines()[0] for _, body in endpoint.received}
    assert "[CRITICAL] latency_spike: value=9s, baseline=1s, z_score=4.00, model=gpt-4o" in lines


def test_an_endpoint_that_refuses_is_warned_of_once(endpoint, caplog):
    endpoint.status = 500
    notifications.start(Config(notify_warning=(url(endpoint, "x"),)))
    with caplog.at_level(logging.WARNING, "otel_llm"):
        for model in ("a", "b"):
            alerts.deliver(Anomaly(type="cost_spike", severity="warning", value=0.5, model=model))
        assert alerts.drain(WAIT)
    ours = [record for record in caplog.records if record.name == "otel_llm"]
    assert len(ours) == 1
    assert "not delivered" in ours[0].message


def test_a_url_that_is_none_is_warned_of_without_its_secret(endpoint, caplog):
    with caplog.at_level(logging.WARNING, "otel_llm"):
        notifications.start(
            Config(notify_critical=("nonsense://test-key@host", "also test-key", url(endpoint, "fine")))
        )
        alerts.deliver(Anomaly(type="breaker_open", severity="critical", value=1.0))
        assert alerts.drain(WAIT)
    told = "\n".join(record.message for record in caplog.records if record.name == "otel_llm")
    assert "OTEL_LLM_NOTIFY_CRITICAL: URL number 1 (nonsense://...)" in told
    assert "URL number 2 (without a scheme)" in told
    assert "test-key" not in told
    assert [path for path, _ in endpoint.received] == ["/fine"]


def test_a_server_starts_without_loading_apprise(endpoint, monkeypatch):
    monkeypatch.setattr(notifications, "service", lambda *_: pytest.fail("loaded"))
    notifications.start(Config(notify_warning=(url(endpoint, "x"),)))
    assert len(alerts._DISPATCHER.lanes) == 1


def test_an_incident_names_the_service_and_where_to_look_and_its_end_is_notified(endpoint):
    config = Config(
        notify_warning=(url(endpoint, "x"),), service_name="checkout", environment="production", host="127.0.0.1"
    )
    notifications.start(config)
    text = "gpt-4.1: 60 % of calls fail (rate_limit)"
    for kind in ("condition_open", "condition_ended"):
        alerts.deliver(
            Anomaly(type=kind, severity="critical", value=0.6, model="gpt-4.1", condition="errors", message=text)
        )
    assert alerts.drain(WAIT)
    (_, opened), (_, ended) = endpoint.received
    assert (opened["title"], opened["type"]) == ("checkout: critical", "failure")
    assert (ended["title"], ended["type"]) == ("checkout: ended", "success")
    first, where, page, runbook, board = opened["message"].splitlines()
    assert first == "[CRITICAL] gpt-4.1: 60 % of calls fail (rate_limit)"
    assert where == f"service checkout on {socket.gethostname()}, production"
    assert page == "page http://127.0.0.1:9464/"
    assert runbook.endswith("runbook.md#llmerrorratehigh")
    assert board.endswith("/d/otel-llm-overview")
    assert ended["message"].startswith("[ENDED] gpt-4.1: ")


def test_a_url_without_a_scheme_is_warned_of_at_the_start(caplog):
    with caplog.at_level(logging.WARNING, "otel_llm"):
        notifications.start(Config(notify_warning=("test-key@host",)))
    assert "OTEL_LLM_NOTIFY_WARNING: URL number 1 is without a scheme" in caplog.text
    assert "test-key" not in caplog.text


@pytest.mark.parametrize(("status", "code", "says"), [(200, 0, "accepted"), (500, 1, "not delivered")])
def test_a_test_notification_says_whether_it_arrives(endpoint, monkeypatch, capsys, status, code, says):
    endpoint.status = status
    monkeypatch.setenv("OTEL_LLM_NOTIFY_CRITICAL", url(endpoint, "pager"))
    with pytest.raises(SystemExit) as ended:
        app.run(["notify", "--test"])
    assert ended.value.code == code
    assert says in capsys.readouterr().out
    assert endpoint.received[0][1]["message"].startswith("[CRITICAL] this is a test")


def test_without_urls_there_is_nothing_to_test(capsys):
    with pytest.raises(SystemExit) as ended:
        app.run(["notify", "--test"])
    assert ended.value.code == 2
    assert "OTEL_LLM_NOTIFY_WARNING" in capsys.readouterr().err


def test_nothing_configured_loads_nothing():
    notifications.start(Config())
    assert alerts._DISPATCHER.lanes == ()


def test_without_the_extra_it_is_said(monkeypatch, caplog):
    monkeypatch.setitem(__import__("sys").modules, "apprise", None)
    with caplog.at_level(logging.WARNING, "otel_llm"):
        notifications.start(Config(notify_warning=("json://localhost",)))
    assert "pip install 'otel-llm[notify]'" in caplog.text
    assert alerts._DISPATCHER.lanes == ()


@pytest.mark.parametrize(
    "model",
    [
        "<!channel> pay <https://evil.example|invoice>",
        "@everyone [x](https://evil.example)",
        "a, severity=none] \n[OK]",
    ],
)
def test_user_text_is_no_markup(model: str) -> None:
    text = str(notifications.readable(Anomaly(type="latency_spike", severity="critical", value=9.0, model=model)))
    assert text.startswith("[CRITICAL] latency_spike: value=9s, model=")
    assert not set("<>@[]|\n") & set(text.partition("model=")[2])
    assert "://" not in text


@pytest.mark.parametrize("url", ["json//user:s3cret@host/x", "jsonx://user:s3cret@host/x", "slack://s3cret"])
def test_a_url_that_apprise_does_not_know_is_in_no_log(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    _, problems = notifications.service("OTEL_LLM_NOTIFY_WARNING", (url,))
    assert len(problems) == 1
    assert "s3cret" not in caplog.text + problems[0]
