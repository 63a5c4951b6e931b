"""The pieces that screens are made of: numbers, percentiles that are mixed, counters in time, draws, the story."""

from __future__ import annotations

import io
import math
from random import Random

import cli_pages
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_llm.cli import latency, samples, theme
from otel_llm.cli.history import History
from otel_llm.cli.latency import Latency
from otel_llm.cli.problems import Problem
from otel_llm.cli.scenario.draws import CONTEXT_TOKENS, GENERATED_TOKENS, RANKS
from otel_llm.cli.scenario.plot import STORY, Plot
from otel_llm.cli.scrape import Endpoint, fetch
from otel_llm.cli.terminal import busy


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (theme.number, 0.0342, "0.034"), (theme.number, 12.34, "12.3"), (theme.number, 1234, "1234"),
        (theme.number, 12_345, "12.3k"), (theme.number, 999_960, "1M"), (theme.number, None, "-"),
        (theme.seconds, 0.0841, "84 ms"), (theme.seconds, 0.9996, "1.00 s"), (theme.seconds, 25, "25.0 s"),
        (theme.seconds, 126, "2.1 m"), (theme.seconds, math.nan, "-"), (theme.dollars, 0.0000234, "$0.000023"),
        (theme.dollars, 0.0031, "$0.0031"), (theme.dollars, 12.3, "$12.30"), (theme.dollars, 4210.2, "$4,210"),
        (theme.dollars, 0, "$0"), (theme.dollars, 50, "$50"), (theme.dollars, 2e-7, "$2e-07"), (theme.percent, 0.0042, "0.4 %"),
        (theme.percent, 0.123, "12 %"), (theme.percent, 0, "0 %"), (theme.sigma, 2.44, "+2.4"), (theme.sigma, -1e9, "-99.0"),
    ],
)  # fmt: skip
def test_numbers(write, value, text):
    assert write(value) == text


@given(st.floats(min_value=0, max_value=9.9e14))
def test_a_number_is_never_wider_than_six(value):
    assert len(theme.number(value)) <= 6


def test_severities():
    assert [theme.severity(value) for value in (None, 1.9, -2.0, 2.99, -3.0)] == [
        "",
        "calm",
        "warning",
        "warning",
        "critical",
    ]


def test_names_are_cut_in_the_middle():
    assert theme.shorten("claude-sonnet-4-5", 12, theme.UNICODE) == "claude-s…4-5"
    assert theme.shorten("gpt", 12, theme.UNICODE) == "gpt"


def test_sparklines_are_as_wide_as_asked_and_rise_with_the_values():
    assert theme.spark([0, 1, 2, 4], 6, "red", theme.UNICODE).plain == "  ▁▃▅█"
    assert theme.spark([None, 0.0], 2, "red", theme.UNICODE).plain == " ▁"
    assert theme.spark([], 3, "red", theme.PLAIN).plain == "   "


def test_one_distribution_is_itself():
    alone = Latency(1.0, 4.0, 6.0, 9.0)
    assert latency.mix([(alone, 2.0)]) == alone
    assert latency.mix([(alone, 2.0), (alone, 1.0)]) == pytest.approx(alone)
    assert latency.mix([]) is None


def test_a_mix_lies_between_its_parts_and_weighs_them():
    quick, slow = Latency(0.1, 0.2, 0.3, 0.4), Latency(10.0, 20.0, 30.0, 40.0)
    mostly_quick = latency.mix([(quick, 98.0), (slow, 2.0)])
    assert mostly_quick.p50 == pytest.approx(0.1, rel=0.05)
    assert mostly_quick.p99 == pytest.approx(10.0)  # half of the slow ones are beyond it
    assert mostly_quick.max == 40.0
    half = latency.mix([(quick, 1.0), (slow, 1.0)])
    assert 0.4 <= half.p50 <= 10.0
    assert half.p95 == pytest.approx(latency.mix([(slow, 1.0)]).p50 * 1.8, rel=0.4)


def test_a_quantile_from_buckets_is_prometheus_s():
    buckets = {0.5: 10.0, 1.0: 30.0, 2.0: 40.0, math.inf: 40.0}
    assert latency.from_buckets(buckets, 0.5) == 0.75
    assert latency.from_buckets(buckets, 0.99) == pytest.approx(1.96)
    assert latency.from_buckets({1.0: 0.0, math.inf: 5.0}, 0.5) == 1.0  # clamped to the last finite bound
    assert latency.from_buckets({1.0: 0.0, math.inf: 0.0}, 0.5) is None


def page(calls: float, at: float) -> samples.Page:
    return samples.parse(cli_pages.busy(calls).text(), at, "here")


def test_a_history_tells_what_happened_between_pages():
    history = History(10.0)
    for at, calls in ((0.0, 1.0), (10.0, 2.0), (20.0, 2.0)):
        history.add(page(calls, 1000.0 + at))
    assert history.rates("requests", 2) == [70.0, 0.0]
    assert history.rates("cost", 2) == [pytest.approx(0.3054), 0.0]
    assert history.ratios("hits", "lookups", 2) == [0.3, None]
    assert history.rates("requests", 1) == [35.0]
    quick, none = history.quantiles(0.5, 2)
    assert 1.0 < quick < 2.0
    assert none is None


