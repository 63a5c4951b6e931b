"""Responses over a WebSocket, one after the other on one connection: the events are those of a stream.

Events: https://platform.openai.com/docs/api-reference/responses-streaming.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from otel_llm.calls.declarations import Hook, SessionEvent
from otel_llm.core.model import Reader, Request, Response

from ._openai_api import attributes_of
from ._openai_content import asked
from ._openai_responses import read_response_event
from ._openai_socket import parsed, peer_of, session, wish_in
from ._read import attr, text

_MOST = 64  # wishes remembered that nothing came of
_ONE = ""  # the server answers one at a time, and its events do not say which: there is one name for all
_ENDS = {"response.completed", "response.incomplete", "response.failed", "error"}


def hooks() -> tuple[Hook, ...]:
    """The hooks of the connections, and of the beta's."""
    return tuple(session(f"{place}responses.responses", "Responses", Turns) for place in ("", "beta."))


class Turns:
    """Reads the events of one connection."""

    def __init__(self, connection: Any) -> None:
        self._peer = peer_of(connection)
        self._wanted: deque[Request] = deque(maxlen=_MOST)  # of the responses that have not been created
        self._created = False  # whether the one that is under way has

    def sent(self, event: Any) -> SessionEvent | None:
        """A response begins when it is asked for, or waits for the ones before it."""
        wish = wish_in(event)
        if wish is None:
            return None
        self._wanted.append(self._request(wish))
        return SessionEvent("opens", _ONE, request=self._wanted[-1])

    def received(self, event: Any) -> SessionEvent | None:
        """What the server says."""
        event = parsed(event)
        kind = text(attr(event, "type"))
        if kind in _ENDS:
            if not self._created:
                self._next(None)
            self._created = False
            return SessionEvent("ends", _ONE, event)
        if kind == "response.created":
            self._created = True
            return SessionEvent("continues", _ONE, event, request=self._next(attr(event, "response")))
        return SessionEvent("continues", _ONE, event) if kind is not None else None

    def _next(self, response: Any) -> Request:
        """What was asked for first, of what is not answered; the server's own words where nothing was."""
        return self._wanted.popleft() if self._wanted else self._request(response)

    def _request(self, wish: Any) -> Request:
        peer, body = self._peer, wish if isinstance(wish, dict) else {}
        attributes = attributes_of(body, "responses")
        return Request(
            peer.provider, "chat", text(attr(wish, "model")), _READER, peer.host, peer.port, stream=True,
            attributes=attributes, service_tier=text(body.get("service_tier")), content=lambda: asked(body),
        )  # fmt: skip


def _read_end(event: Any, into: Response) -> None:
    """The last event carries the whole response; an error comes instead of it."""
    fault = attr(event, "error")
    if fault is None:
        read_response_event(event, into)
    else:
        into.error_code = text(attr(fault, "type")) or text(attr(fault, "code")) or "server_error"


_READER = Reader(_read_end, read_response_event)
