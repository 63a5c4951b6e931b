"""Forks in every place where one can happen; each scenario is a program of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cluster_lab import HERE, free_port

PRELUDE = """
import os, sys, threading, time, multiprocessing, subprocess
from prometheus_client import CollectorRegistry
from cluster_lab import Worker, call, counted, until
from otel_llm.core.config import Config
from otel_llm.core.guard import Guard
from otel_llm.aggregate import Store
Guard.strict = True
config = Config(port={port}, host="127.0.0.1", state_dir={folder!r})
worker = Worker(config, lambda: Store(config), registry=CollectorRegistry())

def shown():
    return counted(worker.text(openmetrics=False).decode())

def child(work, exit=os._exit):
    pid = os.fork()
    if pid == 0:
        work()
        exit(0)
    return pid

def wait(*pids):
    for pid in pids:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

def calls(number):
    for _ in range(number):
        worker.append(call())

"""

FORKS = {
    "children and grandchildren": """
worker.start()
calls(1)
def grandparent():
    calls(10)
    wait(child(lambda: calls(100)), child(lambda: calls(100)))
    calls(10)
wait(child(grandparent), child(grandparent))
assert shown() == 441
""",
    "a child that exits as programs do": """
worker.start()
def work():
    calls(5)
    assert worker.role == "follower"
wait(child(work, exit=sys.exit))
assert worker.role == "leader" and worker.describe()["port"] == config.port
assert shown() == 5
""",
    "while threads make calls": """
worker.start()
over = threading.Event()
made = [0] * 4
def traffic(number):
    while not over.is_set():
        calls(1)
        made[number] += 1
threads = [threading.Thread(target=traffic, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
for _ in range(15):
    wait(*[child(lambda: calls(10)) for _ in range(2)])
over.set()
for thread in threads: thread.join()
assert shown() == 300 + sum(made)
""",
    "while others scrape": """
worker.start()
calls(1)
over = threading.Event()
def scraping():
    while not over.is_set():
        worker.scrape("")
threads = [threading.Thread(target=scraping) for _ in range(2)]
for thread in threads: thread.start()
def work():
    calls(2)
    assert shown() >= 3  # asks the parent
for _ in range(10):
    wait(child(work))
over.set()
for thread in threads: thread.join()
assert shown() == 21
""",
    "in the middle of a call": """
worker.start()
calls(1)
with worker._writer.journal.lock:
    pid = child(lambda: calls(3))
wait(pid)
assert shown() == 4
""",
    "before anything was started": """
def work():
    worker.start()
    calls(7)
    assert worker.role == "follower"
worker.start()
wait(child(work))
assert shown() == 7
""",
    "without records the child takes over, too": """
heard, said = os.pipe()
def middle():
    worker.start()
    calls(4)
    def orphan():
        until(lambda: worker.describe()["port"] == config.port)
        os.write(said, str(shown()).encode())
    child(orphan)
wait(child(middle))
os.close(said)
assert os.read(heard, 10) == b"4"
""",
    "of a daemon, whose first process ends properly": """
worker.start()
calls(1)
heard, said = os.pipe()
parent = os.getpid()
if os.fork():
    os.read(heard, 1)
    sys.exit()
calls(10)
os.write(said, b".")
until(lambda: os.getppid() != parent)
calls(10)
assert shown() == 21
""",
    "that no hook announces, as servers written in C do it": """
import ctypes
from otel_llm.cluster import clerk
clerk.TICK_SECONDS = 60.0  # which sleeps through this
worker.start()
calls(1)
threads = os.listdir("/proc/self/task")

def quiet():  # what a thread that is in the middle of something holds, nobody gives back in the child, and nothing could help that one
    states = [open(f"/proc/self/task/{thread}/stat").read().rpartition(") ")[2][0] for thread in os.listdir("/proc/self/task")]
    return len(states) <= len(threads) and states.count("R") == 1

for _ in range(3):
    until(quiet)
    pid = ctypes.PyDLL(None).fork()
    if pid == 0:
        calls(10)
        assert worker.role == "follower" and shown() >= 11
        os._exit(0)
    wait(pid)
assert shown() == 31 and worker.role == "leader"
""",
    "multiprocessing": """
worker.start()
import pool_work
for method in ("fork", "spawn", "forkserver"):
    context = multiprocessing.get_context(method)
    processes = [context.Process(target=pool_work.work, args=(config, 10)) for _ in range(2)]
    for process in processes: process.start()
    for process in processes: process.join()
    assert [process.exitcode for process in processes] == [0, 0], method
assert shown() == 60
""",
    "a program of its own": """
worker.start()
calls(1)
code = "import pool_work; pool_work.work(pool_work.config({port}, {folder!r}), 10)"
subprocess.run([sys.executable, "-c", code], check=True)
assert shown() == 11
""",
    "preexec_fn and exec": """
worker.start()
calls(1)
subprocess.run(["true"], check=True, preexec_fn=lambda: None)
calls(1)
assert shown() == 2 and worker.role == "leader"
""",
}


@pytest.mark.parametrize("scenario", FORKS)
def test_a_fork(scenario: str, tmp_path: Path) -> None:
    given = {"port": free_port(), "folder": str(tmp_path / "state")}
    code = (
        (PRELUDE + FORKS[scenario]).replace("{port}", str(given["port"])).replace("{folder!r}", repr(given["folder"]))
    )
    main = tmp_path / "main.py"
    body = "".join(f"    {line}\n" for line in code.splitlines())
    main.write_text(f"if __name__ == '__main__':\n{body}")
    environment = {"PYTHONPATH": str(HERE), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore:This process:DeprecationWarning", str(main)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
