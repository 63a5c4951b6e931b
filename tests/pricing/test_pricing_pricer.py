"""The pricer: when prices are read, what is newest, what the host pays."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from otel_llm.core.config import Config
from otel_llm.core.model import Reader, Request, Response, Usage
from otel_llm.pricing import Prices, sources, update
from otel_llm.pricing import pricer as pricer_module
from otel_llm.pricing.lookup import _MOST
from otel_llm.pricing.price import UNPRICED, Price
from otel_llm.pricing.pricer import Pricer

AT = 1_795_262_400.0  # 2026-11-21 12:00 UTC
CALL = {"provider": "openai", "request_model": "gpt-4o", "response_model": "gpt-4o-2024-08-06", "at": AT}
USED = Usage(input_tokens=1000, output_tokens=500, cache_read_tokens=400)
COST = (600 * 2.5 + 400 * 1.25 + 500 * 10) / 1e6
REPO = Path(__file__).parents[2]


class TestPrices:
    def test_the_first_call_has_a_price(self):
        request = Request("openai", "chat", "gpt-4o", Reader(lambda *_: None), service_tier="flex")
        priced = Prices(Config()).of_call(request, Response(service_tier="default"), USED, AT)
        assert priced == Price(pytest.approx(COST), "prices", pytest.approx(400 * 1.25 / 1e6))

    def test_the_date_is_known_without_and_with_prices_loaded(self, table):
        prices = Prices(Config())
        assert prices.date() == table.made
        assert prices._pricer is None
        prices.close()
        assert prices.load() is prices.load()
        assert prices.date() == table.made
        prices.close()

    def test_what_the_provider_reports_wins_at_once(self, pricer):
        used = Usage(input_tokens=1000, output_tokens=500, cache_read_tokens=400, cost_usd=0.01)
        reported = pricer.price(**CALL, usage=used)
        assert reported == Price(0.01, "provider", pytest.approx(400 * 1.25 / 1e6))

    def test_a_reported_cost_of_nothing_is_nothing(self, pricer):
        assert pricer.price(**CALL, usage=Usage(input_tokens=10, cost_usd=0)) == (0.0, "provider", 0.0, ())

    @pytest.mark.parametrize("odd", [float("nan"), float("inf"), -0.5])
    def test_a_reported_cost_that_is_no_amount_is_not_believed(self, pricer, odd):
        used = Usage(input_tokens=1000, output_tokens=500, cache_read_tokens=400, cost_usd=odd)
        assert pricer.price(**CALL, usage=used).cost == pytest.approx(COST)

    def test_threads_that_come_at_once_all_have_prices(self):
        pricer, costs = Pricer(Config()), []
        threads = [
            threading.Thread(target=lambda: costs.append(pricer.price(**CALL, usage=USED).cost)) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert costs == [pytest.approx(COST)] * 4

    def test_parts_that_exceed_the_whole_do_not_make_a_call_cheaper(self, pricer):
        odd = Usage(input_tokens=60, output_tokens=0, cache_read_tokens=100)
        assert pricer.price(**CALL, usage=odd).cost == pytest.approx(100 * 1.25 / 1e6)


class TestWithoutTable:
    @pytest.fixture
    def bare(self, disk, monkeypatch):
        def absent() -> str:
            raise FileNotFoundError("prices.jsonl")

        monkeypatch.setattr(sources, "bundled_text", absent)

    def test_calls_are_unpriced_and_the_log_says_so(self, bare, caplog):
        with caplog.at_level(logging.WARNING, "otel_llm"):
            pricer = Pricer(Config())
            assert pricer.price(**CALL, usage=USED) is UNPRICED
            assert pricer.price(**CALL, usage=USED) is UNPRICED
        assert len(caplog.messages) == 1
        assert "otel-llm has no built-in prices" in caplog.messages[0]
        assert pricer.loaded_date is None
        assert sources.newest_date() is None

    def test_own_prices_work(self, bare, tmp_path):
        (tmp_path / "p.json").write_text('{"prices": [{"model": "gpt-4o*", "input": 1, "output": 1}]}')
        pricer = Pricer(Config(prices_file=str(tmp_path / "p.json")))
        assert pricer.price(**CALL, usage=USED).cost == pytest.approx(1500 / 1e6)


class TestNewest:
    def test_a_table_built_into_the_environment_counts_where_it_is_newer(self, disk, of_day):
        (disk / "share").mkdir()
        for day, expected in (("2020-01-01", COST), ("2099-01-01", (600 * 2 + 400 * 1.25 + 500 * 10) / 1e6)):
            text = of_day(day, lambda text: text.replace('"input_mtok":2.5', '"input_mtok":2.0'))
            (disk / "share" / sources.BUILT).write_text(text)
            assert Pricer(Config()).price(**CALL, usage=USED).cost == pytest.approx(expected)

    @pytest.mark.parametrize(
        "spoil", [lambda text: "", lambda text: "{}", lambda text: text[:99], lambda text: text[:-999]]
    )
    def test_a_damaged_one_does_not(self, disk, of_day, spoil, table):
        (disk / "share").mkdir()
        (disk / "share" / sources.BUILT).write_text(spoil(of_day("2099-01-01")))
        assert sources.newest().made == table.made

    def test_a_fetched_one_counts_only_where_fetching_is_asked_for(self, disk, of_day, table):
        (disk / "cache").mkdir()
        (disk / "cache" / sources.FETCHED).write_text(of_day("2099-01-01"))
        assert sources.newest().made == table.made
        assert sources.newest(fetched=True).made > table.made
        assert sources.newest_date(fetched=True) > table.made

    def test_a_stranger_s_directory_in_the_temporary_one_is_not_read(self, tmp_path, monkeypatch, of_day):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        place = tmp_path / f"otel-llm-{os.getuid()}"
        place.mkdir()
        (place / sources.FETCHED).write_text(of_day("2099-01-01"))
        assert sources.fetched_at(place) is not None
        place.chmod(0o777)
        assert sources.fetched_at(place) is None
        with pytest.raises(PermissionError, match="open to other users"):
            update._write(place, "x", "")

    def test_a_user_without_a_home_has_the_temporary_directory(self, monkeypatch):
        def homeless():
            raise RuntimeError

        monkeypatch.setattr(sources.Path, "home", homeless)
        assert [str(place) for place in sources.places("/state")] == ["/state", str(sources.places()[-1])]


class TestFreshPrices:
    def test_nothing_is_fetched_unless_asked(self, make_pricer, monkeypatch):
        monkeypatch.setattr(update, "fetch", lambda _: pytest.fail("nobody asked"))
        threads = threading.active_count()
        make_pricer()
        assert threading.active_count() == threads

    def test_fetched_prices_take_over_and_are_shared(self, disk, of_day, monkeypatch):
        newer = of_day("2099-01-01", lambda text: text.replace('"input_mtok":2.5', '"input_mtok":2.0'))
        asked = []
        monkeypatch.setattr(update, "_run_child", lambda *arguments: asked.append(arguments[0]) or newer)
        for pricer in (Pricer(Config(prices_update="daily")), Pricer(Config(prices_update="daily"))):
            pricer.load()
            _until(lambda pricer=pricer: pricer.price(**CALL, usage=USED).cost != pytest.approx(COST))
            pricer.forked()
            pricer.close()
            pricer.forked()
            assert pricer.price(**CALL, usage=USED).cost == pytest.approx((600 * 2 + 400 * 1.25 + 500 * 10) / 1e6)
        assert asked == ["--fetch"]

    def test_a_fetch_that_fails_is_logged_once_and_prices_stay(self, disk, monkeypatch, caplog):
        tries = []

        def fail(_):
            tries.append(1)
            raise update.UnavailableError("no route to host")

        monkeypatch.setattr(update, "fetch", fail)
        monkeypatch.setattr(pricer_module, "_REFRESH", 0.001)
        pricer = Pricer(Config(prices_update="daily"))
        pricer.load()
        _until(lambda: len(tries) > 2)
        pricer.close()
        assert [message for message in caplog.messages if "no route to host" in message] == caplog.messages[:1]
        assert pricer.price(**CALL, usage=USED).cost == pytest.approx(COST)

    def test_without_a_directory_there_is_a_hint(self, monkeypatch, table_text):
        monkeypatch.setattr(sources, "places", lambda _="": [Path("/proc/nowhere")])
        monkeypatch.setattr(update, "_compiled", lambda *_: table_text)
        with pytest.raises(update.UnavailableError, match="set OTEL_LLM_STATE_DIR"):
            update.fetch()


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

    def test_the_library_is_never_imported_by_the_host(self):
        done = _host(
            "print('genai_prices' in sys.modules, 'pydantic' in sys.modules, price.source, round(price.cost, 6))",
        )
        assert done == "False False prices 0.007"

    def test_memory_stays_below_five_megabytes(self):
        assert float(_host("print(resident() - before)")) < 5


def _host(ending):
    script = f"""
