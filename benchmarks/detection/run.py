"""How well anomalies are detected: plants faults into traffic and counts what is found, how soon, and what cries wolf.

    python benchmarks/detection/run.py --trace azure_llm_2023_conv.csv --write docs/anomalies.md

Without the trace (CC-BY 4.0, AzurePublicDataset) a seeded synthetic one of the same quantiles is judged.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from faults import FAULTS, Fault, plant
from methods import CRITICAL, EVERY, SIGNALS, Seen, alarms, band, episodes, ours, textbook, textbook_zscores
from traces import DAY, EPOCH, HOUR, SHAPES, Trace, load, shaped, stretch

BEGIN, END = "<!-- detection: begin -->", "<!-- detection: end -->"
BLOCK = 27  # calls: the cube root of their number, the usual length of a block bootstrap's blocks (Hall, Horowitz, Jing 1995)
HARDER = (("a minute", 332), ("five minutes", 1659))  # calls in blocks that keep the hour's own wandering
PER_SECOND = 5.5
METHODS = ("ours", "textbook", "band")
TITLES = {"ours": "otel-llm, shift", "textbook": "textbook z", "band": "Prometheus band"}


class Healthy(NamedTuple):
    """Of a trace where nothing is wrong, by method and signal: alarms and minutes in alarm a day, share of critical calls."""

    alarms: dict[str, dict[str, tuple[float, float]]]
    critical: dict[str, dict[str, float]]


def healthy(trace: Trace, days: float, scale: str = "calibrated") -> Healthy:
    begin, end = EPOCH + DAY, EPOCH + (1 + days) * DAY
    mine = ours(trace, begin, end, scale)
    seen = {"ours": mine.seen, "textbook": textbook(trace, begin, end), "band": band(trace, begin, end)}
    counts = {method: {signal: _wolves(judge, signal, days) for signal in SIGNALS} for method, judge in seen.items()}
    plain = {}
    for signal in SIGNALS:
        zscores = textbook_zscores(trace, signal)[trace.at >= begin]
        plain[signal] = float(((np.abs(zscores) if signal == "output_tokens" else zscores) >= CRITICAL).mean())
    return Healthy(counts, {"ours": mine.critical, "textbook": plain})


def _wolves(judge: Seen, signal: str, days: float) -> tuple[float, float]:
    times = alarms(judge, signal)
    return episodes(times) / days, len(times) * EVERY / 60 / days


def _alarms(said: Healthy, method: str, signal: str) -> str:
    count, minutes = said.alarms[method][signal]
    return f"{count:.1f} ({minutes:.0f} min)" if count else "0"


class Found(NamedTuple):
    """How long an alarm took, in minutes and in calls, at each place where the fault was planted; nan is never."""

    minutes: list[float]
    calls: list[float]

    def within(self, minutes: float) -> Found:
        """The same, of a fault that ends after ``minutes``."""
        return Found([delay if delay <= minutes else float("nan") for delay in self.minutes], self.calls)


def search(trace: Trace, fault: Fault, starts: list[float]) -> dict[str, Found]:
    found = {method: Found([], []) for method in METHODS}
    for start in starts:
        broken = plant(trace, fault, start)
        end = start + fault.minutes * 60
        for method, judge in (
            ("ours", ours(broken, start, end, sought=(fault.signal, fault.side)).seen),
            ("textbook", textbook(broken, start, end, (fault.signal,))),
            ("band", band(broken, start, end, (fault.signal,))),
        ):
            times = alarms(judge, fault.signal, fault.side)
            times = times[times >= start]
            at = float(times[0]) if len(times) else float("nan")
            found[method].minutes.append((at - start) / 60)
            calls = np.subtract(*np.searchsorted(trace.at, (at, start))) if len(times) else float("nan")
            found[method].calls.append(float(calls))
    return found


def _cell(found: Found) -> str:
    delays = np.array(found.minutes)
    hits = np.isfinite(delays)
    if not hits.any():
        return f"0/{len(delays)}"
    worst, calls = delays[hits].max(), np.array(found.calls)[hits].max()
    return f"{hits.sum()}/{len(delays)}, {np.median(delays[hits]):.1f} ({worst:.1f}) min, {calls:.0f} calls"


def fault_table(trace: Trace, places: int, faults: tuple[Fault, ...] = FAULTS) -> Iterator[str]:
    rng = np.random.default_rng(5)
    starts = sorted(EPOCH + DAY + rng.uniform(0.02, 0.9, places) * DAY)
    yield "| fault | " + " | ".join(TITLES[method] for method in METHODS) + " |"
    yield "|---|" + "---|" * len(METHODS)
    longest: dict[str, dict[str, Found]] = {}  # a step looks the same, however long it will last
    for fault in sorted(faults, key=lambda one: -one.minutes):
        if fault.name not in longest or fault.drift:
            longest[f"{fault.name}, {fault.minutes} min" if fault.drift else fault.name] = search(trace, fault, starts)
    for fault in faults:
        name = f"{fault.name}, {fault.minutes} min"
        found = longest[name if fault.drift else fault.name]
        yield f"| {name} | " + " | ".join(_cell(found[method].within(fault.minutes)) for method in METHODS) + " |"


def healthy_rows(name: str, said: Healthy) -> Iterator[str]:
    for signal in SIGNALS:
        alarms_a_day = " | ".join(_alarms(said, method, signal) for method in METHODS)
        shares = " | ".join(f"{100 * said.critical[method][signal]:.2f} %" for method in METHODS[:2])
        yield f"| {name}, {signal} | {alarms_a_day} | {shares} |"


HEALTHY_HEAD = (
    "| traffic, signal | false alarms a day: otel-llm | textbook | band | calls called critical: otel-llm | textbook |",
    "|---|---|---|---|---|---|",
)


def report(arguments: argparse.Namespace) -> Iterator[str]:
    hour, what = load(arguments.trace)
    name = "Azure" if "Azure LLM" in what else "synthetic"
    trace = stretch(hour, 1 + arguments.days, BLOCK, seed=11)
    traces = {shape: shaped(shape, 2, 3, PER_SECOND) for shape in SHAPES}
    longer = {length: stretch(hour, 2, block, seed=11) for length, block in HARDER}
    with ProcessPoolExecutor(arguments.processes) as pool:
        calm = {name: pool.submit(healthy, trace, arguments.days)}
        calm |= {other: pool.submit(healthy, one, 1) for other, one in (traces | longer).items()}
        calm |= {scale: pool.submit(healthy, trace, 1, scale) for scale in ("linear", "log")}
        yield f"Traffic: {what}, stretched to {1 + arguments.days} days by resampling blocks of {BLOCK} calls, the rate swinging"
        yield f"by 60 % over the day. Faults are planted at {arguments.places} random moments. A cell reads: found, median (worst) delay,"
        yield "calls at worst."
        yield ""
        yield from fault_table(trace, arguments.places)
        yield ""
        yield "Distributions that nothing was tuned to, faults of 15 minutes at two moments each, otel-llm alone:"
        yield ""
        yield from shape_table(traces)
        yield ""
        yield "Healthy traffic; a cell reads: false alarms a day (minutes in alarm a day)."
        yield ""
        yield from HEALTHY_HEAD
        for traffic in (name, *traces):
            yield from healthy_rows(traffic, calm[traffic].result())
        yield ""
        yield "How far it carries: blocks that keep more of that hour's own wandering. The means of its minutes lie between 114 and 307"
        yield "output tokens, so that a drop by 30 % is what healthy traffic does there. Faults of 15 minutes:"
        for length, harder in longer.items():
            yield ""
            yield f"Blocks of {length}:"
            yield ""
            yield from fault_table(harder, arguments.places, tuple(fault for fault in FAULTS if fault.minutes == 15))
            yield ""
            yield from HEALTHY_HEAD
            yield from healthy_rows(length, calm[length].result())
        yield ""
        yield from scale_table(
            {scale: calm[scale].result() for scale in ("linear", "log")} | {"calibrated": calm[name].result()}
        )


def scale_table(said: dict[str, Healthy]) -> Iterator[str]:
    yield "The scales, on the first trace when healthy:"
    yield ""
    yield "| scale | false alarms a day: latency | output_tokens | cost | calls called critical: latency | output_tokens | cost |"
    yield "|---|---|---|---|---|---|---|"
    for scale, one in said.items():
        counts = " | ".join(_alarms(one, "ours", signal) for signal in SIGNALS)
        shares = " | ".join(f"{100 * one.critical['ours'][signal]:.2f} %" for signal in SIGNALS)
        yield f"| {scale} | {counts} | {shares} |"


def shape_table(traces: dict[str, Trace]) -> Iterator[str]:
    faults = [fault for fault in FAULTS if fault.minutes == 15]
    yield "| traffic | " + " | ".join(fault.name for fault in faults) + " |"
    yield "|---|" + "---|" * len(faults)
    for shape, trace in traces.items():
        cells = []
        for fault in faults:
            starts = [EPOCH + DAY + hour * HOUR for hour in (5.2, 17.8)]
            delays = [_first(trace, fault, start) for start in starts]
            cells.append(", ".join("-" if np.isnan(delay) else f"{delay:.1f}" for delay in delays) + " min")
        yield f"| {shape} | " + " | ".join(cells) + " |"


def _first(trace: Trace, fault: Fault, start: float) -> float:
    seen = ours(plant(trace, fault, start), start, start + fault.minutes * 60, sought=(fault.signal, fault.side)).seen
    times = alarms(seen, fault.signal, fault.side)
    times = times[times >= start]
    return float((times[0] - start) / 60) if len(times) else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--trace", default=os.environ.get("AZURE_LLM_TRACE"), help="the CSV file; default $AZURE_LLM_TRACE"
    )
    parser.add_argument("--days", type=int, default=2, help="healthy days to judge")
    parser.add_argument("--places", type=int, default=5, help="moments at which each fault is planted")
    parser.add_argument("--processes", type=int, default=2, help="how many to judge healthy traffic with")
    parser.add_argument("--write", type=Path, help="Markdown file whose marked part is replaced by the results")
    arguments = parser.parse_args()
    lines = []
    for line in report(arguments):
        print(line, flush=True)
        lines.append(line)
    if arguments.write:
        text = arguments.write.read_text(encoding="utf-8")
        head, _, rest = text.partition(BEGIN)
        _, _, tail = rest.partition(END)
        if not tail:
            sys.exit(f"{arguments.write} has no part between {BEGIN} and {END}")
        arguments.write.write_text(f"{head}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
