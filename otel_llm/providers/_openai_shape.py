"""Readers for OpenAI's wire shapes (chat, responses, completions, embeddings, images, audio), which half the industry speaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_llm.model import Reader, Response, Usage

from ._openai_content import keep_answer, keep_delta, keep_output
from ._read import attr, count, items, number, text

PARAMETERS: Mapping[str, str] = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "max_output_tokens": "gen_ai.request.max_tokens",
    "n": "gen_ai.request.choice.count",
    "seed": "gen_ai.request.seed",
    "stop": "gen_ai.request.stop_sequences",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "encoding_format": "gen_ai.request.encoding_formats",
    "dimensions": "gen_ai.embeddings.dimension.count",
    "service_tier": "openai.request.service_tier",
}


def read_chat(reply: Any, into: Response) -> None:
    """A chat completion, or a legacy completion."""
    _read_head(reply, into)
    for choice in items(getattr(reply, "choices", None)):
        if (reason := text(getattr(choice, "finish_reason", None))) is not None:
            into.finish_reasons.append(reason)
        if into.content is not None:
            keep_answer(into.content, choice)
    read_usage(getattr(reply, "usage", None), into)


def read_chat_chunk(chunk: Any, into: Response) -> bool:
    """A chunk of a chat or legacy completion; usage comes in the last one, where it was asked for."""
    if into.id is None:
        _read_head(chunk, into)
    if (usage := getattr(chunk, "usage", None)) is not None:
        read_usage(usage, into)
    output = False
    for choice in items(getattr(chunk, "choices", None)):
        if (reason := text(getattr(choice, "finish_reason", None))) is not None:
            into.finish_reasons.append(reason)
        if into.content is not None:
            keep_delta(into.content, choice)
        output = output or _carries_output(choice)
    return output


def _carries_output(choice: Any) -> bool:
    delta = getattr(choice, "delta", None)
    if delta is None:
        return bool(getattr(choice, "text", None))
    if getattr(delta, "content", None) or getattr(delta, "tool_calls", None):
        return True
    extra = getattr(delta, "__pydantic_extra__", None)  # thinking of compatible servers, which the SDK has no field for
    if extra and (extra.get("reasoning_content") or extra.get("reasoning")):
        return True
    return bool(getattr(delta, "refusal", None) or getattr(delta, "function_call", None))


def _read_head(reply: Any, into: Response) -> None:
    into.model, into.id = text(getattr(reply, "model", None)), text(getattr(reply, "id", None))
    into.service_tier = text(getattr(reply, "service_tier", None))
    if (fingerprint := text(getattr(reply, "system_fingerprint", None))) is not None:
        into.attributes["openai.response.system_fingerprint"] = fingerprint


def read_usage(usage: Any, into: Response) -> None:
    """``usage`` of chat completions, completions and embeddings: prompt includes cached, completion includes reasoning."""
    prompt = count(attr(usage, "prompt_tokens"))
    output = count(attr(usage, "completion_tokens"))
    if prompt is None and output is None:
        if usage is not None:
            read_response_usage(usage, into)
        return
    told = Usage(prompt, output)
    details, out = attr(usage, "prompt_tokens_details"), attr(usage, "completion_tokens_details")
    if details is None:
        details = attr(usage, "prompt_token_details")  # as Writer spells it
    if details is not None:
        told.cache_read_tokens = count(attr(details, "cached_tokens"))
        told.cache_write_tokens = count(attr(details, "cache_write_tokens"))
        told.input_audio_tokens = count(attr(details, "audio_tokens")) or None
        told.input_image_tokens = count(attr(details, "image_tokens")) or None
    if out is not None:
        told.thinking_tokens = count(attr(out, "reasoning_tokens"))
        told.output_audio_tokens = count(attr(out, "audio_tokens")) or None
    _read_cost(usage, told)
    _split_text(told)
    into.usage = told


def _read_cost(usage: Any, told: Usage) -> None:
    """What OpenRouter (``cost``, US dollars) and xAI (``cost_in_usd_ticks``, 1e-10 US dollars) bill, by their own word."""
    extra = getattr(usage, "__pydantic_extra__", None)
    if extra:
        told.cost_usd = number(extra.get("cost"))
        ticks = number(extra.get("cost_in_usd_ticks"))
        if ticks is not None:
            told.cost_usd = ticks * 1e-10


def _split_text(told: Usage) -> None:
    """The text part of a usage that has audio or images: what the others leave."""
    if told.input_tokens is not None and (told.input_audio_tokens or told.input_image_tokens):
        told.input_text_tokens = max(
            0, told.input_tokens - (told.input_audio_tokens or 0) - (told.input_image_tokens or 0)
        )
    if told.output_tokens is not None and (told.output_audio_tokens or told.output_image_tokens):
        told.output_text_tokens = max(
            0, told.output_tokens - (told.output_audio_tokens or 0) - (told.output_image_tokens or 0)
        )


def read_response(reply: Any, into: Response) -> None:
    """A response of the Responses API; a 200 may tell of a failure (``status`` failed)."""
    _read_head(reply, into)
    status = text(getattr(reply, "status", None))
    if status == "failed":
        into.error_code = text(attr(reply, "error", "code")) or "server_error"
    elif status == "incomplete":
        reason = text(attr(reply, "incomplete_details", "reason"))
        into.finish_reasons = ["length" if reason == "max_output_tokens" else reason or "incomplete"]
    elif status == "completed":
        called = any(getattr(item, "type", None) == "function_call" for item in items(getattr(reply, "output", None)))
        into.finish_reasons = ["tool_calls" if called else "stop"]
    if into.content is not None:
        keep_output(into.content, reply)
    read_response_usage(getattr(reply, "usage", None), into)


def read_response_event(event: Any, into: Response) -> bool:
    """An event of a Responses stream; the last one carries the whole response."""
    kind = getattr(event, "type", None)
    if not isinstance(kind, str):
        return False
    if kind.endswith(".delta"):
        return True
    if kind in ("response.completed", "response.incomplete", "response.failed"):
        read_response(getattr(event, "response", None), into)
        into.done = True
    elif kind == "response.created":
        _read_head(getattr(event, "response", None), into)
    elif kind == "error":
        into.error_code = text(getattr(event, "code", None)) or "server_error"
    return False


def read_response_usage(usage: Any, into: Response) -> None:
    """``usage`` of responses, images and transcriptions: input includes cached, output includes reasoning."""
    told = Usage(count(attr(usage, "input_tokens")), count(attr(usage, "output_tokens")))
    told.audio_seconds = number(attr(usage, "seconds"))
    if not told.known and told.audio_seconds is None:
        return
    details, out = attr(usage, "input_tokens_details"), attr(usage, "output_tokens_details")
    if details is None:
        details = attr(usage, "input_token_details")
    if details is not None:
        told.cache_read_tokens = count(attr(details, "cached_tokens"))
        told.cache_write_tokens = count(attr(details, "cache_write_tokens"))
        told.input_audio_tokens = count(attr(details, "audio_tokens")) or None
        told.input_image_tokens = count(attr(details, "image_tokens")) or None
    if out is not None:
        told.thinking_tokens = count(attr(out, "reasoning_tokens"))
        told.output_image_tokens = count(attr(out, "image_tokens")) or None
    _read_cost(usage, told)
    _split_text(told)
    into.usage = told


def read_image_event(event: Any, into: Response) -> bool:
    """An event of an image stream: partial images, then the completed one with usage."""
    kind = getattr(event, "type", None)
    if isinstance(kind, str) and kind.endswith(".completed"):
        read_response_usage(getattr(event, "usage", None), into)
        into.done = True
    return isinstance(kind, str)


def read_transcript_event(event: Any, into: Response) -> bool:
    """An event of a transcription stream: text deltas, then ``transcript.text.done`` with usage."""
    kind = getattr(event, "type", None)
    if kind == "transcript.text.done":
        read_response_usage(getattr(event, "usage", None), into)
        into.done = True
    return kind == "transcript.text.delta"


def read_usage_only(reply: Any, into: Response) -> None:
    """A reply that tells model and usage at most: embeddings, images, transcriptions."""
    into.model = text(getattr(reply, "model", None))
    read_usage(getattr(reply, "usage", None), into)


def read_nothing(_: Any, __: Response) -> None:
    """A reply that tells nothing we count: speech, moderation."""


CHAT = Reader(read_chat, read_chat_chunk)
RESPONSES = Reader(read_response, read_response_event)
EMBEDDINGS = Reader(read_usage_only)
IMAGES = Reader(read_usage_only, read_image_event)
TRANSCRIPTION = Reader(read_usage_only, read_transcript_event)
NO_USAGE = Reader(read_nothing, usage=False)
