"""The child's side: genai-prices in, a table out, for newer and older versions of the library."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
from genai_prices import data_snapshot, types

from otel_llm.pricing import build
from otel_llm.pricing.table import Table, in_force

DAY = "2026-11-29"


def parsed(providers):
    return Table(build.table(providers, DAY)).check()


def test_the_table_holds_every_model(table_text, table):
    snapshot = data_snapshot.get_snapshot()
    models = sorted(model.id for provider in snapshot.providers for model in provider.models)
    assert sorted(table.models()) == models
    assert table_text.count("\n") == len(models) + 1


def test_the_shipped_table_is_that_of_the_pinned_library(table_text):
    assert build.bundled(table_text, "2099-01-01") == table_text
    facts = json.loads(table_text.partition("\n")[0])
    assert facts["library"] == build.__version__
    assert "MIT" in facts["source"]
    assert "Permission is hereby granted" in (Path(build.__file__).parent / "prices.LICENSE").read_text("utf-8")


def test_changed_prices_have_the_day_on_which_they_were_compiled(table_text):
    former = table_text.replace('"input_mtok":2.5', '"input_mtok":2.4')
    written = build.bundled(former, "2099-01-01")
    assert Table(written).made == datetime(2099, 1, 1, tzinfo=timezone.utc).timestamp()
    assert written.partition("\n")[2] == table_text.partition("\n")[2]
    assert '"date": "2099-01-01"' in build.bundled("", "2099-01-01")


def test_main_writes_the_installed_prices_and_fetches_only_if_asked(capsys, monkeypatch):
    few = SimpleNamespace(providers=data_snapshot.get_snapshot().providers[:2])
    monkeypatch.setattr(build.data_snapshot, "get_snapshot", lambda: few)
    monkeypatch.setattr(build.UpdatePrices, "fetch", lambda _: pytest.fail("nobody asked"))
    build.main([DAY])
    assert len(Table(capsys.readouterr().out)._listed) == 2
    fewer = SimpleNamespace(providers=few.providers[:1])
    monkeypatch.setattr(build.UpdatePrices, "fetch", lambda _: fewer)
    build.main(["--fetch", DAY])
    assert len(Table(capsys.readouterr().out)._listed) == 1


def test_what_an_older_library_does_not_have_is_left_out():
    model = SimpleNamespace(id="m", match=types.ClauseEquals(equals="M"), prices=SimpleNamespace(input_mtok=2))
    provider = SimpleNamespace(id="p", api_pattern="https://p", model_match=None, models=[model])
    found = parsed([provider]).find("p", "m")
    assert in_force(found, 0.0, {}).rates == {"input_mtok": ((-1, 2.0),)}


@pytest.mark.parametrize(
    ("constraint", "when"),
    [
        (None, None),
        (
            types.StartDateConstraint(start_date=date(2026, 1, 2)),
            [datetime(2026, 1, 2, tzinfo=timezone.utc).timestamp()],
        ),
        (types.TimeOfDateConstraint(start_time=time(16, 30), end_time=time(0, 30)), [59_400, 1_800]),
        (
            types.TimeOfDateConstraint(
                start_time=time(1, tzinfo=timezone(timedelta(hours=8))),
                end_time=time(9, tzinfo=timezone(timedelta(hours=8))),
            ),
            [61_200, 3_600],
        ),
    ],
)
def test_constraints_become_seconds_utc(constraint, when):
    assert build._when(constraint) == when


def test_hours_that_cross_midnight():
    night = types.TimeOfDateConstraint(start_time=time(16, 30), end_time=time(0, 30))
    standard, cheaper = SimpleNamespace(input_mtok=2), SimpleNamespace(input_mtok=1)
    prices = [types.ConditionalPrice(prices=standard), types.ConditionalPrice(night, prices=cheaper)]
    model = SimpleNamespace(id="m", match=types.ClauseEquals(equals="m"), prices=prices)
    provider = SimpleNamespace(id="p", api_pattern="https://p", model_match=None, models=[model])
    found = parsed([provider]).find("p", "m")

    def at(hour, minute):
        terms = in_force(found, datetime(2026, 11, 21, hour, minute, tzinfo=timezone.utc).timestamp(), {})
        start, end = (datetime.fromtimestamp(edge, timezone.utc) for edge in (terms.since, terms.until))
        return terms.rates["input_mtok"][0][1], f"{start:%d %H:%M}", f"{end:%d %H:%M}"

    assert at(0, 29) == (1.0, "20 16:30", "21 00:30")
    assert at(0, 30) == (2.0, "21 00:30", "21 16:30")
    assert at(23, 59) == (1.0, "21 16:30", "22 00:30")
