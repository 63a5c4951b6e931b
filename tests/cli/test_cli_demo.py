"""``otel-llm demo``: a real run, as text and on a pseudo-terminal, and what it leaves behind."""

from __future__ import annotations

import fcntl
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest

from otel_llm.cli import demo, demo_environment, samples
from otel_llm.cli.problems import Problem


def left_behind() -> list[str]:
    """Processes and directories of demos."""
    commands = [path.read_bytes().decode("utf-8", "replace") for path in _commands()]
    scratch = Path(demo_environment.tempfile.gettempdir()).glob("otel-llm-demo-*")
    return [command for command in commands if "otel_llm.cli.scenario.service" in command] + [
        str(path) for path in scratch
    ]


def _commands():
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            path.read_bytes()
        except OSError:
            continue  # it has ended meanwhile
        yield path


def test_a_whole_story_in_half_a_minute(otel_llm):
    ran = otel_llm("demo", "--headless", "--speed", 15, "--rate", 30, "--port", 0)
    assert (ran.code, ran.err) == (0, "")
    chapters = re.findall(r"^ +\d+:\d\d  ([a-z ]+):", ran.out, re.MULTILINE)
    assert chapters[:9] == [
        "calm", "latency spike", "calm", "output degradation", "calm", "cost spike", "calm", "outage", "recovery",
    ]  # fmt: skip
    re.sub(r"\n(?! )", " ", ran.out)
    facts = re.search(r"The demo observed: (\d+) calls, p95 ([\d.]+) (m?s), errors ([\d.]+) %, fallbacks ([\d.]+) %, "
                      r"cache hits (\d+) %, today \$(\d+\.\d+)", " ".join(ran.out.split()))  # fmt: skip
    assert facts is not None, ran.out
    calls, _, _, errors, fallbacks, hits, today = facts.groups()
    assert int(calls) > 100
    assert float(errors) > 0.5  # the outage
    assert float(fallbacks) > 0
    assert 15 < int(hits) < 60
    assert float(today) > 0.05
    for seen in (
        "gpt-4.1",
        "gpt-5-mini",
        "claude-sonnet-4-6",
        "claude-haiku-4-5",
        "claude-opus-4-6",
        "overloaded",
        "breaker",
    ):
        assert seen in ran.out
    assert "unpriced" not in ran.out


def test_the_live_view_tells_the_story_and_ends_cleanly(terminal):
    shown = terminal("demo", "--speed", 20, "--rate", 20, "--port", 0, columns=120, lines=40)
    shown.until("CALM")
    shown.until("LATENCY SPIKE")
    assert re.search(r"http://127\.0\.0\.1:\d+/\s", shown.text)  # of the page
    shown.until(lambda text: re.search(r"│ gpt-4\.1 +openai +\d+", text) is not None)
    shown.press("q")
    assert shown.end() == 0
    assert b"The demo observed" in shown.raw


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_ctrl_c_and_a_kind_kill_end_it_without_a_trace(terminal, number, code):
    shown = terminal("demo", "--port", 0, "--headless")
    shown.until("calm: a normal day")
    shown.process.send_signal(number)
    assert shown.end() == code
    assert b"Traceback" not in shown.raw


def test_a_kill_that_comes_again_and_again_leaves_no_trace_either(terminal):
    shown = terminal("demo", "--port", 0, "--headless")
    shown.until("calm: a normal day")
    while shown.process.poll() is None:
        shown.process.send_signal(signal.SIGTERM)
        shown.read(0.05)
    assert shown.end() == 143
    assert b"Traceback" not in shown.raw


def test_a_terminal_that_only_writes_on_is_told_line_by_line(terminal):
    shown = terminal("demo", "--port", 0, TERM="dumb")
    shown.until("calm: a normal day")
    shown.interrupt()
    assert shown.end() == 0


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    """Each looks at what demos leave behind, so no two run at a time, in whatever process the tests run."""
    with (Path(demo_environment.tempfile.gettempdir()) / "otel-llm-test-demo.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        before = left_behind()
        yield
        assert [each for each in left_behind() if each not in before] == []


def test_with_a_prometheus_and_its_rules(otel_llm, terminal):
    assert shutil.which("prometheus") is not None, "this test needs the prometheus binary: apt-get install prometheus"
    shown = terminal("demo", "--port", 0, "--headless", "--prometheus", "--speed", 12)
    text = shown.until(lambda text: "prometheus: http" in text and "calm:" in text)
    metrics = re.search(r"metrics: (\S+)", text).group(1)
    server = re.search(r"prometheus: (\S+)", text).group(1)
    shown.until("calm: back to normal")  # by then it has scraped and judged
    ran = otel_llm("check", metrics, "--prometheus", server)
    shown.interrupt()
    shown.end()
    assert ran.code == 0, ran.out
    assert re.search(r"\d+ alerts, \d+ recording rules loaded", ran.out)


def test_a_service_that_ends_by_itself_is_told_of(monkeypatch):
    monkeypatch.setattr(
        demo_environment, "_command", lambda _: [sys.executable, "-c", "raise SystemExit('out of tea')"]
    )
    settings = demo_environment.Settings(port=0, speed=1.0, seed=1, rate=1.0, prometheus=False)
    with (
        pytest.raises(Problem, match="the demo's service ended by itself: out of tea"),
        demo_environment.build(settings),
    ):
        pass


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
def test_a_host_that_is_none(otel_llm, host):
    ran = otel_llm("demo", "--headless", "--port", 0, "--host", host)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"otel-llm: --host {host} cannot be listened on (")
    assert len(ran.err.splitlines()) == 1


def test_without_the_prometheus_binary(otel_llm):
    ran = otel_llm("demo", "--headless", "--port", 0, "--prometheus", PATH="/nowhere")
    assert (ran.code, ran.out) == (2, "")
    assert (
        ran.err
        == "otel-llm: --prometheus needs the prometheus binary on the PATH: install it, or leave the option out\n"
    )


def test_the_start_is_that_of_this_environment():
    assert Path(demo_environment.instrumented()[0]).name.startswith(("opentelemetry-instrument", "python"))


def test_page_top_and_alerts_are_shown_beside_each_other():
    conditions = [
        {"level": "critical", "text": "breaker openai is open, since 20:59"},
        {"level": "pending", "text": "gpt-5-mini: 15 % of calls fail, since 20:59"},
        {"level": "warning", "text": "gpt-4.1: 5 % of calls take longer than 31 s, since 20:57"},
    ]
    page = samples.Page(1.0, {}, {}, {"conditions": conditions})
    assert (
        demo.judged(page)
        == "breaker openai is open, since 20:59; gpt-4.1: 5 % of calls take longer than 31 s, since 20:57; "
        "pending: gpt-5-mini: 15 % of calls fail, since 20:59"
    )
    assert demo.judged(samples.Page(1.0, {}, {}, None)) == "calm"
    asked = [
        {"state": "firing", "labels": {"alertname": "LLMCircuitBreakerOpen", "breaker": "openai"}},
        {
            "state": "firing",
            "labels": {"alertname": "LLMErrorRateHigh", "gen_ai_request_model": "gpt-4.1", "severity": "critical"},
        },
        {
            "state": "firing",
            "labels": {"alertname": "LLMErrorRateHigh", "gen_ai_request_model": "gpt-4.1", "severity": "warning"},
        },
        {"state": "pending", "labels": {"alertname": "LLMLatencyP95High", "gen_ai_request_model": "gpt-4.1"}},
    ]
    assert demo.alerts(asked) == "LLMCircuitBreakerOpen openai, LLMErrorRateHigh gpt-4.1"
    assert demo.alerts([]) == "none"
