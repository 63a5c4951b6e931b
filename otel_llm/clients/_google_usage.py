"""Usage as Google's APIs report it: of content, of embeddings and of interactions."""

from __future__ import annotations

from typing import Any

from otel_llm.core.model import Response, Usage

from ._read import Fields, attr, count, fields_of, items, text

_TIERS = {"ON_DEMAND_FLEX": "flex", "ON_DEMAND_PRIORITY": "priority", "ON_DEMAND": "standard"}
_SPLIT = {
    "prompt_tokens_details": "input_tokens_by_modality", "candidates_tokens_details": "output_tokens_by_modality",
    "cache_tokens_details": "cached_tokens_by_modality",
}  # fmt: skip


def word(value: Any) -> str | None:
    """An enumeration's value, or a string, as plain text."""
    return text(getattr(value, "value", value))


def read_usage(metadata: Any, into: Response) -> None:
    """``usage_metadata`` of content: the prompt includes cached tokens, the candidates exclude thoughts, which are billed output.

    In a stream each chunk's is the whole so far: later words replace earlier ones.
    https://ai.google.dev/api/generate-content#UsageMetadata
    """
    fields = fields_of(metadata)
    prompt, answer = count(fields.get("prompt_token_count")), count(fields.get("candidates_token_count"))
    if answer is None:
        answer = count(fields.get("response_token_count"))  # as Live has it
    thoughts, tools = count(fields.get("thoughts_token_count")), count(fields.get("tool_use_prompt_token_count"))
    usage = Usage(_sum(prompt, tools), _sum(answer, thoughts))
    if not usage.known:
        return
    usage.thinking_tokens = thoughts
    usage.cache_read_tokens = count(fields.get("cached_content_token_count"))
    _split(fields, usage)
    into.usage = usage if into.earlier is None else into.earlier.plus(usage)
    if (traffic := word(fields.get("traffic_type"))) is not None:
        into.service_tier = _TIERS.get(traffic) or into.service_tier


def read_interaction_usage(reported: Any, into: Response) -> None:
    """``usage`` of an interaction: input includes cached tokens, output excludes thoughts."""
    prompt, answer = count(attr(reported, "total_input_tokens")), count(attr(reported, "total_output_tokens"))
    thoughts, tools = count(attr(reported, "total_thought_tokens")), count(attr(reported, "total_tool_use_tokens"))
    usage = Usage(_sum(prompt, tools), _sum(answer, thoughts))
    if not usage.known:
        return
    usage.thinking_tokens = thoughts
    usage.cache_read_tokens = count(attr(reported, "total_cached_tokens"))
    _split({to: attr(reported, of) for to, of in _SPLIT.items()}, usage)
    searches = (
        count(attr(part, "count")) or 0
        for part in items(attr(reported, "grounding_tool_count"))
        if word(attr(part, "type")) == "google_search"
    )
    usage.web_searches = sum(searches) or None
    into.fee("grounding", usage.web_searches)
    into.usage = usage if into.earlier is None else into.earlier.plus(usage)


def read_embedding_usage(reply: Any, into: Response) -> None:
    """The tokens of embeddings: of the whole (Gemini API), or of each text (Vertex AI)."""
    tokens = count(attr(reply, "usage_metadata", "prompt_token_count"))
    if tokens is None:
        each = [count(attr(embedding, "statistics", "token_count")) for embedding in items(attr(reply, "embeddings"))]
        if not each or None in each:
            return
        tokens = sum(value for value in each if value is not None)
    into.usage = Usage(input_tokens=tokens)
    if (metadata := attr(reply, "usage_metadata")) is not None:
        _split(fields_of(metadata), into.usage)


def _sum(first: int | None, second: int | None) -> int | None:
    return second if first is None else first + (second or 0)


def _split(fields: Fields, usage: Usage) -> None:
    """Tokens by modality, where a call has others than text."""
    if by_modality := _modalities(fields.get("prompt_tokens_details")):
        usage.input_text_tokens, usage.input_audio_tokens = by_modality.get("TEXT"), by_modality.get("AUDIO")
        usage.input_image_tokens, usage.input_video_tokens = by_modality.get("IMAGE"), by_modality.get("VIDEO")
        cached = _modalities(fields.get("cache_tokens_details"))
        usage.cache_audio_read_tokens, usage.cache_image_read_tokens = cached.get("AUDIO"), cached.get("IMAGE")
    if answered := _modalities(fields.get("candidates_tokens_details") or fields.get("response_tokens_details")):
        usage.output_text_tokens, usage.output_audio_tokens = answered.get("TEXT"), answered.get("AUDIO")
        usage.output_image_tokens = answered.get("IMAGE")


def _modalities(details: Any) -> dict[str, int]:
    """Tokens by modality; empty where all is text, as nearly always."""
    parts = items(details)
    counts: dict[str, int | None] = {}
    for part in parts:
        tokens = attr(part, "token_count")
        counts[(word(attr(part, "modality")) or "").upper()] = count(attr(part, "tokens") if tokens is None else tokens)
    if counts.keys() <= {"TEXT"}:
        return {}
    return {modality: tokens for modality, tokens in counts.items() if tokens}
