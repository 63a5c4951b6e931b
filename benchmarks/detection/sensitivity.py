"""How much false pages and found faults move if a constant that was set by judgement is another one by a quarter.

    python benchmarks/detection/sensitivity.py

Each setting is judged on half of some traces that otel-llm was tuned on, and on the same number of stand-ins that it was not: a
constant that is right for the first half only shows as one that moves the second.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from typing import NamedTuple

import judging
import numpy as np
from faults import plant
from judging import FAULTS, MINUTE, Pages, enough, first_beyond, ours, places, rule
from lines import LINE, run
from methods import episodes
from mixes import tenants
from traces import DAY, EPOCH, Trace
from unseen import changing_mix

from otel_llm.aggregate.window import Engine

WINDOW = "otel_llm.aggregate.window."
CONSTANTS = (
    "baseline.WANDER", "baseline.PRIOR", "baseline.DOUBT", "trend.WANDER", "trend.WILD", "trend.BEYOND", "trend.FURTHER",
    "trend.LEAST_LINE", "track.ALONE", "call_alarms.JOINED",
)  # fmt: skip
QUARTER = 0.25
HALVES: dict[str, Callable[[], Trace]] = {
    "tuned on": lambda: tenants(24, 0.2, batches=False), "unseen": lambda: changing_mix(107, 0.2),
}  # fmt: skip
SOUGHT = [
    fault for fault in FAULTS if fault.name in ("latency x1.5", "latency x2", "latency drifts to x2", "output -60 %")
]


class Moved(NamedTuple):
    """Pages of a day after one that taught, and by fault the shares that are found."""

    pages: Pages
    alarms: float  # a signal
    found: list[float]


def moved(constant: str, factor: float, half: str) -> Moved:
    set_to(constant, factor)
    trace = HALVES[half]()
    engine, day = Engine(), EPOCH + DAY
    run(trace, EPOCH, day, engine, look=MINUTE)
    starts = places(trace, day)
    healthy = run(trace, day, day + DAY, engine, starts, look=MINUTE)
    found = []
    for fault in SOUGHT:
        scores = [
            ours(
                run(
                    plant(trace, fault, start),
                    start,
                    start + fault.minutes * 60,
                    Engine.load(healthy.kept[start]),
                    enough=enough(fault, LINE),
                ),
                fault.signal,
            )
            for start in starts
        ]
        found.append(float(np.mean([np.isfinite(first_beyond(one, fault.side, LINE)) for one in scores])))
    alarms = [episodes(healthy.at[judging.sized(ours(healthy, signal), signal) >= LINE]) for signal in judging.SIGNALS]
    return Moved(
        Pages(episodes(np.array([page[0] for page in healthy.pages])), rule(healthy)), float(np.mean(alarms)), found
    )


def set_to(constant: str, factor: float) -> None:
    """Multiply ``module.NAME`` of the window, in this process."""
    module, _, name = constant.partition(".")
    if not name:
        return
    there = import_module(WINDOW + module)
    value = getattr(there, name) * factor
    if constant == "trend.WANDER":  # which is a default of an argument
        there.Trend.__init__.__kwdefaults__["wander"] = value
    setattr(there, name, value)


def report(results: dict[tuple[str, float, str], Moved]) -> Iterator[str]:
    names = " | ".join(fault.name for fault in SOUGHT)
    heads = " | ".join(f"{half}: critical pages (handlers, rule), alarms a signal, found of {names}" for half in HALVES)
    yield f"| constant | value | {heads} |"
    yield "|---|---|" + "---|" * len(HALVES)
    for constant, factor in dict.fromkeys((constant, factor) for constant, factor, _ in results):
        cells = []
        for half in HALVES:
            one = results[constant, factor, half]
            shares = " ".join(f"{share:.0%}" for share in one.found)
            cells.append(f"{one.pages.handlers}, {one.pages.rule}; {one.alarms:.1f}; {shares}")
        yield f"| {constant or 'as shipped'} | {factor - 1:+.0%} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--only", default="", help="part of a constant's name")
    arguments = parser.parse_args()
    settings = [("", 1.0, half) for half in HALVES]
    settings += [
        (constant, factor, half)
        for constant in CONSTANTS
        if arguments.only in constant
        for factor in (1 - QUARTER, 1 + QUARTER)
        for half in HALVES
    ]
    with ProcessPoolExecutor(arguments.processes, max_tasks_per_child=1) as pool:
        results = dict(zip(settings, pool.map(moved, *zip(*settings, strict=True)), strict=True))
    print("\n".join(report(results)))


if __name__ == "__main__":
    main()
