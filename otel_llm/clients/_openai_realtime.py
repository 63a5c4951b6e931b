"""Realtime sessions of the openai client: a call for each response, and for each transcription of the user's speech.

Events: https://platform.openai.com/docs/api-reference/realtime-server-events, and those of the beta before it.
"""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import Hook, SessionEvent
from otel_llm.core.model import Reader, Request, Response

from ._openai_realtime_read import BUSY, read_done, read_part, read_transcript
from ._openai_socket import parsed, peer_of, session, wish_in
from ._read import attr, items, parameters, text

_PARAMETERS = {
    "conversation_id": "gen_ai.conversation.id",
    "max_output_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
}
_CONFIGURED = {"session.created", "session.updated", "transcription_session.created", "transcription_session.updated"}
_TRANSCRIPTION = "conversation.item.input_audio_transcription."
_TRANSCRIBED = {f"{_TRANSCRIPTION}completed", f"{_TRANSCRIPTION}failed"}


def hooks() -> tuple[Hook, ...]:
    """The hooks of realtime connections, today's and the beta's."""
    return (
        session("realtime.realtime", "Realtime", Conversation),
        session("beta.realtime.realtime", "Realtime", Conversation, raw=False),
    )


class Conversation:
    """Reads the events of one connection."""

    def __init__(self, connection: Any) -> None:
        self._peer = peer_of(connection)
        self._model: str | None = None  # as the server calls it
        self._transcribes = False
        self._transcriber: str | None = None  # the model that writes down what the user says
        self._response = Reader(self._read_done, read_part)
        self._transcription = Reader(self._read_transcript, read_part)

    def sent(self, event: Any) -> SessionEvent | None:
        """A response is asked for by ``response.create``."""
        wish = wish_in(event)
        if wish is None:
            return None
        return SessionEvent("asks", text(attr(wish, "event_id")), request=self._asked(attr(wish, "response")))

    def received(self, event: Any) -> SessionEvent | None:
        """What the server says."""
        event = parsed(event)
        kind = text(attr(event, "type")) or ""
        if kind.startswith("response."):
            return self._of_response(kind, event)
        if kind == "error":
            return _of_error(event)
        if kind in _CONFIGURED:
            self._configure(attr(event, "session"))
        elif kind == "input_audio_buffer.committed" and self._transcribes:
            request = self._request("transcription", self._transcriber, self._transcription)
            return SessionEvent("opens", _item(event), request=request, asked=False)
        elif kind.startswith(_TRANSCRIPTION):
            return SessionEvent("ends" if kind in _TRANSCRIBED else "continues", _item(event), event)
        return None

    def _of_response(self, kind: str, event: Any) -> SessionEvent:
        if kind == "response.created":
            reply = attr(event, "response")
            return SessionEvent("opens", text(attr(reply, "id")), request=self._asked(reply))
        if kind == "response.done":
            return SessionEvent("ends", text(attr(event, "response", "id")), event)
        return SessionEvent("continues", text(attr(event, "response_id")) or "", event)

    def _configure(self, settings: Any) -> None:
        self._model = text(attr(settings, "model")) or self._model
        transcription = attr(settings, "audio", "input", "transcription") or attr(settings, "input_audio_transcription")
        self._transcribes, self._transcriber = transcription is not None, text(attr(transcription, "model"))

    def _asked(self, response: Any) -> Request:
        """What a response is to be like: by the wish for it, and by the server, which says it again and adds its defaults."""
        request = self._request("chat", self._peer.model or self._model, self._response)
        fields = response if isinstance(response, dict) else {}
        request.attributes.update(parameters(fields, _PARAMETERS))
        modalities = items(fields.get("output_modalities")) or items(fields.get("modalities"))
        if modalities:
            request.attributes["gen_ai.output.type"] = "speech" if "audio" in modalities else "text"
        return request

    def _request(self, operation: str, model: str | None, reader: Reader) -> Request:
        peer = self._peer
        request = Request(peer.provider, operation, model, reader, peer.host, peer.port, stream=True)
        request.attributes["openai.api.type"] = "realtime"
        return request

    def _read_done(self, event: Any, into: Response) -> None:
        into.model = self._model
        read_done(event, into)

    def _read_transcript(self, event: Any, into: Response) -> None:
        into.model = self._transcriber
        read_transcript(event, into)


def _of_error(event: Any) -> SessionEvent:
    """An error names the event that it is about, where the host gave that a name; else it may say that it is about a response."""
    fault = attr(event, "error")
    about = attr(fault, "code") == BUSY or (text(attr(fault, "param")) or "").startswith("response")
    return SessionEvent("refuses", text(attr(fault, "event_id")), event, asked=about)


def _item(event: Any) -> str:
    return f"item {attr(event, 'item_id')}"
