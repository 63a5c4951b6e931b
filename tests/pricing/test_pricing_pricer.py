"""The pricer's states: before, while and after prices are loaded; what lies on disk; what the host pays."""

from __future__ import annotations

import json
import logging
import marshal
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from otel_llm.core.config import Config
from otel_llm.core.model import Usage
from otel_llm.pricing import Pricer, table_cache
from otel_llm.pricing import pricer as pricer_module
from otel_llm.pricing.lookup import _MOST
from otel_llm.pricing.price import NOTHING, PENDING, UNPRICED, Price
from otel_llm.pricing.table import Table

AT = 1_795_262_400.0  # 2026-11-21 12:00 UTC
CALL = {"provider": "openai", "request_model": "gpt-4o", "response_model": "gpt-4o-2024-08-06", "at": AT}
USED = Usage(input_tokens=1000, output_tokens=500, cache_read_tokens=400)
COST = (600 * 2.5 + 400 * 1.25 + 500 * 10) / 1e6
REPO = Path(__file__).parents[2]


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """An empty disk: no table built ahead, in the home, or in the temporary directory."""
    monkeypatch.setattr(
        table_cache, "places", lambda state_dir="": [Path(state_dir)] if state_dir else [tmp_path / "cache"]
    )
    return tmp_path / "cache"


