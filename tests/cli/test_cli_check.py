"""``otel-llm check``: findings about pages that are in order and pages that are not, and about a real Prometheus."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request

import cli_pages
import pytest

from otel_llm.core.catalogue import shown
from otel_llm.core.config import Config
from otel_llm.exposition import server
from otel_llm.ops.prometheus import alert_names


def findings(ran):
    """Topic to finding, over everything that was looked at."""
    assert ran.err == ""
    told = json.loads(ran.out)
    return {found["topic"]: found for part, each in told.items() if part != "ok" for found in each}


@pytest.fixture
def checked(otel_llm, serve):
    """Check a page; topic to finding, and the exit code."""

    def check(page, *arguments, **fields):
        ran = otel_llm("check", serve(page.text(), **fields).address, "--json", *arguments)
        return findings(ran), ran.code

    return check


def test_a_page_in_order_says_so(otel_llm, serve):
    ran = otel_llm("check", serve(cli_pages.busy().text()).address)
    assert (ran.code, ran.err) == (0, "")
    assert "✓ labels" in ran.out
    assert "not seen yet" in ran.out
    assert ran.out.rstrip().endswith("all in order, 2 to look at")
    assert max(map(len, ran.out.splitlines())) <= 120
    assert [line for line in ran.out.splitlines() if line.endswith(" ")] == []


def test_numbers_of_a_page_in_order(checked):
    found, code = checked(cli_pages.busy())
    assert code == 0
    assert found["complete"]["says"] == f"32 of {len(shown('released'))} metrics have data"
    assert found["label values"]["says"].endswith("of at most 200")
    assert found["values"]["says"] == "all finite"
    assert found["OpenMetrics"]["status"] == "note"


def test_a_service_without_calls_is_told_what_to_do(checked):
    found, code = checked(cli_pages.quiet())
    assert code == 0
    assert found["calls"]["status"] == "warn"
    assert "make one LLM call" in found["calls"]["remedy"]


def test_a_content_type_that_prometheus_3_refuses(checked):
    found, code = checked(cli_pages.busy(), content_type="application/octet-stream")
    assert code == 1
    assert found["content type"]["status"] == "fail"


def test_openmetrics_that_does_not_parse(checked):
    found, code = checked(cli_pages.busy(), content_type="application/openmetrics-text; version=1.0.0")
    assert code == 1
    assert found["OpenMetrics"]["says"].startswith("does not parse")


def test_too_many_series_and_label_values(checked):
    page = cli_pages.busy()
    for number in range(12):
        page.add(
            "otel_llm_requests_per_second", 1.0, gen_ai_provider_name="openai", gen_ai_request_model=f"user-{number}"
        )
    found, code = checked(page, "--max-series", 100, "--max-label-values", 10)
    assert code == 1
    assert found["series"]["status"] == "fail"
    assert found["label values"]["says"] == "most in gen_ai_request_model: 15 of at most 10"
    assert "ids or user text" in found["label values"]["remedy"]


def test_what_the_service_says_is_wrong(checked):
    page = cli_pages.busy()
    call = {"gen_ai_provider_name": "openai", "gen_ai_request_model": "ft:mine", "gen_ai_operation_name": "chat"}
    page.add("otel_llm_unpriced_requests_total", 3.0, **call)
    page.add("otel_llm_usage_unknown_total", 30.0, **call, reason="stream")
    page.add("otel_llm_internal_errors_total", 2.0, component="reader")
    page.add("otel_llm_label_overflow_total", 5.0, label="tenant")
    found, code = checked(page)
    assert code == 0
    assert {topic for topic, each in found.items() if each["status"] == "warn"} == {
        "unpriced",
        "usage",
        "own errors",
        "overflow",
    }
    assert found["unpriced"]["says"] == "no price for ft:mine, gpt-4.1"
    assert "include_usage" in found["usage"]["remedy"]


def test_what_must_never_be_shown(checked):
    page = cli_pages.busy()
    page.add("otel_llm_cost_usd_total", float("nan"), gen_ai_provider_name="x", gen_ai_request_model="y",
             gen_ai_operation_name="chat", cost_source="prices", tenant="acme")  # fmt: skip
    page.add("otel_llm_fallbacks_total", 1.0, gen_ai_provider_name="x")
    page.add("otel_llm_surprises_total", 1.0)
    found, code = checked(page)
    assert code == 1
    assert found["values"]["says"] == "not finite or negative: otel_llm_cost_usd_total"
    assert found["labels"]["says"] == "lacking on otel_llm_fallbacks_total"
    assert "otel_llm_surprises_total" in found["names"]["says"]


@pytest.fixture
def prometheus(tmp_path, serve, otel_llm):
    """A real Prometheus that scrapes a page and holds the exported rules."""
    binary = shutil.which("prometheus")
    assert binary is not None, "this test needs the prometheus binary: apt-get install prometheus"
    page = serve(cli_pages.busy().text())
    assert otel_llm("export", "prometheus", tmp_path / "rules").code == 0
    for rules in (tmp_path / "rules").iterdir():  # nobody waits for the minutes of a real one
        rules.write_text(re.sub(r"\binterval: \w+", "interval: 1s", rules.read_text()))
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"
        f'rule_files: ["{tmp_path}/rules/*.yml"]\n'
        f'scrape_configs: [{{job_name: web, static_configs: [{{targets: ["{page.address}"]}}]}}]\n'
    )
    port = _free_port()
    command = [binary, f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}",
               f"--web.listen-address=127.0.0.1:{port}"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield f"127.0.0.1:{port}", page
    process.terminate()
    process.wait(10)


def _free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _has(address, series):
    """Wait until there is a sample of ``series``."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"http://{address}/api/v1/query?query={series}", timeout=5) as answer:
                if json.load(answer)["data"]["result"]:
                    return
        except (urllib.error.URLError, ConnectionError):
            pass
        time.sleep(0.1)
    raise AssertionError(f"Prometheus had no {series} within a minute")


