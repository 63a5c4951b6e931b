"""Amounts worked out by hand from published prices: tokens times US dollars per million, in microdollars.

Each line is (provider, model, usage, expected). Expressions read "how many * price per million"; the sources are the
providers' public price pages as of November 2026. ``test_pricing_equality`` compares with genai-prices; here nothing does.
"""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from otel_llm.core.model import Usage

NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc).timestamp()
PER_CALL = 1000  # microdollars of one US dollar per thousand calls
HOUR = 1_000_000 / 3600  # microdollars per second of one US dollar per hour


def used(input_tokens=None, output_tokens=None, read=None, write=None, write_1h=None, **others):
    return Usage(
        input_tokens=input_tokens, output_tokens=output_tokens, cache_read_tokens=read, cache_write_tokens=write,
        cache_write_1h_tokens=write_1h, **others,
    )  # fmt: skip


OPENAI = [  # prompt_tokens includes cached_tokens, completion_tokens includes reasoning_tokens
    ("gpt-4o", used(1000, 500), 1000 * 2.5 + 500 * 10),
    ("gpt-4o", used(1000, 500, read=800), 200 * 2.5 + 800 * 1.25 + 500 * 10),
    ("gpt-4o", used(1000, 0), 1000 * 2.5),
    ("gpt-4o", used(0, 0), 0),
    ("gpt-4o-2024-08-06", used(1000, 500), 1000 * 2.5 + 500 * 10),
    ("gpt-4o-2024-05-13", used(1000, 500), 1000 * 5 + 500 * 15),
    ("gpt-4o-mini", used(1000, 500), 1000 * 0.15 + 500 * 0.6),
    ("gpt-4.1", used(10_000, 100, read=10_000), 10_000 * 0.5 + 100 * 8),
    ("gpt-5", used(1000, 500, read=400, thinking_tokens=300), 600 * 1.25 + 400 * 0.125 + 500 * 10),
    ("gpt-5", used(1000, 500, web_searches=2), 1000 * 1.25 + 500 * 10 + 2 * 10 * PER_CALL),
    ("gpt-5-mini", used(1000, 500), 1000 * 0.25 + 500 * 2),
    ("gpt-5.4", used(272_000, 100), 272_000 * 2.5 + 100 * 15),
    ("gpt-5.4", used(272_001, 100), 272_001 * 5 + 100 * 22.5),
    ("gpt-5.4", used(300_000, 100, read=200_000), 100_000 * 5 + 200_000 * 0.5 + 100 * 22.5),
    ("gpt-6-sol", used(1000, 500, read=200, write=300), 500 * 2 + 200 * 0.2 + 300 * 2.5 + 500 * 10),
    ("o3", used(1000, 900, thinking_tokens=800), 1000 * 2 + 900 * 8),
    ("o4-mini", used(1000, 900, read=500), 500 * 1.1 + 500 * 0.275 + 900 * 4.4),
    ("text-embedding-3-small", used(5000), 5000 * 0.02),
    ("gpt-4o-transcribe", used(1000, 100, input_audio_tokens=900), 100 * 2.5 + 900 * 6 + 100 * 10),
    ("gpt-realtime", used(1000, 500, read=200, input_audio_tokens=600, cache_audio_read_tokens=150, output_audio_tokens=400),
     350 * 4 + 50 * 0.4 + 450 * 32 + 150 * 0.4 + 100 * 16 + 400 * 64),
    ("gpt-image-1", used(300, 4000, input_image_tokens=200), 100 * 5 + 200 * 10 + 4000 * 40),
    ("whisper-1", used(audio_seconds=90.0), 90 * 0.36 * HOUR),
    ("ft:gpt-4o-mini-2024-07-18:acme::abc123", used(1000, 500), 1000 * 0.3 + 500 * 1.2),
    ("ft:gpt-4o-2024-08-06:acme:support:abc123", used(1000, 500), 1000 * 3.75 + 500 * 15),
]  # fmt: skip
ANTHROPIC = [  # the reader has added cache reads and writes to input: 60 + 30 + 10 is 100
    ("claude-sonnet-4-5-20250929", used(100, 50, read=30, write=10), 60 * 3 + 30 * 0.3 + 10 * 3.75 + 50 * 15),
    ("claude-sonnet-4-5", used(100, 50, write=40, write_1h=30), 60 * 3 + 10 * 3.75 + 30 * 6 + 50 * 15),
    ("claude-sonnet-4-5", used(200_000, 100), 200_000 * 3 + 100 * 15),
    ("claude-sonnet-4-5", used(200_001, 100), 200_001 * 6 + 100 * 22.5),
    ("claude-sonnet-4-5", used(250_000, 100, read=150_000, write=50_000, write_1h=20_000),
     50_000 * 6 + 150_000 * 0.6 + 30_000 * 7.5 + 20_000 * 12 + 100 * 22.5),
    ("claude-opus-4-1", used(100, 50, read=30, write=10), 60 * 15 + 30 * 1.5 + 10 * 18.75 + 50 * 75),
    ("claude-haiku-4-5", used(1000, 500, thinking_tokens=400), 1000 * 1 + 500 * 5),
    ("claude-3-5-haiku-latest", used(1000, 500), 1000 * 0.8 + 500 * 4),
    ("claude-opus-5", used(1000, 500, write=600, write_1h=600), 400 * 5 + 600 * 10 + 500 * 25),
    ("claude-opus-5", used(1000, 500, web_searches=3), 1000 * 5 + 500 * 25 + 3 * 10 * PER_CALL),
    ("claude-haiku-5-5", used(100_000, 100), 100_000 * 0.1 + 100 * 0.5),
    ("claude-haiku-5-5", used(100_001, 100), 100_001 * 0.5 + 100 * 2.5),
]  # fmt: skip
BEDROCK = [  # a region's endpoint costs a tenth more than the global one
    (
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        used(100, 50, read=30, write=10),
        60 * 3.3 + 30 * 0.33 + 10 * 4.125 + 50 * 16.5,
    ),
    (
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        used(100, 50, read=30, write=10),
        60 * 3 + 30 * 0.3 + 10 * 3.75 + 50 * 15,
    ),
    ("amazon.nova-pro-v1:0", used(1000, 500, read=400), 600 * 0.8 + 400 * 0.2 + 500 * 3.2),
    ("us.amazon.nova-lite-v1:0", used(1000, 500), 1000 * 0.06 + 500 * 0.24),
    ("meta.llama3-3-70b-instruct-v1:0", used(1000, 500), 1000 * 0.72 + 500 * 0.72),
    ("anthropic.claude-3-haiku-20240307-v1:0", used(1000, 500), 1000 * 0.25 + 500 * 1.25),
    ("deepseek.r1-v1:0", used(1000, 500), 1000 * 1.35 + 500 * 5.4),
    ("amazon.titan-embed-text-v2:0", used(1000), 1000 * 0.02),
]
AZURE = [
    ("o3-mini", used(1000, 500, read=400), 600 * 1.1 + 400 * 0.55 + 500 * 4.4),
    ("text-embedding-3-large", used(1000), 1000 * 0.13),
    ("gpt-4o-2024-08-06", used(1000, 500, read=200), 800 * 2.5 + 200 * 1.25 + 500 * 10),
]
GOOGLE = [  # prompt_token_count includes cached content; the reader has added thoughts to output: 8 + 12 is 20
    ("gemini-2.5-pro", used(1000, 20, thinking_tokens=12), 1000 * 1.25 + 20 * 10),
    ("gemini-2.5-pro", used(200_000, 100, read=50_000), 150_000 * 1.25 + 50_000 * 0.125 + 100 * 10),
    ("gemini-2.5-pro", used(200_001, 100, read=50_000), 150_001 * 2.5 + 50_000 * 0.25 + 100 * 15),
    ("gemini-2.5-flash", used(1000, 500, input_audio_tokens=600), 400 * 0.3 + 600 * 1 + 500 * 2.5),
    ("gemini-2.5-flash", used(1000, 500, read=300, input_audio_tokens=600, cache_audio_read_tokens=100),
     200 * 0.3 + 200 * 0.03 + 500 * 1 + 100 * 0.1 + 500 * 2.5),
    ("gemini-2.5-flash-lite", used(1000, 500, read=1000), 1000 * 0.01 + 500 * 0.4),
    ("gemini-2.5-flash-image", used(100, 1290, output_image_tokens=1290), 100 * 0.3 + 1290 * 30),
    ("gemini-embedding-001", used(1000), 1000 * 0.15),
]  # fmt: skip
VERTEX = [
    ("claude-sonnet-4-5@20250929", used(100, 50, read=30, write=10), 60 * 3 + 30 * 0.3 + 10 * 3.75 + 50 * 15),
    ("gemini-2.0-flash-001", used(1000, 500, read=400), 600 * 0.1 + 400 * 0.025 + 500 * 0.4),
]
OTHERS = [
    ("mistral_ai", "mistral-large-2411", used(1000, 500), 1000 * 2 + 500 * 6),
    ("mistral_ai", "mistral-small-2603", used(1000, 500, read=600), 400 * 0.15 + 600 * 0.015 + 500 * 0.6),
    ("mistral_ai", "codestral-latest", used(1000, 500), 1000 * 0.3 + 500 * 0.9),
    ("cohere", "command-a-03-2025", used(1000, 500), 1000 * 2.5 + 500 * 10),
    ("cohere", "embed-v4.0", used(1000), 1000 * 0.12),
    ("groq", "llama-3.3-70b-versatile", used(1000, 500), 1000 * 0.59 + 500 * 0.79),
    ("groq", "openai/gpt-oss-120b", used(1000, 500, read=400), 600 * 0.15 + 400 * 0.075 + 500 * 0.6),
    ("groq", "whisper-large-v3", used(audio_seconds=60.0), 60 * 0.111 * HOUR),
    ("groq", "whisper-large-v3", used(audio_seconds=3.0), 10 * 0.111 * HOUR),
    ("deepseek", "deepseek-reasoner", used(1000, 500, read=700, thinking_tokens=400), 300 * 0.55 + 700 * 0.14 + 500 * 2.19),
    ("x_ai", "grok-4", used(1000, 500, read=400), 600 * 3 + 400 * 0.75 + 500 * 15),
    ("x_ai", "grok-code-fast-1", used(1000, 500), 1000 * 0.2 + 500 * 1.5),
    ("perplexity", "sonar", used(1000, 500), 1000 * 1 + 500 * 1 + 12 * PER_CALL),
    ("perplexity", "sonar-deep-research", used(1000, 500, thinking_tokens=300, web_searches=10),
     1000 * 2 + 200 * 8 + 300 * 3 + 10 * 5 * PER_CALL),
    ("openrouter", "openai/gpt-4o", used(1000, 500), 1000 * 2.5 + 500 * 10),
    ("openrouter", "anthropic/claude-sonnet-4.5", used(100, 50, read=30, write=10), 60 * 3 + 30 * 0.3 + 10 * 3.75 + 50 * 15),
    ("openrouter", "deepseek/deepseek-r1:free", used(1000, 500), 0),
    ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", used(1000, 500), 1000 * 0.88 + 500 * 0.88),
    ("fireworks", "accounts/fireworks/models/llama-v3p1-8b-instruct", used(1000, 500), 1000 * 0.2 + 500 * 0.2),
    ("cerebras", "gpt-oss-120b", used(1000, 500), 1000 * 0.35 + 500 * 0.75),
    ("moonshot_ai", "kimi-k2-0905-preview", used(1000, 500, read=400), 600 * 0.6 + 400 * 0.15 + 500 * 2.5),
    ("voyageai", "voyage-3-large", used(1000), 1000 * 0.18),
    ("minimax", "MiniMax-M2", used(1000, 500, read=400, write=100), 500 * 0.3 + 400 * 0.03 + 100 * 0.375 + 500 * 1.2),
]  # fmt: skip
MORE = [
    ("openai", "gpt-3.5-turbo", used(1000, 500), 1000 * 0.5 + 500 * 1.5),
    ("openai", "gpt-4", used(1000, 500), 1000 * 30 + 500 * 60),
    ("openai", "gpt-4-turbo", used(1000, 500), 1000 * 10 + 500 * 30),
    ("openai", "gpt-4.1-mini", used(1000, 500, read=400), 600 * 0.4 + 400 * 0.1 + 500 * 1.6),
    ("openai", "gpt-4.1-nano", used(1000, 500, read=400), 600 * 0.1 + 400 * 0.025 + 500 * 0.4),
    ("openai", "gpt-5-nano", used(1000, 500, read=400), 600 * 0.05 + 400 * 0.005 + 500 * 0.4),
    ("openai", "gpt-5-pro", used(1000, 500), 1000 * 15 + 500 * 120),
    ("openai", "gpt-5.1", used(1000, 500, read=400, web_searches=1), 600 * 1.25 + 400 * 0.125 + 500 * 10 + 10 * PER_CALL),
    ("openai", "gpt-5.2", used(1000, 500, read=400), 600 * 1.75 + 400 * 0.175 + 500 * 14),
    ("openai", "o1", used(1000, 500, read=400), 600 * 15 + 400 * 7.5 + 500 * 60),
    ("openai", "o3-mini", used(1000, 500, read=400), 600 * 1.1 + 400 * 0.55 + 500 * 4.4),
    ("openai", "o3-pro", used(1000, 500), 1000 * 20 + 500 * 80),
    ("openai", "o4-mini-deep-research", used(1000, 500, read=400, web_searches=3), 600 * 2 + 400 * 0.5 + 500 * 8 + 30 * PER_CALL),
    ("openai", "gpt-audio", used(150, 220, input_audio_tokens=100, output_audio_tokens=200), 50 * 2.5 + 100 * 32 + 20 * 10 + 200 * 64),
    ("openai", "gpt-audio-mini", used(150, 220, input_audio_tokens=100, output_audio_tokens=200),
     50 * 0.6 + 100 * 10 + 20 * 2.4 + 200 * 20),
    ("openai", "gpt-4o-audio-preview", used(150, 220, input_audio_tokens=100, output_audio_tokens=200),
     50 * 2.5 + 100 * 40 + 20 * 10 + 200 * 80),
    ("openai", "gpt-4o-mini-audio-preview", used(150, 220, input_audio_tokens=100, output_audio_tokens=200),
     50 * 0.15 + 100 * 10 + 20 * 0.6 + 200 * 20),
    ("openai", "gpt-realtime-mini", used(1000, 500, input_audio_tokens=600, output_audio_tokens=400),
     400 * 0.6 + 600 * 10 + 100 * 2.4 + 400 * 20),
    ("openai", "gpt-image-1-mini", used(300, 4000, input_image_tokens=200), 100 * 2 + 200 * 2.5 + 4000 * 8),
    ("openai", "gpt-4o-mini-transcribe", used(1000, 100, input_audio_tokens=900), 100 * 1.25 + 900 * 3 + 100 * 5),
    ("openai", "text-embedding-3-large", used(5000), 5000 * 0.13),
    ("openai", "text-embedding-ada-002", used(5000), 5000 * 0.1),
    ("anthropic", "claude-3-haiku-20240307", used(1000, 500, read=300, write=200), 500 * 0.25 + 300 * 0.03 + 200 * 0.3 + 500 * 1.25),
    ("anthropic", "claude-3-opus-20240229", used(1000, 500, write=200, write_1h=200), 800 * 15 + 200 * 30 + 500 * 75),
    ("anthropic", "claude-3-5-sonnet-20241022", used(1000, 500, read=300), 700 * 3 + 300 * 0.3 + 500 * 15),
    ("anthropic", "claude-3-7-sonnet-20250219", used(1000, 500, web_searches=1), 1000 * 3 + 500 * 15 + 10 * PER_CALL),
    ("anthropic", "claude-opus-4-5", used(1000, 500, read=300, write=200), 500 * 5 + 300 * 0.5 + 200 * 6.25 + 500 * 25),
    ("anthropic", "claude-opus-4-6", used(1000, 500, write=400, write_1h=100), 600 * 5 + 300 * 6.25 + 100 * 10 + 500 * 25),
    ("anthropic", "claude-sonnet-4-6", used(1000, 500, read=300), 700 * 3 + 300 * 0.3 + 500 * 15),
    ("aws.bedrock", "amazon.nova-micro-v1:0", used(1000, 500, read=400), 600 * 0.035 + 400 * 0.00875 + 500 * 0.14),
    ("aws.bedrock", "us.amazon.nova-premier-v1:0", used(1000, 500), 1000 * 2.5 + 500 * 12.5),
    ("aws.bedrock", "anthropic.claude-3-5-haiku-20241022-v1:0", used(1000, 500, read=400), 600 * 0.8 + 400 * 0.08 + 500 * 4),
    ("aws.bedrock", "us.anthropic.claude-opus-4-1-20250805-v1:0", used(1000, 500, write=100), 900 * 15 + 100 * 18.75 + 500 * 75),
    ("aws.bedrock", "meta.llama3-1-8b-instruct-v1:0", used(1000, 500), 1000 * 0.22 + 500 * 0.22),
    ("aws.bedrock", "us.meta.llama4-scout-17b-instruct-v1:0", used(1000, 500), 1000 * 0.17 + 500 * 0.66),
    ("aws.bedrock", "mistral.mistral-large-2402-v1:0", used(1000, 500), 1000 * 4 + 500 * 12),
    ("aws.bedrock", "mistral.mixtral-8x7b-instruct-v0:1", used(1000, 500), 1000 * 0.45 + 500 * 0.7),
    ("azure.ai.openai", "o1", used(1000, 500, read=400), 600 * 15 + 400 * 7.5 + 500 * 60),
    ("azure.ai.openai", "o4-mini", used(1000, 500, read=400), 600 * 1.1 + 400 * 0.275 + 500 * 4.4),
    ("azure.ai.openai", "gpt-5-mini", used(1000, 500, read=400), 600 * 0.25 + 400 * 0.025 + 500 * 2),
    ("azure.ai.openai", "text-embedding-3-small", used(5000), 5000 * 0.02),
    ("gcp.gemini", "gemini-2.0-flash", used(1000, 500), 1000 * 0.1 + 500 * 0.4),
    ("gcp.gemini", "gemini-2.0-flash-lite", used(1000, 500), 1000 * 0.075 + 500 * 0.3),
    ("gcp.gemini", "gemini-1.5-flash", used(128_001, 500), 128_001 * 0.15 + 500 * 0.6),
    ("gcp.gemini", "gemini-3-flash-preview", used(1000, 500, read=300), 700 * 0.5 + 300 * 0.05 + 500 * 3),
    ("gcp.gemini", "gemini-3-pro-preview", used(1000, 500, thinking_tokens=300), 1000 * 2 + 500 * 12),
    ("gcp.gemini", "gemini-3-pro-preview", used(200_001, 500), 200_001 * 4 + 500 * 18),
    ("mistral_ai", "magistral-medium-latest", used(1000, 500), 1000 * 2 + 500 * 5),
    ("mistral_ai", "devstral-2512", used(1000, 500, read=600), 400 * 0.4 + 600 * 0.04 + 500 * 2),
    ("mistral_ai", "ministral-8b-2512", used(1000, 500), 1000 * 0.15 + 500 * 0.15),
    ("cohere", "command-r-plus-08-2024", used(1000, 500), 1000 * 2.5 + 500 * 10),
    ("cohere", "command-r7b-12-2024", used(1000, 500), 1000 * 0.0375 + 500 * 0.15),
    ("groq", "llama-3.1-8b-instant", used(1000, 500), 1000 * 0.05 + 500 * 0.08),
    ("x_ai", "grok-3-mini", used(1000, 500, read=400), 600 * 0.3 + 400 * 0.075 + 500 * 0.5),
    ("x_ai", "grok-4-fast-reasoning", used(1000, 500, read=400), 600 * 0.2 + 400 * 0.05 + 500 * 0.5),
    ("cerebras", "llama-3.3-70b", used(1000, 500), 1000 * 0.85 + 500 * 1.2),
    ("cerebras", "qwen-3-32b", used(1000, 500), 1000 * 0.4 + 500 * 0.8),
    ("moonshot_ai", "kimi-k2-thinking-turbo", used(1000, 500, read=400), 600 * 1.15 + 400 * 0.15 + 500 * 8),
    ("voyageai", "voyage-3.5-lite", used(1000), 1000 * 0.02),
    ("voyageai", "voyage-code-3", used(1000), 1000 * 0.18),
    ("fireworks", "accounts/fireworks/models/deepseek-v3p2", used(1000, 500, read=400), 600 * 0.56 + 400 * 0.28 + 500 * 1.68),
    ("openrouter", "openai/gpt-4.1-mini", used(1000, 500), 1000 * 0.4 + 500 * 1.6),
]  # fmt: skip
CASES = [
    *(("openai", *case) for case in OPENAI),
    *(("anthropic", *case) for case in ANTHROPIC),
    *(("aws.bedrock", *case) for case in BEDROCK),
    *(("azure.ai.openai", *case) for case in AZURE),
    *(("gcp.gemini", *case) for case in GOOGLE),
    *(("gcp.vertex_ai", *case) for case in VERTEX),
    *OTHERS,
    *MORE,
]
TIERS = [
    ("openai", "gpt-5", "default", used(1000, 500), 1000 * 1.25 + 500 * 10),
    ("openai", "gpt-5", "auto", used(1000, 500), 1000 * 1.25 + 500 * 10),
    ("openai", "gpt-5", "flex", used(1000, 500, read=400), 600 * 0.625 + 400 * 0.0625 + 500 * 5),
    ("openai", "gpt-5", "priority", used(1000, 500, read=400), 600 * 2.5 + 400 * 0.25 + 500 * 20),
    ("openai", "gpt-5", "batch", used(1000, 500), 1000 * 0.625 + 500 * 5),
    ("openai", "gpt-4o", "priority", used(1000, 500), 1000 * 4.25 + 500 * 17),
    ("openai", "gpt-4o", "batch", used(1000, 500, read=400), 600 * 1.25 + 400 * 1.25 + 500 * 5),
    ("anthropic", "claude-opus-5", "standard", used(1000, 500), 1000 * 5 + 500 * 25),
    (
        "anthropic",
        "claude-opus-5",
        "batch",
        used(100, 50, read=30, write=10),
        60 * 2.5 + 30 * 0.25 + 10 * 3.125 + 50 * 12.5,
    ),
    ("anthropic", "claude-opus-5", "fast", used(100, 50), 100 * 10 + 50 * 50),
    ("anthropic", "claude-sonnet-4-5", "batch", used(200_001, 10), 200_001 * 3 + 10 * 11.25),
    ("gcp.gemini", "gemini-2.5-flash", "batch", used(1000, 500), 1000 * 0.15 + 500 * 1.25),
    ("gcp.gemini", "gemini-2.5-flash", "ON_DEMAND", used(1000, 500), 1000 * 0.3 + 500 * 2.5),
]


