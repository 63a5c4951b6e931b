"""Fetching a /metrics page, and saying in one line why it cannot be fetched."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from .problems import Problem

TIMEOUT = 10.0  # seconds
LARGEST = 64 * 2**20  # bytes; a page beyond this is no /metrics of ours
ACCEPT = "text/plain;version=0.0.4"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One /metrics address. ``url`` holds neither user nor password: it may be shown."""

    url: str
    authorization: str = ""
    cacert: str = ""
    insecure: bool = False

    @property
    def name(self) -> str:
        """Host and port, and the path where it is not the usual one."""
        parts = urlsplit(self.url)
        return parts.netloc + ("" if parts.path == "/metrics" else parts.path)

    @classmethod
    def parse(cls, text: str, *, cacert: str = "", insecure: bool = False) -> Endpoint:
        """Read ``9464``, ``host:9464``, ``http://user:password@host:9464/path``. Raises Problem on anything else."""
        text = text.strip()
        full = f"localhost:{text.removeprefix(':')}" if text.removeprefix(":").isdigit() else text
        full = full if "://" in full else f"http://{full}"
        try:
            parts = urlsplit(full)
            usable = parts.scheme in ("http", "https") and parts.hostname and not set(parts.netloc) & set(" <>\"'")
            usable = usable and (parts.port is None or parts.port > 0)
        except ValueError:
            usable = False
        if not usable:
            raise Problem(f"{_harmless(text)!r} is no address; give a port, host:port or http(s)://host:port/metrics")
        bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], _path(parts), parts.query, ""))
        return cls(bare, _authorization(parts), cacert, insecure)


def distinct(endpoints: list[Endpoint]) -> list[Endpoint]:
    """``endpoints``. Raises Problem where one is named twice: it would count twice."""
    for place, endpoint in enumerate(endpoints):
        if endpoint.url in (other.url for other in endpoints[:place]):
            raise Problem(f"{endpoint.url} is named twice; name each address once")
    return endpoints


def _path(parts: SplitResult) -> str:
    return parts.path if parts.path not in ("", "/") else "/metrics"


def _authorization(parts: SplitResult) -> str:
    if parts.username is None:
        return ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _harmless(text: str) -> str:
    scheme, there, rest = text.rpartition("://")
    return scheme + there + rest.rpartition("@")[2]


class Refusal(Problem):
    """The address answers, with an HTTP ``status`` that is a no."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """A page as it came; ``seconds`` is how long that took."""

    text: str
    content_type: str
    seconds: float


def fetch(endpoint: Endpoint, accept: str = ACCEPT) -> Answer:
    """The page. Raises Problem with what is wrong and what to do."""
    answer = get(endpoint, accept)
    start = answer.text.lstrip()[:200].lower()
    if "html" in answer.content_type.lower() or start.startswith(("<!doctype", "<html")):
        raise Problem(f"{endpoint.url} answers with a web page, not with metrics: is this the port of /metrics?")
    if not start:
        raise Problem(f"{endpoint.url} answers with nothing at all: is otel-llm loaded there (otel-llm doctor)?")
    return answer


SCHEMA = 1  # of /status.json, as this version of otel-llm reads it


def status(endpoint: Endpoint) -> dict[str, Any] | None:
    """What ``/status.json`` beside the metrics says; None where there is none, as of an older version."""
    parts = urlsplit(endpoint.url)
    path = parts.path.removesuffix("/metrics").rstrip("/") + "/status.json"
    beside = replace(endpoint, url=urlunsplit((parts.scheme, parts.netloc, path, "", "")))
    try:
        facts = json.loads(get(beside, "application/json").text)
    except (Problem, ValueError):
        return None
    return facts if isinstance(facts, dict) and facts.get("schema") == SCHEMA else None


def get(endpoint: Endpoint, accept: str) -> Answer:
    """Whatever the address answers with. Raises Problem where there is no answer, or a refusal."""
    began = time.perf_counter()
    request = urllib.request.Request(endpoint.url, headers={"Accept": accept})  # noqa: S310 - http(s) only, see parse
    if endpoint.authorization:
        request.add_unredirected_header("Authorization", endpoint.authorization)  # for this host, and no other
    try:
        with _opener(endpoint).open(request, timeout=TIMEOUT) as answer:
            body = answer.read(LARGEST + 1)
            kind = answer.headers.get("Content-Type", "")
    except urllib.error.HTTPError as error:
        error.close()  # it holds the connection
        raise Refusal(f"{endpoint.url} {explain(error)}", error.code) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Problem(f"{endpoint.url} {explain(error)}") from None
    if len(body) > LARGEST:
        raise Problem(f"{endpoint.url} answers with more than {LARGEST >> 20} MiB: this is no /metrics of otel-llm")
    return Answer(body.decode("utf-8", "replace"), kind, time.perf_counter() - began)


def _opener(endpoint: Endpoint) -> urllib.request.OpenerDirector:
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if endpoint.url.startswith("https:") or endpoint.cacert:
        try:
            context = ssl.create_default_context(cafile=endpoint.cacert or None)
        except (OSError, ssl.SSLError) as error:
            raise Problem(f"{endpoint.cacert!r} is no readable PEM file of certificates: {error}") from None
        if endpoint.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        handlers.append(urllib.request.HTTPSHandler(context=context))
    return urllib.request.build_opener(*handlers)


_STATUS = {
    401: "asks for a user and password: give them as http://USER:PASSWORD@host:port/metrics",
    403: "refuses us (403): is this address allowed to read it?",
    404: "has no such page (404): the path is usually /metrics",
}


_CAUSES: tuple[tuple[type[Exception], str], ...] = (
    (ssl.SSLError, "does not speak TLS: try it with http://"),
    (http.client.HTTPException, "does not speak HTTP: if it speaks TLS, try it with https://"),
    (TimeoutError, f"does not answer within {TIMEOUT:g} s: is it stuck, or behind a firewall?"),
    (socket.gaierror, "has a host name that cannot be resolved: is it spelt right?"),
    (ConnectionRefusedError, "is not there (connection refused): is the service running, and is this its address?"),
    (ConnectionError, "hung up: if it speaks TLS, try it with https://"),
)  # fmt: skip


def explain(error: Exception) -> str:
    """What to say after the address: why it could not be read and what to do."""
    if isinstance(error, urllib.error.HTTPError):
        return _STATUS.get(error.code, f"answers with HTTP status {error.code}: look into the log of that service")
    cause = error.reason if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"has a certificate that is not trusted ({cause.verify_message}): give --cacert FILE, or --insecure"
    causes = [words for kind, words in _CAUSES if isinstance(cause, kind)]
    return causes[0] if causes else f"cannot be read: {cause}"
