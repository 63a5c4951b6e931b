"""/metrics inside a host's own application."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Mapping
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from otel_llm.exposition.apps import asgi_app, wsgi_app

BODY = b"some_metric 1\n" * 200


def scrape(accept: str) -> tuple[str, bytes]:
    return f"text/plain; asked={accept}", BODY


def wsgi(method: str = "GET", **headers: str) -> tuple[str, dict[str, str], bytes]:
    environ: dict[str, Any] = {"REQUEST_METHOD": method, "QUERY_STRING": "", **headers}
    setup_testing_defaults(environ)
    told: list[Any] = []
    answer = validator(wsgi_app(scrape))(
        environ, lambda status, headers: told.extend((status, dict(headers))) or (lambda _: None)
    )
    body = b"".join(answer)
    answer.close()
    return told[0], told[1], body


async def asgi(
    method: str = "GET", headers: tuple[tuple[bytes, bytes], ...] = (), what=scrape
) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[Mapping[str, Any]] = []

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> Mapping[str, Any]:
        return {"type": "http.request", "body": b""}

    await asgi_app(what)({"type": "http", "method": method, "headers": headers}, receive, send)
    start, body = sent
    return start["status"], dict(start["headers"]), body["body"]


def test_wsgi_answers() -> None:
    status, headers, body = wsgi(HTTP_ACCEPT="text/plain")
    assert (status, body) == ("200 OK", BODY)
    assert headers["Content-Type"] == "text/plain; asked=text/plain"
    assert headers["Content-Length"] == str(len(BODY))


def test_wsgi_packs() -> None:
    _, headers, body = wsgi(HTTP_ACCEPT_ENCODING="gzip")
    assert (headers["Content-Encoding"], gzip.decompress(body)) == ("gzip", BODY)


def test_wsgi_only_reads() -> None:
    status, headers, _ = wsgi("POST")
    assert (status, headers["Allow"]) == ("405 Method Not Allowed", "GET, HEAD")
    assert wsgi("HEAD")[2] == b""


async def test_asgi_answers() -> None:
    status, headers, body = await asgi(headers=((b"Accept", b"text/plain"), (b"accept-encoding", b"gzip")))
    assert (status, gzip.decompress(body)) == (200, BODY)
    assert headers[b"content-type"] == b"text/plain; asked=text/plain"
    assert headers[b"content-length"] == str(len(body)).encode()


async def test_asgi_only_reads() -> None:
    status, headers, _ = await asgi("DELETE")
    assert (status, headers[b"allow"]) == (405, b"GET, HEAD")
    assert (await asgi("HEAD"))[2] == b""


async def test_asgi_leaves_the_event_loop_alone() -> None:
    where: list[int] = []

    def slow(accept: str) -> tuple[str, bytes]:
        where.append(threading.get_ident())
        return scrape(accept)

    await asgi(what=slow)
    assert where[0] != threading.get_ident()


def test_asgi_answers_under_other_event_loops() -> None:
    running = asgi()
    with pytest.raises(StopIteration) as done:  # driven by hand: there is no asyncio here
        running.send(None)
    assert done.value.value[0] == 200


async def test_asgi_alone_takes_part_in_the_lifespan() -> None:
    messages = iter(({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}))
    sent: list[str] = []

    async def receive() -> Mapping[str, Any]:
        return next(messages)

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message["type"])

    await asyncio.wait_for(asgi_app(scrape)({"type": "lifespan"}, receive, send), 5)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_asgi_speaks_http_only() -> None:
    with pytest.raises(ValueError, match="not websocket"):
        await asgi_app(scrape)({"type": "websocket"}, None, None)
