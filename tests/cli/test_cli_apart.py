"""A service whose tenants are judged apart: ``top``, ``dashboard()``, ``stats()`` and ``check()`` say the same, in every worker."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from otel_llm.cli import samples, view
from otel_llm.core.config import environment

HERE, BIN = Path(__file__).parent, Path(sys.executable).parent
SECONDS = 300.0  # until two views that are asked one after the other show the same rounded rates
WHO = 'gen_ai_provider_name="openai",gen_ai_request_model="gpt-4o"'
SHOWN = f"""
# TYPE otel_llm_build_info gauge
otel_llm_build_info{{version="1"}} 1
otel_llm_requests_per_second{{{WHO},tenant="acme"}} 3
otel_llm_requests_per_second{{{WHO},tenant="globex"}} 1
otel_llm_error_ratio{{{WHO},error_type="",tenant="acme"}} 0
otel_llm_error_ratio{{{WHO},error_type="timeout",tenant="globex"}} 0.5
otel_llm_error_ratio{{{WHO},error_type="rate_limit",tenant="globex"}} 0.1
otel_llm_cost_usd_per_request{{{WHO},tenant="acme"}} 0.01
otel_llm_cost_usd_per_request{{{WHO},tenant="globex"}} 0.03
otel_llm_cost_usd_per_hour{{{WHO},tenant="acme"}} 1
otel_llm_cost_usd_per_hour{{{WHO},tenant="globex"}} 2
otel_llm_fallback_ratio{{{WHO},tenant="acme"}} 0.2
otel_llm_fallback_ratio{{{WHO},tenant="globex"}} 0.6
otel_llm_zscore{{{WHO},tenant="acme",signal="latency",kind="shift"}} 4
otel_llm_zscore{{{WHO},tenant="globex",signal="latency",kind="shift"}} -5
otel_llm_latency_seconds{{{WHO},tenant="acme",quantile="0.5"}} 1
otel_llm_latency_seconds{{{WHO},tenant="acme",quantile="0.95"}} 2
otel_llm_latency_seconds{{{WHO},tenant="acme",quantile="0.99"}} 3
otel_llm_latency_seconds{{{WHO},tenant="acme",quantile="1"}} 4
otel_llm_latency_seconds{{{WHO},tenant="globex",quantile="0.5"}} 10
otel_llm_latency_seconds{{{WHO},tenant="globex",quantile="0.95"}} 20
otel_llm_latency_seconds{{{WHO},tenant="globex",quantile="0.99"}} 30
otel_llm_latency_seconds{{{WHO},tenant="globex",quantile="1"}} 40
# TYPE gen_ai_client_operation_duration_seconds histogram
gen_ai_client_operation_duration_seconds_bucket{{{WHO},gen_ai_operation_name="chat",error_type="",tenant="acme",le="+Inf"}} 40
gen_ai_client_operation_duration_seconds_count{{{WHO},gen_ai_operation_name="chat",error_type="",tenant="acme"}} 40
gen_ai_client_operation_duration_seconds_sum{{{WHO},gen_ai_operation_name="chat",error_type="",tenant="acme"}} 40
"""


def test_windows_of_tenants_are_one_row_of_the_model() -> None:
    shown = view.read(samples.parse(SHOWN, time.time(), "here"), ("here",))
    (row,) = shown.rows
    assert row.per_second == 4
    assert row.error_ratio == pytest.approx(0.6 * 1 / 4)  # acme has no share of these types
    assert row.cost_per_request == pytest.approx((3 * 0.01 + 0.03) / 4)
    assert row.cost_per_hour == 3
    assert shown.fallback_ratio == pytest.approx((3 * 0.2 + 0.6) / 4)
    assert row.zscores == {"latency": -5}  # the gravest; sums would cancel out
    assert row.latency is not None
    assert 1 < row.latency.p50 < 2.5
    assert 10 < row.latency.p95 < 20
    assert row.latency.max == 40
    assert (shown.total.cost_per_request, shown.total.latency) == (row.cost_per_request, row.latency)


def test_a_page_without_them_stays_as_it_is() -> None:
    page = samples.parse(SHOWN.replace(',tenant="acme"', "").replace(',tenant="globex"', ""), time.time(), "here")
    assert samples.by_model(page) is page


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[Callable[[str], Any]]]:
    """Two workers of one service, and ``top`` as the third that can be asked."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    settings = environment(
        OTEL_LLM_METRIC_LABELS="tenant", OTEL_LLM_ANOMALY_LABELS="tenant", OTEL_LLM_STATE_DIR=str(tmp_path),
        OTEL_EXPORTER_PROMETHEUS_PORT=port, OTEL_TRACES_EXPORTER="none", COLUMNS="120", PYTHONUTF8="1",
    )  # fmt: skip
    children: list[subprocess.Popen[str]] = []

    def start() -> Callable[[str], Any]:
        child = subprocess.Popen(
            [sys.executable, str(HERE / "asked_worker.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=settings,
        )  # fmt: skip
        children.append(child)

        def ask(question: str) -> Any:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(f"{question}\n")
            child.stdin.flush()
            return json.loads(child.stdout.readline())

        assert ask("role") == ("follower" if len(children) > 1 else "leader")
        return ask

    def top(*_: str) -> str:
        command = [str(BIN / "otel-llm"), "top", port, "--once", "--width", "120"]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=settings).stdout

    yield [start(), start(), top]
    for child in children:
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(SECONDS) == 0
        assert child.stdout is not None
        child.stdout.close()


def _read(text: str) -> tuple[str, list[float]]:
    """The words and the numbers of a frame, without its head, which names the time and the address, and without bars."""
    body = "\n".join(text.splitlines()[1:]).translate(str.maketrans("", "", "━─┼"))
    words = re.sub(r"[-+]?\d+(?:\.\d+)?", "#", body)
    return " ".join(words.split()), [float(number) for number in re.findall(r"[-+]?\d+(?:\.\d+)?", body)]


def _asked_at_once(workers: list[Callable[[str], Any]]) -> list[str]:
    """A frame of each, in the first round in which none was asked too late: rates and scores fade between two questions."""
    until = time.monotonic() + 60
    while True:
        frames = [one("dashboard") for one in workers]
        words, numbers = _read(frames[0])
        same = all(_read(frame) == (words, pytest.approx(numbers, rel=0.1, abs=0.2)) for frame in frames[1:])
        if same or time.monotonic() > until:
            return frames


def test_every_worker_says_what_top_says(workers: list[Callable[[str], Any]]) -> None:
    leader, follower, _ = workers
    assert leader("past 1") == follower("past 2") == "done"
    until = time.monotonic() + SECONDS
    while (
        leader("stats")["total"]["calls"] < 3600
    ):  # what comes half an hour late is in the window when baselines are made next
        assert time.monotonic() < until

    frames = _asked_at_once(workers)
    words, numbers = _read(frames[0])
    for frame in frames[1:]:
        assert _read(frame) == (words, pytest.approx(numbers, rel=0.1, abs=0.2))
    (row,) = (line for line in frames[0].splitlines() if "gpt-4o openai" in line)
    assert re.search(r" 2[3-7] % ", row), row
    assert "$0.010" in row
    assert all(frame.startswith(" ● otel-llm ") for frame in frames)

    found, elsewhere = leader("check"), follower("check")
    for tenant, usual, severity in (("acme", 1.0, "critical"), ("globex", 9.0, "")):
        for answer in (found[tenant], elsewhere[tenant]):
            _, value, _, how, _, baseline, _, _, provider, model, labels = answer
            assert (value, how, provider, model, labels) == (9.0, severity, "openai", "gpt-4o", [["tenant", tenant]])
            assert baseline == pytest.approx(usual, rel=0.25)
    assert (found["initech"], elsewhere["initech"]) == (None, None)
    assert found["around"][3] == elsewhere["around"][3] == "critical"
    assert found["any"][-1] == [["tenant", "acme"]]  # of globex half failed: it has fewer latencies
    assert found["error"] == "label 'team' has no baselines (OTEL_LLM_ANOMALY_LABELS: tenant)"

    facts, other = leader("stats")["total"], follower("stats")["total"]
    assert facts["calls"] == other["calls"] == 3600
    assert facts["error_ratio"] == pytest.approx(0.25, abs=0.03)
    assert (facts["cost_count"], facts["cost_usd_max"], facts["cost_usd_median"]) == (
        3600,
        0.01,
        pytest.approx(0.01, rel=0.01),
    )
    assert facts["cost_usd_median"] <= facts["cost_usd_max"]
