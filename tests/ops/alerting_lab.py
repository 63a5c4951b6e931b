"""A whole alerting stack on loopback, sixty times as fast: service, Prometheus, Alertmanager, and who is told."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from prometheus_lab import Prometheus, free_port, needed

from otel_llm.core.objectives import Objectives
from otel_llm.ops import alertmanager, prometheus
from otel_llm.ops.promql import RELEASED, Clock
from otel_llm.ops.rules import Context

CLOCK = Clock(60)
HERE = Path(__file__).parent


class Told:
    """Slack, PagerDuty and a webhook: keeps what they are sent."""

    def __init__(self) -> None:
        self.slack: list[dict[str, Any]] = []
        self.pagerduty: list[dict[str, Any]] = []
        self.webhook: list[dict[str, Any]] = []
        told = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                where, status, says = {
                    "/slack": (told.slack, 200, b"ok"),
                    "/pagerduty": (told.pagerduty, 202, b'{"status": "success", "message": "ok", "dedup_key": "x"}'),
                    "/webhook": (told.webhook, 200, b""),
                }[self.path]
                where.append(body)
                self.send_response(status)
                self.send_header("content-length", str(len(says)))
                self.end_headers()
                self.wfile.write(says)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextlib.contextmanager
    def running(self) -> Iterator[Told]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def slack_messages(
        self, alert: str, model: str = "", channel: str = "#llm-alerts", status: str = "FIRING"
    ) -> list[dict[str, Any]]:
        """Attachments about one alert."""
        found = [(message["channel"], part) for message in self.slack for part in message["attachments"]]
        return [
            part
            for where, part in found
            if where == channel
            and part["title"].startswith(f"[{status}")
            and f"#{alert.lower()}|Runbook>" in part["text"]
            and model in part["text"]
        ]

    def pages(self, alert: str, action: str = "trigger", group: str = "") -> list[dict[str, Any]]:
        """PagerDuty events about one alert."""
        return [
            event
            for event in self.pagerduty
            if event["event_action"] == action
            and alert in event["payload"]["custom_details"]["alerts"]
            and group in event["payload"].get("group", "")
        ]


class Service:
    """The troubled service as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder

    @contextlib.contextmanager
    def running(self) -> Iterator[Service]:
        environ = {
            **os.environ,
            "PYTHONPATH": str(HERE.parents[1]),
            "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
            "OTEL_EXPORTER_PROMETHEUS_PORT": str(self.port),
            "OTEL_LLM_STATE_DIR": str(self._folder / "state"),
            "OTEL_LLM_BUDGET_DAILY_USD": "150",
        }
        with (self._folder / "service.log").open("w") as log:
            command = [sys.executable, str(HERE / "troubled_service.py")]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environ, text=True
            )
        try:
            yield self
        finally:
            self.stop()

    def say(self, mood: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(mood + "\n")
        self._process.stdin.flush()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(20)
        if self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()


class Alertmanager:
    """One Alertmanager with the generated configuration, its hosts replaced."""

    def __init__(self, folder: Path, told: Told) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "slack_url").write_text(f"{told.url}/slack")
        (folder / "pagerduty_key").write_text("test-key")
        routing = alertmanager.Routing(
            slack_url_file=str(folder / "slack_url"),
            pagerduty_key_file=str(folder / "pagerduty_key"),
            pagerduty_url=f"{told.url}/pagerduty",
            webhook_url=f"{told.url}/webhook",
            clock=CLOCK,
        )
        alertmanager.write_alertmanager(folder, routing)

    @contextlib.contextmanager
    def running(self) -> Iterator[Alertmanager]:
        command = [
            needed("prometheus-alertmanager"), f"--config.file={self.folder / 'alertmanager.yml'}", "--log.level=warn",
            f"--storage.path={self.folder / 'alertmanager'}", f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=", f"--web.external-url={self.url}",
        ]  # fmt: skip
        with (self.folder / "alertmanager.log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield self
        finally:
            process.terminate()
            process.wait(20)

    def alerts(self) -> list[dict[str, Any]]:
        """Everything it knows of, silenced and inhibited included."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=5) as found:
            return list(json.load(found))

    def about(self, alert: str, **labels: str) -> list[dict[str, Any]]:
        wanted = {"alertname": alert, **labels}.items()
        return [one for one in self.alerts() if wanted <= one["labels"].items()]

    def silence(self, **labels: str) -> None:
        matchers = [f"{name}={value}" for name, value in labels.items()]
        command = [
            needed("amtool"),
            f"--alertmanager.url={self.url}",
            "silence",
            "add",
            *matchers,
            "-c",
            "test",
            "-a",
            "test",
            "-d",
            "1h",
        ]
        subprocess.run(command, check=True, capture_output=True)


def scraper(folder: Path, service: Service, manager: Alertmanager, objectives: Objectives) -> Prometheus:
    """A Prometheus with the generated rules, sixty times as fast, that scrapes the service each second."""
    (folder / "rules").mkdir()
    for name, text in prometheus.rule_files(Context(objectives, RELEASED, CLOCK)).items():
        (folder / "rules" / name).write_text(text)
    targets = {"shop": [f"127.0.0.1:{service.port}"], "prometheus": ["SELF"]}
    return Prometheus(folder, prometheus.configuration(CLOCK, targets, f"127.0.0.1:{manager.port}"))


def within(seconds: float, what: str, found: Callable[[], Any], server: Prometheus) -> Any:
    """What ``found`` returns, as soon as it is something."""
    result: list[Any] = []

    def looked() -> bool:
        result[:] = [found()]
        return bool(result[0])

    server.until(looked, what, seconds)
    return result[0]


def rules_of(server: Prometheus) -> list[dict[str, Any]]:
    """Every rule with its health, as the server sees it."""
    with urllib.request.urlopen(f"{server.url}/api/v1/rules", timeout=5) as answer:
        return [rule for group in json.load(answer)["data"]["groups"] for rule in group["rules"]]
