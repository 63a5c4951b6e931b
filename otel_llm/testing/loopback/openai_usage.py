"""Chat usage in the words of everybody who speaks OpenAI's format: the same tokens, counted and named their own ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .exchange import JSON
    from .switches import Tokens

COST_PER_TOKEN = 0.00001  # US dollars: what OpenRouter, Perplexity and xAI say that a token costs
TICKS_PER_DOLLAR = 10_000_000_000


def chat_usage(tokens: Tokens, dialect: str = "openai") -> JSON:
    """The usage of one chat completion. ``prompt_tokens`` includes cached tokens everywhere."""
    return _WORDINGS.get(dialect, _openai)(tokens)


def cost(tokens: Tokens) -> float:
    """US dollars."""
    return round(tokens.total * COST_PER_TOKEN, 8)


def _counts(tokens: Tokens) -> JSON:
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.total,
    }


def _openai(tokens: Tokens) -> JSON:
    """``completion_tokens`` includes reasoning."""
    prompt = {"cached_tokens": tokens.cache_read, "audio_tokens": tokens.input_audio}
    if tokens.cache_write:
        prompt["cache_write_tokens"] = tokens.cache_write
    if tokens.input_image:
        prompt["image_tokens"] = tokens.input_image
    completion = {
        "reasoning_tokens": tokens.thinking,
        "audio_tokens": tokens.output_audio,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    }
    return {**_counts(tokens), "prompt_tokens_details": prompt, "completion_tokens_details": completion}


def _details(tokens: Tokens) -> JSON:
    """Only what is not zero: the way of Cerebras and Mistral."""
    usage = _counts(tokens)
    if tokens.cache_read:
        usage["prompt_tokens_details"] = {"cached_tokens": tokens.cache_read}
    if tokens.thinking:
        usage["completion_tokens_details"] = {"reasoning_tokens": tokens.thinking}
    return usage


def _groq(tokens: Tokens) -> JSON:
    """Times in seconds."""
    times = {"queue_time": 0.01, "prompt_time": 0.02, "completion_time": 0.03, "total_time": 0.05}
    return {**_details(tokens), **times}


def _deepseek(tokens: Tokens) -> JSON:
    hits = {"prompt_cache_hit_tokens": tokens.cache_read, "prompt_cache_miss_tokens": tokens.input - tokens.cache_read}
    return {**_details(tokens), **hits}


def _together(tokens: Tokens) -> JSON:
    return {**_counts(tokens), "cached_tokens": tokens.cache_read}


def _openrouter(tokens: Tokens) -> JSON:
    details = {"upstream_inference_cost": None}
    return {**_openai(tokens), "cost": cost(tokens), "is_byok": False, "cost_details": details}


def _perplexity(tokens: Tokens) -> JSON:
    parts = {"input_tokens_cost": tokens.input * COST_PER_TOKEN, "output_tokens_cost": tokens.output * COST_PER_TOKEN}
    usage = {**_counts(tokens), "search_context_size": "low", "reasoning_tokens": tokens.thinking}
    if tokens.searches:
        usage["num_search_queries"] = tokens.searches
    return {**usage, "cost": {**parts, "total_cost": cost(tokens)}}


def _xai(tokens: Tokens) -> JSON:
    """``completion_tokens`` excludes reasoning, ``total_tokens`` includes it (https://docs.x.ai/docs/guides/reasoning)."""
    usage = {**_openai(tokens), "completion_tokens": tokens.answer, "num_sources_used": tokens.searches}
    return {**usage, "cost_in_usd_ticks": round(tokens.total * COST_PER_TOKEN * TICKS_PER_DOLLAR)}


def _writer(tokens: Tokens) -> JSON:
    """Writer's name for the prompt's details is in the singular."""
    details = {"prompt_token_details": {"cached_tokens": tokens.cache_read}}
    return {**_counts(tokens), **details, "completion_tokens_details": {"reasoning_tokens": tokens.thinking}}


_WORDINGS: dict[str, Callable[[Tokens], JSON]] = {
    "cerebras": _details,
    "deepseek": _deepseek,
    "fireworks": _details,
    "groq": _groq,
    "huggingface": _counts,
    "mistral": _details,
    "openrouter": _openrouter,
    "perplexity": _perplexity,
    "together": _together,
    "writer": _writer,
    "xai": _xai,
}
