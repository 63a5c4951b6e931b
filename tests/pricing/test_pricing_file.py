"""The user's own prices: what a file can say, and what each mistake in it is told as."""

from __future__ import annotations

import json
import logging
import math
from datetime import datetime, timezone

import pytest

from otel_llm.core import document
from otel_llm.core.model import Usage
from otel_llm.pricing.explain import explain
from otel_llm.pricing.overrides import FIELDS, Overrides

AT = datetime(2026, 11, 21, 12, tzinfo=timezone.utc).timestamp()
USED = Usage(input_tokens=1000, output_tokens=500, cache_read_tokens=400)


@pytest.fixture
def write(tmp_path):
    def write(text, name="prices.yaml"):
        path = tmp_path / name
        path.write_text(text if isinstance(text, str) else json.dumps(text, indent=2))
        return str(path)

    return write


def price(pricer, provider="openai", model="gpt-4o", response_model="", usage=USED, at=AT, **others):
    return pricer.price(
        provider=provider, request_model=model, response_model=response_model, usage=usage, at=at, **others
    )


def test_own_prices_come_before_the_built_in_ones(make_pricer, write):
    pricer = make_pricer(
        prices_file=write("prices:\n- {provider: openai, model: gpt-4o, input: 2, output: 8, cache_read: 1}\n")
    )
    assert price(pricer).cost == pytest.approx((600 * 2 + 400 * 1 + 500 * 8) / 1e6)
    assert price(pricer).source == "prices"
    assert price(pricer).saved == pytest.approx(400 * (2 - 1) / 1e6)
    assert price(pricer, model="gpt-4o-mini").cost == pytest.approx((600 * 0.15 + 400 * 0.075 + 500 * 0.6) / 1e6)


def test_json_says_the_same(make_pricer, write):
    pricer = make_pricer(prices_file=write({"prices": [{"model": "gpt-4o", "input": 2, "output": 8}]}, "prices.json"))
    assert price(pricer).cost == pytest.approx((1000 * 2 + 500 * 8) / 1e6)


def test_a_local_model_gets_a_price_or_is_declared_free(make_pricer, write):
    text = "prices:\n- {provider: vllm, model: 'qwen*', input: 0.1, output: 0.2}\n- {provider: ollama, model: '*', input: 0, output: 0}\n"
    pricer = make_pricer(prices_file=write(text))
    assert price(pricer, "vllm", "Qwen3-32B").cost == pytest.approx((1000 * 0.1 + 500 * 0.2) / 1e6)
    assert price(pricer, "ollama", "llama3.1:8b") == (0.0, "prices", 0.0, ())
    assert price(pricer, "vllm", "llama3").source == "unpriced"


def test_a_deployment_is_like_a_known_model(make_pricer, write):
    pricer = make_pricer(
        prices_file=write("prices:\n- {provider: azure.ai.openai, model: our-*, like: openai/gpt-4o}\n")
    )
    assert price(pricer, "azure.ai.openai", "our-chat").cost == pytest.approx((600 * 2.5 + 400 * 1.25 + 500 * 10) / 1e6)


def test_a_discount_is_a_factor_on_the_built_in_price(make_pricer, write):
    pricer = make_pricer(prices_file=write("prices:\n- {provider: openai, model: '*', factor: 0.8, output: 9}\n"))
    assert price(pricer).cost == pytest.approx((600 * 2 + 400 * 1 + 500 * 9) / 1e6)
    assert price(pricer, model="unheard-of").source == "unpriced"


def test_prices_by_context_length_tier_and_date(make_pricer, write):
    text = """
prices:
- model: house-model
  from: 2026-12-01
  input: 1
  output: 1
- model: house-model
  input: 2
  output: 8
  above:
    200000: {input: 4, output: 12}
  tiers:
    batch: {input: 1, output: 4}
"""
    pricer = make_pricer(prices_file=write(text))
    long, million = Usage(input_tokens=200_001, output_tokens=0), Usage(input_tokens=1_000, output_tokens=1_000)
    december = datetime(2026, 12, 1, tzinfo=timezone.utc).timestamp()
    assert price(pricer, "", "house-model", usage=million).cost == pytest.approx(0.010)
    assert price(pricer, "", "house-model", usage=long).cost == pytest.approx(200_001 * 4 / 1e6)
    assert price(pricer, "", "house-model", usage=million, service_tier="batch").cost == pytest.approx(0.005)
    assert price(pricer, "", "house-model", usage=million, at=december - 1).cost == pytest.approx(0.010)
    assert price(pricer, "", "house-model", usage=million, at=december).cost == pytest.approx(0.002)
    assert price(pricer, "", "house-model", usage=million, at=december - 1).cost == pytest.approx(0.010)


