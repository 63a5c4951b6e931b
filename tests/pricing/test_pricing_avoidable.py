"""What a miss of the prompt cache cost, by hand; nothing where a rate is not known."""

from __future__ import annotations

import pytest

from otel_llm.core.config import Config
from otel_llm.core.model import Request, Response, Usage
from otel_llm.pricing import Prices

AT = 1_795_262_400.0  # 2026-11-21 12:00 UTC
CLAUDE, GPT = ("anthropic", "claude-sonnet-4-5"), ("openai", "gpt-4.1")
# Sonnet 4.5: 3 in, 0.30 read, 3.75 written, 6 written for an hour; GPT-4.1: 2 in, 0.50 read; US dollars a million


@pytest.mark.parametrize(
    ("model", "usage", "missed", "usd"),
    [
        (CLAUDE, Usage(20_000, 100, cache_read_tokens=0, cache_write_tokens=0), 10_000, 0.027),
        (CLAUDE, Usage(20_000, 100, cache_read_tokens=0, cache_write_tokens=15_000), 10_000, 0.0345),
        (CLAUDE, Usage(20_000, 100, cache_write_tokens=4000), 10_000, 0.004 * 3.45 + 0.006 * 2.7),
        (CLAUDE, Usage(20_000, 100, cache_write_tokens=10_000, cache_write_1h_tokens=10_000), 10_000, 0.057),
        (CLAUDE, Usage(20_000, 100, cache_read_tokens=18_000), 10_000, 0.002 * 2.7),  # no more than it sent
        (CLAUDE, Usage(20_000, 100, cost_usd=9.0), 10_000, 0.027),  # the provider's amount says nothing of it
        (GPT, Usage(20_000, 100, cache_read_tokens=1000), 10_000, 0.015),
        (GPT, Usage(20_000, 100), None, 0.0),
        (("openai", "gpt-4"), Usage(5000, 100), 4000, 0.0),  # no rate of cached tokens
        (("ollama", "llama3.1"), Usage(5000, 100), 4000, 0.0),
        (("ollama", "llama3.1"), Usage(5000, 100, cost_usd=0.1), 4000, 0.0),
    ],
)
def test_money_that_a_miss_cost(model, usage, missed, usd):
    response = Response(usage=usage, cache_missed_tokens=missed)
    Prices(Config()).of_call(
        Request(provider=model[0], model=model[1], operation="chat", reader=None), response, usage, AT
    )
    assert response.cache_avoidable == pytest.approx(usd)
