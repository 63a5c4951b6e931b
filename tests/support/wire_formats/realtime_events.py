"""What a Realtime server says of a response and of what it heard, in the words of today's API and of the beta before it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from otel_llm.testing.loopback.call import Call
from otel_llm.testing.loopback.exchange import JSON

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILURE = {"type": "server_error", "code": None, "message": "The server had an error while processing your request."}
_STATUS = {"length": ("incomplete", "max_output_tokens"), "filter": ("incomplete", "content_filter")}
_SILENCE = "AAAAAAAA"  # 16-bit PCM in base64
_SECONDS_HEARD = 2.5
_CACHED_AUDIO = 10  # tokens


@dataclass(frozen=True, slots=True)
class Voice:
    """How the server words things. The beta had other names, and a session without nesting."""

    beta: bool

    def session(self, call: Call) -> JSON:
        """A new session's configuration."""
        modalities = ["audio"] if "audio" in call else ["text"]
        detection = {"type": "server_vad", "create_response": True, "interrupt_response": True}
        base = {"object": "realtime.session", "id": call.id("sess_"), "model": call.answers_model}
        if self.beta:
            both = ["audio", "text"] if "audio" in call else ["text"]
            return {**base, "modalities": both, "input_audio_transcription": None, "turn_detection": detection}
        heard = {"transcription": None, "turn_detection": detection}
        return {**base, "type": "realtime", "output_modalities": modalities, "audio": {"input": heard}}

    def _heard(self, session: JSON, name: str) -> JSON | None:
        within, name = (session, name) if self.beta else (session["audio"]["input"], name.removeprefix("input_audio_"))
        return cast("JSON | None", within.get(name))

    def detection(self, session: JSON) -> JSON | None:
        """How the end of the user's turn is found, or None where the client says it."""
        return self._heard(session, "turn_detection")

    def part(self, kind: str) -> str:
        """The type of a part of an answer: ``output_text``, ``output_audio``."""
        return kind.removeprefix("output_") if self.beta else kind

    def added(self, item: JSON) -> Iterator[JSON]:
        """An item is new in the conversation."""
        for kind in ("created",) if self.beta else ("added", "done"):
            yield {"type": f"conversation.item.{kind}", "previous_item_id": None, "item": item}

    def transcription(self, call: Call, session: JSON, item: str) -> Iterator[JSON]:
        """What the transcribing model, which is paid for by itself, wrote down of an item."""
        wanted = self._heard(session, "input_audio_transcription")
        if wanted is None:
            return
        kind, place = "conversation.item.input_audio_transcription", {"item_id": item, "content_index": 0}
        if "failed" in str(wanted.get("model")):
            yield {"type": f"{kind}.failed", **place, "error": {**FAILURE, "code": "audio_unintelligible"}}
            return
        for piece in call.text():
            yield {"type": f"{kind}.delta", **place, "delta": piece}
        usage: JSON = {"type": "duration", "seconds": _SECONDS_HEARD}
        if "whisper" not in str(wanted.get("model")):
            heard = {"text_tokens": 0, "audio_tokens": 30}
            usage = {
                "type": "tokens",
                "total_tokens": 37,
                "input_tokens": 30,
                "output_tokens": 7,
                "input_token_details": heard,
            }
        yield {"type": f"{kind}.completed", **place, "transcript": "".join(call.text()), "usage": usage}


def events_of(call: Call, voice: Voice, whole: JSON) -> Iterator[JSON]:
    """All that is said of a response, from its creation to its end."""
    begun = {**whole, "status": "in_progress", "status_details": None, "output": [], "usage": None}
    yield {"type": "response.created", "response": begun}
    for index, item in enumerate(whole["output"]):
        place = {"response_id": whole["id"], "output_index": index}
        yield {"type": "response.output_item.added", **place, "item": {**item, "status": "in_progress"}}
        yield from voice.added(item)
        for event in _of_item(call, voice, item):
            yield {**event, **place, "item_id": item["id"]}
        yield {"type": "response.output_item.done", **place, "item": item}
    yield {"type": "response.done", "response": whole}
    limit = {"name": "tokens", "limit": 200_000, "remaining": 199_900, "reset_seconds": 0.03}
    yield {"type": "rate_limits.updated", "rate_limits": [limit]}


