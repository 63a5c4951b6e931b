"""Programs that end before a scrape: one line at the end, flush, pools that push, and the ways of docs/short-lived.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from otlp_receiver import Received, receiving

from otel_llm.runtime import ending
from otel_llm.testing.loopback import Loopback

BIN = Path(sys.executable).parent
PAGE = (Path(__file__).parents[2] / "docs" / "short-lived.md").read_text(encoding="utf-8")
CALL = """
import os, sys, openai
def call(_=None):
    client = openai.OpenAI(base_url=os.environ["URL"] + "/v1", api_key="test-key", max_retries=0)
    client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
"""
LINE = r"otel-llm: 6 calls, no errors; [\d,]+ input and [\d,]+ output tokens; \$\d+\.\d{4}; p95 [\d.]+ m?s; nothing missing\n"


@pytest.fixture
def received() -> Iterator[Received]:
    with receiving() as kept:
        yield kept


def ran(
    where: Path, code: str, *arguments: str, bare: bool = False, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run ``code`` by ``otel-llm run`` to its end."""
    (where / "app.py").write_text(CALL + code, encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PROMETHEUS_"))}
    run = [str(BIN / "opentelemetry-instrument")] if bare else [str(BIN / "otel-llm"), "run"]
    with Loopback() as server:
        return subprocess.run(
            [*run, "python", "app.py", *arguments], cwd=where, capture_output=True, text=True, timeout=300, check=False,
            env={
                **clean, "URL": server.url, "PATH": f"{BIN}{os.pathsep}{clean['PATH']}", "OTEL_EXPORTER_PROMETHEUS_PORT": "0",
                "OTEL_LLM_STATE_DIR": str(where / "state"), **settings,
            },
        )  # fmt: skip


def pushing(received: Received) -> dict[str, str]:
    return {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{received.url}/v1/metrics"}


POOL = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
if __name__ == "__main__":
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(sys.argv[1])) as pool:
        list(pool.map(call, range(6)))
"""


@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_the_calls_of_a_pool_are_pushed_and_summed_up_once(tmp_path: Path, received: Received, method: str) -> None:
    done = ran(tmp_path, POOL, method, **pushing(received))
    assert done.returncode == 0, done.stderr
    assert sum(received.calls.values()) == 6
    assert re.fullmatch(LINE, done.stderr), done.stderr


def test_a_fork_that_leaves_at_once_pushes_by_flush(tmp_path: Path, received: Received) -> None:
    code = """
import otel_llm
child = os.fork()
if child == 0:
    call()
    os._exit(0 if otel_llm.flush(timeout=60) else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = ran(tmp_path, code, **pushing(received))
    assert done.returncode == 0, done.stderr
    assert sum(received.calls.values()) == 1
    assert done.stderr.startswith("otel-llm: 1 call, no errors; ")


def test_the_exit_code_and_the_standard_output_are_the_programs(tmp_path: Path) -> None:
    done = ran(tmp_path, "print('text')\nsys.exit(3)", bare=True, OTEL_LLM_SUMMARY="exit")
    assert (done.returncode, done.stdout) == (3, "text\n")
    assert done.stderr.startswith("otel-llm: no call of a watched LLM client library was seen")


def test_the_textfile_and_the_pushgateway_of_the_page_hold_the_calls(tmp_path: Path, received: Received) -> None:
    printed = re.findall(r"```python\n(from prometheus_client.*?)```", PAGE, re.DOTALL)
    assert len(printed) == 2
    code = "\n".join(["for _ in range(3): call()", *printed]).replace("localhost:9091", received.url)
    code = code.replace("/var/lib/node_exporter", str(tmp_path))
    done = ran(tmp_path, code)
    assert done.returncode == 0, done.stderr
    for text in (
        (tmp_path / "report.prom").read_text(encoding="utf-8"),
        received.bodies["/metrics/job/report"].decode(),
    ):
        lines = [
            line for line in text.splitlines() if line.startswith("gen_ai_client_operation_duration_seconds_count{")
        ]
        assert sum(float(line.rsplit(" ", 1)[1]) for line in lines) == 3


def test_a_program_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(BIN / "otel-llm"), "run", "no-such-program"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == (
        "otel-llm: there is no program 'no-such-program' on the PATH; to run a script: otel-llm run python script.py\n"
    )


def test_what_is_missing_is_in_the_line() -> None:
    since: dict[str, Any] = {
        "calls": 1234, "errors": {"timeout": 1, "rate_limited": 3}, "input_tokens": 1_000_000, "output_tokens": 20,
        "cost_usd": 1234.5, "p95_seconds": 2.34, "unknown_usage_calls": 1, "unpriced_calls": 2, "incomplete_calls": 0,
    }  # fmt: skip
    assert ending.sum_up({"since_start": since, "in_flight": 4}) == (
        "otel-llm: 1,234 calls, 4 errors (rate_limited 3, timeout 1); 1,000,000 input and 20 output tokens; $1,234.5000; "
        "p95 2.3 s; missing: 1 without usage, 2 without a price, 4 still open"
    )
    since = {**since, "errors": {"timeout": 1}, "calls": 1, "p95_seconds": None}
    line = ending.sum_up({"since_start": since, "in_flight": 0})
    assert line.startswith("otel-llm: 1 call, 1 error (timeout 1); ")
    assert "p95 unknown; missing: 1 without usage, 2 without a price" in line


def test_flush_is_bounded_and_says_what_it_could_not_do(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        def __init__(self) -> None:
            self.asked: list[int] = []

        def force_flush(self, milliseconds: int) -> bool:
            self.asked.append(milliseconds)
            return False

    slow = Slow()
    monkeypatch.setattr(ending, "_providers", lambda: iter([object(), slow]))
    assert ending.flush(2.0) is False
    assert 0 < slow.asked[0] <= 2000
    assert ending.flush(0.0) is False
    assert len(slow.asked) == 1  # no time, no question
    monkeypatch.setattr(ending, "_providers", lambda: iter([object()]))
    assert ending.flush(2.0) is True
