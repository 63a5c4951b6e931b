"""``otel-llm prices --as MODEL``: the tokens of real calls at another model's price."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import cli_pages
import pytest
from click.testing import CliRunner

from otel_llm.aggregate.ledger_rows import FIELDS, Batch
from otel_llm.cli import prices
from otel_llm.cluster import ledgerfile, statedir
from otel_llm.core.config import Config

TODAY = datetime.now(timezone.utc).date()


def batch(number, provider, model, **values):
    row = tuple(float(values.get(field, 0)) for field in FIELDS)
    return Batch("a", number, (((TODAY.toordinal(), provider, model, ()), row),))


@pytest.fixture
def month(tmp_path, monkeypatch):
    """A ledger with the calls of three models."""
    for name, value in {"STATE_DIR": tmp_path, "TIMEZONE": "UTC"}.items():
        monkeypatch.setenv(f"OTEL_LLM_{name}", str(value))
    monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_PORT", "9464")
    base = statedir.base(Config.from_env())
    base.mkdir(mode=0o700, parents=True)
    batches = [
        # a mean call of 100,000 input tokens: below the context from which Sonnet 4.5 costs more
        batch(1, "openai", "gpt-4.1", calls=10, cost_usd=2.08, input_tokens=1_000_000, output_tokens=10_000),
        batch(
            2, "anthropic", "claude-haiku-4-5", calls=4, cost_usd=0.02, input_tokens=8000, cache_read_tokens=4000,
            cache_write_tokens=2000, output_tokens=1000, incomplete_calls=1,
        ),
        batch(3, "ollama", "llama3.1", calls=2, unpriced_calls=2, input_tokens=1000, output_tokens=500),
    ]  # fmt: skip
    ledgerfile.apply(base / statedir.LEDGER, batches, TODAY)


def run(*arguments):
    return CliRunner().invoke(prices.command, arguments)


def by_model(*arguments):
    found = json.loads(run(*arguments, "--json").output)
    return {row["model"]: row for row in found["rows"]}, found


def test_a_month_at_another_price(month):
    rows, found = by_model("--as", "claude-sonnet-4-5")
    # Sonnet 4.5: 3 in, 15 out, 0.30 read, 3.75 written, US dollars a million
    assert rows["gpt-4.1"]["as_usd"] == pytest.approx(1.0 * 3 + 0.01 * 15)
    assert rows["claude-haiku-4-5"]["as_usd"] == pytest.approx(0.002 * 3 + 0.004 * 0.30 + 0.002 * 3.75 + 0.001 * 15)
    assert rows["llama3.1"]["as_usd"] == pytest.approx(0.001 * 3 + 0.0005 * 15)
    assert found["total"]["cost_usd"] == pytest.approx(2.1)
    assert found["total"]["as_usd"] == pytest.approx(sum(row["as_usd"] for row in rows.values()))
    assert (found["total"]["calls"], found["total"]["complete"]) == (16, 0.8125)  # 13 of 16


def test_writes_are_plain_input_where_they_have_no_price(month):
    rows, _ = by_model("claude-haiku-4-5", "--as", "gpt-4.1")
    # GPT-4.1: 2 in, 8 out, 0.50 read
    assert list(rows) == ["claude-haiku-4-5"]
    assert rows["claude-haiku-4-5"]["as_usd"] == pytest.approx(0.004 * 2 + 0.004 * 0.5 + 0.001 * 8)
    assert rows["claude-haiku-4-5"]["as_lacks"] == []


def test_the_table_says_what_it_cannot_know(month):
    lines = run("--as", "claude-sonnet-4-5").output.splitlines()
    assert lines[1].split() == ["model", "calls", "US", "dollars", "as", "claude-sonnet-4-5", "change"]
    assert lines[2].split() == ["gpt-4.1", "10", "2.080000", "3.150000", "+51.4%"]
    assert lines[5].split()[:3] == ["total", "16", "2.100000"]
    assert lines[-1] == "incomplete: only 81.2 % of calls have usage and a price for all of it."
    assert "no rate for cache_read" in run("claude-haiku-4-5", "--as", "gpt-4").output


def test_a_model_that_two_sell_is_told_apart(month, tmp_path):
    more = batch(4, "azure.ai.openai", "gpt-4.1", calls=1, cost_usd=0.002, input_tokens=1000)
    ledgerfile.apply(statedir.base(Config.from_env()) / statedir.LEDGER, [more], TODAY)
    names = [line.split()[0] for line in run("--as", "claude-sonnet-4-5").output.splitlines()[2:6]]
    assert names == ["openai/gpt-4.1", "claude-haiku-4-5", "azure.ai.openai/gpt-4.1", "llama3.1"]


def test_what_a_service_has_counted(serve, monkeypatch):
    page = cli_pages.busy()
    page.add(
        "otel_llm_unpriced_requests_total", 10.0, gen_ai_provider_name="openai", gen_ai_request_model="gpt-5-mini",
        gen_ai_operation_name="chat",
    )  # fmt: skip
    served = serve(page.text())
    rows, found = by_model("--as", "gpt-4.1", "--from", served.address)
    assert found["of"] == f"{served.address}, since it started"
    assert rows["gpt-4.1"]["cost_usd"] == pytest.approx(1.632)
    # 480,000 input tokens, 120,000 of them cached, 84,000 output
    assert rows["gpt-4.1"]["as_usd"] == pytest.approx(0.36 * 2 + 0.12 * 0.5 + 0.084 * 8)
    assert rows["gpt-5-mini"]["complete"] == 0.9


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--as", "nobody-knows-this"), "--as nobody-knows-this: it has no price"),
        (("gpt-4o", "--as", "gpt-4.1"), "no calls of gpt-4o in "),
    ],
)
def test_what_is_wrong_is_one_clear_line(month, arguments, words):
    done = run(*arguments)
    assert done.exit_code == 2
    assert words in done.output
