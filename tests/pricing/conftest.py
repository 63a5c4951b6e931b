"""A pricer over the price table of the package, and over tables of one's own making."""

from __future__ import annotations

import json

import pytest

from otel_llm.core.config import Config
from otel_llm.pricing import sources, update
from otel_llm.pricing.pricer import Pricer
from otel_llm.pricing.table import Table


@pytest.fixture(scope="session")
def table_text():
    return sources.bundled_text()


@pytest.fixture(scope="session")
def table(table_text):
    return Table(table_text)


@pytest.fixture
def make_pricer(table, monkeypatch):
    """A pricer with the table of the package and the settings given."""

    def make(**settings):
        monkeypatch.setattr(sources, "newest", lambda *_, **__: table)
        pricer = Pricer(Config(**settings))
        pricer.load()
        return pricer

    return make


@pytest.fixture
def pricer(make_pricer):
    return make_pricer()


@pytest.fixture
def of_day(table_text):
    """The table's text as if its prices were of another day."""

    def dated(day, change=lambda text: text):
        head, rest = table_text.split("\n", 1)
        return json.dumps({**json.loads(head), "date": day}) + "\n" + change(rest)

    return dated


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """An empty disk: nothing built into the environment, nothing fetched."""
    monkeypatch.setattr(sources, "places", lambda state_dir="": [tmp_path / "cache"])
    monkeypatch.setattr(sources, "environment_place", lambda: tmp_path / "share")
    monkeypatch.setattr(update, "_installed", lambda: "99.0")
    return tmp_path
