"""``otel-llm doctor``: what it finds in this environment, and in ones that are not in order."""

from __future__ import annotations

import json
import re

import cli_pages
import pytest

from otel_llm import providers
from otel_llm.cli import examination
from otel_llm.config import Config


def test_this_environment(otel_llm):
    ran = otel_llm(
        "doctor", "--json", OTEL_EXPORTER_PROMETHEUS_PORT="9", OTEL_LLM_NOTIFY_WARNING="slack://secret-token"
    )
    assert ran.err == ""
    told = json.loads(ran.out)
    libraries = {found["topic"]: found for found in told["Libraries"]}
    for name in ("openai", "anthropic"):
        assert libraries[name]["status"] == "ok"
        assert "is watched" in libraries[name]["says"]
    assert "its own span is merged" in libraries["anthropic"]["says"]
    assert told["Overhead"][0]["topic"] == "per call"
    assert "us of CPU per call" in told["Overhead"][0]["says"]
    says = [found["says"] for found in told["Configuration"]]
    assert "OTEL_EXPORTER_PROMETHEUS_PORT = 9" in says
    assert "OTEL_LLM_NOTIFY_WARNING = 1 set" in says
    assert "secret" not in ran.out
    assert any("9 is free" in found["says"] for found in told["Serving"])
    failed = [found for part in told.values() if isinstance(part, list) for found in part if found["status"] == "fail"]
    assert (ran.code, told["ok"]) == (bool(failed), not failed)


def test_mistakes_are_named_and_make_it_fail(otel_llm):
    wrong = {
        "OTEL_LLM_SEMCONV": "newest",
        "OTEL_LLM_BUDGT_DAILY_USD": "5",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "otel_llm_openai",
    }
    ran = otel_llm("doctor", "--no-overhead", **wrong)
    assert ran.code == 1
    assert "OTEL_LLM_SEMCONV='newest': not one of released, latest, both" in ran.out
    assert "did you mean OTEL_LLM_BUDGET_DAILY_USD?" in ran.out
    assert "is switched off by OTEL_PYTHON_DISABLED_INSTRUMENTATIONS" in ran.out
    assert "not measured" in ran.out
    assert re.search(r"^\d+ to mend", ran.out, re.MULTILINE)


def serving(port, **settings):
    return {found.topic: found for found in examination.serving(Config(host="127.0.0.1", port=port, **settings))}


def test_a_service_that_runs_is_asked(serve):
    page = cli_pages.busy()
    page.add("otel_llm_internal_errors_total", 2.0, component="reader")
    found = serving(serve(page.text()).port)
    assert "is served by otel-llm, 4 processes behind it" in found["port"].says
    assert found["own errors"].says == "otel-llm swallowed 2 of its own"


def test_a_stranger_on_the_port(serve):
    found = serving(serve("<html></html>", content_type="text/html").port)
    assert found["port"].status == "warn"
    assert found["port"].remedy == "set OTEL_EXPORTER_PROMETHEUS_PORT to another one"


def test_a_server_that_is_switched_off():
    assert "mount otel_llm.asgi_app()" in serving(9, server="off")["port"].says


def test_a_state_directory_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    found = serving(9, state_dir=str(tmp_path / "file" / "below"))
    assert found["state"].status == "fail"
    assert "OTEL_LLM_STATE_DIR" in found["state"].remedy


def test_passwords_in_addresses_are_not_shown():
    config = Config.from_env({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://me:secret@collector:4318/x"})
    says = [found.says for found in examination.configuration(config)]
    assert 'OTEL_EXPORTER_OTLP_ENDPOINT = "https://...@collector:4318/x"' in says


def test_budgets(tmp_path):
    path = tmp_path / "budgets.json"
    assert [found.topic for found in examination.budgets(Config())] == ["none"]
    assert [found.says for found in examination.budgets(Config(budget_daily=5.0))] == ["5 USD a day"]
    path.write_text('{"budgets": [{"name": "acme", "match": {"tenant": "acme"}, "daily_usd": 5}]}')
    (found,) = examination.budgets(Config(budgets_file=str(path), metric_labels=("tenant",)))
    assert (found.status, found.says) == ("ok", f"{path}: acme")
    (found,) = examination.budgets(Config(budgets_file=str(path)))
    assert found.status == "fail"
    assert found.says.startswith(f"{path}:1: budgets[0].match.tenant: is unknown (allowed: provider, model)")


def test_prices(tmp_path):
    path = tmp_path / "prices.json"
    path.write_text('{"prices": [{"modle": "x"}]}')
    found = {each.topic: each for each in examination.prices(Config(prices_file=str(path)))}
    assert found["table"].status == "ok"
    assert found["file"].status == "fail"
    assert str(path) in found["file"].says


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"refused": "openai 9 is outside >=1"}, "is left alone: openai 9 is outside >=1"),
        ({"trouble": "no module named x"}, "is left alone: no module named x"),
        ({"disabled": True}, "is switched off by OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"),
        ({}, "is not watched: opentelemetry-instrument did not come to otel_llm_openai"),
        ({"watched": True}, "nothing could be patched"),
        ({"watched": True, "patched": ["a", "b"]}, "is watched, 2 hooks"),
    ],
)
def test_why_a_library_is_not_watched(facts, says):
    told = {"trouble": "", "refused": "", "watched": False, "disabled": False, "patched": [], **facts}
    libraries = dict.fromkeys(providers.NAMES, told)
    found = {each.topic: each for each in examination.libraries({"running": True, "libraries": libraries})}
    assert says in found["openai"].says


def test_a_program_that_does_not_start():
    assert [found.status for found in examination.libraries({"trouble": "no interpreter"})] == ["fail"]
    assert [found.status for found in examination.libraries({"running": False})] == ["fail"]


def test_overhead_that_is_too_much():
    (found,) = examination.cost({"overhead": {"client": 900.0, "with_otel_llm": 1900.0}}, wanted=True)
    assert (found.status, found.says) == ("warn", "1000 us of CPU per call, beside 900 us of the client itself")
