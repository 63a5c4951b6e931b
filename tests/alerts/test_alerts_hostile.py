"""Names from outside in notifications: what Slack, Discord, Teams and a mail server get holds no mention, link or markup of theirs."""

from __future__ import annotations

import html
import json
import random
import re
import socketserver
import threading
from contextlib import contextmanager
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from otel_llm.aggregate import Store
from otel_llm.aggregate.window import Judgement
from otel_llm.core.config import Config
from otel_llm.core.model import Observation
from otel_llm.outputs import alerts, notifications
from otel_llm.outputs.anomaly import Anomaly, Cause

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
WAIT = 300.0  # seconds, on a machine at a load of 50
NAMES = {
    "slack": "<!channel> <https://evil.example|pay> <@U1>",
    "discord": "@everyone <@1> [x](https://evil.example) ```",
    "html": "</p><script>alert(1)</script><img src=https://evil.example/x>&lt;",
    "lines": "a\n[ENDED] all is well\r\nBcc: x@evil.example",
    "direction": "\u202egnp.exe\u2066\u200b\ufeff",
    "long": "x" * 10_000 + "<!here>",
}
URLS = {
    "slack": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops",
    "discord": "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
    "teams": "workflows://prod.example:443/3ec40ac8ccb14a1e/E0xbS6Ah1z1wr5Jc",
}


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append(json.loads(body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args):
        pass


class Mailbox(socketserver.StreamRequestHandler):
    """As much of SMTP as one message takes."""

    def handle(self):
        self._say("220 loopback")
        while line := self.rfile.readline():
            word = line.split()[0].upper()
            if word == b"DATA":
                self._say("354 go on")
                lines = []
                while (text := self.rfile.readline()) != b".\r\n":
                    lines.append(text)
                self.server.received.append(message_from_bytes(b"".join(lines), policy=policy.default))
            self._say("250 loopback")
            if word == b"QUIT":
                return

    def _say(self, text):
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def served(server):
    with server:
        server.received = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def chat(monkeypatch):
    """What the services' own addresses would get."""
    with served(ThreadingHTTPServer(("127.0.0.1", 0), Receiver)) as server:
        address, asked = f"http://127.0.0.1:{server.server_port}/", requests.Session.request
        monkeypatch.setattr(
            requests.Session, "request", lambda self, method, url, **more: asked(self, method, address, **more)
        )
        yield server


@pytest.fixture
def mailbox():
    with served(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox)) as server:
        yield server


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(alerts, "_DISPATCHER", alerts.Dispatcher())


def incident(name: str) -> Anomaly:
    """What handlers get of a model of that name whose calls fail."""
    store = Store(Config())
    for number in range(30):
        store.apply(Observation(1000.0 + number, "openai", name, "chat", "", "", "server_error", 1.0))
    store.incidents(1030.0)
    (change,) = store.incidents(1160.0)
    return Anomaly.of_change(change)


def notify(url: str, anomaly: Anomaly) -> None:
    end = notifications.start(Config(notify_critical=(url,), service_name="checkout", host="127.0.0.1"))
    alerts.deliver(anomaly)
    assert alerts.drain(WAIT)
    end()


def texts(value: object) -> list[str]:
    """Every text of a message."""
    if isinstance(value, dict):
        return [text for one in value.values() for text in texts(one)]
    if isinstance(value, list):
        return [text for one in value for text in texts(one)]
    return [value] if isinstance(value, str) else []


def judged(text: str) -> None:
    first = next(line for line in text.splitlines() if "CRITICAL" in line)
    assert first.startswith("[CRITICAL] ")
    assert not set("<>@|`[]") & set(first.removeprefix("[CRITICAL] "))
    assert "://" not in first
    assert all(letter.isprintable() or letter == "\u2060" for letter in first)
    assert len(first) < 700
    assert sum(line.startswith("[") for line in text.splitlines()) == 1


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("service", URLS)
def test_a_chat_gets_no_mention_no_link_and_one_line_of_it(chat, service, name):
    notify(URLS[service], incident(name))
    (message,) = chat.received
    bodies = [text for text in texts(message) if "of calls fail" in text]
    assert len(bodies) == 1
    judged(bodies[0])


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_mail_shows_it_as_text(mailbox, name):
    port = mailbox.server_address[1]
    notify(f"mailto://127.0.0.1:{port}?from=ops@checkout.example&to=oncall@checkout.example", incident(name))
    (mail,) = mailbox.received
    assert mail["To"].addresses[0].addr_spec == "oncall@checkout.example"
    assert mail["Bcc"] is None
    assert mail.get_content_type() == "text/plain"
    text = mail.get_content()
    judged(text)
    assert [line.partition(" ")[0] for line in text.splitlines()] == [
        "[CRITICAL]",
        "service",
        "page",
        "runbook",
        "board",
    ]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_causes_are_text_too(chat, name):
    moved = Cause("tenant", name, 0.8, 0.05, 0.4)
    notify(
        URLS["slack"],
        Anomaly(
            type="cost_spike", severity="critical", value=2.0, provider=name, model=name, detail=name, causes=(moved,)
        ),
    )
    (message,) = chat.received
    (body,) = (text for text in texts(message) if "cost_spike: value" in text)
    first = body.splitlines()[0]
    assert not set("<>@|`[]") & set(first.removeprefix("[CRITICAL] "))
    assert first.endswith("80% of the change (5% -&gt; 40% of calls)")


@pytest.fixture(scope="module")
def slow_tenant() -> Anomaly:
    """What handlers get where one tenant of three becomes five times as slow, through the store and a verdict about a call."""
    store, dice, found = Store(Config(metric_labels=("tenant",))), random.Random(6), []
    for second in range(3900):
        tenant = dice.choice(("acme", "globex", "initech"))
        seconds = dice.lognormvariate(0, 0.3) * (5 if tenant == "acme" and second >= 3600 else 1)
        store.apply(Observation(1e9 + second, "openai", "gpt-4o", "chat", "gpt-4o", "", "", seconds, (tenant,)))
        for verdict in store.drain_verdicts():
            assert isinstance(verdict.finding, Judgement)
            found.append(Anomaly.of(("openai", "gpt-4o"), verdict.finding))
    return next(one for one in found if one.causes and one.severity == "critical")


def _says_why(text: str) -> None:
    (line,) = (one for one in html.unescape(text).splitlines() if one.startswith("[CRITICAL] latency_spike: "))
    share = re.search(r"causes=tenant=acme (\d+)% of the change \(\d+% -> \d+% of calls\)$", line)
    assert share is not None, line
    assert int(share[1]) >= 80


@pytest.mark.parametrize("service", [*URLS, "webhook"])
def test_a_chat_and_a_webhook_get_what_moved(chat, service, slow_tenant):
    notify(URLS.get(service, f"json://127.0.0.1:{chat.server_port}/hook"), slow_tenant)
    (message,) = chat.received
    (body,) = {text for text in texts(message) if "of the change" in text}
    _says_why(body)


def test_a_mail_says_what_moved(mailbox, slow_tenant):
    port = mailbox.server_address[1]
    notify(f"mailto://127.0.0.1:{port}?from=ops@checkout.example&to=oncall@checkout.example", slow_tenant)
    (mail,) = mailbox.received
    _says_why(mail.get_content())
