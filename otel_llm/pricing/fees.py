"""What providers bill beside tokens, and surcharges on tokens, that the list of prices does not have: each with source and day.

``otel_llm.core.model.FEES`` says what one of each fee is. A rate of the user's own price file comes first, then what stands here for
a model, then the list's, then what stands here for all models of a provider.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .rates import FEE_KEY, FEE_UNITS, Rates

_OPENAI = "https://platform.openai.com/docs/pricing"
_GOOGLE = "https://ai.google.dev/gemini-api/docs/pricing"
_ANTHROPIC = "https://docs.claude.com/en/docs/about-claude/pricing"
_VERTEX = "https://cloud.google.com/vertex-ai/generative-ai/pricing"
_MISTRAL = "https://mistral.ai/pricing"
_COHERE = "https://cohere.com/pricing"
_XAI = "https://docs.x.ai/docs/models"
_BEDROCK = "https://aws.amazon.com/bedrock/pricing/"
READ = "2026-11-29"
"""The day on which the entries were last held against the sources, or against what others have copied from them."""


class FeeRate(NamedTuple):
    """US dollars for one unit of ``fee`` at ``provider`` (genai-prices' id), for models that ``model`` matches."""

    provider: str
    fee: str
    usd: float
    source: str
    model: str = ""
    confirmed: bool = True  # whether the amount was seen elsewhere, too, on the day of ``READ``


class Factor(NamedTuple):
    """What all token rates are multiplied by: at ``provider``, for models and a region or service tier that match."""

    provider: str
    model: str
    matching: str
    factor: float
    source: str
    confirmed: bool = True  # as of a fee


class Overlay(NamedTuple):
    """Rates that the list lacks for a part of a model's usage, in the list's units."""

    provider: str
    model: str
    rates: Mapping[str, float]
    source: str


FEE_RATES = (
    FeeRate("openai", "web_search", 0.025, _OPENAI, r"-search-preview"),
    FeeRate("openai", "web_search_preview", 0.025, _OPENAI),
    FeeRate("openai", "web_search", 0.010, _OPENAI),
    FeeRate("openai", "file_search", 0.0025, _OPENAI),
    FeeRate("openai", "code_interpreter", 0.03, _OPENAI),
    FeeRate("anthropic", "web_search", 0.010, _ANTHROPIC),
    FeeRate("google", "grounding", 0.035, _GOOGLE, r"gemini-[12]\b"),
    FeeRate("google", "grounding", 0.014, _GOOGLE, r"gemini-3"),
    FeeRate("google", "maps_grounding", 0.025, _GOOGLE, r"gemini-[12]\b"),
    FeeRate("google", "maps_grounding", 0.014, _GOOGLE, r"gemini-3"),
    FeeRate("cohere", "rerank", 0.002, _COHERE, r"rerank-(?:v3\.5|(?:english|multilingual)-v3\.0)"),
    FeeRate("mistral", "web_search", 0.030, _MISTRAL),
    FeeRate("mistral", "web_search_premium", 0.050, _MISTRAL),
    FeeRate("mistral", "code_interpreter", 0.030, _MISTRAL),
    FeeRate("mistral", "image_generation", 0.100, _MISTRAL, confirmed=False),
    FeeRate("x-ai", "live_search", 0.025, _XAI),
)
OVERLAYS = (
    Overlay(
        "openai",
        r"^gpt-4o-audio-preview(?!-2024-10-01)",
        {"input_audio_mtok": 40.0, "output_audio_mtok": 80.0},
        _OPENAI,
    ),
    Overlay("openai", r"^gpt-4o-mini-audio-preview", {"input_audio_mtok": 10.0, "output_audio_mtok": 20.0}, _OPENAI),
    Overlay("google", r"claude-(?:opus-4(?!-[5-9])|4-opus)", {"cache_write_1h_mtok": 30.0}, _VERTEX),
    Overlay("google", r"claude-(?:sonnet-4(?!-[5-9])|4-sonnet|3-7-sonnet)", {"cache_write_1h_mtok": 6.0}, _VERTEX),
)
_CLAUDE_GLOBAL = r"claude-(?:sonnet-4-[5-9]|opus-4-[5-9]|haiku-4-5|(?:opus|sonnet|haiku|fable|mythos)-[5-9])"
REGION_FACTORS = (
    Factor(
        "anthropic",
        r"claude-(?:(?:opus|sonnet)-4-[6-9]|(?:opus|sonnet|haiku|fable|mythos)-[5-9])",
        r"^us$",
        1.1,
        _ANTHROPIC,
    ),
    Factor("anthropic", r"", r"^(?:global|not_available)$", 1.0, _ANTHROPIC),
    Factor("anthropic", r"claude-(?:3|haiku-4|(?:opus|sonnet)-4(?!-[6-9]))", r"", 1.0, _ANTHROPIC),
    Factor("google", _CLAUDE_GLOBAL, r"^(?!global$)", 1.1, _VERTEX),
    Factor("google", r"", r"", 1.0, _VERTEX),
    Factor("openai", r"^gpt-(?:5\.[4-9]|[6-9])", r"^(?:eu|us|au|ca|gb|in|jp|kr|sg|ae)$", 1.1, _OPENAI),
    Factor("openai", r"^(?!gpt-(?:5\.[4-9]|[6-9]))", r"", 1.0, _OPENAI),
    Factor("aws", r"", r"", 1.0, _BEDROCK),  # the model's name says it, and the list has both
)
TIER_FACTORS = (
    Factor("aws", r"", r"^flex$", 0.5, _BEDROCK, confirmed=False),
    Factor("aws", r"", r"^priority$", 1.75, _BEDROCK),
    Factor("anthropic", r"", r"^priority$", 1.0, _ANTHROPIC),  # paid ahead; the list price stands
)
_NAMELESS_TIERS = frozenset(
    ("", "default", "standard", "auto", "on_demand", "scale", "reserved", "standard_only", "performance")
)
PLAIN_AUDIO = frozenset(("google",))
"""Providers whose audio costs what text does where the list does not tell them apart."""


def fee_rates(provider: str, names: Sequence[str], rates: Rates, *, own: bool) -> dict[str, float]:
    """US dollars for one unit of each fee of a model; ``own``: ``rates`` are of the user's price file."""
    of_all: dict[str, float] = {}
    of_model: dict[str, float] = {}
    for rule in FEE_RATES:
        if rule.provider == provider and (not rule.model or _matches(rule.model, names)):
            (of_model if rule.model else of_all).setdefault(rule.fee, rule.usd)
    listed = {fee: rates[key][0][1] / per for key, (fee, per) in FEE_UNITS.items() if key in rates}
    listed |= {key.removeprefix(FEE_KEY): tiers[0][1] for key, tiers in rates.items() if key.startswith(FEE_KEY)}
    if provider == "google" and "web_search" in listed:
        listed["grounding"] = listed["web_search"]
    return {**of_all, **of_model, **listed} if own else {**of_all, **listed, **of_model}


def overlaid(provider: str, names: Sequence[str], rates: Rates) -> Rates:
    """``rates``, and those that the list lacks."""
    more = {
        key: ((-1, rate),)
        for overlay in OVERLAYS
        if overlay.provider == provider and _matches(overlay.model, names)
        for key, rate in overlay.rates.items()
        if key not in rates
    }
    return {**rates, **more} if more else rates


def region_factor(provider: str, names: Sequence[str], region: str) -> float | None:
    """What token rates are multiplied by in ``region``; None where nobody says."""
    return 1.0 if not region else _factor(REGION_FACTORS, provider, names, region)


def tier_factor(provider: str, names: Sequence[str], tier: str, *, listed: bool) -> float | None:
    """The same for a service tier, which the list may have prices for (``listed``)."""
    return 1.0 if listed or tier in _NAMELESS_TIERS else _factor(TIER_FACTORS, provider, names, tier)


def _factor(factors: Sequence[Factor], provider: str, names: Sequence[str], what: str) -> float | None:
    matching = (
        each.factor
        for each in factors
        if each.provider == provider and re.search(each.matching, what.lower()) and _matches(each.model, names)
    )
    return next(matching, None)


def _matches(pattern: str, names: Sequence[str]) -> bool:
    return any(re.search(pattern, name) for name in names)
