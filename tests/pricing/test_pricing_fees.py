"""Fees beside tokens, surcharges, and parts without a rate, worked out by hand from price pages as of November 2026, in microdollars.

Each line is (provider, model, what the call used and how, microdollars, what its cost lacks).
"""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

import otel_llm
from otel_llm.core.model import FEES, Reader, Request, Response, Usage
from otel_llm.pricing import Price, Prices, fees
from otel_llm.pricing.explain import explain

NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc).timestamp()
K = 1000  # microdollars of a tenth of a cent


def call(input_tokens=None, output_tokens=None, *, tier=None, region=None, **others):
    billed = tuple((name, others.pop(name)) for name in list(others) if name in FEES)
    short = {"read": "cache_read_tokens", "write": "cache_write_tokens", "write_1h": "cache_write_1h_tokens",
             "audio_in": "input_audio_tokens", "audio_out": "output_audio_tokens"}  # fmt: skip
    usage = Usage(input_tokens, output_tokens, **{short.get(name, name): value for name, value in others.items()})
    return {"usage": usage, "fees": billed, "service_tier": tier, "region": region}


OPENAI = [
    ("gpt-5", call(1000, 100, web_search=1), 1000 * 1.25 + 100 * 10 + 10 * K, ()),
    ("gpt-5", call(1000, 100, web_search=3), 1000 * 1.25 + 100 * 10 + 30 * K, ()),
    ("gpt-5", call(1000, 100, web_searches=3), 1000 * 1.25 + 100 * 10 + 30 * K, ()),
    ("gpt-5", call(1000, 100, web_search=3, web_searches=3), 1000 * 1.25 + 100 * 10 + 30 * K, ()),
    ("gpt-4o-search-preview", call(1000, 100, web_search=1), 1000 * 2.5 + 100 * 10 + 25 * K, ()),
    ("gpt-4o-mini-search-preview", call(1000, 100, web_search=1), 1000 * 0.15 + 100 * 0.6 + 25 * K, ()),
    ("gpt-4o-mini-search-preview-2025-03-11", call(1000, 100, web_search=1), 1000 * 0.15 + 100 * 0.6 + 25 * K, ()),
    ("gpt-5-search-api", call(1000, 100, web_search=1), 1000 * 1.25 + 100 * 10 + 10 * K, ()),
    ("o3-deep-research", call(1000, 100, web_search=12), 1000 * 10 + 100 * 40 + 120 * K, ()),
    ("gpt-4o", call(1000, 100, file_search=1), 1000 * 2.5 + 100 * 10 + 2.5 * K, ()),
    ("gpt-5", call(1000, 100, file_search=2, web_search=1), 1000 * 1.25 + 100 * 10 + 15 * K, ()),
    ("gpt-5", call(1000, 100, code_interpreter=1), 1000 * 1.25 + 100 * 10 + 30 * K, ()),
    ("gpt-5", call(1000, 100, image_generation=1), 1000 * 1.25 + 100 * 10, ("image_generation",)),
    ("gpt-5", call(web_search=2), 20 * K, ("usage",)),
    ("gpt-realtime-2.1", call(1000, 100, region="eu"), 1.1 * (1000 * 4 + 100 * 24), ()),
    ("gpt-5", call(1000, 100, connector=2), 1000 * 1.25 + 100 * 10, ("connector",)),
    ("gpt-5", call(1000, 100, tier="flex", web_search=1), 1000 * 0.625 + 100 * 5 + 10 * K, ()),
    ("tts-1", call(speech_characters=2000), 2000 * 15, ()),
    ("tts-1-hd", call(speech_characters=2000), 2000 * 30, ()),
    ("dall-e-3", call(image=1), None, ("image",)),
    ("sora-2", call(video=1), None, ("video",)),
    ("gpt-4o-audio-preview", call(150, 220, audio_in=100, audio_out=200), 50 * 2.5 + 100 * 40 + 20 * 10 + 200 * 80, ()),
    ("gpt-4o-audio-preview-2024-12-17", call(150, 0, audio_in=100), 50 * 2.5 + 100 * 40, ()),
    ("gpt-4o-audio-preview-2024-10-01", call(150, 220, audio_in=100, audio_out=200), 50 * 2.5 + 20 * 10, ("input_audio", "output_audio")),
    ("gpt-4o-mini-audio-preview", call(150, 220, audio_in=100, audio_out=200), 50 * 0.15 + 100 * 10 + 20 * 0.6 + 200 * 20, ()),
    ("gpt-audio", call(150, 220, audio_in=100, audio_out=200), 50 * 2.5 + 100 * 32 + 20 * 10 + 200 * 64, ()),
    ("gpt-audio", call(150, 0, read=40), 110 * 2.5, ("cache_read",)),
    ("gpt-image-1", call(300, 400, input_image_tokens=200, output_image_tokens=400), 100 * 5 + 200 * 10 + 400 * 40, ()),
    ("gpt-5.4", call(1000, 100, region="eu"), 1.1 * (1000 * 2.5 + 100 * 15), ()),
    ("gpt-5.4", call(1000, 100, region="eu", web_search=1), 1.1 * (1000 * 2.5 + 100 * 15) + 10 * K, ()),
    ("gpt-6-sol", call(1000, 100, region="us"), 1.1 * (1000 * 2 + 100 * 10), ()),
    ("gpt-5.4", call(1000, 100, region="mars"), 1000 * 2.5 + 100 * 15, ("region",)),
    ("gpt-4.1", call(1000, 100, region="eu"), 1000 * 2 + 100 * 8, ()),
    ("gpt-4o", call(1000, 100, tier="ultrafast"), 1000 * 2.5 + 100 * 10, ("service_tier",)),
    ("gpt-4.1", call(1000, 100, write=500), 500 * 2 + 100 * 8, ("cache_write",)),
]  # fmt: skip
ANTHROPIC = [
    ("claude-sonnet-4-5", call(100, 50, web_search=2), 100 * 3 + 50 * 15 + 20 * K, ()),
    ("claude-sonnet-4-5", call(100, 50, code_interpreter=1), 100 * 3 + 50 * 15, ("code_interpreter",)),
    ("claude-opus-4-6", call(1000, 100, region="us"), 1.1 * (1000 * 5 + 100 * 25), ()),
    ("claude-opus-4-6", call(1000, 100, region="global"), 1000 * 5 + 100 * 25, ()),
    ("claude-opus-4-6", call(1000, 100, region="not_available"), 1000 * 5 + 100 * 25, ()),
    ("claude-opus-4-6", call(1000, 100, region="eu"), 1000 * 5 + 100 * 25, ("region",)),
    ("claude-haiku-4-5", call(1000, 100, region="us"), 1000 * 1 + 100 * 5, ()),
    ("claude-sonnet-4-5", call(100, 50, tier="priority"), 100 * 3 + 50 * 15, ()),
    ("claude-sonnet-4-5", call(100, 50, tier="batch"), 100 * 1.5 + 50 * 7.5, ()),
    ("claude-3-haiku-20240307", call(2100, 50, read=1000, write=1000), 100 * 0.25 + 1000 * 0.03 + 1000 * 0.3 + 50 * 1.25, ()),
    ("claude-3-haiku-20240307", call(1100, 50, write=1000, write_1h=400), 100 * 0.25 + 600 * 0.3 + 400 * 0.5 + 50 * 1.25, ()),
]  # fmt: skip
BEDROCK = [
    ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", call(1100, 50, write=1000, write_1h=700, region="us-east-1"),
     100 * 3.3 + 300 * 4.125 + 700 * 6.6 + 50 * 16.5, ()),
    ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", call(1100, 50, write=1000, write_1h=700),
     100 * 3 + 300 * 3.75 + 700 * 6 + 50 * 15, ()),
    ("us.anthropic.claude-opus-4-1-20250805-v1:0", call(1100, 50, write=1000, write_1h=700),
     100 * 15 + 300 * 18.75 + 50 * 75, ("cache_write_1h",)),
    ("anthropic.claude-3-haiku-20240307-v1:0", call(1000, 100, read=600), 400 * 0.25 + 100 * 1.25, ("cache_read",)),
    ("anthropic.claude-3-haiku-20240307-v1:0", call(1000, 100, write=600, write_1h=100), 400 * 0.25 + 100 * 1.25, ("cache_write",)),
    ("amazon.nova-pro-v1:0", call(1000, 100, tier="flex"), 1000 * 0.4 + 100 * 1.6, ()),
    ("amazon.nova-pro-v1:0", call(1000, 100, tier="priority"), 1000 * 1.4 + 100 * 5.6, ()),
    ("amazon.nova-pro-v1:0", call(1000, 100, tier="default"), 1000 * 0.8 + 100 * 3.2, ()),
    ("amazon.nova-pro-v1:0", call(1000, 100, write=400), 600 * 0.8 + 100 * 3.2, ("cache_write",)),
    ("amazon.nova-pro-v1:0", call(1000, 100, region="us-west-2"), 1000 * 0.8 + 100 * 3.2, ()),
    ("amazon.nova-pro-v1:0", call(1000, 100, region="eu-west-2"), 1000 * 0.8 + 100 * 3.2, ("region",)),
    ("amazon.nova-pro-v1:0", call(1000, 100, region="us-gov-west-1"), 1000 * 0.96 + 100 * 3.84, ()),
    ("eu.amazon.nova-pro-v1:0", call(1000, 100, region="eu-central-1"), 1000 * 1.05 + 100 * 4.2, ()),
    ("eu.amazon.nova-lite-v1:0", call(1000, 100), 1000 * 0.078 + 100 * 0.312, ()),
    ("eu.amazon.nova-micro-v1:0", call(1000, 100), 1000 * 0.046 + 100 * 0.184, ()),
    ("apac.amazon.nova-pro-v1:0", call(1000, 100, region="ap-northeast-1"), 1000 * 0.84 + 100 * 3.36, ()),
    ("apac.amazon.nova-micro-v1:0", call(1000, 100), 1000 * 0.037 + 100 * 0.148, ()),
    ("us.amazon.nova-pro-v1:0", call(1000, 100, region="us-east-1"), 1000 * 0.8 + 100 * 3.2, ()),
    ("arn:aws:bedrock:eu-west-1:1:inference-profile/eu.amazon.nova-pro-v1:0", call(1000, 100), 1000 * 1.05 + 100 * 4.2, ()),
    ("eu.meta.llama3-2-3b-instruct-v1:0", call(1000, 100), 1000 * 0.15 + 100 * 0.15, ("region",)),
    ("meta.llama3-8b-instruct-v1:0", call(1000, 100, region="us-east-1"), 1000 * 0.3 + 100 * 0.6, ()),
    ("meta.llama3-8b-instruct-v1:0", call(1000, 100, region="sa-east-1"), 1000 * 0.3 + 100 * 0.6, ("region",)),
    ("mistral.mistral-large-2402-v1:0", call(1000, 100, region="eu-west-3"), 1000 * 5.2 + 100 * 15.6, ()),
    ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", call(1000, 100, region="eu-west-1"), 1000 * 3.3 + 100 * 16.5, ()),
    ("us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", call(1000, 100, region="us-gov-west-1"), 1000 * 3.6 + 100 * 18, ()),
    ("anthropic.claude-3-haiku-20240307-v1:0", call(1000, 100, region="us-gov-east-1"), 1000 * 0.3 + 100 * 1.5, ()),
    ("us-gov.anthropic.claude-opus-4-1-20250805-v1:0", call(1000, 100), 1000 * 15 + 100 * 75, ("region",)),
    ("openai.gpt-oss-120b-1:0", call(1000, 100, region="us-gov-west-1"), 1000 * 0.18 + 100 * 0.72, ()),
]  # fmt: skip
GOOGLE = [
    ("gcp.gemini", "gemini-2.5-flash", call(1000, 100, grounding=1), 1000 * 0.3 + 100 * 2.5 + 35 * K, ()),
    ("gcp.gemini", "gemini-2.5-pro", call(1000, 100, grounding=1), 1000 * 1.25 + 100 * 10 + 35 * K, ()),
    ("gcp.gemini", "gemini-2.0-flash", call(1000, 100, grounding=1), 1000 * 0.1 + 100 * 0.4 + 35 * K, ()),
    ("gcp.gemini", "gemini-3-flash-preview", call(1000, 100, grounding=3), 1000 * 0.5 + 100 * 3 + 42 * K, ()),
    ("gcp.gemini", "gemini-2.5-flash", call(1000, 100, maps_grounding=1), 1000 * 0.3 + 100 * 2.5 + 25 * K, ()),
    ("gcp.gemini", "gemini-3-flash-preview", call(1000, 100, maps_grounding=2), 1000 * 0.5 + 100 * 3 + 2 * 14 * K, ()),
    ("gcp.gemini", "gemini-2.5-pro", call(1000, 100, audio_in=600), 1000 * 1.25 + 100 * 10, ()),
    ("gcp.vertex_ai", "gemini-2.5-flash", call(1000, 100, region="us-central1"), 1000 * 0.3 + 100 * 2.5, ()),
    ("gcp.vertex_ai", "gemini-3.8-flash", call(1000, 100, region="us-central1"), 1.1 * (1000 * 0.75 + 100 * 3.75), ()),
    ("gcp.vertex_ai", "gemini-3.8-flash", call(1000, 100, region="global"), 1000 * 0.75 + 100 * 3.75, ()),
    ("gcp.gemini", "gemini-3.8-flash", call(1000, 100), 1000 * 0.75 + 100 * 3.75, ()),
    ("gcp.vertex_ai", "gemini-3-flash-preview", call(1000, 100, region="global"), 1000 * 0.5 + 100 * 3, ()),
    ("gcp.vertex_ai", "claude-sonnet-4-5@20250929", call(1100, 50, write=1000, write_1h=700, region="us-east5"),
     1.1 * (100 * 3 + 300 * 3.75 + 700 * 6 + 50 * 15), ()),
    ("gcp.vertex_ai", "claude-sonnet-4-5@20250929", call(1100, 50, write=1000, write_1h=700, region="global"),
     100 * 3 + 300 * 3.75 + 700 * 6 + 50 * 15, ()),
    ("gcp.vertex_ai", "claude-opus-4-1@20250805", call(1100, 50, write=1000, write_1h=700, region="us-east5"),
     100 * 15 + 300 * 18.75 + 700 * 30 + 50 * 75, ()),
    ("gcp.vertex_ai", "claude-sonnet-4@20250514", call(1100, 50, write=1000, write_1h=700), 100 * 3 + 300 * 3.75 + 700 * 6 + 50 * 15, ()),
]  # fmt: skip
OTHERS = [
    ("cohere", "rerank-v3.5", call(rerank=3), 6 * K, ()),
    ("cohere", "rerank-multilingual-v3.0", call(rerank=1), 2 * K, ()),
    ("cohere", "rerank-v4.0-pro", call(rerank=2), 5 * K, ()),
    ("aws.bedrock", "cohere.rerank-v3-5:0", call(rerank=2), 4 * K, ()),
    ("aws.bedrock", "amazon.rerank-v1:0", call(rerank=2), 2 * K, ()),
    ("aws.bedrock", "us.amazon.nova-pro-v1:0", call(1000, 100, tier="optimized"), 1000 * 0.8 + 100 * 3.2, ("service_tier",)),
    ("azure.ai.openai", "gpt-5", call(1000, 100, web_search=1), 1000 * 1.25 + 100 * 10 + 14 * K, ()),
    ("azure.ai.openai", "gpt-5", call(1000, 100, code_interpreter=1), 1000 * 1.25 + 100 * 10 + 33 * K, ()),
    ("cohere", "rerank-v9", call(rerank=3), None, ("rerank",)),
    ("mistral_ai", "mistral-small-2603", call(1000, 100, web_search=2), 1000 * 0.15 + 100 * 0.6 + 60 * K, ()),
    ("mistral_ai", "mistral-small-2603", call(1000, 100, web_search_premium=1), 1000 * 0.15 + 100 * 0.6 + 50 * K, ()),
    ("mistral_ai", "mistral-small-2603", call(1000, 100, code_interpreter=1), 1000 * 0.15 + 100 * 0.6 + 30 * K, ()),
    ("mistral_ai", "mistral-small-2603", call(1000, 100, image_generation=1), 1000 * 0.15 + 100 * 0.6 + 100 * K, ()),
    ("mistral_ai", "mistral-small-2603", call(1000, 100, document_library=1), 1000 * 0.15 + 100 * 0.6, ("document_library",)),
    ("mistral_ai", "mistral-ocr-2503", call(ocr_pages=10), 10 * K, ()),
    ("x_ai", "grok-4", call(1000, 100, live_search=4), 1000 * 3 + 100 * 15 + 100 * K, ()),
    ("groq", "llama-3.3-70b-versatile", call(1000, 100, read=400), 600 * 0.59 + 100 * 0.79, ("cache_read",)),
    ("openrouter", "deepseek/deepseek-r1:free", call(1000, 100, read=400), 0, ()),
    ("ollama", "llama3.1", call(1000, 100, web_search=1), None, ("web_search",)),
    ("_OTHER", "nobody", call(1000, 100, connector=1), None, ("connector",)),
]  # fmt: skip
CASES = [
    *(("openai", *case) for case in OPENAI),
    *(("anthropic", *case) for case in ANTHROPIC),
    *(("aws.bedrock", *case) for case in BEDROCK),
    *GOOGLE,
    *OTHERS,
]


