"""OpenAI's endpoints beside chat, responses and embeddings: images, audio, moderations, models, files and batches."""

from __future__ import annotations

import base64
import re

from otel_llm.testing.loopback.call import Call, Route
from otel_llm.testing.loopback.exchange import JSON, Reply, sse
from otel_llm.testing.loopback.openai import CREATED, FAMILY, dialect
from otel_llm.testing.loopback.openai_embeddings import input_count
from otel_llm.testing.loopback.openai_usage import chat_usage

_PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 16).decode()
_SILENCE = b"ID3" + b"\0" * 61


def images(call: Call) -> Reply:
    """Generations, edits and variations; ``stream`` gives a partial image and the completed one."""
    usage = {
        "input_tokens": 10,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 0},
        "output_tokens": 1000,
        "total_tokens": 1010,
    }
    counted = {"usage": usage} if call.usage else {}
    if not call.stream:
        return Reply.of_json({"created": CREATED, "data": [{"b64_json": _PIXEL}], **counted})
    kind = "image_edit" if call.request.path.endswith("/edits") else "image_generation"
    shared = {"b64_json": _PIXEL, "created_at": CREATED, "size": "1024x1024", "quality": "low", "background": "opaque"}
    shared["output_format"] = "png"
    partial = {"type": f"{kind}.partial_image", **shared, "partial_image_index": 0}
    whole = {"type": f"{kind}.completed", **shared, **counted}
    return Reply.of_events([sse(partial, str(partial["type"])), sse(whole, str(whole["type"]))])


def transcriptions(call: Call) -> Reply:
    """Tokens for the newer models, seconds for whisper."""
    tokens = {
        "type": "tokens",
        "input_tokens": 14,
        "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
        "output_tokens": 3,
        "total_tokens": 17,
    }
    usage: JSON = {"type": "duration", "seconds": 3} if "whisper" in call.model else tokens
    counted = {"usage": usage} if call.usage else {}
    text = "".join(call.text())
    if dialect(call.request) == "mistral":
        seconds = {**chat_usage(call.tokens, "mistral"), "prompt_audio_seconds": 3}
        return Reply.of_json({"model": call.model, "text": text, "language": "en", "segments": [], "usage": seconds})
    if not call.stream:
        return Reply.of_json({"text": text, **counted})
    deltas = [{"type": "transcript.text.delta", "delta": piece} for piece in call.text()]
    events = [*deltas, {"type": "transcript.text.done", "text": text, **counted}]
    return Reply.of_events([sse(event) for event in events])


def translations(call: Call) -> Reply:
    return Reply.of_json({"text": "".join(call.text())})


def speech(call: Call) -> Reply:
    """Bytes of an audio file, chunked; with ``stream_format`` "sse" events that carry base64 and, at the end, usage."""
    if call.body.get("stream_format") != "sse":
        return Reply.of_events([_SILENCE, _SILENCE], "audio/mpeg")
    usage = {"input_tokens": 14, "output_tokens": 101, "total_tokens": 115}
    delta = {"type": "speech.audio.delta", "audio": base64.b64encode(_SILENCE).decode()}
    return Reply.of_events([sse(delta), sse({"type": "speech.audio.done", "usage": usage})])


def moderations(call: Call) -> Reply:
    flagged = "filter" in call
    result = {
        "flagged": flagged,
        "categories": {"violence": flagged},
        "category_scores": {"violence": 0.9 if flagged else 0.01},
        "category_applied_input_types": {"violence": ["text"]},
    }
    count = input_count(call.body.get("input"))
    return Reply.of_json({"id": call.id("modr-"), "model": call.model, "results": [result] * count})


def models(call: Call) -> Reply:
    model = {"id": call.model, "object": "model", "created": CREATED, "owned_by": "loopback"}
    return Reply.of_json({"object": "list", "data": [model]})


def model(call: Call) -> Reply:
    name = call.request.path.rsplit("/", 1)[1]
    return Reply.of_json({"id": name, "object": "model", "created": CREATED, "owned_by": "loopback"})


def files(call: Call) -> Reply:
    return Reply.of_json(
        {
            "id": call.id("file-"),
            "object": "file",
            "bytes": 120,
            "created_at": CREATED,
            "filename": "batch.jsonl",
            "purpose": "batch",
            "status": "processed",
        }
    )


def batches(call: Call) -> Reply:
    """A batch that has just been created, or, asked for by its id, one that is finished."""
    finished = call.request.method == "GET"
    body = {
        "id": call.request.path.rsplit("/", 1)[1] if finished else call.id("batch_"),
        "object": "batch",
        "endpoint": call.body.get("endpoint", "/v1/chat/completions"),
        "completion_window": "24h",
        "created_at": CREATED,
        "input_file_id": call.body.get("input_file_id", "file-1"),
        "status": "completed" if finished else "validating",
        "request_counts": {"total": 1, "completed": int(finished), "failed": 0},
    }
    return Reply.of_json(body)


ROUTES = (
    Route("POST", re.compile(r"/images/(generations|edits|variations)$"), images, FAMILY),
    Route("POST", re.compile(r"/audio/transcriptions$"), transcriptions, FAMILY),
    Route("POST", re.compile(r"/audio/translations$"), translations, FAMILY),
    Route("POST", re.compile(r"/audio/speech$"), speech, FAMILY),
    Route("POST", re.compile(r"/moderations$"), moderations, FAMILY),
    Route("POST", re.compile(r"/v1/files$"), files, FAMILY),
    Route("POST", re.compile(r"/v1/batches$"), batches, FAMILY),
    Route("GET", re.compile(r"/v1/batches/[^/]+$"), batches, FAMILY),
    Route("GET", re.compile(r"/models$"), models, FAMILY),
    Route("GET", re.compile(r"/v1/models/[^/]+$"), model, FAMILY),
)
