"""Otel-llm beside what else is used, at equal false alarms: lines are learned on one healthy day and judged on the next.

    python benchmarks/detection/run.py --data FOLDER --write docs/anomalies.md

FOLDER holds the recorded traces (docs/anomalies.md says which); without them the seeded mixes are judged alone. river's
detectors are judged where river is installed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from faults import Fault, plant
from lines import BOTH, LINE, Run, run
from methods import episodes
from mixes import traffic
from rivals import LOOK, RIVALS, WARM, binned
from traces import DAY, EPOCH, Numbers, Trace

from otel_llm.aggregate.window import Engine

BEGIN, END = "<!-- comparison: begin -->", "<!-- comparison: end -->"
OURS = "otel-llm"
FAULTS = (
    Fault("latency x1.5", "latency", 1.5, 15), Fault("latency x2", "latency", 2.0, 15),
    Fault("latency drifts to x2", "latency", 2.0, 60, drift=True), Fault("output -30 %", "output_tokens", 0.7, 15),
    Fault("output -60 %", "output_tokens", 0.4, 15), Fault("cost x1.5", "cost", 1.5, 15), Fault("cost x3", "cost", 3.0, 15),
)  # fmt: skip
SIGNALS = ("latency", "output_tokens", "cost")
PLACES = 8
BUSY = 15  # calls, at least, in the first two minutes of a fault: none is found without calls
SOON = 2.0  # minutes
LEARN, JUDGE = EPOCH + DAY, EPOCH + 2 * DAY
PAGES = ("latency", "output_tokens", "cost", "calls", "spend", "errors", "time_to_first_chunk")


class Told(NamedTuple):
    """Of one trace: calls; by method and signal false alarms of the judged day; by fault and method minutes until found (nan never);
    how many of ours were within two minutes at the shipped line; pages of the process and of the shipped rule on that day."""

    calls: int
    false: dict[str, dict[str, int]]
    found: dict[str, dict[str, list[float]]]
    shipped: dict[str, list[float]]
    pages: int
    rule: int


def sized(scores: Numbers, signal: str) -> Numbers:
    known = np.nan_to_num(scores)
    return np.abs(known) if signal == "output_tokens" else known


def ours(seen: Run, signal: str) -> Numbers:
    """The more extreme one of shift and trend."""
    kinds = [np.nan_to_num(seen.says[signal, kind]) for kind in ("shift", "trend") if (signal, kind) in seen.says]
    if not kinds:
        return np.zeros(len(seen.at))
    stacked = np.stack(kinds)
    return stacked[sized(stacked, signal).argmax(0), np.arange(len(seen.at))]


def line(scores: Numbers, signal: str) -> float:
    """The lowest one that gives at most one alarm on that day, and is not passed for more than a twentieth of it."""
    values = sized(scores, signal)
    low, high = 0.0, float(values.max()) * 1.001 + 1e-6
    for _ in range(40):
        middle = (low + high) / 2
        beyond = np.flatnonzero(values >= middle) * LOOK
        if episodes(beyond) > 1 or len(beyond) * LOOK > DAY / 20:
            low = middle
        else:
            high = middle
    return high


def judged(name: str, folder: Path) -> Told:
    trace = traffic(folder)[name]()
    starts = _places(trace)
    engine = Engine()
    run(trace, EPOCH, LEARN, engine)
    learned = run(trace, LEARN, JUDGE, engine)
    healthy = run(trace, JUDGE, JUDGE + DAY, engine, starts)
    lines: dict[str, dict[str, float]] = {method: {} for method in (OURS, *RIVALS)}
    false: dict[str, dict[str, int]] = {method: {} for method in lines}
    for signal in SIGNALS:
        past = binned(trace, signal, EPOCH, JUDGE + DAY)
        days = {method: judge(past) for method, judge in RIVALS.items()}
        halves = {method: (one[_look(LEARN) : _look(JUDGE)], one[_look(JUDGE) :]) for method, one in days.items()}
        halves[OURS] = (ours(learned, signal), ours(healthy, signal))
        for method, (first, second) in halves.items():
            lines[method][signal] = at = line(first, signal)
            false[method][signal] = episodes(np.flatnonzero(sized(second, signal) >= at) * LOOK)
    found = {fault.name: {method: [] for method in lines} for fault in FAULTS}
    shipped: dict[str, list[float]] = {fault.name: [] for fault in FAULTS}
    for fault in FAULTS:
        for start in starts:
            broken = plant(trace, fault, start)
            end = start + fault.minutes * 60
            seen = run(broken, start, end, Engine.load(healthy.kept[start]))
            scores = ours(seen, fault.signal)
            shipped[fault.name].append(_first(scores, fault.side, LINE))
            found[fault.name][OURS].append(_first(scores, fault.side, lines[OURS][fault.signal]))
            of = binned(broken, fault.signal, start - WARM, end)
            for method, judge in RIVALS.items():
                late = judge(of._replace(least=lines[method][fault.signal]))[-round(fault.minutes * 60 / LOOK) :]
                found[fault.name][method].append(_first(late, fault.side, lines[method][fault.signal]))
    return Told(
        len(trace.at), false, found, shipped, episodes(np.array([page[0] for page in healthy.pages])), _rule(healthy)
    )


def first_day(name: str, folder: Path) -> str:
    """What the day says in which a service is not known yet."""
    seen = run(traffic(folder)[name](), EPOCH, LEARN, Engine())
    pages = episodes(np.array([page[0] for page in seen.pages]))
    return f"{name}: false critical pages of the first day: handlers {pages}, rule {_rule(seen)}"


def _look(at: float) -> int:
    return round((at - EPOCH) / LOOK)


def _places(trace: Trace) -> list[float]:
    """Moments of the judged day at which there is traffic."""
    rng = np.random.default_rng(5)
    places: list[float] = []
    for share in rng.uniform(0.02, 0.94, 400):
        start = JUDGE + round(share * DAY / LOOK) * LOOK
        first, last = np.searchsorted(trace.at, (start, start + 120))
        least = min(BUSY, len(trace.at) / (3 * DAY) * 120)
        if last - first >= least and len(places) < PLACES:
            places.append(start)
    return sorted(places)


def _first(scores: Numbers, side: int, at: float) -> float:
    beyond = np.flatnonzero(side * np.nan_to_num(scores) >= at)
    return float((beyond[0] + 1) * LOOK / 60) if len(beyond) else float("nan")


def _rule(seen: Run) -> int:
    """Episodes of critical LLMAnomaly: 5 minutes beyond 3, or 2 beyond 6, of the signals that page."""
    times: list[float] = []
    for (signal, _), scores in seen.says.items():
        known = np.nan_to_num(scores)
        values = np.abs(known) if signal in BOTH else known
        for at, minutes in ((3.0, 5), (6.0, 2)) if signal in PAGES else ():
            width = int(minutes * 60 / LOOK)
            beyond = np.convolve(values >= at, np.ones(width), "valid") >= width
            times += seen.at[width - 1 :][beyond].tolist()
    return episodes(np.sort(np.array(times)))


def report(told: dict[str, Told]) -> Iterator[str]:
    yield f"Two healthy days (the first teaches, lines are learned on the second), then a day on which each fault begins at {PLACES}"
    yield "moments with traffic; steps last 15 minutes, drifts an hour. At the limits that otel-llm ships; detected is `shift` or `trend`"
    yield "beyond 3:"
    yield ""
    yield (
        "| traffic | calls a day | false critical pages that day: handlers, rule | "
        + " | ".join(f"{fault.name}: detected, in 2 min" for fault in FAULTS)
        + " |"
    )
    yield "|---|---|---|" + "---|" * len(FAULTS)
    for name, one in told.items():
        cells = [f"{_hits(one.shipped[fault.name])}, {_hits(one.shipped[fault.name], SOON)}" for fault in FAULTS]
        yield f"| {name} | {one.calls // 3} | {one.pages}, {one.rule} | " + " | ".join(cells) + " |"
    total = PLACES * len(told)
    cells = [f"{_sum(told, fault.name, 1e9):.0%}, {_sum(told, fault.name, SOON):.0%}" for fault in FAULTS]
    yield f"| all ({total} a fault) | | | " + " | ".join(cells) + " |"
    yield ""
    yield "At equal false alarms: for every method, signal and trace the lowest line with at most one alarm on the second day. False alarms"
    yield "and faults are those of the third, all traces together:"
    yield ""
    yield "| method | false alarms a day and signal | " + " | ".join(fault.name for fault in FAULTS) + " |"
    yield "|---|---|" + "---|" * len(FAULTS)
    for method in (OURS, *RIVALS):
        false = np.mean([count for one in told.values() for count in one.false[method].values()])
        shares = [
            np.mean([np.isfinite(minutes) for one in told.values() for minutes in one.found[fault.name][method]])
            for fault in FAULTS
        ]
        yield f"| {method} | {false:.1f} | " + " | ".join(f"{share:.0%}" for share in shares) + " |"


def _hits(minutes: list[float], within: float = 1e9) -> int:
    return int((np.nan_to_num(np.array(minutes), nan=1e12) <= within).sum())


def _sum(told: dict[str, Told], fault: str, within: float) -> float:
    return sum(_hits(one.shipped[fault], within) for one in told.values()) / sum(
        len(one.shipped[fault]) for one in told.values()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the recorded traces")
    parser.add_argument("--only", default="", help="part of a trace's name")
    parser.add_argument(
        "--first-day", action="store_true", help="false critical pages of the first day, and nothing else"
    )
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--write", type=Path, help="Markdown file whose marked part is replaced by the results")
    arguments = parser.parse_args()
    names = [name for name in traffic(arguments.data) if arguments.only in name]
    if arguments.first_day:
        for name in names:
            print(first_day(name, arguments.data), flush=True)
        return
    with ProcessPoolExecutor(arguments.processes) as pool:
        results = dict(zip(names, pool.map(judged, names, [arguments.data] * len(names)), strict=True))
    lines = list(report(results))
    print("\n".join(lines))
    if arguments.write:
        text = arguments.write.read_text(encoding="utf-8")
        head, _, rest = text.partition(BEGIN)
        _, _, tail = rest.partition(END)
        if not tail:
            sys.exit(f"{arguments.write} has no part between {BEGIN} and {END}")
        arguments.write.write_text(f"{head}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