def test_a_price_to_come_ends_the_built_in_one(make_pricer, write):
    pricer = make_pricer(prices_file=write("prices:\n- {model: gpt-4o, from: 2026-12-01, input: 1, output: 1}\n"))
    december = datetime(2026, 12, 1, tzinfo=timezone.utc).timestamp()
    assert price(pricer).cost == pytest.approx((600 * 2.5 + 400 * 1.25 + 500 * 10) / 1e6)
    assert price(pricer, at=december).cost == pytest.approx((1000 + 500) / 1e6)


def test_every_field_is_a_price(make_pricer, write):
    fields = dict.fromkeys(FIELDS, 10.0)
    pricer = make_pricer(prices_file=write({"prices": [{"model": "m", **fields}]}, "prices.json"))
    usage = Usage(input_tokens=100, output_tokens=0, audio_seconds=30.0, web_searches=2)
    assert price(pricer, "", "m", usage=usage).cost == pytest.approx(100 * 10 / 1e6 + 5 + 20 + 10)


def test_a_model_to_be_like_that_is_not_known_is_told(make_pricer, write, caplog):
    path = write("prices:\n- {model: x, like: openai/gpt-99}\n")
    pricer = make_pricer(prices_file=path)
    assert caplog.messages == [
        f"OTEL_LLM_PRICES_FILE: {path}:2: like: openai/gpt-99 has no built-in price; calls of x are unpriced"
    ]
    assert price(pricer, model="x").source == "unpriced"


def test_explain_names_the_line_of_an_own_price(make_pricer, write):
    path = write("prices:\n- {model: other, input: 1}\n- {model: 'gpt-*', input: 2, output: 8}\n")
    told = explain("gpt-4o", "openai", USED, at=AT, pricer=make_pricer(prices_file=path))
    assert told.source == f"{path}:3"
    assert told.price.cost == pytest.approx((1000 * 2 + 500 * 8) / 1e6)


MISTAKES = [
    ("prices:\n- model: [", "2: is not YAML: "),
    ("- model: x\n", "1: prices: is missing: the file is a mapping with a list under `prices`"),
    ("", "1: prices: is missing: "),
    ("models: []\n", "1: prices: is missing: "),
    ("prices:\n- {model: x, input: 1}\ncurrency: EUR\n", "3: currency: is not a field; known are prices"),
    ("prices:\n- gpt-4o\n", "2: prices: each entry is a mapping"),
    ("prices:\n- input: 1\n", "2: model: is missing"),
    ("prices:\n- model: x\n  inptu: 1\n  output: 1\n", "3: inptu: is not a field; did you mean input?"),
    ("prices:\n- model: x\n", "2: input: there is no price here"),
    ("prices:\n- model: x\n  input: -1\n", "3: input: -1 is not allowed (US dollars, 0 or more)"),
    ("prices:\n- model: x\n  input: 1\n  output: $5\n", "4: output: '$5' is not allowed"),
    ("prices:\n- model: x\n  input: .nan\n", "3: input: nan is not allowed"),
    ("prices:\n- model: x\n  input: true\n", "3: input: True is not allowed"),
    (
        "prices:\n- model: x\n  factor: ten percent\n",
        "3: factor: 'ten percent' is not allowed (0 or more; 0.9 is ten percent off)",
    ),
    ("prices:\n- model: x\n  like: gpt-4o\n", "3: like: 'gpt-4o' is not provider/model, as openai/gpt-4o"),
    ("prices:\n- model: x\n  input: 1\n  from: next week\n", "4: from: 'next week' is not a date"),
    (
        "prices:\n- model: x\n  input: 1\n  above: 200000\n",
        "4: above: is a mapping of mappings such as `200000: {input: 5, output: 20}`",
    ),
    (
        "prices:\n- model: x\n  input: 1\n  above:\n    many: {input: 2}\n",
        "4: above: 'many' is no number of input tokens",
    ),
    (
        "prices:\n- model: x\n  input: 1\n  above:\n    9: {output: 2}\n",
        "4: above: has a price that the entry itself does not have",
    ),
    (
        "prices:\n- model: x\n  input: 1\n  tiers:\n    flex: {inputs: 2}\n",
        "5: inputs: is not a field; did you mean input?",
    ),
    ("prices:\n- model: x\n  input: 1\n  tiers: flex\n", "4: tiers: is a mapping of mappings"),
    ("prices:\n- model: x\n  input: 1\n  input: 2\n", "4: input is given twice (first in line 3)"),
    ("prices:\n- model: [x]\n  input: 1\n", "2: model: ['x'] is not a text"),
    (
        "prices:\n- model: x\n  input: 1\n  from: 2026-02-30\n",
        "4: '2026-02-30' is not a value (put it in quotes if it is a text)",
    ),
    ("prices:\n- {[x]: 1}\n", "2: a key must be plain text"),
    ("prices: &all\n- *all\n", "1: is nested too deeply"),
    ("prices:\n- " + "[" * 5000, " is nested too deeply"),
    ("prices:\n- " + "[" * 30 + "]" * 30, "2: is nested too deeply"),
]


