"""Every rate of genai-prices: each model, at each of its times, tiers and context lengths, random usage, our amount and theirs."""

from __future__ import annotations

import math
import random
from datetime import date, datetime, time, timedelta, timezone
from itertools import product

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices import data_snapshot, types

from otel_llm.core.model import Usage
from otel_llm.pricing.fees import fee_rates
from otel_llm.pricing.price import Price
from otel_llm.pricing.rates import FEE_UNITS, LEAST_AUDIO, UNITS, quote
from otel_llm.pricing.table import Found, in_force

PROVIDERS = data_snapshot.get_snapshot().providers
CONTEXTS = ({}, {"service_tier": "flex"}, {"service_tier": "priority"}, {"service_tier": "batch", "processing": "batch"},
            {"service_tier": "fast", "speed": "fast"}, {"service_tier": "default"})  # fmt: skip
MOMENTS = [datetime(2025, 3, 1, 12, tzinfo=timezone.utc), datetime(2026, 9, 20, 2, 30, tzinfo=timezone.utc),
           datetime(2026, 11, 21, 8, tzinfo=timezone.utc), datetime(2027, 1, 1, 0, 0, 1, tzinfo=timezone.utc)]  # fmt: skip


def random_usage(dice: random.Random, total: int = 0) -> Usage:
    total = total or dice.choice([900, 12_000, 150_000, 199_999, 200_000, 200_001, 300_000, 600_000])
    read, write = dice.randint(0, total // 4), dice.randint(0, total // 4)
    audio, image = dice.randint(0, total // 8), dice.randint(0, total // 8)
    output = dice.randint(1, 8000)
    return Usage(
        input_tokens=total, output_tokens=output, cache_read_tokens=read, cache_write_tokens=write,
        cache_write_1h_tokens=dice.randint(0, write), thinking_tokens=dice.randint(0, output // 4),
        input_audio_tokens=audio, output_audio_tokens=dice.randint(0, output // 4),
        cache_audio_read_tokens=(cached := dice.randint(0, min(audio, read))), input_image_tokens=image,
        cache_image_read_tokens=dice.randint(0, min(image, read - cached)), input_video_tokens=dice.randint(0, total // 8),
        output_image_tokens=dice.randint(0, output // 4), web_searches=dice.randint(0, 3), audio_seconds=dice.uniform(0, 90),
    )  # fmt: skip


def theirs(model, provider, usage: Usage, at: datetime, context) -> float:
    prices = {unit for step in _steps(model) for unit in vars(step)}
    renamed = {"thinking_tokens": "output_reasoning_tokens"}
    fields = {
        renamed.get(unit.field, unit.field): getattr(usage, unit.field) for key, unit in UNITS.items() if unit.field
    }
    # What a model has no price for says nothing about its parts.
    given = {name: value for name, value in fields.items() if name not in _SELDOM or _SELDOM[name] in prices}
    calculation = model.calc_price(TheirUsage(**given), provider, genai_request_timestamp=at, price_context=context)
    return float(calculation.total_price)


_SELDOM = {"cache_image_read_tokens": "cache_image_read_mtok", "input_video_tokens": "input_video_mtok"}


def _steps(model):
    prices = model.prices if isinstance(model.prices, list) else [model]
    return [step.prices for step in prices] + [variant.prices for variant in model.price_variants or ()]


def moments(model) -> list[datetime]:
    """When each of a model's prices holds: those of all, and a time within each span that its own constraints name."""
    prices = model.prices if isinstance(model.prices, list) else []
    found = list(MOMENTS)
    for constraint in [each.constraint for each in (*prices, *(model.price_variants or ()))]:
        if isinstance(constraint, types.StartDateConstraint):
            start = datetime.combine(constraint.start_date, time(12), timezone.utc)
            found += [start - timedelta(days=1), start]
        elif isinstance(constraint, types.TimeOfDateConstraint):
            found.append(datetime.combine(date(2026, 11, 21), constraint.start_time.replace(tzinfo=None), timezone.utc))
    return sorted(set(found))


def totals(model) -> list[int]:
    """Input tokens at each threshold of a model's prices and one beyond; 0 is any number."""
    starts = {
        tier.start
        for step in _steps(model)
        for price in vars(step).values()
        if isinstance(price, types.TieredPrices)
        for tier in price.tiers
    }
    return [0, *sorted(start + more for start in starts for more in (0, 1))]


def ours(found: Found, usage: Usage, at: datetime, context) -> Price:
    return Price(*quote(in_force(found, at.timestamp(), context).rates)(usage))


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.id)
def test_every_model_costs_what_genai_prices_says(provider, table):
    dice = random.Random(provider.id)
    maker = table.maker(provider.id)
    compared = 0
    for model, raw in zip(provider.models, maker.models(), strict=True):
        found = Found(provider.id, raw[0], True, raw[2], raw[3] if len(raw) > 3 else ())
        variants = model.price_variants or ()
        contexts = (*CONTEXTS, *(dict(variant.when) for variant in variants)) if variants else CONTEXTS[:1]
        for at, context, total in product(moments(model), contexts, totals(model)):
            usage = random_usage(dice, total)
            price = ours(found, usage, at, context)
            expected = theirs(model, provider, usage, at, context)
            assert price.source == "prices"
            assert math.isclose(price.cost, expected, rel_tol=1e-9, abs_tol=1e-9), (model.id, at, context, usage)
            compared += 1
    assert compared >= 4 * len(provider.models)


COUNTED = {
    "web_search": "web_searches",
    "file_search": "storage_searches",
    "ocr_pages": "input_document_pages",
    "speech_characters": "input_characters",
}


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.id)
def test_every_fee_costs_what_genai_prices_says(provider, table):
    for model, raw in zip(provider.models, table.maker(provider.id).models(), strict=True):
        rates = in_force(Found(provider.id, raw[0], True, raw[2], ()), MOMENTS[2].timestamp(), {}).rates
        for fee in (fee for key, (fee, _) in FEE_UNITS.items() if key in rates):
            asked = TheirUsage(**{COUNTED[fee]: 1000})
            expected = float(model.calc_price(asked, provider, genai_request_timestamp=MOMENTS[2]).total_price)
            expected -= float(
                model.calc_price(TheirUsage(input_tokens=0), provider, genai_request_timestamp=MOMENTS[2]).total_price
            )
            assert 1000 * fee_rates(provider.id, (), rates, own=False)[fee] == pytest.approx(expected), (model.id, fee)


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.id)
def test_every_model_is_found_by_its_own_name(provider, table):
    for model in provider.models:
        expected = provider.find_model(model.id, all_providers=PROVIDERS)
        found = table.find(provider.id, model.id.lower())
        assert (found and found.model) == (expected and expected.id)


def test_audio_of_groq_is_billed_as_at_least_ten_seconds(table):
    found = table.find("groq", "whisper-large-v3")
    terms = in_force(found, 1.8e9, {})
    assert terms.rates[LEAST_AUDIO] == ((-1, 10),)
    assert ours(found, Usage(audio_seconds=2.0), MOMENTS[2], {}) == ours(
        found, Usage(audio_seconds=10.0), MOMENTS[2], {}
    )
