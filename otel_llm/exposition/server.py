"""The HTTP server of /metrics: small, on threads of its own, patient with nobody, and able to be forked."""

from __future__ import annotations

import _socket as sockets
import errno
import io
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from otel_llm.core.config import Config
from otel_llm.core.guard import guard
from otel_llm.core.unpatched import original
from otel_llm.core.version import __version__

from .answer import Answer, Scrape, plain
from .auth import Certificate, Users
from .site import OPEN, Site
from .snapshot import Ask, nobody
from .stream import SecureStream, Stream

MOST_CONNECTIONS = 32
"""Served at once. One more takes the place of whoever has not asked yet, or is slow to take the answer; else it is closed at once."""
SLOW_SECONDS = 2.0
"""After which a client that is still taking its answer makes room for one more."""
REQUEST_SECONDS = 10.0
"""In which a client must have made its request, handshake included."""
ANSWER_SECONDS = 30.0
"""In which a client must have taken the answer."""
ANY_IPV4 = "0.0.0.0"  # noqa: S104 - compared, not bound
BY_IPV6 = "where there is IPv6 only, set OTEL_EXPORTER_PROMETHEUS_HOST to ::"
_IPV6 = {ANY_IPV4: BY_IPV6, "localhost": f"{BY_IPV6}1", "127.0.0.1": f"{BY_IPV6}1"}
_LONGEST_LINE = 8192  # bytes of a request's first line
_WAKE_SECONDS = 1.0  # systems whose accept does not end when its socket is closed

_start = original("_thread", "start_new_thread")
_sleep = original("time", "sleep")


class ServeError(Exception):
    """/metrics cannot be served as configured; the text says what is wrong and what to do."""


class PortTakenError(ServeError):
    """Somebody else listens there already."""


class Visit:
    """One connection: a client that has not asked yet, which somebody without a password can be, or one that is answered."""

    def __init__(self, peer: sockets.socket) -> None:
        self.peer = peer
        self.admitted = False
        self.sending_since: float | None = None

    def admit(self) -> None:
        """It has asked, and may."""
        self.admitted = True

    def send(self) -> None:
        """The answer is there; how long it takes is up to the client."""
        self.sending_since = time.monotonic()

    def yields(self, now: float) -> bool:
        """Whether it makes room for another client."""
        return not self.admitted or (self.sending_since is not None and now - self.sending_since > SLOW_SECONDS)


class Server:
    """Serves until closed. ``port`` is the one that is bound. Raises ``ServeError`` where there are no threads for it."""

    def __init__(self, listeners: list[sockets.socket], respond: Callable[[Visit], None]) -> None:
        self.port: int = listeners[0].getsockname()[1]
        self._listeners = listeners
        self._respond = respond
        self._open: dict[Visit, None] = {}  # oldest first
        self._closed = False
        try:
            for listener in listeners:
                _start(self._accept, (listener,))
        except RuntimeError as error:  # no thread to be had
            self.close()
            raise ServeError(f"cannot serve port {self.port}: {error}") from None

    def close(self) -> None:
        """Give the port back. Answers that are under way are still sent."""
        self._closed = True
        for listener in self._listeners:
            with suppress(OSError):
                listener.shutdown(sockets.SHUT_RDWR)
            listener.close()

    def drop_after_fork(self) -> None:
        """In a forked child: close this process's descriptors and touch nothing that the parent still uses."""
        self._closed = True
        for inherited in (*self._listeners, *(visit.peer for visit in tuple(self._open))):
            inherited.close()

    def _accept(self, listener: sockets.socket) -> None:
        while not self._closed:
            try:
                descriptor, _ = listener._accept()  # type: ignore[attr-defined]  # noqa: SLF001 - what socket.accept calls
            except TimeoutError:
                continue
            except OSError:
                _sleep(0 if self._closed else 0.1)  # too many open files, say: others may close theirs
                continue
            visit = Visit(sockets.socket(fileno=descriptor))
            if len(self._open) >= MOST_CONNECTIONS and not self._make_room():
                visit.peer.close()
                continue
            self._open[visit] = None
            try:
                _start(self._serve, (visit,))
            except RuntimeError:  # no thread to be had: others may end theirs
                self._open.pop(visit, None)
                visit.peer.close()

    def _make_room(self) -> bool:
        """End the oldest connection that makes room; returns whether there was one."""
        now = time.monotonic()
        for visit in tuple(self._open):
            if visit.yields(now) and self._open.pop(visit, self) is None:
                with suppress(OSError):
                    visit.peer.shutdown(sockets.SHUT_RDWR)  # its thread then ends by itself, and closes it
                return True
        return False

    def _serve(self, visit: Visit) -> None:
        try:
            with guard("server"), suppress(OSError):
                self._respond(visit)
                visit.peer.shutdown(
                    sockets.SHUT_WR
                )  # reaches the client even where a forked child has the descriptor too
        finally:
            self._open.pop(visit, None)
            visit.peer.close()


def serve(config: Config, scrape: Scrape, status: Ask = nobody) -> Server:
    """Listen on ``config.host`` and ``config.port`` (all addresses of the name; port 0 picks one) and answer.

    Raises ``PortTakenError`` where the port is in use, ``ServeError`` for anything else that keeps us from serving.
    """
    certificate = _certificate(config)
    users = _users(config)
    site = Site(scrape, status)

    def respond(visit: Visit) -> None:
        secured = certificate.context() if certificate is not None else None
        peer = visit.peer
        stream = Stream(peer, REQUEST_SECONDS) if secured is None else SecureStream(peer, REQUEST_SECONDS, secured)
        _Handler(stream, site, users, visit)

    return Server(_listeners(config), respond)


