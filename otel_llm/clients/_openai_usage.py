"""What OpenAI's replies have in common: their head, and usage of chat and embeddings, of responses, images, transcriptions."""

from __future__ import annotations

from typing import Any

from otel_llm.core.model import Response, Usage

from ._read import Fields, attr, count, fields_of, number, text


def read_head(reply: Fields, into: Response) -> None:
    """Model, id and what else every reply opens with."""
    into.model, into.id = text(reply.get("model")), text(reply.get("id"))
    if (tier := reply.get("service_tier")) is not None:
        into.service_tier = text(tier)
    if (fingerprint := reply.get("system_fingerprint")) is not None and text(fingerprint):
        into.attributes["openai.response.system_fingerprint"] = fingerprint


def read_usage(usage: Any, into: Response) -> None:
    """``usage`` of chat completions, completions and embeddings: prompt includes cached, completion includes reasoning."""
    if usage is None:
        return
    fields = fields_of(usage)
    prompt, output = count(fields.get("prompt_tokens")), count(fields.get("completion_tokens"))
    if prompt is None and output is None:
        read_response_usage(usage, into)
        return
    counted, parted = Usage.of(prompt, output), False
    details = fields.get("prompt_tokens_details")
    if details is None:
        details = fields.get("prompt_token_details")  # as Writer spells it
    if details is not None:
        parted = _read_input(details, counted)
    if (details := fields.get("completion_tokens_details")) is not None:
        parted = _read_output(details, counted) or parted
        if counted.thinking_tokens:
            _include_thinking(counted, count(fields.get("total_tokens")))
    if counted.cache_read_tokens is None:
        _read_cached_elsewhere(fields, counted)
    _read_cost(fields, counted)
    if parted:
        _split_text(counted)
    into.usage = counted


def _read_cached_elsewhere(fields: Fields, usage: Usage) -> None:
    """Cached input as DeepSeek (``prompt_cache_hit_tokens``) and Moonshot (``cached_tokens``) write it, beside the prompt."""
    cached = fields.get("prompt_cache_hit_tokens")
    if cached is None:
        cached = fields.get("cached_tokens")
    if cached is not None:
        usage.cache_read_tokens = count(cached)


def _read_input(details: Any, usage: Usage) -> bool:
    """The parts of the input; whether some of it is no text."""
    part = fields_of(details).get
    usage.cache_read_tokens = count(part("cached_tokens"))
    if (written := part("cache_write_tokens")) is not None:
        usage.cache_write_tokens = count(written)
        usage.cache_write_12h_tokens = count(attr(part("cache_write_tokens_details"), "ttl_12h_tokens")) or None
    audio, image = part("audio_tokens"), part("image_tokens")
    if not (audio or image):
        return False
    usage.input_audio_tokens, usage.input_image_tokens = count(audio) or None, count(image) or None
    return True


def _read_output(details: Any, usage: Usage) -> bool:
    """The parts of the output; whether some of it is no text."""
    part = fields_of(details).get
    usage.thinking_tokens = count(part("reasoning_tokens"))
    audio, image = part("audio_tokens"), part("image_tokens")
    if not (audio or image):
        return False
    usage.output_audio_tokens, usage.output_image_tokens = count(audio) or None, count(image) or None
    return True


def _include_thinking(usage: Usage, total: int | None) -> None:
    """Some, as xAI, count thinking beside the completion and not in it, which its total shows."""
    thinking, output = usage.thinking_tokens or 0, usage.output_tokens
    if output is not None and total == (usage.input_tokens or 0) + output + thinking:
        usage.output_tokens = output + thinking


def _read_cost(usage: Fields, counted: Usage) -> None:
    """What OpenRouter (``cost``, US dollars) and xAI (``cost_in_usd_ticks``, 1e-10 US dollars) bill, by their own word."""
    if (cost := usage.get("cost")) is not None:
        counted.cost_usd = number(cost)
        if counted.cost_usd is None:  # Perplexity's is broken down, and all zeros before the end of a stream
            counted.cost_usd = number(attr(cost, "total_cost")) or None
        elif (
            usage.get("is_byok") is True
        ):  # OpenRouter's fee; the caller's own account at the provider is charged beside it
            upstream = number(attr(usage.get("cost_details"), "upstream_inference_cost"))
            counted.cost_usd = None if upstream is None else counted.cost_usd + upstream
    if (ticks := usage.get("cost_in_usd_ticks")) is not None and (ticks := number(ticks)) is not None:
        counted.cost_usd = ticks * 1e-10


def _split_text(usage: Usage) -> None:
    """The text part of a usage that has audio or images: what the others leave."""
    other = (usage.input_audio_tokens or 0) + (usage.input_image_tokens or 0)
    if usage.input_tokens is not None and other:
        usage.input_text_tokens = max(0, usage.input_tokens - other)
    other = (usage.output_audio_tokens or 0) + (usage.output_image_tokens or 0)
    if usage.output_tokens is not None and other:
        usage.output_text_tokens = max(0, usage.output_tokens - other)


def read_image_usage(usage: Any, into: Response) -> None:
    """``usage`` of images that were made: without details of the output, all of it is images."""
    read_usage(usage, into)
    counted = into.usage
    if counted is not None and counted.output_image_tokens is None and counted.output_text_tokens is None:
        counted.output_image_tokens = counted.output_tokens


def read_response_usage(usage: Any, into: Response) -> None:
    """``usage`` of responses, images and transcriptions: input includes cached, output includes reasoning."""
    if usage is None:
        return
    fields = fields_of(usage)
    counted, parted = Usage.of(count(fields.get("input_tokens")), count(fields.get("output_tokens"))), False
    if (seconds := fields.get("seconds")) is not None:
        counted.audio_seconds = number(seconds)
    if not counted.known:
        return
    details = fields.get("input_tokens_details")
    if details is None:
        details = fields.get("input_token_details")
    if details is not None:
        parted = _read_input(details, counted)
    if (details := fields.get("output_tokens_details")) is not None:
        parted = _read_output(details, counted) or parted
    _read_cost(fields, counted)
    if parted:
        _split_text(counted)
    into.usage = counted
