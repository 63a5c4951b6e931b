"""All benchmarks: ``python -m benchmarks.run [--quick] [--only NAME ...]``.

Makes an environment for each library, measures all of them in rounds of changing order, and writes docs/performance.json,
docs/performance.md with its pictures, and the README's table. ``--quick`` takes under three minutes once the environments
are there, and only prints.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import instructions, population, report
from benchmarks.peers import ALL, BARE, FEATURES, MODES, ROOT, SPAN, US, Peer, python_of, versions

SUBJECT = str(ROOT / "benchmarks" / "subject.py")
ROUNDS = {  # command -> how much of it in a round: little, so that all are measured within a second
    "plain": 10,
    "plain_async": 10,
    "plain_in_loop": 10,
    "stream": 200,
    "stream_async": 200,
    "first_chunk": 5,
    "stall": 2000,
    "threads_1": 10,
    "threads_8": 40,
    "threads_32": 64,
}
CALLS = ("plain", "plain_async", "plain_in_loop", "threads_1", "threads_8", "threads_32")
SELDOM, SETTLED = ("stall",), 10  # measured, and settled, once in so many rounds
NOT_QUICK = ("threads_1", "threads_32")
ONCE = {"held": (1000, 500), "streams": (1000, 100), "resident": (1, 1)}
_NOT_STARTED = (
    "span",
    "metrics",
    "sampled",
    "content",
    "openlit",
    "logfire",
)  # the last two bring a starter of their own, or none
STARTS = (9, 3)
SETTINGS = {
    "content": {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only"},
    "budgets": {"OTEL_LLM_BUDGET_DAILY_USD": "1000", "OTEL_LLM_BUDGET_MONTHLY_USD": "20000"},
    "labels": {"OTEL_LLM_METRIC_LABELS": "tenant,feature"},
}
PRICED = ("bridge", "guard", "gateway")
"""Parts whose price is in the table of features."""
PARTS = ("scrape", "pricing", *PRICED)
MISSES_OF = (BARE, SPAN, US, MODES[0])


class Subject:
    """A process that is measured, and is told what to do."""

    def __init__(self, peer: Peer, python: Path, state: str) -> None:
        self.peer = peer
        self._process = subprocess.Popen(
            [str(python), SUBJECT, peer.mode], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=environ(peer, state),
        )  # fmt: skip
        self._hear()

    def tell(self, command: str, number: int) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command} {number}\n")
        self._process.stdin.flush()
        return self._hear()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def _hear(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.peer.name}: it ended with {self._process.wait()}")
        return json.loads(line)


def environ(peer: Peer, state: str) -> dict[str, str]:
    """Nobody exports anywhere, nobody keeps content, except for the one that is there to show what that costs."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "TRACELOOP_"))}
    content = SETTINGS.get(peer.mode, {})
    return {
        **clean, **content, "TRACELOOP_TRACE_CONTENT": "false", "OTEL_LLM_METRICS_SERVER": "off", "OTEL_LLM_STATE_DIR": state,
        "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none", "PYTHONDONTWRITEBYTECODE": "",
    }  # fmt: skip


