"""Where there is nothing to price, no table to look in, or a name that is nearly right."""

from __future__ import annotations

import json

import pytest

from otel_llm.core.config import Config
from otel_llm.core.model import Usage
from otel_llm.pricing import sources
from otel_llm.pricing.explain import explain
from otel_llm.pricing.price import NOTHING
from otel_llm.pricing.pricer import Pricer
from otel_llm.pricing.rates import Gap, quote, without
from otel_llm.pricing.table import FORMAT, Table

AT = 1_763_711_000.0
AUDIO = {"input_mtok": [(-1, 2.5)], "output_mtok": [(-1, 10.0)], "input_audio_mtok": [(-1, 40.0)]}


def test_no_usage_costs_nothing_whatever_a_model_charges_for() -> None:
    price = quote(AUDIO)
    assert price(Usage()) is NOTHING
    assert price(Usage(input_tokens=10, input_audio_tokens=4))[0] == pytest.approx((6 * 2.5 + 4 * 40) / 1e6)


def test_a_name_that_is_nearly_right_is_answered_with_those_that_are(pricer) -> None:
    first, second = explain("gpt-4oo", "openai", at=AT, pricer=pricer).lines()
    assert first == "gpt-4oo: no price known at openai; calls count as unpriced"
    assert second.startswith("  did you mean gpt-4o")
    assert len(list(explain("nothing-like-it", at=AT, pricer=pricer).lines())) == 1


def test_without_a_table_nothing_is_suggested(monkeypatch) -> None:
    monkeypatch.setattr(sources, "newest", lambda *_, **__: None)
    told = explain("gpt-4o", at=AT, pricer=Pricer(Config()))
    assert (told.provider, told.model, told.suggestions) == ("", "", ())


@pytest.mark.parametrize(
    ("spoil", "wrong"),
    [
        (lambda text: "", "Expecting value"),
        (lambda text: "{}", "of another version"),
        (lambda text: "[]", "of another version"),
        (lambda text: text.replace('"format": 2', '"format": 1', 1), "of another version"),
        (lambda text: text.replace('"date"', '"day"', 1), "damaged"),
        (lambda text: text.replace('"date": "2026', '"date": "x', 1), "damaged"),
        (lambda text: text[: len(text) // 2], "not complete"),
        (lambda text: text.replace("input_mtok", 'input"', 1), "damaged"),
        (lambda text: text.replace('["=","', '[null,"', 1).replace('["^","', '["~","(', 1), "damaged"),
    ],
)
def test_a_table_that_is_none_is_refused(table_text, spoil, wrong) -> None:
    with pytest.raises(ValueError, match=wrong):
        Table(spoil(table_text)).check()


def test_a_provider_that_stands_for_one_that_is_not_there_has_its_own_models_only() -> None:
    facts = {"format": FORMAT, "library": "1", "date": "2026-11-29"}
    provider = {"id": "p", "api": "https://p", "match": None, "fallback": ["nobody"], "models": 1}
    table = Table(json.dumps({**facts, "providers": [provider]}) + '\n["m", ["=", "m"], [[null, {"input_mtok": 1}]]]\n')
    assert table.find("p", "other") is None
    assert list(table.models("p")) == ["m"]
    assert list(table.models("nobody")) == []


def test_a_part_without_its_whole_is_taken_out_alone() -> None:
    left = without(Usage(cache_read_tokens=30), [Gap("cache_read_tokens", "input_tokens", "cache_read")])
    assert (left.cache_read_tokens, left.input_tokens) == (None, None)
