"""A Prometheus of one's own, filled from a script, and Grafana's way to ask it."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

# What Grafana puts in for its variables. "All" is .* as the boards say.
GRAFANA = {
    "__rate_interval": "4m", "__interval": "1m", "__range": "1h", "__range_s": "3600", "datasource": "prometheus",
    "job": ".*", "provider": ".*", "model": ".*", "label": "tenant", "value": ".*", "instance": ".*", "pod": ".*",
}  # fmt: skip
_VARIABLE = re.compile(r"\$\{?([a-z_]\w*)\}?")


def needed(program: str) -> str:
    """The path of a program that these tests cannot do without."""
    found = shutil.which(program)
    if found is None:
        raise RuntimeError(f"{program} is needed here: apt-get install prometheus prometheus-alertmanager")
    return found


def filled_in(text: str, **values: str) -> str:
    """``text`` with Grafana's variables replaced; an unknown one raises KeyError."""
    known = {**GRAFANA, **values}
    return _VARIABLE.sub(lambda match: known[match[1]], text)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Prometheus:
    """One server on loopback. ``end`` is the time that queries are about."""

    def __init__(
        self, folder: Path, config: str = "", *, end: float | None = None, options: tuple[str, ...] = ()
    ) -> None:
        self.folder, self.end = folder, time.time() if end is None else end
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._options = options
        self._config = config or "global: {scrape_interval: 1m}\n"

    def load(self, lines: Iterable[str]) -> None:
        """Backfill OpenMetrics lines that carry times."""
        path = self.folder / "run.om"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)
        command = [
            needed("promtool"),
            "tsdb",
            "create-blocks-from",
            "openmetrics",
            str(path),
            str(self.folder / "data"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr or done.stdout)
        path.unlink()

    @contextlib.contextmanager
    def running(self) -> Iterator[Prometheus]:
        config = self.folder / "prometheus.yml"
        config.write_text(self._config.replace("SELF", f"127.0.0.1:{self.port}"), encoding="utf-8")
        command = [
            needed("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={self.folder / 'data'}",
            "--storage.tsdb.retention.time=90d", f"--web.listen-address=127.0.0.1:{self.port}",
            "--enable-feature=exemplar-storage", "--log.level=error", *self._options,
        ]  # fmt: skip
        with (self.folder / "prometheus.log").open("w", encoding="utf-8") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            self.until(lambda: self._ready(process), "Prometheus to be ready")
            yield self
        finally:
            process.terminate()
            process.wait(30)

    def until(self, true: Any, what: str, seconds: float = 150.0) -> None:
        """Wait for something that another process does."""
        last = time.monotonic() + seconds
        while not true():
            if time.monotonic() > last:
                raise RuntimeError(f"waited in vain for {what}")
            time.sleep(0.05)

    def _ready(self, process: subprocess.Popen[bytes]) -> bool:
        if process.poll() is not None:
            raise RuntimeError((self.folder / "prometheus.log").read_text(encoding="utf-8"))
        with contextlib.suppress(OSError):
            return bool(urllib.request.urlopen(f"{self.url}/-/ready", timeout=2).status == 200)
        return False

    def ask(self, path: str, parameters: Mapping[str, Any]) -> Any:
        """The ``data`` of Prometheus's answer. Raises AssertionError with its complaint."""
        body = urllib.parse.urlencode(parameters, doseq=True).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}", body, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{json.load(error).get('error')}: {parameters}") from None

    def instant(self, expr: str, **values: str) -> list[Any]:
        return list(self.ask("query", {"query": filled_in(expr, **values), "time": self.end})["result"])

    def course(self, expr: str, seconds: float = 3600, step: float = 60, **values: str) -> list[Any]:
        given = {"query": filled_in(expr, **values), "start": self.end - seconds, "end": self.end, "step": step}
        return list(self.ask("query_range", given)["result"])

    def values(self, query: str) -> list[str]:
        """What Grafana's ``label_values(selector, label)`` offers."""
        selector, label = re.fullmatch(r"label_values\((.+), ([$\w]+)\)", query).groups()  # type: ignore[union-attr]
        match = urllib.parse.urlencode({"match[]": filled_in(selector), "start": self.end - 3600, "end": self.end})
        with urllib.request.urlopen(f"{self.url}/api/v1/label/{filled_in(label)}/values?{match}", timeout=10) as answer:
            return list(json.load(answer)["data"])
