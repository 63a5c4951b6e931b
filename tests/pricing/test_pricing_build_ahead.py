"""``otel-llm prices --build``: the table compiled while an image is made."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from otel_llm.cli.prices import command
from otel_llm.pricing import table_cache
from otel_llm.pricing.table import Table


@pytest.fixture
def environment(tmp_path, monkeypatch, table_text):
    monkeypatch.setattr(table_cache, "ahead", lambda: tmp_path / "share" / "otel-llm")
    monkeypatch.setattr(table_cache, "_compile", lambda *_: table_text)
    return tmp_path / "share" / "otel-llm"


def test_the_table_lies_where_every_user_of_the_environment_finds_it(environment):
    done = CliRunner().invoke(command, ["--build"])
    path = environment / f"prices-{table_cache.FORMAT}-{table_cache.library()}.json"
    assert (done.exit_code, done.output) == (0, f"{path}\n")
    assert "openai" in Table(path.read_text())
    assert path.stat().st_mode & 0o444 == 0o444


def test_what_cannot_be_built_is_told(environment, monkeypatch):
    def fail(*_):
        raise table_cache.Unavailable("genai-prices is not installed")

    monkeypatch.setattr(table_cache, "_compile", fail)
    done = CliRunner().invoke(command, ["--build"])
    assert done.exit_code != 0
    assert "genai-prices is not installed" in str(done.exception) + done.output
