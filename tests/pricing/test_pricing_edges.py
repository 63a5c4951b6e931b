"""Where there is nothing to price, no table to look in, or a name that is nearly right."""

from __future__ import annotations

import pytest

from otel_llm.core.config import Config
from otel_llm.core.model import Usage
from otel_llm.pricing import Pricer, table_cache
from otel_llm.pricing.explain import explain
from otel_llm.pricing.price import NOTHING
from otel_llm.pricing.rates import quote

AT = 1_763_711_000.0
AUDIO = {"input_mtok": [(-1, 2.5)], "output_mtok": [(-1, 10.0)], "input_audio_mtok": [(-1, 40.0)]}


def test_no_usage_costs_nothing_whatever_a_model_charges_for() -> None:
    price = quote(AUDIO)
    assert price(Usage()) is NOTHING
    assert price(Usage(input_tokens=10, input_audio_tokens=4)).cost == pytest.approx((6 * 2.5 + 4 * 40) / 1e6)


def test_a_name_that_is_nearly_right_is_answered_with_those_that_are(pricer) -> None:
    first, second = explain("gpt-4oo", "openai", at=AT, pricer=pricer).lines()
    assert first == "gpt-4oo: no price known at openai; calls count as unpriced"
    assert second.startswith("  did you mean gpt-4o")
    assert len(list(explain("nothing-like-it", at=AT, pricer=pricer).lines())) == 1


def test_without_a_table_nothing_is_suggested(monkeypatch) -> None:
    def missing(_: str) -> None:
        raise table_cache.Unavailable("no table")

    monkeypatch.setattr(table_cache, "built", missing)
    told = explain("gpt-4o", at=AT, pricer=Pricer(Config()))
    assert (told.provider, told.model, told.suggestions) == ("", "", ())