def test_a_real_prometheus_with_the_rules(prometheus, otel_llm):
    address, page = prometheus
    for recorded in (
        "job_budget:otel_llm_spend_usd:sum",
        "instance:otel_llm_seen:seconds",
        "provider_model:otel_llm_calls:rate5m",
    ):
        _has(address, recorded)
    ran = otel_llm("check", page.address, "--prometheus", address, "--json")
    found = findings(ran)
    assert ran.code == 0
    assert found["targets"]["says"] == f"1: web/{page.address}"
    assert found["rules"]["says"].startswith(f"{len(alert_names())} alerts, ")
    assert found["LLMDailyBudgetExceeded"]["says"].startswith("has data")
    assert found["LLMTelemetryDown"]["says"].startswith("has data")
    assert found["LLMUnpricedModel"]["says"] == "no data yet: provider_model:otel_llm_unpriced_requests:increase5m"


def test_a_target_that_has_just_gone_down_is_named(prometheus, serve, otel_llm):
    address, page = prometheus
    _has(address, "job_budget:otel_llm_spend_usd:sum")
    page.status = 503
    _has(address, "up==0")
    ran = otel_llm("check", serve(cli_pages.busy().text()).address, "--prometheus", address, "--json")
    assert ran.code == 1
    assert findings(ran)["targets"]["says"] == f"down: web/{page.address}"


def test_a_page_of_metrics_is_no_prometheus(otel_llm):
    running = server.serve(Config(port=0), lambda _: ("text/plain", cli_pages.busy().text().encode()))
    try:
        ran = otel_llm("check", running.port, "--prometheus", f"localhost:{running.port}/metrics")
    finally:
        running.close()
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.endswith("does not answer as a Prometheus: give the address of its web page\n")


def test_a_prometheus_that_is_none(otel_llm, serve):
    page = serve(cli_pages.busy().text())
    ran = otel_llm("check", page.address, "--prometheus", page.address)
    assert (ran.code, ran.out) == (2, "")
    assert "does not answer as a Prometheus" in ran.err