def test_there_are_enough_cases():
    assert len(CASES) + len(TIERS) >= 150


@pytest.mark.parametrize(("provider", "model", "usage", "microdollars"), CASES)
def test_a_call_costs_what_the_price_page_says(pricer, provider, model, usage, microdollars):
    price = pricer.price(provider=provider, request_model=model, response_model="", usage=usage, at=NOON)
    assert price.cost == pytest.approx(microdollars / 1e6, rel=1e-9, abs=1e-12)
    assert price.source == "prices"


@pytest.mark.parametrize(("provider", "model", "tier", "usage", "microdollars"), TIERS)
def test_a_tier_has_its_own_price(pricer, provider, model, tier, usage, microdollars):
    price = pricer.price(
        provider=provider, request_model=model, response_model=model, usage=usage, at=NOON, service_tier=tier
    )
    assert price.cost == pytest.approx(microdollars / 1e6, rel=1e-9)


SAVINGS = [
    ("openai", "gpt-4o", used(1000, 500, read=800), 800 * (2.5 - 1.25)),
    ("anthropic", "claude-sonnet-4-5", used(100, 50, read=30, write=10), 30 * (3 - 0.3)),
    ("anthropic", "claude-sonnet-4-5", used(250_000, 5, read=200_000), 200_000 * (6 - 0.6)),
    ("gcp.gemini", "gemini-2.5-flash", used(1000, 5, read=300, input_audio_tokens=600, cache_audio_read_tokens=100),
     200 * (0.3 - 0.03) + 100 * (1 - 0.1)),
    ("groq", "llama-3.3-70b-versatile", used(1000, 5, read=900), 0),
    ("openai", "gpt-4o", used(1000, 500), 0),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "model", "usage", "microdollars"), SAVINGS)