@pytest.mark.parametrize(("provider", "model", "asked", "microdollars", "lacks"), CASES)
def test_a_call_costs_its_tokens_its_fees_and_its_surcharge(pricer, provider, model, asked, microdollars, lacks):
    price = pricer.price(provider=provider, request_model=model, response_model="", at=NOON, **asked)
    assert price.cost == (None if microdollars is None else pytest.approx(microdollars / 1e6, rel=1e-9, abs=1e-12))
    assert price.incomplete == lacks
    assert price.complete == (microdollars is not None and not lacks)
    assert price.source == ("unpriced" if microdollars is None else "prices")


def test_there_are_enough_cases():
    assert len(CASES) >= 75


def test_what_the_provider_reports_is_all_of_it(pricer):
    asked = call(1000, 100, connector=1, region="mars", cost_usd=0.5)
    assert pricer.price(provider="openai", request_model="gpt-5.4", response_model="", at=NOON, **asked) == (
        0.5,
        "provider",
        0.0,
        (),
    )


@pytest.mark.parametrize("rule", fees.FEE_RATES, ids=lambda rule: f"{rule.provider} {rule.fee}")
def test_every_fee_has_a_name_a_rate_and_a_source(rule, table):
    assert rule.fee in FEES
    assert rule.usd > 0
    assert rule.source.startswith("https://")
    assert rule.provider in table


