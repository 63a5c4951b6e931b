"""The WSGI middleware: Flask, Django, or any WSGI application."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from . import routes
from .request import WATCH, Served

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class WSGIMiddleware:
    """Gives every LLM call made for a request the request's route template and labels, and adds up what it cost.

    ``app.wsgi_app = WSGIMiddleware(app.wsgi_app)`` (Flask) or ``application = WSGIMiddleware(application)``. ``headers`` maps
    request headers to label names (``{"x-tenant": "tenant"}``); headers that are not named are not read. ``labels`` is called
    with the WSGI environ and returns more of them. ``route`` is for applications without a framework: called with the
    environ, it returns the template. ``server_timing`` adds a ``Server-Timing`` entry with time, calls, tokens and cost of
    the calls made before the response began: whoever sends the request can read it.
    """

    def __init__(
        self,
        app: Application,
        *,
        headers: Mapping[str, str] | None = None,
        labels: Callable[[Environ], Mapping[str, Any]] | None = None,
        route: Callable[[Environ], str] | None = None,
        server_timing: bool = False,
    ) -> None:
        self.app = app
        self._headers = {f"HTTP_{name.upper().replace('-', '_')}": label for name, label in (headers or {}).items()}
        self._labels = labels
        self._route = route or routes.of_environ
        self._server_timing = server_timing

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        served = self._begin(environ)
        if served is None:
            return self.app(environ, start_response)
        try:
            with served.current():
                body = self.app(environ, self._answering(served, start_response))
        except BaseException:
            served.finish()
            raise
        if _whole(body, environ):
            served.finish()
            return body
        return _Body(body, served)

    def _begin(self, environ: Environ) -> Served | None:
        with WATCH:
            request = dict(environ)
            return Served(self._labels_of(environ), lambda: self._route(request))
        return None

    def _labels_of(self, environ: Environ) -> dict[str, Any]:
        labels = {label: environ[name] for name, label in self._headers.items() if name in environ}
        return {**labels, **self._labels(environ)} if self._labels is not None else labels

    def _answering(self, served: Served, start_response: StartResponse) -> StartResponse:
        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            served.answering()
            entry = served.server_timing() if self._server_timing else ""
            return start_response(status, [*headers, ("Server-Timing", entry)] if entry else headers, *error)

        return start


def _whole(body: Iterable[bytes], environ: Environ) -> bool:
    """Whether no more of the host's code runs for this body; a server may know a better way to send its own file wrapper."""
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(body, list | tuple) or (isinstance(wrapper, type) and isinstance(body, wrapper))


class _Body:
    """A response that is made while it is sent: its calls count too, until the server closes it."""

    def __init__(self, body: Iterable[bytes], served: Served) -> None:
        self._body = body
        self._chunks: Iterator[bytes] | None = None
        self._served = served

    def __iter__(self) -> _Body:
        return self

    def __next__(self) -> bytes:
        with self._served.current():
            if self._chunks is None:
                self._chunks = iter(self._body)
            return next(self._chunks)

    def close(self) -> None:
        try:
            if (close := getattr(self._body, "close", None)) is not None:
                with self._served.current():
                    close()
        finally:
            self._served.finish()
