"""Live sessions of google-genai: a call for each turn, from what asks for it to its completion.

Messages: https://ai.google.dev/api/live. A turn has no name, and no message marks its beginning: it begins with what the host sends
to end its own turn, or with the first answer to what it streams.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from otel_llm.calls.declarations import Args, Around, Hook, Kwargs, Session, SessionEvent
from otel_llm.core.model import AttributeValue, Reader, Request, Response

from . import _hosts
from ._google_content import asked, keep
from ._google_request import configured, model_of
from ._google_usage import read_usage, word
from ._read import attr, items, text

_LIVE, _TURN = "google.genai.live", "turn"
_CONNECTING: ContextVar[tuple[Any, Any]] = ContextVar("otel_llm_live", default=(None, None))
_STREAMED = ("media", "audio", "video", "text", "audio_stream_end", "activity_start", "activity_end")
_OUTPUT = {"AUDIO": "speech", "TEXT": "text"}


def hooks() -> tuple[Hook, ...]:
    """The hooks of sessions, and of what makes them: a session itself does not know its model."""
    return (
        Around(_LIVE, ("AsyncLive.connect",), lambda *_: None, _connecting),
        Session(
            _LIVE,
            ("AsyncSession",),
            Conversation,
            sends=("send_client_content", "send_realtime_input", "send"),
            receives=("_receive",),
            leaves=("close",),
            lost=_is_lost,
            sent=lambda _, kwargs: kwargs,
        ),
    )


def _connecting(_: Any, __: Args, kwargs: Kwargs) -> None:
    _CONNECTING.set((kwargs.get("model"), kwargs.get("config")))


def _is_lost(error: BaseException) -> bool:
    """The end of a connection, which the library reports as an API error with a WebSocket's code; earlier versions let it pass."""
    if any(kind.__name__ == "ConnectionClosed" for kind in type(error).__mro__):
        return True
    code = getattr(error, "code", None)
    return type(code) is int and code >= 1000  # noqa: PLR2004 - RFC 6455 section 7.4.2


class Conversation:
    """Reads the messages of one session."""

    def __init__(self, session: Any) -> None:
        model, self._config = _CONNECTING.get()
        self._model = model_of(model)
        client, headers = attr(session, "_api_client"), attr(session, "_ws", "request", "headers")
        default = "gcp.vertex_ai" if attr(client, "vertexai") is True else "gcp.gemini"
        host = headers.get("Host") if headers is not None else None
        url = f"//{host}" if host else text(attr(client, "_http_options", "base_url")) or ""
        self._place = _hosts.behind_text(url, default)

    def sent(self, arguments: Any) -> SessionEvent | None:
        """What the host says: it ends the host's turn, or does not."""
        return (
            SessionEvent("opens", _TURN, request=self._request(arguments)) if _ends_the_hosts_turn(arguments) else None
        )

    def received(self, message: Any) -> SessionEvent | None:
        """What the server says."""
        content = attr(message, "server_content")
        answers = any(attr(content, name) is not None for name in ("model_turn", "output_transcription"))
        request = self._request(None) if answers or attr(message, "tool_call") is not None else None
        if attr(content, "turn_complete") is True:
            return SessionEvent("ends", _TURN, message, request)
        if request is None and attr(content, "interrupted") is None and attr(message, "usage_metadata") is None:
            return None
        return SessionEvent("continues", _TURN, message, request)

    def _request(self, arguments: Any) -> Request:
        name, host, port = self._place
        attributes: dict[str, AttributeValue] = configured(self._config)
        if (
            kind := _OUTPUT.get(word(next(iter(items(attr(self._config, "response_modalities"))), None)) or "")
        ) is not None:
            attributes["gen_ai.output.type"] = kind
        contents = next(
            (value for key in ("turns", "text", "input") if (value := attr(arguments, key)) is not None), None
        )
        return Request(
            name, "chat", self._model, TURN, host, port, stream=True, attributes=attributes,
            content=lambda: asked(contents, self._config),
        )  # fmt: skip


def _ends_the_hosts_turn(arguments: Any) -> bool:
    """The arguments show which method sent it: their names differ."""
    if any(name in arguments for name in _STREAMED):
        return arguments.get("text") is not None or arguments.get("activity_end") is not None
    if "input" in arguments:  # a method of the first versions
        return bool(arguments.get("end_of_turn")) or attr(arguments["input"], "turn_complete") is True
    return arguments.get("turn_complete", True) is True


def read_message(message: Any, into: Response) -> bool:
    """A part of an answer; where a turn reports usage more than once, the last report is of the whole turn."""
    content, calls = attr(message, "server_content"), items(attr(message, "tool_call", "function_calls"))
    parts, spoken = attr(content, "model_turn"), text(attr(content, "output_transcription", "text"))
    if attr(content, "interrupted") is True:
        into.error_code, into.finish_reasons = "cancelled", ["interrupted"]
    if (usage := attr(message, "usage_metadata")) is not None:
        read_usage(usage, into)
    if into.content is not None:
        answered = [*items(attr(parts, "parts")), *({"text": spoken} for _ in (spoken,) if spoken)]
        keep(into.content, {"content": {"parts": [*answered, *({"function_call": call} for call in calls)]}})
    return bool(attr(parts, "parts") or spoken or calls)


def read_end(message: Any, into: Response) -> None:
    """The completion of a turn, which may say why."""
    read_message(message, into)
    reason = word(attr(message, "server_content", "turn_complete_reason"))
    into.finish_reasons = into.finish_reasons or [reason or "stop"]


TURN = Reader(read_end, read_message)
