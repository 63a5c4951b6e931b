"""Realtime sessions of the openai client: a call for each response, and for each transcription of what the user said.

Events: https://platform.openai.com/docs/api-reference/realtime-server-events, and those of the beta before it.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from otel_llm.model import Reader, Request, Response
from otel_llm.provider import Hook, Session, Turn

from . import _hosts
from ._openai_realtime_read import BUSY, read_done, read_part, read_transcript
from ._read import attr, items, parameters, text

_PARAMETERS = {
    "conversation_id": "gen_ai.conversation.id",
    "max_output_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
}
_CONFIGURED = {"session.created", "session.updated", "transcription_session.created", "transcription_session.updated"}
_HEARD = "conversation.item.input_audio_transcription."
_HEARD_OUT = {f"{_HEARD}completed", f"{_HEARD}failed"}


def hooks() -> tuple[Hook, ...]:
    """The hooks of realtime connections, today's and the beta's."""
    return tuple(
        Session(
            f"openai.resources.{place}.realtime",
            ("RealtimeConnection", "AsyncRealtimeConnection"),
            Conversation,
            sends=sends,
            receives=("recv_bytes",),
            leaves=("close",),
            lost=_is_closed,
        )
        for place, sends in (("realtime", ("send", "send_raw")), ("beta.realtime", ("send",)))
    )


def _is_closed(error: BaseException) -> bool:
    return any(kind.__name__ == "ConnectionClosed" for kind in type(error).__mro__)


class Conversation:
    """Reads the events of one connection as they are on the wire, which costs less than to look into parsed ones."""

    def __init__(self, connection: Any) -> None:
        handshake = attr(connection, "_connection", "request")
        headers, path = attr(handshake, "headers"), text(attr(handshake, "path")) or ""
        host = headers.get("Host") if headers is not None else None
        named, self._host, self._port = _hosts.behind_text(f"wss://{host or ''}", "openai")
        query = parse_qs(urlsplit(path).query)
        azure = named == "openai" and ("deployment" in query or "api-version" in query)
        self._provider = "azure.ai.openai" if azure else named
        self._wanted = text("".join((query.get("model") or query.get("deployment") or [""])[:1]))
        self._model: str | None = None  # as the server calls it
        self._transcribes = False
        self._transcriber: str | None = None  # the model that writes down what the user says
        self._response = Reader(self._read_done, read_part)
        self._transcription = Reader(self._read_transcript, read_part)

    def sent(self, event: Any) -> Turn | None:
        """A response is asked for by ``response.create``."""
        if isinstance(event, (str, bytes)):
            event = _parsed(event) if "response.create" in str(event) else None
        if attr(event, "type") != "response.create":
            return None
        return Turn("asks", text(attr(event, "event_id")), request=self._asked(attr(event, "response")))

    def received(self, event: Any) -> Turn | None:
        """What the server says."""
        event = _parsed(event)
        kind = text(attr(event, "type")) or ""
        if kind.startswith("response."):
            return self._of_response(kind, event)
        if kind == "error":
            return _of_error(event)
        if kind in _CONFIGURED:
            self._configure(attr(event, "session"))
        elif kind == "input_audio_buffer.committed" and self._transcribes:
            request = self._request("transcription", self._transcriber, self._transcription)
            return Turn("opens", _item(event), request=request, asked=False)
        elif kind.startswith(_HEARD):
            return Turn("ends" if kind in _HEARD_OUT else "tells", _item(event), event)
        return None

    def _of_response(self, kind: str, event: Any) -> Turn:
        if kind == "response.created":
            reply = attr(event, "response")
            return Turn("opens", text(attr(reply, "id")), request=self._asked(reply))
        if kind == "response.done":
            return Turn("ends", text(attr(event, "response", "id")), event)
        return Turn("tells", text(attr(event, "response_id")) or "", event)

    def _configure(self, session: Any) -> None:
        self._model = text(attr(session, "model")) or self._model
        heard = attr(session, "audio", "input", "transcription") or attr(session, "input_audio_transcription")
        self._transcribes, self._transcriber = heard is not None, text(attr(heard, "model"))

    def _asked(self, response: Any) -> Request:
        """What a response is to be like: by the wish for it, and by the server, which says it again and adds its defaults."""
        request = self._request("chat", self._wanted or self._model, self._response)
        fields = response if isinstance(response, dict) else {}
        request.attributes.update(parameters(fields, _PARAMETERS))
        modalities = items(fields.get("output_modalities")) or items(fields.get("modalities"))
        if modalities:
            request.attributes["gen_ai.output.type"] = "speech" if "audio" in modalities else "text"
        return request

    def _request(self, operation: str, model: str | None, reader: Reader) -> Request:
        request = Request(self._provider, operation, model, reader, self._host, self._port, stream=True)
        request.attributes["openai.api.type"] = "realtime"
        return request

    def _read_done(self, event: Any, into: Response) -> None:
        into.model = self._model
        read_done(event, into)

    def _read_transcript(self, event: Any, into: Response) -> None:
        into.model = self._transcriber
        read_transcript(event, into)


def _of_error(event: Any) -> Turn:
    """An error names the event that it is about, where the host gave that a name; else it may tell that it is about a response."""
    fault = attr(event, "error")
    about = attr(fault, "code") == BUSY or (text(attr(fault, "param")) or "").startswith("response")
    return Turn("refuses", text(attr(fault, "event_id")), event, asked=about)


def _item(event: Any) -> str:
    return f"item {attr(event, 'item_id')}"


def _parsed(event: Any) -> Any:
    try:
        return json.loads(event)
    except (TypeError, ValueError, RecursionError):
        return None
