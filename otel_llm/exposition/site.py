"""What our port and the mounted apps answer: the metrics, the status page, its facts as JSON, and how we are."""

from __future__ import annotations

import gzip
import json
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from otel_llm.core.guard import guard
from otel_llm.core.version import __version__

from .answer import METHODS, Answer, Scrape, metrics, plain
from .snapshot import Ask, Facts, Snapshot

HEALTH = ("/healthz", "/-/healthy")
READY = "/-/ready"
OPEN = (*HEALTH, READY)
"""Paths that ask nobody for a password: they say nothing about calls."""
_NOWHERE = (
    "nobody can say what is going on just now: the processes of this service have no leader; try again in some seconds"
)
_SORTS = ("worst", "name", "calls", "failed", "p95", "tokens", "usd", "shift")
_FASTEST = 1  # of gzip


class Site:
    """One for each process that answers. ``status`` gives the facts; it raises ``OSError`` where nobody can."""

    def __init__(self, scrape: Scrape, status: Ask) -> None:
        self._scrape = scrape
        self._snapshot = Snapshot(status)

    def answer(self, method: str, path: str, query: str, accept: str, encoding: str, base: str = "") -> Answer:
        """The answer to one request; ``base`` is the path that the site is mounted at. Never raises."""
        if path == "/metrics":
            return metrics(self._scrape, method, accept, encoding)
        if method not in METHODS:
            return plain(405, f"use {' or '.join(METHODS)}", ("Allow", ", ".join(METHODS)))
        if path == "/":
            return self._page(query, encoding, base) if "text/html" in accept else self._text()
        if path == "/status.json":
            return self._json(encoding)
        return self._health(path)

    def _health(self, path: str) -> Answer:
        if path == READY:
            return self._ready()
        if path in HEALTH:
            return plain(200, "otel-llm is healthy")
        return plain(404, "not here: metrics are at /metrics, the status page is at /")

    def mounted(self, method: str, path: str, query: str, accept: str, encoding: str, base: str = "") -> Answer:
        """The same where a host mounts us: what is not asked for by name or by a browser is the metrics."""
        named = path in (*OPEN, "/status.json")
        if named or (path in ("", "/") and "text/html" in accept):
            return self.answer(method, path or "/", query, accept, encoding, base)
        return metrics(self._scrape, method, accept, encoding)

    def _ready(self) -> Answer:
        fresh = self._snapshot.get("fresh", lambda facts: facts["fresh"])
        return plain(200, "ready") if fresh in ("live", "starting") else plain(503, _NOWHERE)

    def _json(self, encoding: str) -> Answer:
        return self._made(
            "json", lambda facts: json.dumps(facts, allow_nan=False).encode(), "application/json", encoding
        )

    def _page(self, query: str, encoding: str, base: str) -> Answer:
        from . import page  # noqa: PLC0415 - only where somebody looks

        parameters = parse_qs(query[:1000])
        sort = parameters.get("sort", ["worst"])[0]
        sort = sort if sort in _SORTS else "worst"
        everything = parameters.get("all", [""])[0] == "1"
        view = "agents" if parameters.get("view", [""])[0] == "agents" else ""

        def make(facts: Facts) -> bytes:
            return page.render(facts, sort=sort, everything=everything, base=base, view=view)

        headers = (
            ("Content-Security-Policy", page.POLICY),
            ("Referrer-Policy", "no-referrer"),
            ("X-Frame-Options", "DENY"),
        )
        return self._made(("page", sort, everything, base, view), make, "text/html; charset=utf-8", encoding, *headers)

    def _text(self) -> Answer:
        from .page import text  # noqa: PLC0415 - only where somebody looks

        answer = self._made("text", lambda facts: text.render(facts).encode(), "text/plain; charset=utf-8", "")
        if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
            return plain(HTTPStatus.OK, f"otel-llm {__version__}: metrics are at /metrics; {_NOWHERE}")
        return answer

    def _made(self, key: Any, make: Any, content_type: str, encoding: str, *headers: tuple[str, str]) -> Answer:
        zipped = "gzip" in encoding

        def both(facts: Facts) -> tuple[bytes, bytes]:
            body = make(facts)
            return body, gzip.compress(body, _FASTEST, mtime=0)

        with guard("status"):
            answer = self._snapshot.get(key, both)
            if answer is None:
                return plain(503, _NOWHERE)
            shared = (
                ("Content-Type", content_type),
                ("Cache-Control", "no-store"),
                ("Vary", "Accept, Accept-Encoding"),
                *headers,
            )
            return Answer(200, (*shared, ("Content-Encoding", "gzip")) if zipped else shared, answer[zipped])
        return plain(500, f"otel-llm {__version__} could not write this; the log of the service says why")