def _of_item(call: Call, voice: Voice, item: JSON) -> Iterator[JSON]:
    if item["type"] == "function_call":
        kind, called = "response.function_call_arguments", {"call_id": item["call_id"]}
        yield {"type": f"{kind}.delta", **called, "delta": item["arguments"]}
        yield {"type": f"{kind}.done", **called, "arguments": item["arguments"]}
        return
    place = {"content_index": 0}
    part = item["content"][0]
    yield {"type": "response.content_part.added", **place, "part": {"type": part["type"]}}
    for event in _pieces(call, voice, spoken="transcript" in part):
        yield {**event, **place}
    yield {"type": "response.content_part.done", **place, "part": part}


def _pieces(call: Call, voice: Voice, *, spoken: bool) -> Iterator[JSON]:
    said, sound = "".join(call.text()), f"response.{voice.part('output_audio')}"
    if not spoken:
        kind = f"response.{voice.part('output_text')}"
        for piece in call.text():
            yield {"type": f"{kind}.delta", "delta": piece}
        yield {"type": f"{kind}.done", "text": said}
        return
    for piece in call.text():
        yield {"type": f"{sound}_transcript.delta", "delta": piece}
        yield {"type": f"{sound}.delta", "delta": _SILENCE}
    yield {"type": f"{sound}.done"}
    yield {"type": f"{sound}_transcript.done", "transcript": said}


def response_of(call: Call, turn: int, wanted: JSON) -> JSON:
    """A response as it is in the end; ``wanted`` is the session's configuration, and what the client asked for beyond it."""
    failed = "failed" in call
    status, reason = ("failed", None) if failed else _STATUS.get(call.switches.finish, ("completed", None))
    details = {"type": status, "reason": reason, "error": FAILURE if failed else None}
    modalities = wanted.get("output_modalities") or wanted.get("modalities") or ["text"]
    body: JSON = {
        "id": f"{call.id('resp_')}_{turn}",
        "object": "realtime.response",
        "conversation_id": call.id("conv_"),
        "status": status,
        "status_details": None if status == "completed" else details,
        "max_output_tokens": wanted.get("max_output_tokens", "inf"),
        "modalities" if "modalities" in wanted else "output_modalities": modalities,
        "metadata": wanted.get("metadata"),
        "output": [] if failed else [_item(call, turn, wanted)],
    }
    return {**body, "usage": _usage(call)} if call.usage else body


def cancelled(whole: JSON, reason: str) -> JSON:
    """A response that was stopped in the middle."""
    return {**whole, "status": "cancelled", "status_details": {"type": "cancelled", "reason": reason}}


def _item(call: Call, turn: int, wanted: JSON) -> JSON:
    base: JSON = {"id": f"item_{turn}", "object": "realtime.item", "status": "completed"}
    if call.switches.finish == "tools":
        tool = (wanted.get("tools") or [{}])[0]
        name, arguments = call.tool(tool.get("name"), tool.get("parameters"))
        called = {"call_id": call.id("call_"), "name": name, "arguments": json.dumps(arguments)}
        return {**base, "type": "function_call", **called}
    return {**base, "type": "message", "role": "assistant", "content": [_part(call, wanted)]}


def _part(call: Call, wanted: JSON) -> dict[str, Any]:
    said, beta = "".join(call.text()), "modalities" in wanted
    if "audio" in (wanted.get("output_modalities") or wanted.get("modalities") or ()):
        return {"type": "audio" if beta else "output_audio", "transcript": said}
    return {"type": "text" if beta else "output_text", "text": said}


def _usage(call: Call) -> JSON:
    """Text, audio and images are parts of the input, and of what was cached of it."""
    tokens = call.tokens
    heard, seen, spoken = tokens.input_audio, tokens.input_image, tokens.output_audio
    cached_audio = min(_CACHED_AUDIO, heard, tokens.cache_read)
    return {
        "total_tokens": tokens.total,
        "input_tokens": tokens.input,
        "output_tokens": tokens.output,
        "input_token_details": {
            "text_tokens": tokens.input - heard - seen,
            "audio_tokens": heard,
            "image_tokens": seen,
            "cached_tokens": tokens.cache_read,
            "cached_tokens_details": {"text_tokens": tokens.cache_read - cached_audio, "audio_tokens": cached_audio},
        },
        "output_token_details": {"text_tokens": tokens.output - spoken, "audio_tokens": spoken},
    }
