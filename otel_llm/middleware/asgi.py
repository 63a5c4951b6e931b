"""The ASGI middleware: FastAPI, Starlette, Litestar, Django, or any ASGI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from . import routes
from .request import WATCH, Served
from .routes import Scope

Message = Any
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class ASGIMiddleware:
    """Gives every LLM call made for a request the request's route template and labels, and adds up what it cost.

    ``app.add_middleware(ASGIMiddleware)`` or ``app = ASGIMiddleware(app)``. ``headers`` maps request headers to label names
    (``{"x-tenant": "tenant"}``); headers that are not named are not read. ``labels`` is called with the ASGI scope and
    returns more of them. ``route`` is for applications without a framework: called with the scope, it returns the template.
    ``server_timing`` adds a ``Server-Timing`` entry with time, calls, tokens and cost of the calls made before the response
    began: whoever sends the request can read it.
    """

    def __init__(
        self,
        app: Application,
        *,
        headers: Mapping[str, str] | None = None,
        labels: Callable[[Scope], Mapping[str, Any]] | None = None,
        route: Callable[[Scope], str] | None = None,
        server_timing: bool = False,
    ) -> None:
        self.app = app
        self._headers = {name.lower().encode("latin-1"): label for name, label in (headers or {}).items()}
        self._labels = labels
        self._route = route
        self._server_timing = server_timing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        served = self._begin(scope) if scope["type"] in ("http", "websocket") else None
        if served is None:
            await self.app(scope, receive, send)
            return
        try:
            with served.current():
                await self.app(scope, receive, self._answering(served, send))
        finally:
            served.finish()

    def _begin(self, scope: Scope) -> Served | None:
        with WATCH:
            request = dict(scope)
            return Served(self._labels_of(scope), lambda: (self._route or _template(request))(scope))
        return None

    def _labels_of(self, scope: Scope) -> dict[str, Any]:
        labels = {
            self._headers[name.lower()]: value.decode("latin-1")
            for name, value in scope.get("headers", ())
            if name.lower() in self._headers
        }
        return {**labels, **self._labels(scope)} if self._labels is not None else labels

    def _answering(self, served: Served, send: Send) -> Send:
        """Look at each message of the response; the server span ends while the last one is sent."""

        async def see(message: Message) -> None:
            if self._server_timing and message["type"] == "http.response.start":
                message = _with_timing(message, served)
            if message["type"].startswith("http.response.") and not message.get("more_body", False):
                served.answering()
            await send(message)

        return see


def _template(request: Scope) -> Callable[[Scope], str]:
    return lambda scope: routes.of_scope(scope, request)


def _with_timing(message: Message, served: Served) -> Message:
    entry = served.server_timing()
    if not entry:
        return message
    return {**message, "headers": [*message.get("headers", ()), (b"server-timing", entry.encode("latin-1"))]}
