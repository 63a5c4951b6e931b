"""What sharing costs: a record's append, a scrape of many processes against one, and a takeover.

Run: python benchmarks/workers.py
"""

from __future__ import annotations

import os
import signal
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry

from otel_llm.aggregate import Store
from otel_llm.cluster.member import Member
from otel_llm.core.config import Config
from otel_llm.core.model import Observation
from otel_llm.exposition.endpoint import Endpoint

LIVE, DEAD, SERIES = (1, 8, 32), 100, 40


def call(series: int = 0) -> Observation:
    model = f"model-{series}"
    return Observation(
        time.time(), "openai", model, "chat", model, "api.example", "", 0.5, input_tokens=1000, output_tokens=200,
        cost=0.01, cost_source="prices", finish_reasons=("stop",),
    )  # fmt: skip


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def make(folder: Path, port: int = 0, *, serve: bool = False) -> Member:
    config = Config(port=port, host="127.0.0.1", state_dir=str(folder))
    worker = Member(config, lambda: Store(config))
    Endpoint(config, worker, serve=serve, registry=CollectorRegistry())
    worker.start()
    return worker


def append_microseconds(folder: Path) -> float:
    """The median of batches, so that what else runs on the machine counts for little."""
    worker = make(folder / "append")
    record, batches = call(), []
    for _ in range(200):
        began = time.perf_counter()
        for _ in range(500):
            worker.append(record)
        batches.append((time.perf_counter() - began) / 500)
    worker.stop()
    return statistics.median(batches) * 1e6


def forked(worker: Member, *, stay: bool) -> int:
    """A child that has made a call for each series, and lives on if it is to ``stay``."""
    heard, said = os.pipe()
    if (child := os.fork()) == 0:
        for series in range(SERIES):
            worker.append(call(series))
        os.write(said, b".")
        if stay:
            signal.pause()
        os.kill(os.getpid(), signal.SIGKILL)
    os.read(heard, 1)
    os.close(heard)
    os.close(said)
    if not stay:
        os.waitpid(child, 0)
    return child


def scrape_milliseconds(*workers: Member) -> list[float]:
    """CPU of a scrape of each, in turn, so that what else runs on the machine is the same for all."""
    took: list[list[float]] = [[] for _ in workers]
    for _ in range(61):
        for worker, times in zip(workers, took, strict=True):
            began = time.thread_time()
            worker.text(openmetrics=False)
            times.append(time.thread_time() - began)
    return [statistics.median(times[1:]) * 1e3 for times in took]


def scrapes(folder: Path, live: int) -> tuple[float, float]:
    """Milliseconds of a scrape of one process, and of ``live`` with the same calls, one right after the other."""
    many = make(folder / f"many-{live}")
    children = [forked(many, stay=True) for _ in range(live - 1)]
    many.append(call())
    for _ in range(DEAD):
        forked(many, stay=False)
    until(lambda: (many.describe()["live"], many.describe()["exited"]) == (live, DEAD))
    one = make(folder / f"one-{live}")
    for series in range(SERIES):
        for _ in range(live - 1 + DEAD):
            one.append(call(series))
    together, alone = scrape_milliseconds(many, one)
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    many.stop()
    one.stop()
    return alone, together


def takeover_seconds(folder: Path, port: int) -> float:
    """From the death of the leader to the first answer of another."""
    heard, said = os.pipe()
    if (leader := os.fork()) == 0:
        make(folder / "takeover", port, serve=True).append(call())
        os.write(said, b".")
        signal.pause()
    os.read(heard, 1)
    follower = make(folder / "takeover", port, serve=True)
    assert follower.role == "follower"
    os.kill(leader, signal.SIGKILL)
    os.waitpid(leader, 0)
    began = time.perf_counter()
    until(lambda: answers(port))
    took = time.perf_counter() - began
    follower.stop()
    return took


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            return b"otel_llm_processes" in answer.read()
    except OSError:
        return False


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        print(f"append: {append_microseconds(folder):.2f} us per record")
        for live in LIVE:
            alone, together = scrapes(folder, live)
            ratio = f"{together / alone:.2f} times {alone:.2f} ms"
            print(f"scrape of {live} live and {DEAD} dead: {together:.2f} ms, {ratio} of one with the same calls")
        took = [takeover_seconds(folder, 19_600 + number) for number in range(5)]
        print(f"takeover: {statistics.median(took):.2f} s, at most {max(took):.2f} s")


if __name__ == "__main__":
    main()