@pytest.mark.parametrize(("text", "told"), MISTAKES)
def test_each_mistake_is_one_clear_line(text, told, make_pricer, write, caplog):
    path = write(text)
    with caplog.at_level(logging.WARNING, "otel_llm"):
        pricer = make_pricer(prices_file=path)
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith(f"OTEL_LLM_PRICES_FILE: {path}:{told}")
    assert price(pricer).cost == pytest.approx((600 * 2.5 + 400 * 1.25 + 500 * 10) / 1e6)


def test_a_file_with_one_mistake_is_not_half_used(make_pricer, write, caplog):
    pricer = make_pricer(
        prices_file=write("prices:\n- {model: gpt-4o, input: 2, output: 8}\n- {model: x, input: -1}\n- {input: 1}\n")
    )
    assert [message.split(":")[2] for message in caplog.messages] == ["3", "4"]
    assert price(pricer).cost == pytest.approx((600 * 2.5 + 400 * 1.25 + 500 * 10) / 1e6)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"prices": [\n {"model": "x", "input": 1},\n {"model": "x", "input": "1"}]}', "3: input: '1' is not allowed"),
        ('{"prices": [\n {"model": "x" "input": 1}]}', "2: a comma or } is missing"),
        ('{"prices": [\n {"model": "x", input: 1}]}', "2: is not JSON"),
        ('{"prices": [\n {"model" "x"}]}', "2: there is no colon after 'model'"),
        ('{"prices": [\n {1: "x"}]}', "2: a key must be text in double quotes"),
        ('{"prices": []}\n{}', "2: there is something after the end of the document"),
        ('{"prices": [{"model": "x",\n"model": "y"}]}', "2: model is given twice (first in line 1)"),
        ('{"prices": [\n', "2: is not JSON"),
        ("[" * 30, "1: is nested too deeply"),
        ('{"prices": [1 [2]}', "1: a comma or ] is missing"),
        ('{"prices": [{"model": "x",}]}', "1: is not JSON"),
    ],
)
def test_json_mistakes_have_lines_too(text, told, write):
    path = write(text, "prices.json")
    problems = Overrides.from_file(path).problems
    assert len(problems) == 1
    assert problems[0].startswith(f"{path}:{told}")


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    none = tmp_path / "none.yaml"
    assert Overrides.from_file(str(none)).problems == (f"{none}: cannot be read: No such file or directory",)
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    assert Overrides.from_file(str(tmp_path / "bytes.json")).problems == (f"{tmp_path}/bytes.json: is not UTF-8 text",)


def test_yaml_without_its_library_names_the_remedy(write, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(document.importlib, "import_module", missing)
    path = write("prices: []")
    assert Overrides.from_file(path).problems == (
        f"{path}: reading YAML needs the yaml extra (pip install 'otel-llm[yaml]'); JSON needs nothing",
    )


def test_json_by_hand_is_json(write):
    content = {"a": [1, 2.5, -3e-7, None, True, False, 'x\n"y\\ é', [], {}], "b": {"c": [[{"d": "\u20ac"}]]}}
    read = document.read(write(content, "any.json"))
    assert read == content
    assert (read.lines["a"], read["a"].lines[:3], read["b"].line) == (2, [3, 4, 5], 13)


def test_numbers_are_finite_and_not_negative():
    assert [document.number(value) for value in (0, 1.5, -1, math.inf, math.nan, 10**400, True, "1", None)] == [
        0,
        1.5,
        *[None] * 7,
    ]
