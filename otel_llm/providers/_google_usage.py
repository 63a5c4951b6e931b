"""Usage as Google's APIs report it: of content, of embeddings and of interactions."""

from __future__ import annotations

from typing import Any

from otel_llm.model import Response, Usage

from ._read import attr, count, items, text

_TIERS = {"ON_DEMAND_FLEX": "flex", "ON_DEMAND_PRIORITY": "priority"}


def word(value: Any) -> str | None:
    """An enumeration's value, or a string, as plain text."""
    return text(getattr(value, "value", value))


def read_usage(told: Any, into: Response) -> None:
    """``usage_metadata`` of content: the prompt includes cached tokens, the candidates exclude thoughts, which are billed output.

    In a stream each chunk's is the whole so far: later words replace earlier ones.
    https://ai.google.dev/api/generate-content#UsageMetadata
    """
    prompt, answer = count(attr(told, "prompt_token_count")), count(attr(told, "candidates_token_count"))
    thoughts, tools = count(attr(told, "thoughts_token_count")), count(attr(told, "tool_use_prompt_token_count"))
    usage = Usage(_sum(prompt, tools), _sum(answer, thoughts))
    if not usage.known:
        return
    usage.thinking_tokens = thoughts
    usage.cache_read_tokens = count(attr(told, "cached_content_token_count"))
    _split(told, usage)
    settle(usage, into)
    into.service_tier = _TIERS.get(word(attr(told, "traffic_type")) or "") or into.service_tier


def settle(usage: Usage, into: Response) -> None:
    """The usage of the last request, on top of those before it."""
    into.usage = usage if into.earlier is None else into.earlier.plus(usage)


def read_interaction_usage(told: Any, into: Response) -> None:
    """``usage`` of an interaction: input includes cached tokens, output excludes thoughts."""
    prompt, answer = count(attr(told, "total_input_tokens")), count(attr(told, "total_output_tokens"))
    thoughts, tools = count(attr(told, "total_thought_tokens")), count(attr(told, "total_tool_use_tokens"))
    usage = Usage(_sum(prompt, tools), _sum(answer, thoughts))
    if not usage.known:
        return
    usage.thinking_tokens = thoughts
    usage.cache_read_tokens = count(attr(told, "total_cached_tokens"))
    into.usage = usage


def read_embedding_usage(reply: Any, into: Response) -> None:
    """The tokens of embeddings: of the whole (Gemini API), or of each text (Vertex AI)."""
    told = count(attr(reply, "usage_metadata", "prompt_token_count"))
    if told is None:
        each = [count(attr(found, "statistics", "token_count")) for found in items(attr(reply, "embeddings"))]
        if not each or None in each:
            return
        told = sum(found for found in each if found is not None)
    into.usage = Usage(input_tokens=told)


def _sum(first: int | None, second: int | None) -> int | None:
    return second if first is None else first + (second or 0)


def _split(told: Any, usage: Usage) -> None:
    """Tokens by modality, where a call has others than text."""
    asked, said = _modalities(told, "prompt_tokens_details"), _modalities(told, "candidates_tokens_details")
    if len(asked) > 1 or "AUDIO" in asked or "IMAGE" in asked:
        usage.input_text_tokens, usage.input_audio_tokens = asked.get("TEXT"), asked.get("AUDIO")
        usage.input_image_tokens = asked.get("IMAGE")
        usage.cache_audio_read_tokens = _modalities(told, "cache_tokens_details").get("AUDIO")
    if len(said) > 1 or "AUDIO" in said or "IMAGE" in said:
        usage.output_text_tokens, usage.output_audio_tokens = said.get("TEXT"), said.get("AUDIO")
        usage.output_image_tokens = said.get("IMAGE")


def _modalities(told: Any, name: str) -> dict[str, int]:
    found = {word(attr(part, "modality")) or "": count(attr(part, "token_count")) for part in items(attr(told, name))}
    return {modality: tokens for modality, tokens in found.items() if tokens}
