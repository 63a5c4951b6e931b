"""OpenAI over a WebSocket: Realtime sessions, and Responses one after the other on one connection.

Events: https://platform.openai.com/docs/api-reference/realtime-client-events and realtime-server-events. A client that asks for
the beta by the header ``OpenAI-Beta: realtime=v1`` is answered in the beta's words.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from otel_llm.testing.loopback import openai_responses, websocket
from otel_llm.testing.loopback.call import Call, Route
from otel_llm.testing.loopback.exchange import JSON, Reply, Request, Session
from otel_llm.testing.loopback.openai import FAMILY

from .realtime_events import FAILURE, Voice, cancelled, events_of, response_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BEFORE_ERROR = 3
_DONE = re.compile(r"response\..*done$")


def realtime(call: Call) -> Reply:
    conversation = Conversation(call)

    def session(said: JSON | None) -> Iterable[JSON]:
        events = conversation.opening() if said is None else conversation.answer(said)
        return ({"event_id": f"event_{number}", **event} for number, event in enumerate(events))

    return upgraded(call.request, session)


def responses(call: Call) -> Reply:
    def session(said: JSON | None) -> Iterable[JSON]:
        if said is None or said.get("type") != "response.create":
            return ()
        return openai_responses.typed_events(Call.of(call.request.saying(said)))

    return upgraded(call.request, session)


def upgraded(request: Request, session: Session) -> Reply:
    """The answer to a WebSocket's handshake, with what is said on it afterwards."""
    key = request.headers.get("sec-websocket-key")
    if key is None:
        return Reply.of_json({"error": {"message": "this endpoint speaks WebSocket"}}, 426, {"upgrade": "websocket"})
    headers = {"upgrade": "websocket", "sec-websocket-accept": websocket.accept(key)}
    return Reply(101, headers, session=session)


class Conversation:
    """One Realtime session: its configuration, its turns, and the response that is being held back, if one is."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._voice = Voice(beta="realtime=v1" in call.request.headers.get("openai-beta", ""))
        self._session = self._voice.session(call)
        self._turns = itertools.count(1)
        self._items = itertools.count(1)
        self._held: JSON | None = None

    def opening(self) -> Iterator[JSON]:
        """What the server says first."""
        yield {"type": "session.created", "session": self._session}

    def answer(self, said: JSON) -> Iterable[JSON]:
        """What the server says to one event of the client's."""
        answers = {
            "session.update": self._update,
            "conversation.item.create": lambda said: self._item(said.get("item") or {}),
            "input_audio_buffer.append": self._listen,
            "input_audio_buffer.commit": lambda _: self._heard(),
            "response.create": self._create,
            "response.cancel": self._cancel,
        }
        found = answers.get(str(said.get("type")))
        return found(said) if found is not None else [_error(said, "invalid_value", "type")]

    def _update(self, said: JSON) -> Iterator[JSON]:
        self._session = _merged(self._session, said.get("session") or {})
        yield {"type": "session.updated", "session": self._session}

    def _item(self, item: JSON) -> Iterator[JSON]:
        named = {"id": f"item_in_{next(self._items)}", "object": "realtime.item", "status": "completed", **item}
        return self._voice.added(named)

    def _listen(self, _: JSON) -> Iterator[JSON]:
        """Audio: where the server listens for the end of the user's turn, each piece is taken for a whole turn."""
        detection = self._voice.detection(self._session)
        if detection is None:
            return
        place = {"item_id": f"item_in_{next(self._items)}"}
        yield {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, **place}
        if self._held is not None:
            yield from self._ended("turn_detected")
        yield {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 900, **place}
        yield from self._heard()
        if detection.get("create_response", True):
            yield from self._create({})

    def _heard(self) -> Iterator[JSON]:
        """The user's turn, and what a model of its own makes of it in writing, where the session wants that."""
        item = {"type": "message", "role": "user", "content": [{"type": "input_audio", "transcript": None}]}
        events = list(self._item(item))
        name = events[-1]["item"]["id"]
        yield {"type": "input_audio_buffer.committed", "previous_item_id": None, "item_id": name}
        yield from events
        yield from self._voice.transcription(self._call, self._session, name)

    def _create(self, said: JSON) -> Iterator[JSON]:
        if self._held is not None:
            yield _error(said, "conversation_already_has_active_response", None)
            return
        wanted = said.get("response") or {}
        if wanted.get("max_output_tokens") == 0:
            yield _error(said, "integer_below_min_value", "response.max_output_tokens")
            return
        whole = response_of(self._call, next(self._turns), _merged(self._session, wanted))
        events = events_of(self._call, self._voice, whole)
        if "hold" in self._call:
            self._held = whole
            yield from itertools.takewhile(lambda event: not _DONE.match(event["type"]), events)
        elif self._call.switches.stream_error:
            yield from itertools.islice(events, _BEFORE_ERROR)
            yield {"type": "error", "error": FAILURE}
        else:
            yield from events

    def _cancel(self, said: JSON) -> Iterator[JSON]:
        if self._held is None:
            yield _error(said, "response_cancel_not_active", None)
            return
        yield from self._ended("client_cancelled")

    def _ended(self, reason: str) -> Iterator[JSON]:
        whole, self._held = self._held, None
        yield {"type": "response.done", "response": cancelled(whole or {}, reason)}


def _error(said: JSON, code: str, param: str | None) -> JSON:
    error = {"type": "invalid_request_error", "code": code, "message": f"Invalid: {code}.", "param": param}
    return {"type": "error", "error": {**error, "event_id": said.get("event_id")}}


def _merged(old: JSON, new: JSON) -> JSON:
    """``old`` with what ``new`` says; null switches a thing off."""
    merged = dict(old)
    for name, value in new.items():
        merged[name] = (
            _merged(old[name], value) if isinstance(value, dict) and isinstance(old.get(name), dict) else value
        )
    return merged


ROUTES = (
    Route("GET", re.compile(r"/realtime$"), realtime, FAMILY),
    Route("GET", re.compile(r"/v1/responses$"), responses, FAMILY),
)
