"""The names models go by, and what is no known model's name."""

from __future__ import annotations

import pytest
from genai_prices import data_snapshot

from otel_llm.core.model import Usage
from otel_llm.pricing.explain import explain
from otel_llm.pricing.names import forms, provider_id
from otel_llm.pricing.price import NOTHING, UNPRICED

PROVIDERS = data_snapshot.get_snapshot().providers
AT = 1_795_262_400.0  # 2026-11-21 12:00 UTC
ONE = Usage(input_tokens=1_000_000)


def price(pricer, provider, model, response_model="", **others):
    return pricer.price(
        provider=provider, request_model=model, response_model=response_model, usage=ONE, at=AT, **others
    )


@pytest.mark.parametrize(
    ("provider", "model", "response_model", "per_million"),
    [
        ("openai", "gpt-4o", "", 2.5),  # exact
        ("openai", "GPT-4o", "", 2.5),  # as somebody typed it
        ("openai", "chatgpt-4o-latest", "", 5),  # an alias with a price of its own
        ("openai", "gpt-4o-2024-08-06", "", 2.5),  # dated, known
        ("openai", "gpt-5.2-20251211", "", 1.75),  # dated, as gateways write it
        ("openai", "gpt-4.1-2029-01-01", "", 2),  # dated, from the future: the undated price
        ("openai", "openai/gpt-4o", "", 2.5),  # a vendor's prefix
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::abc", "", 0.3),  # fine-tuned: its own price, twice the base's
        ("anthropic", "claude-haiku-4-5-20251001", "", 1),
        ("anthropic", "claude-haiku-4-5@20251001", "", 1),
        ("anthropic", "anthropic/claude-haiku-4-5", "", 1),
        ("aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "", 3.3),  # a region
        ("aws.bedrock", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", "", 3),
        ("aws.bedrock", "arn:aws:bedrock:us-east-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "", 3.3),
        ("aws.bedrock", "arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-pro-v1:0", "", 0.8),
        ("aws.bedrock", "us.meta.llama3-1-8b-instruct-v1:0:128k", "", 0.22),  # a revision and a context length
        ("gcp.gemini", "models/gemini-2.5-flash", "", 0.3),
        ("gcp.vertex_ai", "publishers/google/models/gemini-2.5-flash", "", 0.3),
        ("gcp.vertex_ai", "projects/p/locations/us-central1/publishers/anthropic/models/claude-haiku-4-5@20251001", "", 1),
        ("azure.ai.openai", "our-chat-deployment", "gpt-4o-2024-08-06", 2.5),  # a deployment, by what answered
        ("openrouter", "openrouter/openai/gpt-4o", "", 2.5),
        ("openrouter", "openai/gpt-4o:nitro", "", 2.5),  # routing does not change the price
        ("openrouter", "openrouter/auto", "openai/gpt-4o", 2.5),
        ("fireworks", "accounts/fireworks/models/llama-v3p1-8b-instruct", "", 0.2),
        ("litellm", "anthropic/claude-haiku-4-5", "", 1),  # a gateway: the prefix is the provider
        ("huggingface", "meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8:together", "", 0.27),  # a router: the suffix is
        ("mistral_ai", "codestral-latest", "", 0.3),
        ("x_ai", "grok-4", "grok-4-0709", 3),
    ],
)  # fmt: skip
def test_every_form_of_a_name_finds_its_price(pricer, provider, model, response_model, per_million):
    assert price(pricer, provider, model, response_model).cost == pytest.approx(per_million)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "ft:gpt-4.1-2025-04-14:acme::abc"),  # no list price: the base model's is another one
        ("openai", "our-chat-deployment"),
        ("openai", "anthropic/claude-haiku-4-5"),  # OpenAI does not sell it
        ("openai", ""),
        ("aws.bedrock", "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5"),
        ("aws.bedrock", "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/a1b2c3d4e5"),
        ("ollama", "llama3.1:8b"),  # runs on your own machine
        ("vllm", "gpt-4o"),
        ("my-openai-proxy", "gpt-4o"),  # somebody's name for something
        ("", "gpt-4o"),
        ("openai", "gpt-4o" * 100),
        ("mistral_ai", "mistral-ocr-2503"),  # charged by the page, which no client reports
    ],
)
def test_what_is_no_known_price_is_unpriced_and_never_zero(pricer, provider, model):
    assert price(pricer, provider, model) is UNPRICED


def test_an_unknown_provider_is_known_by_its_address(pricer):
    assert price(pricer, "_OTHER", "gpt-4o", server_address="api.openai.com").cost == 2.5
    assert price(pricer, "_OTHER", "gpt-4o", server_address="localhost") is UNPRICED


