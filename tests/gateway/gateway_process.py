"""A gateway as its own process: started, killed, started again."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

READY = re.compile(r"OTLP/HTTP on (\S+?)(?:,|$)")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """``otel-llm gateway`` with a state directory that outlives it."""

    def __init__(self, folder: Path, *options: str, settle: str = "0", **environment: str) -> None:
        self.metrics = free_port()
        self._options = ("--http", "127.0.0.1:0", "--settle", settle, *(options or ("--grpc", "off")))
        self._environment = {
            **os.environ, "OTEL_LLM_STATE_DIR": str(folder), "OTEL_EXPORTER_PROMETHEUS_PORT": str(self.metrics),
            "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1", **environment,
        }  # fmt: skip
        self.said = ""
        self.url = ""
        self.start()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.begin()
        self.url = self.listening()

    def begin(self) -> None:
        """Start it."""
        command = [sys.executable, "-m", "otel_llm", "gateway", *self._options]
        self.process = subprocess.Popen(command, env=self._environment, stderr=subprocess.PIPE, text=True)

    def listening(self) -> str:
        """Wait until it says where it listens; the address of OTLP/HTTP."""
        return self.until(READY)[1]

    def until(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """Read what it says up to a line that matches."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line
            if found := pattern.search(line.strip()):
                return found
        raise AssertionError(f"it ended: {self.said}")

    def post(self, body: bytes, path: str = "/v1/traces", **headers: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of the answer; 0 where there was none."""
        named = {"content-type": "application/json", **{key.replace("_", "-"): value for key, value in headers.items()}}
        request = urllib.request.Request(self.url + path, body, named)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), dict(error.headers)
        except OSError:
            return 0, b"", {}

    def scrape(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics", timeout=20) as page:
            return page.read().decode()

    def calls(self) -> float:
        """All calls that were counted."""
        return sum(
            float(value) for value in re.findall(r"^otel_llm_calls_total\{.*\} (\S+)$", self.scrape(), re.MULTILINE)
        )

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self._reap()

    def end(self) -> int:
        """Ask it to end; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self._reap()

    def _reap(self) -> int:
        code = self.process.wait(30)
        if self.process.stderr is not None:
            self.said += self.process.stderr.read()
            self.process.stderr.close()
        return code
