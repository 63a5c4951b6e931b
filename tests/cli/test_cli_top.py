"""``otel-llm top`` without a terminal: what it prints, as text and as JSON."""

from __future__ import annotations

import json
import re

import cli_pages
import pytest


@pytest.mark.parametrize("width", [80, 120, 200])
def test_one_frame_at_every_width(serve, otel_llm, same_screen, width):
    served = serve(cli_pages.busy().text())
    ran = otel_llm("top", served.address, "--once", "--width", width)
    assert (ran.code, ran.err) == (0, "")
    assert all(len(line) <= width for line in ran.out.splitlines())
    assert "\x1b" not in ran.out
    same_screen(ran.out, f"once-{width}")


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (60, r" ● otel-llm CRITICAL breaker openai open, monthly spend 123…"),
        (118, r" ● otel-llm CRITICAL breaker .*, short answers claude-sonnet-4-5"),
        (130, r" ● otel-llm CRITICAL breaker .*, short answers claude-sonnet-4-5 +\d\d:\d\d:\d\d"),
        (150, r" ● otel-llm CRITICAL breaker .*, short answers claude-sonnet-4-5 +127\.0\.0\.1:\d+  \d\d:\d\d:\d\d"),
    ],
)
def test_the_verdict_goes_before_what_is_at_its_right(serve, otel_llm, width, line):
    ran = otel_llm("top", serve(cli_pages.busy().text()).address, "--once", "--width", width)
    assert re.fullmatch(line, ran.out.splitlines()[0])


def test_without_a_terminal_it_is_one_plain_frame(serve, otel_llm, same_screen):
    ran = otel_llm("top", serve(cli_pages.busy().text()).address)
    assert ran.code == 0
    same_screen(ran.out, "once-120")