@pytest.mark.parametrize("overlay", fees.OVERLAYS, ids=lambda overlay: overlay.model)
def test_the_list_still_lacks_what_is_laid_over_it(overlay, table):
    """An overlay that the list has caught up with is to be removed."""
    maker = table.maker(overlay.provider)
    lists = [model for model in maker.models() if fees.re.search(overlay.model, model[0])]
    assert lists
    assert all(key not in rates for model in lists for _, rates in model[2] for key in overlay.rates)
    assert overlay.source.startswith("https://")


def test_own_prices_come_before_fees_of_the_list(make_pricer, tmp_path):
    path = tmp_path / "prices.json"
    path.write_text(
        '{"prices": [{"provider": "openai", "model": "gpt-5", "factor": 1, "web_search": 0.001},'
        ' {"provider": "vllm", "model": "*", "input": 1, "output": 1, "rerank": 0.5, "connector": 0.25}]}'
    )
    pricer = make_pricer(prices_file=str(path))

    def price(provider, model, **used):
        return pricer.price(provider=provider, request_model=model, response_model="", at=NOON, **call(1000, 0, **used))

    assert price("openai", "gpt-5", web_search=2) == (pytest.approx(1000 * 1.25e-6 + 0.002), "prices", 0.0, ())
    assert price("vllm", "x", rerank=2, connector=1, read=400) == (pytest.approx(1000e-6 + 1.25), "prices", 0.0, ())
    assert price("vllm", "x", video=1).incomplete == ("video",)