def rounds(
    subjects: list[Subject], *, quick: bool, commands: Mapping[str, int] = ROUNDS, base: Peer = BARE
) -> dict[str, dict[str, float]]:
    """What each adds to ``base``: the median of what it adds in the same round, all in changing order.

    What calls leave to other threads is measured apart, after some rounds of each command, and added to its figure.
    """
    order, number = random.Random(12), SETTLED if quick else 60
    added: dict[str, dict[str, list[float]]] = {subject.peer.name: {} for subject in subjects}
    rest: dict[str, dict[str, list[float]]] = {subject.peer.name: {} for subject in subjects}
    for subject in subjects:
        subject.tell("plain", 50)
        subject.tell("hold", 1)
    for command, amount in commands.items():
        if quick and command in NOT_QUICK:
            continue
        for at in range(number + 1 if command not in SELDOM else number // SETTLED + 1):
            found = {
                subject.peer.name: subject.tell(command, amount) for subject in order.sample(subjects, len(subjects))
            }
            for name, value in found.items() if at else ():  # the first round warms up
                added[name].setdefault(command, []).append(value - (found[base.name] if name != base.name else 0.0))
            if at % SETTLED == 0:
                left = {subject.peer.name: subject.tell("rest", SETTLED * amount) for subject in subjects}
                for name, value in left.items() if at and command in CALLS else ():
                    rest[name].setdefault(command, []).append(value - (left[base.name] if name != base.name else 0.0))
    return {
        name: {
            command: statistics.median(values) + statistics.median(rest[name].get(command, [0.0]))
            for command, values in told.items()
        }
        for name, told in added.items()
    }


def started(peers: dict[Peer, Path], state: str) -> list[Subject]:
    """A process for each; who does not start is left out."""

    def start(peer: Peer, python: Path) -> Subject | None:
        try:
            return Subject(peer, python, f"{state}/run-{peer.mode}")
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return None

    made = [start(peer, python) for peer, python in peers.items()]
    return [subject for subject in made if subject is not None]


def starts(peers: dict[Peer, Path], number: int) -> dict[str, dict[str, float]]:
    """Milliseconds of processor time that ``opentelemetry-instrument python -c pass`` takes, the least of some."""
    found: dict[str, list[float]] = {}
    for _ in range(number):
        for peer, python in peers.items():
            if peer.mode in _NOT_STARTED:
                continue
            command = [str(python.parent / "opentelemetry-instrument"), str(python), "-c", "pass"]
            with tempfile.TemporaryDirectory() as state:
                found.setdefault(peer.name, []).append(_processor_ms(command, environ(peer, state)))
    return {name: {"start": min(times)} for name, times in found.items()}


def _processor_ms(command: list[str], environ: dict[str, str]) -> float:
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return (usage.ru_utime + usage.ru_stime) * 1e3


def counted(peers: dict[Peer, Path], state: str, calls: int) -> dict[str, dict[str, float]]:
    """Instructions of all, two at a time."""

    def count(peer: Peer) -> dict[str, float]:
        command = [str(peers[peer]), SUBJECT, peer.mode]
        found: dict[str, float] = {}
        try:
            found = instructions.count(command, environ(peer, f"{state}/{peer.mode}"), calls)
            found |= instructions.count_later(command, environ(peer, f"{state}/{peer.mode}-later"), calls)
            if peer in MISSES_OF:
                found |= instructions.count_misses(command, environ(peer, f"{state}/{peer.mode}-misses"), calls)
                found |= instructions.count_touched(command, environ(peer, f"{state}/{peer.mode}-touched"))
        except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
            print(f"{peer.name}: not all counted: {error}", file=sys.stderr)
        return found

    with ThreadPoolExecutor(2) as pool:
        told = dict(zip((peer.name for peer in peers), pool.map(count, peers), strict=True))
    base = told.get(BARE.name) or {}
    return {
        name: {f"instructions_{part}": value - (base.get(part, 0.0) if name != BARE.name else 0.0) for part, value in parts.items()}
        for name, parts in told.items()
    }  # fmt: skip


def featured(python: Path, state: str, calls: int, *, quick: bool) -> dict[str, dict[str, float]]:
    """What each feature adds to a plain call of ours: microseconds in rounds of their own, and instructions where they can be
    counted (``call`` in its thread, ``rest`` left to others)."""
    subjects = started(dict.fromkeys((US, *FEATURES), python), f"{state}/timed")
    times = rounds(subjects, quick=quick, commands={"plain": ROUNDS["plain"]}, base=US)
    for subject in subjects:
        subject.close()
    found = {name: {"us": told["plain"]} for name, told in times.items() if name != US.name}
    if instructions.available():

        def count(peer: Peer) -> dict[str, float]:
            return instructions.count([str(python), SUBJECT, peer.mode], environ(peer, f"{state}/{peer.mode}"), calls)

        with ThreadPoolExecutor(2) as pool:
            ours, *counts = pool.map(count, (US, *FEATURES))
        for peer, parts in zip(FEATURES, counts, strict=True):
            found.setdefault(peer.name, {}).update({part: parts[part] - ours[part] for part in ("call", "rest")})
    return found


def growth(python: Path, state: str, calls: int) -> dict[str, float]:
    """Whether call 100,000 costs more than an early one, in time (beside a fresh process) or memory."""
    old = Subject(US, python, f"{state}/old")
    old.tell("plain", 4000)
    before, done = old.tell("resident", 1), 4000
    while done < calls:
        old.tell("plain", 4000)
        done += 4000
    grown = old.tell("resident", 1) - before
    fresh = Subject(US, python, f"{state}/fresh")
    fresh.tell("plain", 500)
    first, last = zip(*((fresh.tell("plain", 20), old.tell("plain", 20)) for _ in range(60)), strict=True)
    old.close()
    fresh.close()
    return {
        "calls": calls,
        "first_us": statistics.median(first),
        "last_us": statistics.median(last),
        "grown_mb": grown,
    }


def memory(python: Path, state: str, calls: int) -> dict[str, float]:
    """Megabytes that a service has more with us than with what we depend on, after so many calls and a scrape."""

    def taken(peer: Peer) -> float:
        subject = Subject(peer, python, f"{state}/{peer.mode}")
        subject.tell("plain", calls)
        subject.tell("scraped", 1)
        resident = subject.tell("resident", 1)
        subject.close()
        return float(resident)

    floor = taken(Peer("spans and prometheus_client", "floor", US.home))
    return {"calls": calls, "floor_mb": floor, "more_mb": taken(US) - floor}


def others(*, quick: bool) -> dict[str, Any]:
    """The benchmarks of single parts, each in a process of its own."""
    found: dict[str, Any] = {}
    for name in PARTS:
        flags = ["--json"] * (name in PRICED) + ["--quick"] * quick
        told = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", *flags], capture_output=True, text=True, check=False, cwd=ROOT
        )
        failed = {"failed": told.stderr.strip().splitlines()[-1:]}
        found[name] = json.loads(told.stdout) if told.returncode == 0 else failed
    if not quick:
        told = subprocess.run(
            [sys.executable, "-m", "benchmarks.workers"], capture_output=True, text=True, check=False, cwd=ROOT
        )
        found["workers"] = told.stdout.splitlines() or told.stderr.strip().splitlines()[-1:]
    return found


