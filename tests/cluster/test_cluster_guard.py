"""A limit that all workers share: never exceeded by more than their open calls, and exact whenever one is killed."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cluster_lab import HERE, free_port, samples

from otel_llm.cluster import allowance
from otel_llm.cluster.allowance import SharedAllowance, UnsharedError
from otel_llm.testing.loopback import Loopback

DOLLAR = 1.0
CALL = 100 * 30e-6 + 20 * 60e-6  # the loopback's answer, by the list price of gpt-4
MOST = int(DOLLAR / CALL)
KILLS = 3


def test_four_workers_spend_a_dollar_and_no_more_while_they_are_killed(tmp_path: Path) -> None:
    environment = {
        "PYTHONPATH": str(HERE),
        "PATH": os.environ["PATH"],
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(free_port()),
        "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
        "OTEL_LLM_STATE_DIR": str(tmp_path),
        "OTEL_LLM_BUDGET_DAILY_USD": str(DOLLAR),
        "OTEL_LLM_BUDGET_ACTION": "refuse",
    }
    killed: set[int] = set()
    lines: list[str] = []
    with Loopback() as server:
        command = [sys.executable, "-W", "ignore", str(HERE / "guarded_service.py"), server.url]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as service:
            assert service.stdout is not None
            for line in service.stdout:
                lines.append(line)
                pid, what = line.split()[:2] if line[0].isdigit() else ("0", "")
                due = len(lines) % 40 == 0 and len(killed) < KILLS
                if due and what == "answered" and int(pid) not in killed:
                    killed.add(int(pid))
                    os.kill(int(pid), signal.SIGKILL)
        served = len(server.requests)
    assert service.returncode == 0
    assert len(killed) == KILLS
    shown = samples("".join(lines[lines.index("METRICS\n") + 1 :]))
    spent = shown["otel_llm_spend_usd", "day"]
    refused = [line for line in lines if " refused 1 day" in line]
    assert served <= MOST  # not one call too many
    assert served >= MOST - KILLS  # a killed worker's open call may not have been sent, and counts all the same
    assert spent <= served * CALL + 1e-9
    assert spent >= (served - KILLS) * CALL - 1e-9  # nobody saw the end of a killed worker's call
    assert shown["otel_llm_budget_decisions_total", "refused"] == len(refused) == 5
    assert shown["otel_llm_budget_decisions_total", "allowed"] >= served


def _spend(shared: SharedAllowance, said: int) -> None:
    while True:
        shared.reserve("usd|day|team", 7, 1000)
        os.write(said, b"r")
        shared.settle("usd|day|team", 7, -400)
        os.write(said, b"s")


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # that it has threads, from Python 3.12 on
def test_no_amount_is_lost_or_counted_twice_in_two_hundred_kills(tmp_path: Path) -> None:
    shared = SharedAllowance(tmp_path)
    shared.reserve("usd|day|team", 7, 0)
    low = high = 0
    for _ in range(50):
        children = []
        for _ in range(4):
            heard, said = os.pipe()
            fcntl.fcntl(said, fcntl.F_SETPIPE_SZ, 4096)
            if (child := os.fork()) == 0:
                _spend(shared, said)
            os.close(said)
            children.append((child, heard))
        for child, heard in children:
            text = os.read(heard, random.randint(1, 200))
            os.kill(child, signal.SIGKILL)
            while more := os.read(heard, 1 << 16):
                text += more
            os.close(heard)
            assert os.waitpid(child, 0)[1] == signal.SIGKILL
            reserved, settled = text.count(b"r"), text.count(b"s")
            known = reserved * 1000 - settled * 400
            # one step more may have been made and not been said: a settlement where the last word was a reservation
            low += known + (-400 if reserved > settled else 0)
            high += known + (1000 if reserved == settled else 0)
    assert low <= shared.reserve("usd|day|team", 7, 0) <= high
    assert len(list(tmp_path.glob("allowance.slot.*"))) <= 5 + 4  # who comes next takes a dead one's place
    shared.close()


def test_a_period_begins_with_nothing_and_a_former_one_takes_nothing_more(tmp_path: Path) -> None:
    one, other = SharedAllowance(tmp_path), SharedAllowance(tmp_path)
    assert one.reserve("a", 1, 5) == 5
    assert other.reserve("a", 1, 7) == 12
    assert other.reserve("b", 1, 1) == 1
    assert one.reserve("a", 2, 3) == 3  # the other's amount is of another period
    one.settle("a", 1, -5)
    assert one.reserve("a", 2, 0) == 3
    other.settle("a", 2, 4)
    assert one.reserve("a", 2, 0) == 7
    for allowed in (one, other):
        allowed.close()


def test_what_was_used_outlives_who_used_it_and_begins_with_what_was_spent_before(tmp_path: Path) -> None:
    first = SharedAllowance(tmp_path, lambda account: {"usd|day|": 250}.get(account, 0))
    assert first.reserve("usd|day|", 1, 50) == 300
    first.close()
    second = SharedAllowance(tmp_path, lambda _account: 9999)
    assert second.reserve("usd|day|", 1, 0) == 300
    second.close()


def test_accounts_past_the_most_share_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance, "MOST_ACCOUNTS", 3)
    shared = SharedAllowance(tmp_path)
    assert [shared.reserve(name, 1, 10) for name in ("a", "b", "c", "d", "a")] == [10, 10, 10, 20, 20]
    shared.close()


def test_one_process_too_many_is_refused_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance, "SLOTS", 1)
    one, other = SharedAllowance(tmp_path), SharedAllowance(tmp_path)
    assert one.reserve("a", 1, 1) == 1
    with pytest.raises(UnsharedError, match="more than 1 processes share"):
        other.reserve("a", 1, 1)
    one.close()
    assert other.reserve("a", 1, 1) == 2
    other.close()
