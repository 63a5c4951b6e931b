"""Spend outlives the service, however that ended; everything else begins anew."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cluster_lab import HERE, counted, free_port, samples

PROGRAM = """
import os, signal, sys
from prometheus_client import CollectorRegistry
from cluster_lab import Worker, call
from otel_llm.core.config import Config
from otel_llm.core.guard import Guard
from otel_llm.aggregate import Store
Guard.strict = True
port, folder, end = int(sys.argv[1]), sys.argv[2], sys.argv[3]
config = Config(port=port, host="127.0.0.1", state_dir=folder, budget_monthly=100.0)
worker = Worker(config, lambda: Store(config), registry=CollectorRegistry())
worker.start()
for _ in range(5):
    worker.append(call(cost=0.5, cost_source="prices"))
if end == "checkpointed":
    worker._round()
    worker._role.leadership.keep(now=True)
    worker.append(call(cost=0.5, cost_source="prices"))
print(worker.text(openmetrics=False).decode())
sys.stdout.flush()
if end == "exits":
    sys.exit()
if end == "leaves a child":
    if os.fork() == 0:
        worker.append(call(cost=0.5, cost_source="prices"))
        os.kill(os.getpid(), signal.SIGKILL)
    os.wait()
os.kill(os.getpid(), signal.SIGKILL)
"""
MONTH = ("otel_llm_spend_usd", "month")


def run(folder: Path, port: int, end: str) -> str:
    """What one start of the service shows before it ends."""
    environment = {"PYTHONPATH": str(HERE), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(port), str(folder), end]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == (0 if end == "exits" else -signal.SIGKILL), done.stderr
    return done.stdout


def spent(text: str) -> float:
    return samples(text)[MONTH]


@pytest.mark.parametrize(
    ("end", "cost"), [("exits", 2.5), ("is killed", 2.5), ("checkpointed", 3.0), ("leaves a child", 3.0)]
)
def test_spend_goes_on_where_the_former_start_ended(tmp_path: Path, end: str, cost: float) -> None:
    port = free_port()
    before = 0.0
    for _ in range(3):
        text = run(tmp_path, port, end)
        assert counted(text) == (6 if end == "checkpointed" else 5)  # counters begin anew
        assert samples(text)["otel_llm_processes", "exited"] == 0
        assert spent(text) == pytest.approx(before + (3.0 if end == "checkpointed" else 2.5))
        before += cost
    (base,) = tmp_path.iterdir()
    assert len([path for path in base.iterdir() if path.name.startswith("start.")]) == (0 if end == "exits" else 1)


def test_another_port_is_another_service(tmp_path: Path) -> None:
    run(tmp_path, free_port(), "is killed")
    assert spent(run(tmp_path, free_port(), "exits")) == 2.5


def test_a_start_of_another_version_is_left_alone_and_told_apart(tmp_path: Path) -> None:
    port = free_port()
    run(tmp_path, port, "is killed")
    (base,) = tmp_path.iterdir()
    (start,) = base.glob("start.*")
    foreign = base / start.name.replace("start.", "start.f0e1d2c3", 1)
    start.rename(foreign)
    text = run(tmp_path, port, "exits")
    assert counted(text) == 5
    assert foreign.exists()