def measure(peers: dict[Peer, Path], *, quick: bool) -> dict[str, Any]:
    result: dict[str, Any] = {
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": {},
        "figures": {peer.name: {} for peer in peers},
    }
    for peer, python in peers.items():
        result["versions"].update(versions(python, ("openai", "opentelemetry-sdk", peer.of)))
    figures = result["figures"]
    with tempfile.TemporaryDirectory() as state:
        calls = 50 if quick else instructions.CALLS
        if instructions.available():
            few = {peer: python for peer, python in peers.items() if peer in (BARE, SPAN, US)} if quick else peers
            merge(figures, counted(few, state, calls))
        merge(figures, starts(peers, STARTS[quick]))
        subjects = started(peers, state)
        merge(figures, rounds(subjects, quick=quick))
        for subject in subjects:
            for command, amounts in ONCE.items():
                figures[subject.peer.name][command] = subject.tell(command, amounts[quick])
            subject.close()
        if US in peers:
            result["features"] = featured(peers[US], f"{state}/features", calls, quick=quick)
            result["memory"] = memory(peers[US], f"{state}/memory", 1_000 if quick else 5_000)
            result["growth"] = growth(peers[US], f"{state}/growth", 4_000 if quick else 100_000)
    result["record"] = population.measure((1_000, 10_000) if quick else (1_000, 100_000, 1_000_000))
    result["parts"] = others(quick=quick)
    return result


def merge(into: dict[str, dict[str, Any]], more: dict[str, dict[str, Any]]) -> None:
    for name, values in more.items():
        into[name].update(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less of everything, and nothing is written")
    parser.add_argument("--only", nargs="*", default=[], help="names of peers; the bare client is always there")
    options = parser.parse_args()
    chosen = [peer for peer in ALL if not options.only or peer is BARE or peer.name in options.only]
    found = {peer: python_of(peer) for peer in chosen}
    result = measure({peer: python for peer, python in found.items() if python is not None}, quick=options.quick)
    if options.quick:
        print(report.tables(result))
    else:
        report.write(result, ROOT / "docs")


if __name__ == "__main__":
    main()
