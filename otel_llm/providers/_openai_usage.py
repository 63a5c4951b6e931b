"""Usage in OpenAI's shapes: of chat, completions and embeddings, and of responses, images and transcriptions."""

from __future__ import annotations

from typing import Any

from otel_llm.model import Response, Usage

from ._read import attr, count, number


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
        _include_thinking(told, count(attr(usage, "total_tokens")))
        told.output_audio_tokens = count(attr(out, "audio_tokens")) or None
    _read_cost(usage, told)
    _split_text(told)
    into.usage = told


def _include_thinking(told: Usage, total: int | None) -> None:
    """Some, as xAI, count thinking beside the completion and not in it, which its total tells."""
    thinking = told.thinking_tokens
    if (
        thinking
        and told.output_tokens is not None
        and total == (told.input_tokens or 0) + told.output_tokens + thinking
    ):
        told.output_tokens += thinking


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
