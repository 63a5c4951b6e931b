"""Gemini's Live API over a WebSocket: a setup that names the model, then turns. https://ai.google.dev/api/live

With ``hold`` in the model's name a turn is not completed until the next one interrupts it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from otel_llm.testing.loopback.call import Call, Route
from otel_llm.testing.loopback.exchange import JSON, Reply, Request

from . import gemini
from .realtime import upgraded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_RENAMED = {"candidatesTokenCount": "responseTokenCount", "candidatesTokensDetails": "responseTokensDetails"}


def live(call: Call) -> Reply:
    conversation = Conversation(call.request)
    return upgraded(call.request, lambda said: conversation.answer(said or {}))


class Conversation:
    """One session: its setup, and whether a turn is being held back."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._setup: JSON = {}
        self._held = False

    def answer(self, said: JSON) -> Iterable[JSON]:
        """What the server says to one message."""
        ((kind, told),) = said.items() or ((None, {}),)
        answers = {
            "setup": self._begin,
            "client_content": self._read,
            "realtime_input": self._hear,
            "tool_response": self._resume,
        }
        answer = answers.get(str(kind))
        return answer(told) if answer is not None else ()

    def _begin(self, setup: JSON) -> Iterable[JSON]:
        self._setup = setup
        return [{"setupComplete": {}}]

    def _read(self, content: JSON) -> Iterable[JSON]:
        whole = content.get("turnComplete") or content.get("turn_complete")
        return self._turn(content.get("turns") or []) if whole else ()

    def _hear(self, streamed: JSON) -> Iterable[JSON]:
        """Each piece of audio is taken for a whole turn of the user's."""
        return self._turn([]) if streamed.keys() & {"text", "audio", "activityEnd"} else ()

    def _resume(self, _: JSON) -> Iterable[JSON]:
        return self._turn([{"parts": [{"functionResponse": {}}]}])

    def _turn(self, contents: list[JSON]) -> Iterator[JSON]:
        call = Call.of(self._request.saying({**self._setup, "contents": contents}))
        if self._held:
            yield {"serverContent": {"interrupted": True}}
            yield {"serverContent": {"turnComplete": True}, **_usage(call)}
        self._held = "hold" in call
        for part in gemini.content_of(call):
            if "functionCall" in part:
                yield {"toolCall": {"functionCalls": [{"id": call.id("call-"), **part["functionCall"]}]}}
                return
            yield {"serverContent": {"modelTurn": {"parts": [part]}}}
        if not self._held:
            yield {"serverContent": {"generationComplete": True}}
            yield {"serverContent": {"turnComplete": True}, **_usage(call)}


def _usage(call: Call) -> JSON:
    """Usage, in Gemini's words or in Vertex AI's, which are those of its other answers."""
    renamed = _RENAMED if "generativelanguage" in call.request.path else {}
    usage = {renamed.get(name, name): value for name, value in gemini.usage_of(call).items()}
    return {"usageMetadata": usage} if usage else {}


ROUTES = (Route("GET", re.compile(r"[./]BidiGenerateContent$"), live, gemini.FAMILY),)