@pytest.mark.parametrize("changes", [{"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {}])
def test_only_ascii_where_the_terminal_has_nothing_else(serve, otel_llm, same_screen, changes):
    asked = [] if changes else ["--ascii"]
    ran = otel_llm("top", serve(cli_pages.busy().text()).address, "--once", *asked, **changes)
    assert ran.code == 0
    assert ran.out.isascii()
    same_screen(ran.out, "once-ascii")


def test_a_quiet_service_is_waited_for(serve, otel_llm):
    ran = otel_llm("top", serve(cli_pages.quiet().text()).address, "--once")
    assert ran.code == 0
    assert "WAITING no calls yet" in ran.out
    assert "no baseline yet" in ran.out
    assert "needs 20 earlier calls" in ran.out
    assert "no calls yet" in ran.out


def facts(ran):
    assert (ran.code, ran.err) == (0, "")
    return json.loads(ran.out)


def test_the_same_facts_as_json(serve, otel_llm):
    served = serve(cli_pages.busy().text())
    found = facts(otel_llm("top", served.address, "--json"))
    assert found["endpoints"] == [served.address]
    assert found["version"] == "0.2.0"
    assert found["processes"] == 4
    total = found["total"]
    assert total["requests"] == 700
    assert total["failed"] == 20
    assert total["per_second"] == 3.5
    assert total["error_ratio"] == pytest.approx(0.05 * 2 / 3.5)
    assert total["cost_usd"] == pytest.approx(3.054)
    assert total["cost_per_hour"] == pytest.approx(54.972)
    assert total["tokens"] == {"input": 840_000, "output": 147_000, "thinking": 14_000, "cached": 280_000}
    assert total["latency"]["max"] == 12.0
    assert found["cache_hit_ratio"] == 0.3
    assert found["errors"] == {"rate_limit": 12, "server_error": 8}
    assert found["breakers"] == {"anthropic": "closed", "openai": "open"}
    assert found["fallbacks"] == {"gpt-4.1 -> claude-sonnet-4-5": 14}
    assert [budget["used"] for budget in found["budgets"]] == [pytest.approx(0.7635), pytest.approx(1.23)]
    assert [row["name"] for row in found["rows"]] == ["gpt-4.1", "claude-sonnet-4-5", "gpt-5-mini"]
    sonnet = found["rows"][1]
    assert sonnet["latency"] == {"p50": 2.0, "p95": 5.5, "p99": 8.0, "max": 12.0}
    assert sonnet["zscores"] == {"output_tokens": -2.5}
    assert sonnet["error_ratio"] is None  # never failed: the service shows no ratio


def test_several_services_are_added_up(serve, otel_llm):
    one, two = serve(cli_pages.busy().text()), serve(cli_pages.busy(3.0).text())
    found = facts(otel_llm("top", one.address, two.address, "--json"))
    assert found["endpoints"] == [one.address, two.address]
    assert found["processes"] == 8
    assert found["total"]["requests"] == 700 * 4
    assert found["total"]["per_second"] == 7.0
    assert found["total"]["cost_usd"] == pytest.approx(3.054 * 4)
    assert found["rows"][0]["latency"] == pytest.approx(
        {"p50": 1.25, "p95": 4.0, "p99": 6.5, "max": 9.75}
    )  # a mix of equals
    day, month = found["budgets"]
    assert (day["spend_usd"], day["budget_usd"]) == (
        pytest.approx(3.054 * 4),
        4.0,
    )  # every instance is given the same one
    assert day["used"] == pytest.approx(3.054 * 4 / 4)
    assert month["used"] == pytest.approx(61.5 * 4 / 50)
    assert found["cache_hit_ratio"] == 0.3


def test_narrow_screens_keep_names(serve, otel_llm):
    ran = otel_llm("top", serve(cli_pages.busy().text()).address, "--once", "--width", 40)
    table = ran.out.partition("MODELS")[2].splitlines()[1:5]
    assert table == [
        "│ name                errors per hour▼ │",
        "│ gpt-4.1 openai       5.0 %    $29.38 │",
        "│ claude-sonnet-4-5        -    $24.30 │",
        "│ gpt-5-mini openai        -     $1.30 │",
    ]


def test_all_of_a_row_is_over_the_period_that_the_title_names(serve, otel_llm):
    address = serve(cli_pages.busy().text()).address
    models, tenants = (
        otel_llm("top", address, "--once", "--by", group, "--width", 200)
        .out.partition(f"─ {group.upper()}S ")[2]
        .splitlines()[:2]
        for group in ("model", "tenant")
    )
    assert models[0].startswith("over the window ─")
    assert models[1].strip("│").replace("z ", "z_").replace("per ", "per_").split() == [
        "name", "/s", "p50", "p95", "p99", "max", "errors", "z_lat", "z_out", "z_cost", "per_call", "per_hour▼", "share",
    ]  # fmt: skip
    assert tenants[0].startswith("since the start ─")
    assert tenants[1].strip("│").replace("per ", "per_").split() == [
        "name", "calls", "p50", "p95", "p99", "max", "errors", "in", "out", "think", "cached", "per_call", "cost▼", "share",
    ]  # fmt: skip


def test_several_instances_have_one_budget(serve, otel_llm):
    """Each is within it; together they are not, and a rule would say so."""
    page = cli_pages.busy()
    judged = json.dumps({"schema": 1, "conditions": [], "fresh": "live"})
    addresses = [serve(page.text(), judged=judged).address for _ in range(2)]
    one = otel_llm("top", addresses[0], "--once", "--width", 100).out.splitlines()[0]
    two = otel_llm("top", *addresses, "--once", "--width", 100).out.splitlines()[0]
    assert one.startswith(" ● otel-llm CALM")
    assert two.startswith(" ● otel-llm CRITICAL daily spend 153 % of budget; monthly spend 246 % of budget")


def test_rows_by_a_label_of_ones_own(serve, otel_llm):
    found = facts(otel_llm("top", serve(cli_pages.busy().text()).address, "--json", "--by", "tenant"))
    assert [(row["name"], row["requests"]) for row in found["rows"]] == [("acme", 530.0), ("globex", 170.0)]
    assert found["rows"][0]["cost_usd"] == pytest.approx(3.054 * 0.75)
    assert found["rows"][0]["error_ratio"] == pytest.approx(20 / 530)
    assert found["total"]["requests"] == 700


def test_rows_by_agent(serve, otel_llm):
    page = cli_pages.busy()
    runs = (("support", "", 6.0), ("support", "timeout", 2.0), ("support", "cancelled", 2.0), ("writer", "", 5.0))
    for name, error, count in runs:
        labels = {"gen_ai_agent_name": name, "error_type": error}
        page.add("gen_ai_invoke_agent_duration_seconds_count", count, **labels)
        for bound, share in (("5", 0.5), ("10", 1.0), ("+Inf", 1.0)):
            page.add("gen_ai_invoke_agent_duration_seconds_bucket", count * share, **labels, le=bound)
    for name, usd, tokens in (("support", 3.0, 900.0), ("writer", 1.0, 100.0), ("_none", 0.5, 50.0)):
        page.add("otel_llm_agent_cost_usd_total", usd, gen_ai_agent_name=name)
        page.add("otel_llm_agent_tokens_total", tokens, gen_ai_agent_name=name, gen_ai_token_type="input")
    found = facts(otel_llm("top", serve(page.text()).address, "--json", "--by", "agent"))
    first, second, none = found["rows"]
    assert (first["name"], first["requests"], first["failed"], first["error_ratio"]) == ("support", 10.0, 2.0, 0.2)
    assert (first["cost_usd"], first["cost_per_request"], first["tokens"]) == (
        3.0,
        pytest.approx(0.3),
        {"input": 900.0},
    )
    assert first["latency"]["p50"] == pytest.approx(5.0)
    assert (second["name"], second["error_ratio"]) == ("writer", 0.0)
    assert (none["name"], none["requests"], none["cost_usd"], none["latency"]) == ("_none", 0.0, 0.5, None)
    assert found["total"]["requests"] == 700


def test_rows_are_sorted_and_filtered(serve, otel_llm):
    address = serve(cli_pages.busy().text()).address
    by_name = facts(otel_llm("top", address, "--json", "--sort", "name"))["rows"]
    slowest = facts(otel_llm("top", address, "--json", "--sort", "latency", "--reverse"))["rows"]
    openai = facts(otel_llm("top", address, "--json", "--filter", "OPENAI"))["rows"]
    assert [row["name"] for row in by_name] == ["claude-sonnet-4-5", "gpt-4.1", "gpt-5-mini"]
    assert [row["name"] for row in slowest] == ["gpt-5-mini", "gpt-4.1", "claude-sonnet-4-5"]
    assert [row["name"] for row in openai] == ["gpt-4.1", "gpt-5-mini"]


def test_the_address_comes_from_the_service_s_own_settings(serve, otel_llm):
    served = serve(cli_pages.busy().text())
    ran = otel_llm(
        "top", "--json", OTEL_EXPORTER_PROMETHEUS_HOST="127.0.0.1", OTEL_EXPORTER_PROMETHEUS_PORT=str(served.port)
    )
    assert facts(ran)["endpoints"] == [served.address]


def test_user_and_password_are_sent_and_never_shown(serve, otel_llm):
    served = serve(cli_pages.busy().text(), password="Basic bWU6c2VzYW1l")
    ran = otel_llm("top", f"http://me:sesame@{served.address}", "--once")
    assert ran.code == 0
    assert "sesame" not in ran.out


def test_colours_are_for_terminals_that_want_them(serve, terminal):
    address = serve(cli_pages.busy().text()).address
    plain, colourful = (terminal("top", address, "--once", **changes) for changes in ({"NO_COLOR": "1"}, {}))
    assert (plain.end(), colourful.end()) == (0, 0)
    assert b"[38;" not in plain.raw
    assert b"[38;" in colourful.raw
