"""One answer to one request for metrics, whoever received it: our server, a WSGI host, an ASGI host."""

from __future__ import annotations

import gzip
from collections.abc import Callable

from otel_llm.cluster.rpc import UnreachableError
from otel_llm.core.guard import guard
from otel_llm.core.shapes import NamedTuple

Scrape = Callable[[str], tuple[str, bytes]]
"""From an Accept header to content type and body."""

METHODS = ("GET", "HEAD")
_TEXT = "text/plain; charset=utf-8"
_FASTEST = 1  # of gzip: higher levels take four times as long and save a third more of what is small already
_WORTH_IT = 1024  # bytes
REASONS = {
    200: "OK",
    404: "Not Found",
    405: "Method Not Allowed",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Answer(NamedTuple):
    """Status, headers and body of a response; the length is not among the headers."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def sent(self, method: str) -> tuple[tuple[tuple[str, str], ...], bytes]:
        """Headers and body as ``method`` gets them: without body for HEAD."""
        headers = (*self.headers, ("Content-Length", str(len(self.body))))
        return headers, b"" if method == "HEAD" else self.body


def plain(status: int, text: str, *headers: tuple[str, str]) -> Answer:
    """A line of text."""
    return Answer(status, (("Content-Type", _TEXT), *headers), f"{text}\n".encode())


def metrics(scrape: Scrape, method: str, accept: str, encoding: str) -> Answer:
    """The answer to a request for metrics. Never raises: a failed scrape is status 500."""
    if method not in METHODS:
        return plain(405, f"use {' or '.join(METHODS)}", ("Allow", ", ".join(METHODS)))
    with guard("scrape"):
        try:
            return _scraped(scrape, accept, encoding)
        except UnreachableError as error:
            return plain(503, f"otel-llm has no metrics to show: {error}")
    return plain(500, "otel-llm could not write its metrics; the log of the service says why")


def _scraped(scrape: Scrape, accept: str, encoding: str) -> Answer:
    content_type, body = scrape(accept)
    headers: tuple[tuple[str, str], ...] = (("Content-Type", content_type), ("Vary", "Accept, Accept-Encoding"))
    from prometheus_client.exposition import gzip_accepted  # noqa: PLC0415 - the scrape has imported it

    if len(body) >= _WORTH_IT and gzip_accepted(encoding):
        body = gzip.compress(body, _FASTEST, mtime=0)
        headers += (("Content-Encoding", "gzip"),)
    return Answer(200, headers, body)