class TestBeforeAndAfterLoading:
    def test_a_call_is_pending_until_prices_are_loaded(self, make_pricer):
        early = Pricer(Config())
        assert not early.ready
        assert early.price(**CALL, usage=USED) is PENDING
        assert early.price(**CALL, usage=Usage()) is NOTHING
        bill = Pricer.bill(**CALL, usage=USED)
        assert early.settle(bill) is PENDING
        late = make_pricer()
        assert late.ready
        assert late.settle(bill) == late.price(**CALL, usage=USED)
        assert late.settle(bill).cost == pytest.approx(COST)

    def test_a_bill_is_plain_and_crosses_processes(self, pricer):
        bill = Pricer.bill(**CALL, usage=USED, service_tier="flex", server_address="api.openai.com")
        assert (
            pricer.settle(marshal.loads(marshal.dumps(bill))).cost
            == pricer.price(**CALL, usage=USED, service_tier="flex").cost
        )

    def test_what_the_provider_reports_wins_at_once(self, pricer):
        used = Usage(input_tokens=1000, output_tokens=500, cache_read_tokens=400, cost_usd=0.01)
        assert Pricer(Config()).price(**CALL, usage=used) == Price(0.01, "provider", 0.0)
        reported = pricer.price(**CALL, usage=used)
        assert reported == Price(0.01, "provider", pytest.approx(400 * 1.25 / 1e6))

    def test_a_reported_cost_of_nothing_is_nothing(self, pricer):
        assert pricer.price(**CALL, usage=Usage(input_tokens=10, cost_usd=0)) == (0.0, "provider", 0.0)

    @pytest.mark.parametrize("odd", [float("nan"), float("inf"), -0.5])
    def test_a_reported_cost_that_is_no_amount_is_not_believed(self, pricer, odd):
        used = Usage(input_tokens=1000, output_tokens=500, cache_read_tokens=400, cost_usd=odd)
        assert pricer.price(**CALL, usage=used).cost == pytest.approx(COST)

    def test_loading_twice_loads_once(self, table, monkeypatch):
        loads = []
        monkeypatch.setattr(table_cache, "built", lambda _: loads.append(1) or table)
        pricer = Pricer(Config())
        threads = [threading.Thread(target=pricer.load) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert loads == [1]

    def test_parts_that_exceed_the_whole_do_not_make_a_call_cheaper(self, pricer):
        odd = Usage(input_tokens=60, output_tokens=0, cache_read_tokens=100)
        assert pricer.price(**CALL, usage=odd).cost == pytest.approx(100 * 1.25 / 1e6)


class TestWithoutPrices:
    def test_a_machine_that_cannot_build_says_so_once_and_runs_on(self, disk, monkeypatch, caplog):
        monkeypatch.setattr(table_cache, "_python", lambda: "/nonexistent/python3")
        pricer = Pricer(Config())
        with caplog.at_level(logging.WARNING, "otel_llm"):
            pricer.load()
        assert len(caplog.messages) == 1
        assert "otel-llm has no built-in prices" in caplog.messages[0]
        assert "otel-llm prices --build" in caplog.messages[0]
        assert pricer.ready
        assert pricer.price(**CALL, usage=USED) is UNPRICED

    def test_a_frozen_program_is_not_started_again(self, monkeypatch):
        monkeypatch.setattr(sys, "frozen", True, raising=False)
        with pytest.raises(table_cache.Unavailable, match="no Python interpreter"):
            table_cache._python()

    def test_a_server_with_python_inside_is_not_started_again(self, monkeypatch):
        monkeypatch.setattr(sys, "executable", "/usr/bin/uwsgi")
        assert Path(table_cache._python()).name.startswith("python")

    def test_a_child_that_fails_is_told_by_its_last_word(self, monkeypatch):
        monkeypatch.setattr(table_cache, "_CHILD", "raise SystemExit('no such library')")
        with pytest.raises(table_cache.Unavailable, match="failed: no such library"):
            table_cache._compile()

    def test_without_the_library_there_is_no_table(self, monkeypatch):
        def missing(name):
            raise table_cache.importlib.metadata.PackageNotFoundError(name)

        monkeypatch.setattr(table_cache.importlib.metadata, "version", missing)
        with pytest.raises(table_cache.Unavailable, match="genai-prices is not installed"):
            table_cache.library()

    def test_own_prices_work_without_built_in_ones(self, disk, monkeypatch, tmp_path):
        monkeypatch.setattr(table_cache, "_python", lambda: "/nonexistent/python3")
        (tmp_path / "p.json").write_text('{"prices": [{"model": "gpt-4o*", "input": 1, "output": 1}]}')
        pricer = Pricer(Config(prices_file=str(tmp_path / "p.json")))
        pricer.load()
        assert pricer.price(**CALL, usage=USED).cost == pytest.approx(1500 / 1e6)


class TestOnDisk:
    def test_the_first_process_builds_and_the_next_one_reads(self, disk, monkeypatch, table_text):
        built = table_cache.built()
        assert [path.name for path in disk.glob("*.json")] == [
            f"prices-{table_cache.FORMAT}-{table_cache.library()}.json"
        ]
        monkeypatch.setattr(table_cache, "_compile", lambda *_: pytest.fail("there was a table to read"))
        assert table_cache.built().made == built.made
        assert next(disk.glob("*.json")).read_text().splitlines()[1:] == table_text.splitlines()[1:]

    def test_the_state_directory_comes_first(self, tmp_path):
        assert table_cache.places(str(tmp_path))[0] == tmp_path
        assert table_cache.ahead() in table_cache.places()

    @pytest.mark.parametrize("damage", ["", "{}", "not json", '{"format": 1, "library": "0", "made": 1, "providers": 2}\n{}',
                                        '{"format": 1, "library": "0", "made": 1, "providers": 1}\n{}'])  # fmt: skip
    def test_a_damaged_table_is_built_again(self, disk, monkeypatch, table_text, damage):
        disk.mkdir()
        (disk / f"prices-{table_cache.FORMAT}-{table_cache.library()}.json").write_text(damage)
        monkeypatch.setattr(table_cache, "_compile", lambda *_: table_text)
        assert "openai" in table_cache.built()
        assert "openai" in Table(next(disk.glob("*.json")).read_text())

    def test_an_upgraded_library_brings_new_prices(self, disk, monkeypatch, table_text):
        monkeypatch.setattr(table_cache, "_compile", lambda *_: table_text)
        table_cache.built()
        monkeypatch.setattr(table_cache, "library", lambda: "99.0")
        compiled = []
        monkeypatch.setattr(table_cache, "_compile", lambda *_: compiled.append(1) or table_text)
        table_cache.built()
        assert compiled == [1]

    def test_a_disk_that_cannot_be_written_costs_a_build_and_no_more(self, monkeypatch, table_text):
        monkeypatch.setattr(table_cache, "places", lambda state_dir="": [Path("/proc/no/such/place")])
        monkeypatch.setattr(table_cache, "_compile", lambda *_: table_text)
        assert "anthropic" in table_cache.built()

    def test_a_stranger_s_directory_in_the_temporary_one_is_not_read(self, tmp_path, monkeypatch, table_text):
        monkeypatch.setattr(table_cache.tempfile, "gettempdir", lambda: str(tmp_path))
        place = tmp_path / f"otel-llm-{os.getuid()}"
        place.mkdir()
        (place / "x.json").write_text(table_text)
        assert table_cache._read_at(place, "x.json") is not None
        place.chmod(0o777)
        assert table_cache._read_at(place, "x.json") is None
        assert not table_cache._write(place, "x.json", table_text)

    def test_built_ahead_for_an_image(self, tmp_path, monkeypatch, table_text):
        monkeypatch.setattr(table_cache, "_compile", lambda *_: table_text)
        path = table_cache.build_ahead(tmp_path / "share")
        assert path.parent == tmp_path / "share"
        assert "openai" in Table(path.read_text())
        with pytest.raises(table_cache.Unavailable, match="cannot write to /proc/nowhere"):
            table_cache.build_ahead(Path("/proc/nowhere"))


class TestFreshPrices:
    def test_nothing_is_fetched_unless_asked(self, make_pricer, monkeypatch):
        monkeypatch.setattr(table_cache, "fetch", lambda _: pytest.fail("nobody asked"))
        threads = threading.active_count()
        make_pricer()
        assert threading.active_count() == threads

    def test_fetched_prices_take_over_and_are_shared(self, disk, table, table_text, monkeypatch):
        monkeypatch.setattr(table_cache, "built", lambda _: table)
        newer = _made(time.time(), table_text.replace('"input_mtok":2.5', '"input_mtok":2.0'))
        asked = []
        monkeypatch.setattr(table_cache, "_compile", lambda *arguments: asked.append(arguments) or newer)
        first, second = Pricer(Config(prices_update="daily")), Pricer(Config(prices_update="daily"))
        for pricer in (first, second):
            pricer.load()
            _until(lambda pricer=pricer: pricer.price(**CALL, usage=USED).cost != pytest.approx(COST))
            pricer.close()
        assert second.price(**CALL, usage=USED).cost == pytest.approx((600 * 2 + 400 * 1.25 + 500 * 10) / 1e6)
        assert asked == [("--fetch",)]

    def test_a_fetch_that_fails_is_told_once_and_prices_stay(self, disk, table, monkeypatch, caplog):
        monkeypatch.setattr(table_cache, "built", lambda _: table)
        tries = []

        def fail(_):
            tries.append(1)
            raise table_cache.Unavailable("no route to host")

        monkeypatch.setattr(table_cache, "fetch", fail)
        monkeypatch.setattr(pricer_module, "_REFRESH", 0.001)
        pricer = Pricer(Config(prices_update="daily"))
        pricer.load()
        _until(lambda: len(tries) > 2)
        pricer.close()
        assert [message for message in caplog.messages if "no route to host" in message] == caplog.messages[:1]
        assert pricer.price(**CALL, usage=USED).cost == pytest.approx(COST)

    def test_prices_fetched_long_ago_are_not_taken(self, disk, table_text):
        disk.mkdir()
        old = _made(time.time() - 2 * table_cache.DAY, table_text)
        (disk / f"prices-{table_cache.FORMAT}-{table_cache.library()}-fetched.json").write_text(old)
        assert table_cache.fetched() is None


def _made(at, table_text):
    head, rest = table_text.split("\n", 1)
    return json.dumps({**json.loads(head), "made": at}) + "\n" + rest


def _until(true):
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        threading.Event().wait(0.002)


class TestWhatTheHostPays:
    def test_names_from_users_do_not_fill_the_memory(self, pricer):
        pricer.price(**CALL, usage=USED)
        for number in range(3 * _MOST):
            pricer.price(provider="openai", request_model=f"nobody-{number}", response_model="", usage=USED, at=AT)
            pricer.price(
                provider="openai", request_model=f"openai/x{number}/gpt-4o", response_model="", usage=USED, at=AT
            )
        assert len(pricer.book.unknown) <= _MOST
        assert len(pricer.book.entries) <= _MOST
        assert pricer.price(**CALL, usage=USED).cost == pytest.approx(COST)

    def test_the_library_is_never_imported_by_the_host(self, tmp_path):
        done = _host(
            tmp_path,
            "print('genai_prices' in sys.modules, 'pydantic' in sys.modules, price.source, round(price.cost, 6))",
        )
        assert done == "False False prices 0.007"

    def test_memory_stays_below_ten_megabytes(self, tmp_path):
        _host(tmp_path, "")  # builds
        assert float(_host(tmp_path, "print(resident() - before)")) < 10


def _host(state_dir, ending):
    script = f"""
import sys
from otel_llm.core.config import Config
from otel_llm.core.model import Usage
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
import importlib.metadata, subprocess, tempfile, json, threading, logging
before = resident()
from otel_llm.pricing import Pricer
pricer = Pricer(Config(state_dir={str(state_dir)!r}))
pricer.load()
price = pricer.price(provider="openai", request_model="gpt-4o", response_model="", at={AT}, usage=Usage(1000, 500, 400))
{ending}
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=REPO)
    assert done.stderr == ""
    return done.stdout.strip()
