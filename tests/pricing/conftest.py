"""A pricer over the price table of the installed genai-prices, compiled once for the whole run."""

from __future__ import annotations

import pytest
from genai_prices import data_snapshot

from otel_llm.core.config import Config
from otel_llm.pricing import Pricer, build, table_cache
from otel_llm.pricing.table import Table


@pytest.fixture(scope="session")
def table_text():
    return build.table(data_snapshot.get_snapshot().providers)


@pytest.fixture(scope="session")
def table(table_text):
    return Table(table_text)


@pytest.fixture
def make_pricer(table, monkeypatch):
    """A pricer with the built-in table and the settings given, loaded without a child process."""

    def make(**settings):
        monkeypatch.setattr(table_cache, "built", lambda _: table)
        pricer = Pricer(Config(**settings))
        pricer.load()
        return pricer

    return make


@pytest.fixture
def pricer(make_pricer):
    return make_pricer()
