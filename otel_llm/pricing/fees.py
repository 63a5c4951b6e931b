"""What providers bill beside tokens, and surcharges on tokens, that the list of prices does not have: each with source and day.

``otel_llm.core.model.FEES`` says what one of each fee is. A rate of the user's own price file comes first, then what stands here for
a model, then the list's, then what stands here for all models of a provider.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from otel_llm.core.shapes import NamedTuple

from .rates import FEE_KEY, FEE_UNITS, Rates

_OPENAI = "https://platform.openai.com/docs/pricing"
_GOOGLE = "https://ai.google.dev/gemini-api/docs/pricing"
_ANTHROPIC = "https://docs.claude.com/en/docs/about-claude/pricing"
_VERTEX = "https://cloud.google.com/vertex-ai/generative-ai/pricing"
_MISTRAL = "https://mistral.ai/pricing"
_COHERE = "https://cohere.com/pricing"
_XAI = "https://docs.x.ai/docs/models"
_AZURE = "https://azure.microsoft.com/pricing/details/azure-openai/"
_BEDROCK = "https://aws.amazon.com/bedrock/pricing/"
READ = "2026-11-30"
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
    """What all token rates are multiplied by: at ``provider``, for models and a region or service tier that match (an empty one
    where there is none). None where they differ from the list's, and nobody says by how much."""

    provider: str
    model: str
    matching: str
    factor: float | None
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
    FeeRate("cohere", "rerank", 0.002, _COHERE, r"rerank-v4\.0-fast"),
    FeeRate("cohere", "rerank", 0.0025, _COHERE, r"rerank-v4\.0-pro"),
    FeeRate("aws", "rerank", 0.002, _BEDROCK, r"cohere\.rerank-v3-5"),
    FeeRate("aws", "rerank", 0.001, _BEDROCK, r"amazon\.rerank-v1"),
    FeeRate("azure", "web_search", 0.014, _AZURE, r"."),  # Bing's price; the list has that of OpenAI
    FeeRate("azure", "web_search_preview", 0.014, _AZURE, r"."),
    FeeRate("azure", "code_interpreter", 0.033, _AZURE),
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
_GEMINI_GLOBAL = r"gemini-(?:3\.1-flash-(?:lite|image)\b(?!-preview)|3\.[5-9]-flash|[4-9])"
_REGIONAL_TOO = r"(?:^|[./])(?:anthropic\.claude|moonshotai\.kimi-k3|zai\.glm-5\.3|openai\.gpt-\d)"
_OWN = r"(?:^|/)%s\."  # a profile that keeps requests in some countries
_GOVERNMENT = tuple(
    (model % place, region, factor)
    for place, region in ((_OWN % "us-gov" + ".*", r""), (r"", r"^us-gov-"))
    for model, factor in (
        (r"%sclaude-(?:sonnet-4-[56]|opus-4-[5-9]|haiku-4-5|(?:opus|sonnet|haiku|fable|mythos)-[5-9])", 1.2 / 1.1),
        (r"%s(?:claude-3|nova-(?:pro|lite|micro)-v1|nemotron|gpt-oss)", 1.2),
        (r"%s", None),
    )
)  # the list has what the other regions cost, which for newer Claudes is a tenth above the global price
_ELSEWHERE = (
    (_OWN % "eu" + r"amazon\.nova-pro-v1", r"", 1.05 / 0.8),
    (_OWN % "eu" + r"amazon\.nova-lite-v1", r"", 0.078 / 0.06),
    (_OWN % "eu" + r"amazon\.nova-micro-v1", r"", 0.046 / 0.035),
    (_OWN % "apac" + r"amazon\.nova-(?:pro|lite)-v1", r"", 1.05),
    (_OWN % "apac" + r"amazon\.nova-micro-v1", r"", 0.037 / 0.035),
    (_OWN % "(?:us|global)", r"", 1.0),
    (_OWN % "(?:eu|apac|ap|jp|au|ca|sa|in|kr|mx|me|il|af|uk)", r"", None),
    (r"mistral\.(?:mistral-(?:7b|large-2402)|mixtral)", r"^eu-west-3$", 1.3),
    (r"", r"^(?:us-(?:east-[12]|west-2))?$", 1.0),
    (r"", r"", None),
)  # of models that the list has at the price of Virginia and Oregon
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
    Factor("google", _CLAUDE_GLOBAL, r"^(?!global$).", 1.1, _VERTEX),
    Factor("google", _GEMINI_GLOBAL, r"^(?!global$).", 1.1, _VERTEX),
    Factor("google", r"", r"", 1.0, _VERTEX),
    Factor("openai", r"^gpt-(?:5\.[4-9]|[6-9]|realtime-2\.1)", r"^(?:eu|us|au|ca|gb|in|jp|kr|sg|ae)$", 1.1, _OPENAI),
    Factor("openai", r"^(?!gpt-(?:5\.[4-9]|[6-9]|realtime-2\.1))", r"", 1.0, _OPENAI),
    *(Factor("aws", model, region, factor, _BEDROCK) for model, region, factor in _GOVERNMENT),
    Factor("aws", _REGIONAL_TOO, r"", 1.0, _BEDROCK),  # the model's name says it, and the list has both
    *(Factor("aws", model, region, factor, _BEDROCK) for model, region, factor in _ELSEWHERE),
)
TIER_FACTORS = (
    Factor("aws", r"", r"^flex$", 0.5, _BEDROCK),
    Factor("aws", r"", r"^priority$", 1.75, _BEDROCK),
    Factor("anthropic", r"", r"^priority$", 1.0, _ANTHROPIC),  # paid ahead; the list price stands
)
_NAMELESS_TIERS = frozenset(
    ("", "default", "standard", "auto", "on_demand", "scale", "reserved", "standard_only", "performance")
)
PLAIN_AUDIO = frozenset(("google",))
"""Providers whose audio costs what text does where the list does not separate them."""


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
    """What token rates are multiplied by in ``region``, or by the region that a model's name has; None where there is none."""
    return _factor(REGION_FACTORS, provider, names, region, None if region else 1.0)


def tier_factor(provider: str, names: Sequence[str], tier: str, *, listed: bool) -> float | None:
    """The same for a service tier, which the list may have prices for (``listed``)."""
    return 1.0 if listed or tier in _NAMELESS_TIERS else _factor(TIER_FACTORS, provider, names, tier, None)


def _factor(
    factors: Sequence[Factor], provider: str, names: Sequence[str], what: str, otherwise: float | None
) -> float | None:
    matching = (
        each.factor
        for each in factors
        if each.provider == provider and re.search(each.matching, what.lower()) and _matches(each.model, names)
    )
    return next(matching, otherwise)


def _matches(pattern: str, names: Sequence[str]) -> bool:
    return any(re.search(pattern, name) for name in names)