import sys
from otel_llm.core.config import Config
from otel_llm.core.model import Usage
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
import subprocess, tempfile, json, threading, logging
before = resident()
from otel_llm.pricing.pricer import Pricer
pricer = Pricer(Config())
pricer.load()
price = pricer.price(provider="openai", request_model="gpt-4o", response_model="", at={AT}, usage=Usage(1000, 500, 400))
{ending}
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=REPO)
    assert done.stderr == ""
    return done.stdout.strip()


PARTS = (
    {}, {"input_tokens": 100}, {"input_tokens": 100, "output_tokens": 20}, {"cost_usd": 0.0}, {"cost_usd": 0.02}, {"cost_usd": -1.0},
    {"cache_read_tokens": 40}, {"cache_write_tokens": 30}, {"cache_write_tokens": 0}, {"input_audio_tokens": 10},
    {"output_audio_tokens": 5}, {"web_searches": 2}, {"web_searches": 0}, {"thinking_tokens": 7}, {"audio_seconds": 3.0},
    {"billed_input_tokens": 50, "billed_output_tokens": 10}, {"longest": 300_000, "input_tokens": 400_000},
)  # fmt: skip
ANSWERS = (
    {}, {"service_tier": "flex"}, {"service_tier": "no such tier"}, {"region": "eu"}, {"fees": (("web_search", 1),)},
    {"fees": (("nobody knows", 1),)}, {"others": (("gpt-4o-mini", Usage(10, 10)),)}, {"cache_missed_tokens": 20}, {"model": "unheard-of"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "model"), [("openai", "gpt-4o"), ("gcp.gemini", "gemini-2.5-pro"), ("nobody", "nothing")]
)
def test_the_short_way_says_what_the_long_one_does(pricer, provider, model):
    """Every kind of usage with every kind of answer, priced in one frame and by the way that takes any."""
    quoted = pricer.of_any_call
    short = total = 0
    for more in ANSWERS:
        for part in PARTS:
            usage = Usage(**{"input_tokens": 1000, "output_tokens": 500, **part} if part else {})
            request = Request(
                provider, "chat", model, Reader(lambda *_: None), fees=(("video", 1),) if part == PARTS[1] else ()
            )
            expected = quoted(request, Response(**{"model": model, **more}), usage, AT)
            with pytest.MonkeyPatch.context() as patch:
                longer = []
                patch.setattr(pricer, "of_any_call", lambda *call, longer=longer: longer.append(call) or quoted(*call))
                assert pricer.of_call(request, Response(**{"model": model, **more}), usage, AT) == expected
            short += not longer
            total += 1
    assert total == len(ANSWERS) * len(PARTS)
    assert (short > 10) == (provider != "nobody")


def test_prices_that_have_ended_are_looked_up_anew(pricer):
    request, response = Request("openai", "chat", "gpt-4o", Reader(lambda *_: None)), Response(model="gpt-4o")
    before = pricer.of_call(request, response, USED, AT)
    book = pricer._book
    book.entries.update(
        {key: terms._replace(until=AT, quote=lambda _: UNPRICED) for key, terms in book.entries.items()}
    )
    assert pricer.of_call(request, response, USED, AT) == before