class TestCalls:
    """What the facts of a call come to, its other models included."""

    def of(self, model="gpt-5", usage=None, provider="openai", **facts):
        request = Request(provider, "chat", model, Reader(lambda *_: None), fees=facts.pop("asked", ()))
        return Prices(make_config()).of_call(request, Response(**facts), usage or Usage(1000, 1000), NOON)

    def test_an_image_that_a_tool_made_costs_its_tokens(self):
        made = Usage(100, 4160, input_text_tokens=100, output_image_tokens=4160)
        price = self.of(others=(("gpt-image-1", made),))
        assert price == (pytest.approx((1000 * 1.25 + 1000 * 10 + 100 * 5 + 4160 * 40) / 1e6), "prices", 0.0, ())

    def test_a_model_that_is_not_known_makes_the_cost_incomplete(self):
        price = self.of(others=(("", Usage(100, 4160)),))
        assert price == (pytest.approx((1000 * 1.25 + 1000 * 10) / 1e6), "prices", 0.0, ("other_model",))
        unknown = self.of(model="nobody", others=(("gpt-image-1", Usage(100, 10)),))
        assert (unknown.cost, unknown.source) == (None, "unpriced")

    def test_fees_of_the_request_count(self):
        price = self.of(model="tts-1", usage=Usage(), asked=(("speech_characters", 1000.0),))
        assert price == (pytest.approx(0.015), "prices", 0.0, ())

    def test_a_reported_amount_has_the_other_models_in_it(self):
        assert self.of(usage=Usage(10, 10, cost_usd=0.5), others=(("", Usage(1, 1)),)) == Price(0.5, "provider")


