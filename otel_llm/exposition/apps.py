"""/metrics as an application that a host can mount where it likes: WSGI and ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any

from .answer import REASONS, Answer, Scrape
from .site import Site
from .snapshot import Ask, nobody

WSGIApp = Callable[[Mapping[str, Any], Callable[..., Any]], Iterable[bytes]]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Mapping[str, Any], Receive, Send], Awaitable[None]]


def wsgi_app(scrape: Scrape, status: Ask = nobody) -> WSGIApp:
    """A WSGI application that answers any path with the metrics, a browser with the status page."""
    site = Site(scrape, status)

    def app(environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        answer = site.mounted(
            method,
            environ.get("PATH_INFO", ""),
            environ.get("QUERY_STRING", ""),
            environ.get("HTTP_ACCEPT", ""),
            environ.get("HTTP_ACCEPT_ENCODING", ""),
            environ.get("SCRIPT_NAME", "").rstrip("/"),
        )
        headers, body = answer.sent(method)
        start_response(f"{answer.status} {REASONS[answer.status]}", list(headers))
        return [body]

    return app


def asgi_app(scrape: Scrape, status: Ask = nobody) -> ASGIApp:
    """An ASGI application that answers any path with the metrics, a browser with the status page, and the lifespan protocol
    where it runs alone.

    The work is done in a thread of asyncio's, so that the host's event loop goes on meanwhile.
    """
    site = Site(scrape, status)

    async def app(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
            base = scope.get("root_path", "").rstrip("/")
            path = scope.get("path", "")  # servers differ in whether it repeats the path that we are mounted at
            path = path[len(base) :] if base and path.startswith(base) else path
            query = scope.get("query_string", b"").decode("latin-1")
            accept, encoding = headers.get(b"accept", ""), headers.get(b"accept-encoding", "")
            ask = partial(site.mounted, scope["method"], path, query, accept, encoding, base)
            await _send(await _in_thread(ask), scope["method"], send)
        else:
            raise ValueError(f"/metrics speaks HTTP, not {scope['type']}")

    return app


async def _in_thread(ask: Callable[[], Answer]) -> Answer:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # another kind of event loop, as trio's
        return ask()
    return await loop.run_in_executor(None, ask)


async def _send(answer: Answer, method: str, send: Send) -> None:
    headers, body = answer.sent(method)
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