def test_cached_reads_save_what_they_would_have_cost_more(pricer, provider, model, usage, microdollars):
    price = pricer.price(provider=provider, request_model=model, response_model="", usage=usage, at=NOON)
    assert price.saved == pytest.approx(microdollars / 1e6, abs=1e-12)


def at(*moment) -> float:
    return datetime(*moment, tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize(
    ("provider", "model", "when", "per_million"),
    [
        ("deepseek", "deepseek-chat", at(2026, 11, 21, 0, 29, 59), 0.135),  # off-peak until 00:30 UTC
        ("deepseek", "deepseek-chat", at(2026, 11, 21, 0, 30), 0.27),
        ("deepseek", "deepseek-chat", at(2026, 11, 21, 16, 29, 59), 0.27),
        ("deepseek", "deepseek-chat", at(2026, 11, 21, 16, 30), 0.135),
        ("deepseek", "deepseek-v4-flash", at(2026, 8, 16, 23, 59, 59), 0.14),  # a price that changed twice
        ("deepseek", "deepseek-v4-flash", at(2026, 8, 17), 0.22),
        ("deepseek", "deepseek-v4-flash", at(2026, 9, 10, 5), 0.15),
        ("deepseek", "deepseek-v4-flash", at(2026, 9, 10, 6), 0.3),
        ("gcp.gemini", "gemini-3.8-flash", at(2026, 12, 31, 23, 59, 59), 0.75),  # an introductory price
        ("gcp.gemini", "gemini-3.8-flash", at(2027, 1, 1), 1.5),
    ],
)
def test_the_price_is_the_one_in_force_at_the_calls_time(pricer, provider, model, when, per_million):
    price = pricer.price(provider=provider, request_model=model, response_model="", usage=used(1_000_000), at=when)
    assert price.cost == pytest.approx(per_million)


def test_one_pricer_goes_back_and_forth_in_time(pricer):
    def cost(when):
        call = {"provider": "gcp.gemini", "request_model": "gemini-3.8-flash", "response_model": ""}
        return pricer.price(**call, usage=used(1_000_000), at=when).cost

    assert [cost(at(2026, 12, 1)), cost(at(2027, 2, 1)), cost(at(2026, 12, 1))] == [0.75, 1.5, 0.75]