def make_config():
    from otel_llm.core.config import Config

    return Config()


def test_explain_says_which_rate_is_missing(pricer):
    usage = Usage(1100, 50, cache_write_tokens=1000, cache_write_1h_tokens=700)
    told = explain("us.anthropic.claude-opus-4-1-20250805-v1:0", "aws.bedrock", usage, at=NOON, pricer=pricer)
    assert told.price.incomplete == ("cache_write_1h",)
    assert "  incomplete: no rate is known for cache_write_1h; calls show complete=false" in list(told.lines())
    billed = {part.name: part.quantity for part in told.components if part.quantity}
    assert billed == {"input": 100, "cache write": 300, "output": 50}
    plain = explain("us.anthropic.claude-opus-4-1-20250805-v1:0", "aws.bedrock", at=NOON, pricer=pricer)
    assert any("no rate is known for cache_write_1h" in line for line in plain.lines())


def test_explain_shows_fees_and_surcharges(pricer):
    told = explain(
        "gpt-5.4", "openai", Usage(1000, 100), at=NOON, pricer=pricer, region="eu", fees=(("file_search", 2),)
    )
    assert told.price.cost == pytest.approx(1.1 * (1000 * 2.5 + 100 * 15) / 1e6 + 0.005)
    lines = list(told.lines())
    assert "  file_search          $0.0025 each" in lines
    assert "  surcharge            x 1.1 on tokens, for region or service tier" in lines


class TestPublic:
    """``otel_llm.price``"""

    def test_a_usage_has_a_price_without_a_call(self):
        priced = otel_llm.price("gpt-4o", Usage(1000, 500, cache_read_tokens=800), provider="openai", at=NOON)
        assert priced == Price(
            pytest.approx((200 * 2.5 + 800 * 1.25 + 500 * 10) / 1e6), "prices", pytest.approx(800 * 1.25 / 1e6)
        )
        assert priced.complete

    def test_who_sells_it_is_known_by_the_name(self):
        assert otel_llm.price("claude-haiku-4-5", Usage(1000, 0)).cost == pytest.approx(0.001)

    def test_tiers_regions_and_fees(self):
        priced = otel_llm.price(
            "gpt-5.4",
            Usage(1000, 0),
            provider="openai",
            region="eu",
            fees=[("web_search", 2), ("connector", 1)],
            at=NOON,
        )
        assert priced.cost == pytest.approx(1.1 * 1000 * 2.5 / 1e6 + 0.02)
        assert (priced.incomplete, priced.complete) == (("connector",), False)

    def test_what_is_not_known_is_unpriced(self):
        assert otel_llm.price("nobody", Usage(1, 1)) == Price(None, "unpriced")