def test_a_service_that_starts_anew_starts_a_new_history():
    history = History(10.0)
    for at, calls in ((0.0, 5.0), (10.0, 1.0), (20.0, 2.0)):
        history.add(page(calls, 1000.0 + at))
    assert history.rates("requests", 5) == [70.0]


def test_a_history_compares_what_a_row_spends_now_with_the_minutes_before():
    history = History(10.0)
    for second in range(0, 241, 10):  # 36 $/h for three minutes, then four times that
        spent = second * 0.01 if second <= 180 else 1.8 + (second - 180) * 0.04
        history.note(float(second), "tenant", {"acme": spent, "globex": 1.0})
        if second < 120:
            assert history.moved("acme") is None
    assert history.moved("acme") == (pytest.approx(36.0), pytest.approx(144.0))
    assert history.moved("globex") == (0.0, 0.0)
    history.note(250.0, "model", {"gpt-5": 2.0})
    assert history.moved("gpt-5") is None  # grouped by something else: it begins anew
    history.note(260.0, "model", {"gpt-5": 0.1})
    assert len(history.spent) == 1  # as does a service that was restarted
    history.note(260.0 + 301.0, "model", {"gpt-5": 0.2})
    assert len(history.spent) == 1  # five minutes are kept


@pytest.mark.parametrize("quantiles", [CONTEXT_TOKENS, GENERATED_TOKENS])
def test_draws_have_the_quantiles_that_are_described(quantiles):
    random = Random(7)
    drawn = sorted(quantiles.draw(random) for _ in range(20_000))
    for rank, value in zip(RANKS[2:-1], quantiles.values[2:-1], strict=True):
        assert drawn[int(rank * len(drawn))] == pytest.approx(value, rel=0.06)
    assert quantiles.values[0] <= drawn[0]
    assert drawn[-1] <= quantiles.values[-1]


def test_the_story_has_its_chapters_in_order_and_begins_anew():
    plot = Plot(began=100.0, speed=2.0)
    assert [chapter.name for chapter in STORY if chapter.name != "calm"] == [
        "latency spike", "output degradation", "cost spike", "outage", "recovery",
    ]  # fmt: skip
    assert plot.length == sum(chapter.seconds for chapter in STORY) / 2
    first = plot.at(100.0)
    assert (first.chapter.name, first.number, first.left) == ("calm", 0, STORY[0].seconds / 2)
    assert plot.at(100.0 + STORY[0].seconds / 2).chapter.name == "latency spike"
    assert plot.at(100.0 + plot.length).number == len(STORY)


@pytest.mark.parametrize(
    ("text", "url", "name"),
    [
        ("9464", "http://localhost:9464/metrics", "localhost:9464"),
        (":9464", "http://localhost:9464/metrics", "localhost:9464"),
        ("web:1/", "http://web:1/metrics", "web:1"),
        ("https://web/llm?x=1", "https://web/llm?x=1", "web/llm"),
        ("http://me:pass@[::1]:2/metrics", "http://[::1]:2/metrics", "[::1]:2"),
    ],
)
def test_addresses(text, url, name):
    endpoint = Endpoint.parse(text)
    assert (endpoint.url, endpoint.name) == (url, name)
    assert bool(endpoint.authorization) == ("me:pass" in text)


def test_a_password_goes_to_the_host_that_it_is_for_and_not_where_that_one_points(serve):
    elsewhere = serve("otel_llm_series 1\n", password="Basic bWU6c2VjcmV0")
    moved = f"HTTP/1.0 302 Found\r\nLocation: http://{elsewhere.address}/metrics\r\n\r\n".encode()
    here = serve("", raw=moved)
    assert fetch(Endpoint.parse(f"me:secret@{elsewhere.address}")).text == "otel_llm_series 1\n"
    with pytest.raises(Problem):
        fetch(Endpoint.parse(f"me:secret@{here.address}"))


@pytest.mark.parametrize(("terminal", "shown"), [(True, "Writing rules ...\r\x1b[K"), (False, "")])
def test_work_that_takes_long_is_named_on_a_terminal_and_nowhere_else(monkeypatch, terminal, shown):
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    monkeypatch.setattr("sys.stderr", stream)
    with pytest.raises(OSError, match="full"), busy("Writing rules"):
        raise OSError("the disk is full")
    assert stream.getvalue() == shown


@pytest.mark.parametrize(
    ("age", "per_second"), [(0.5, 0.5), (15.0, 2.0), (59.0, 0.5 * 60 / 59), (60.0, 0.5), (3600.0, 0.5)]
)
def test_rates_of_the_first_minute_are_over_what_there_is_of_it(age, per_second):
    """A service has its rates over a minute at least, of which one that has just begun has lived a part."""
    text = (
        'otel_llm_build_info{version="1"} 1\n'
        "otel_llm_start_time_seconds 1000\n"
        'otel_llm_requests_per_second{gen_ai_request_model="a"} 0.5\n'
    )
    page = samples.parse(text, 1000.0 + age, "a test")
    assert page.total("otel_llm_requests_per_second") == pytest.approx(per_second)