class _Handler(BaseHTTPRequestHandler):
    """The parsing of requests is the standard library's; what to answer is ours."""

    server_version = f"otel-llm/{__version__}"
    sys_version = ""
    command, requestline, request_version = "GET", "", "HTTP/1.0"  # until the request says otherwise

    def __init__(self, stream: Stream, site: Site, users: Users | None, visit: Visit) -> None:
        self._visit = visit
        self._stream = stream
        self._site = site
        self._users = users
        super().__init__(stream, ("", 0), None)  # type: ignore[arg-type]

    def setup(self) -> None:
        self.rfile = io.BufferedReader(self._stream)
        self.wfile = self._stream  # type: ignore[assignment]

    def finish(self) -> None:
        """The server closes what it accepted."""

    def handle_one_request(self) -> None:
        self.close_connection = True
        self.raw_requestline = self.rfile.readline(_LONGEST_LINE + 1)
        if len(self.raw_requestline) > _LONGEST_LINE:
            self._send(plain(414, "that is too long a line"))
        elif self.raw_requestline and self.parse_request():
            self._stream.extend(ANSWER_SECONDS)
            self._send(self._answer())

    def _answer(self) -> Answer:
        path, query = _target(self.path)
        headers = self.headers
        if path not in OPEN and self._users is not None and not self._users.allow(headers.get("Authorization", "")):
            return plain(401, "who are you?", ("WWW-Authenticate", 'Basic realm="otel-llm"'))
        self._visit.admit()
        accept, encoding = headers.get("Accept", ""), headers.get("Accept-Encoding", "")
        return self._site.answer(self.command, path, query, accept, encoding)

    def _send(self, answer: Answer) -> None:
        self._visit.send()
        headers, body = answer.sent(self.command)
        self.send_response(answer.status)
        for name, value in (*headers, ("X-Content-Type-Options", "nosniff"), ("Connection", "close")):
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """The host's log is not for us."""


def _target(target: str) -> tuple[str, str]:
    """Path and query that a request asks for; empty where it asks for no address at all, as ``http://[``."""
    with suppress(ValueError):
        parts = urlsplit(target)
        return parts.path, parts.query
    return "", ""


def _listeners(config: Config) -> list[sockets.socket]:
    """One for each address of the host's name. An address family that this machine lacks is no error, a taken port is."""
    addresses = _addresses(config)
    listeners: list[sockets.socket] = []
    failure: OSError | None = None
    for family, address in addresses:
        port = listeners[0].getsockname()[1] if listeners else config.port
        try:
            listeners.append(_listen(family, (address[0], port, *address[2:]), shared=len(addresses) > 1))
        except OSError as error:
            failure = error
    if failure is not None and (not listeners or failure.errno in (errno.EADDRINUSE, errno.EACCES)):
        for listener in listeners:
            listener.close()
        raise _refusal(f"{config.host}:{config.port}", failure)
    return listeners


def _addresses(config: Config) -> list[tuple[int, tuple[Any, ...]]]:
    try:
        addresses = sockets.getaddrinfo(config.host or None, config.port, 0, sockets.SOCK_STREAM, 0, sockets.AI_PASSIVE)
    except OSError as error:
        name = f"OTEL_EXPORTER_PROMETHEUS_HOST={config.host!r}"
        raise ServeError(f"{name} is no address here: {error.strerror}{_remedy(config.host)}") from None
    return list(dict.fromkeys((family, address) for family, _, _, _, address in addresses))


def _listen(family: int, address: tuple[Any, ...], *, shared: bool) -> sockets.socket:
    listener = sockets.socket(family, sockets.SOCK_STREAM)
    try:
        listener.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
        if family == sockets.AF_INET6 and shared:  # or it would claim the IPv4 address too
            listener.setsockopt(sockets.IPPROTO_IPV6, sockets.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(64)
        listener.settimeout(_WAKE_SECONDS)
    except OSError:
        listener.close()
        raise
    return listener


def _refusal(where: str, error: OSError) -> ServeError:
    if error.errno == errno.EADDRINUSE:
        return PortTakenError(
            f"{where} is taken by another program; set OTEL_EXPORTER_PROMETHEUS_PORT to a free port "
            "or mount otel_llm.asgi_app() or otel_llm.wsgi_app() in your own application"
        )
    return ServeError(f"cannot listen on {where}: {error.strerror}{_remedy(where.rpartition(':')[0])}")


def _remedy(host: str) -> str:
    """What helps on a machine without IPv4, where ``host`` has an address by IPv4 only."""
    return f"; {_IPV6[host]}" if host in _IPV6 else ""


def _certificate(config: Config) -> Certificate | None:
    if not (config.tls_cert or config.tls_key):
        return None
    if not (config.tls_cert and config.tls_key):
        raise ServeError("OTEL_LLM_METRICS_TLS_CERT and OTEL_LLM_METRICS_TLS_KEY go together; one of them is not set")
    try:
        return Certificate(config.tls_cert, config.tls_key)
    except OSError as error:
        what = f"{config.tls_cert} and {config.tls_key}"
        raise ServeError(f"OTEL_LLM_METRICS_TLS_CERT and _KEY: cannot use {what}: {error.strerror or error}") from None


def _users(config: Config) -> Users | None:
    if not config.basic_auth_file:
        return None
    try:
        return Users(config.basic_auth_file)
    except (OSError, ValueError) as error:
        raise ServeError(f"OTEL_LLM_METRICS_BASIC_AUTH_FILE: {error}") from None