def test_a_price_for_seconds_says_nothing_about_tokens(pricer):
    assert price(pricer, "openai", "whisper-1") is UNPRICED


def test_without_usage_there_is_nothing_to_price(pricer):
    for model in ("gpt-4o", "whisper-1", "unheard-of", "sonar"):
        call = {"provider": "openai", "request_model": model, "response_model": "", "at": AT}
        assert pricer.price(**call, usage=Usage()) == NOTHING


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.id)
def test_every_name_that_genai_prices_spells_out_is_found_alike(provider, table):
    names = {name for model in provider.models for name in _spelled(model.match)}
    for name in sorted(names):
        expected = provider.find_model(name, all_providers=PROVIDERS)
        if expected is not None and not name.startswith("arn:"):
            assert table.find(provider.id, name.lower()).model == expected.id, name


def _spelled(clause):
    for kind in ("equals", "starts_with", "contains", "ends_with"):
        if hasattr(clause, kind):
            yield getattr(clause, kind)
    for part in getattr(clause, "or_", ()) or getattr(clause, "and_", ()):
        yield from _spelled(part)


def test_forms_go_from_the_most_exact_to_the_barest():
    name = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    assert list(forms(f"arn:aws:bedrock:us-east-1:1:inference-profile/{name}")) == [
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "us.anthropic.claude-sonnet-4-5-2025-09-29-v1:0",
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "anthropic.claude-sonnet-4-5-2025-09-29-v1:0",
        "anthropic.claude-sonnet-4-5-20250929",
        "anthropic.claude-sonnet-4-5-2025-09-29",
        "anthropic.claude-sonnet-4-5",
    ]
    assert list(forms("ft:gpt-4o-2024-08-06:acme::abc")) == ["ft:gpt-4o-2024-08-06:acme::abc"]
    assert list(forms("deepseek-v3")) == ["deepseek-v3"]


@pytest.mark.parametrize(
    ("provider", "known_as"),
    [("aws.bedrock", "aws"), ("x_ai", "x-ai"), ("gcp.vertex_ai", "google"), ("OpenAI", "openai"), ("ollama", "ollama")],
)
def test_providers_go_by_the_conventions_names(provider, known_as):
    assert provider_id(provider, "m") == (known_as, "m")


def test_explain_tells_each_part_and_the_total(pricer):
    usage = Usage(
        input_tokens=1000, output_tokens=200, cache_read_tokens=300, cache_write_tokens=210, cache_write_1h_tokens=50
    )
    told = explain("claude-sonnet-4-5-20250929", usage=usage, at=AT, pricer=pricer)
    assert (told.provider, told.model) == ("anthropic", "claude-sonnet-4-5")
    assert told.source.startswith("genai-prices ")
    assert told.also == ("aws", "google")
    billed = {part.name: (part.quantity, part.rate) for part in told.components if part.quantity}
    assert billed == {
        "input": (490, 3), "cached read": (300, 0.3), "cache write": (160, 3.75), "cache write, 1 h": (50, 6), "output": (200, 15),
    }  # fmt: skip
    assert told.price.cost == pytest.approx(sum(part.amount for part in told.components if part.amount))
    assert "  total                $0.005460, cache saved $0.000810" in list(told.lines())


def test_explain_a_price_by_context_length(pricer):
    told = explain("gemini-2.5-pro", "gcp.gemini", Usage(input_tokens=200_001, output_tokens=10), at=AT, pricer=pricer)
    assert [(part.above, part.quantity) for part in told.components if part.name == "input"] == [
        (0, None),
        (200_000, 200_001),
    ]


def test_explain_what_is_not_known(pricer):
    told = explain("gpt-4oo", "openai", at=AT, pricer=pricer)
    assert told.model == ""
    assert "gpt-4o" in told.suggestions
    assert next(told.lines()) == "gpt-4oo: no price known at openai; calls count as unpriced"
    assert next(explain("nothing-like-it", at=AT, pricer=pricer).lines()).startswith("nothing-like-it: no price known;")


def test_explain_a_price_that_ends_one_that_is_free_and_one_that_nobody_can_measure(pricer):
    assert "  until 2027-01-01 00:00 UTC" in list(explain("gemini-3.8-flash", at=AT, pricer=pricer).lines())
    assert "  free of charge" in list(explain("deepseek/deepseek-r1:free", "openrouter", at=AT, pricer=pricer).lines())
    ocr = list(explain("mistral-ocr-2503", at=AT, pricer=pricer).lines())
    assert "  ocr_pages            $0.001 each" in ocr
    voice = list(explain("grok-voice-latest", "x_ai", at=AT, pricer=pricer).lines())
    assert "  also charged, but not reported by clients: input_text_messages_kcount" in voice
