"""Pages served on this machine, commands run as processes, and a terminal whose screen can be read."""

from __future__ import annotations

import contextlib
import fcntl
import http.server
import os
import pty
import re
import select
import signal
import ssl
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyte
import pytest

from otel_llm.cli import app

SCREENS = Path(__file__).with_name("screens")
PATIENCE = 60.0  # seconds that a busy machine may take; nothing waits that long when all is well


@dataclass
class Served:
    """A server; ``text``, ``status`` and ``content_type`` may be changed while it runs. ``judged`` is its /status.json."""

    text: str
    status: int = 200
    content_type: str = "text/plain; version=0.0.4"
    port: int = 0
    password: str = ""
    asked: list[str] = field(default_factory=list)
    judged: str = ""
    raw: bytes = b""  # said instead of HTTP

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    served: Served

    def do_GET(self) -> None:
        self.served.asked.append(self.path)
        if self.served.raw:
            self.wfile.write(self.served.raw)
            return
        allowed = not self.served.password or self.headers.get("Authorization") == self.served.password
        asked_judged = self.served.judged and self.path == "/status.json"
        body = (self.served.judged if asked_judged else self.served.text).encode()
        self.send_response(self.served.status if allowed else 401)
        self.send_header("Content-Type", self.served.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Serve a page on a port of its own; ``tls`` is a PEM file with key and certificate."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(text: str, tls: Path | None = None, **fields: object) -> Served:
        served = Served(text, **fields)
        handler = type("Handler", (_Handler,), {"served": served})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            server.handle_error = lambda *_: None
        served.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
        return served

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def environ(**changes: str | None) -> dict[str, str]:
    """A clean environment: what the developer's shell has set must not change a test."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "OPENAI", "ANTHROPIC"))}
    plain = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONWARNINGS": ""}
    merged = {**kept, **plain, **changes}
    unwanted = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "COLORTERM", "http_proxy", "HTTP_PROXY")
    return {
        name: value for name, value in merged.items() if value is not None and (name in changes or name not in unwanted)
    }


@dataclass
class Ran:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def otel_llm() -> Callable[..., Ran]:
    """Run ``otel-llm`` with arguments as a process, without a terminal."""

    def run(*arguments: object, cwd: Path | None = None, stdout: Any = subprocess.PIPE, **changes: str | None) -> Ran:
        command = [sys.executable, "-m", "otel_llm.cli", *map(str, arguments)]
        done = subprocess.run(
            command, stdout=stdout, stderr=subprocess.PIPE, text=True, env=environ(**changes), cwd=cwd,
            timeout=PATIENCE * 8, check=False,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def in_process(capsys) -> Callable[..., Ran]:
    """The same in this process: for what needs no process of its own, at a tenth of the time."""

    def run(*arguments: object) -> Ran:
        with pytest.raises(SystemExit) as ended:
            app.run([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Ran(ended.value.code, said.out, said.err)

    return run


class Terminal:
    """A process on a pseudo-terminal, and the screen that it draws."""

    def __init__(self, arguments: tuple[object, ...], columns: int, lines: int, **changes: str | None) -> None:
        ours, theirs = pty.openpty()
        self._file = ours
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.resize(columns, lines)
        command = [sys.executable, "-m", "otel_llm.cli", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ(**changes), start_new_session=True
        )
        os.close(theirs)
        self.raw = b""

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._file, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen.resize(lines, columns)

    def press(self, keys: str) -> None:
        os.write(self._file, keys.encode())

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    @property
    def text(self) -> str:
        """The screen without trailing blanks and lines."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def read(self, seconds: float = 0.1) -> bool:
        """Take what comes within ``seconds``; False when the other side has closed."""
        ready, _, _ = select.select([self._file], [], [], seconds)
        if not ready:
            return True
        try:
            data = os.read(self._file, 65536)
        except OSError:
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)

    def until(self, wanted: Callable[[str], bool] | str) -> str:
        """The screen, as soon as it shows (or satisfies) ``wanted``."""
        end = time.monotonic() + PATIENCE
        seen = (lambda text: wanted in text) if isinstance(wanted, str) else wanted
        while not seen(self.text):
            if not self.read() or time.monotonic() > end:
                raise AssertionError(f"the screen never showed {wanted!r}; it shows:\n{self.text}")
        return self.text

    def end(self) -> int:
        """Wait for the process, reading on; its exit code."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.05)
        while self.read(0.0) and select.select([self._file], [], [], 0)[0]:
            pass
        return self.process.wait(1)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._file)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Run ``otel-llm`` on a pseudo-terminal of a given size."""
    opened: list[Terminal] = []

    def run(*arguments: object, columns: int = 120, lines: int = 40, **changes: str | None) -> Terminal:
        opened.append(Terminal(arguments, columns, lines, **changes))
        return opened[-1]

    yield run
    for each in opened:
        each.close()


def steady(text: str) -> str:
    """A screen without what differs from run to run: port and time of day."""
    text = re.sub(r"127\.0\.0\.1:\d{5}", "127.0.0.1:PORT_", text)
    text = re.sub(r"\b\d\d:\d\d:\d\d\b", "HH:MM:SS", text)
    return "\n".join(line.rstrip() for line in text.splitlines()).rstrip() + "\n"


@pytest.fixture
def same_screen() -> Callable[[str | Terminal, str], None]:
    """Compare with the screen that is kept under a name."""

    def compare(text: str | Terminal, name: str) -> None:
        kept = (SCREENS / f"{name}.txt").read_text("utf-8")
        if isinstance(text, Terminal):  # a screen comes in pieces: wait for the last one
            with contextlib.suppress(AssertionError):
                text.until(lambda shown: steady(shown) == kept)
            text = text.text
        assert steady(text) == kept

    return compare
