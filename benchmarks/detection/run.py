"""Otel-llm beside what else is used, at equal false alarms: lines are learned on one healthy day and judged on the next.

    python benchmarks/detection/run.py --data FOLDER --write docs/anomalies.md

FOLDER holds the recorded traces (docs/anomalies.md says which); without them the seeded mixes are judged alone. river's
detectors are judged where river is installed. With ``--results`` traces can be judged one at a time.
"""

from __future__ import annotations

import argparse
import pickle
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import switches
from bound import best_possible
from judging import FAULTS, OURS, PLACES, PLACES_OF_THIN, Told, first_day, judged
from mixes import THIN, traffic
from rivals import RIVALS
from traces import Trace
from unseen import UNSEEN

BEGIN, END = "<!-- comparison: begin -->", "<!-- comparison: end -->"
UNSEEN_BEGIN, UNSEEN_END = "<!-- unseen: begin -->", "<!-- unseen: end -->"
SOON = 2.0  # minutes
SIGNALS = "latency, output, cost"
DETECTED = " | ".join(f"{fault.name}: detected, in 2 min" for fault in FAULTS)


def shipped(told: dict[str, Told]) -> Iterator[str]:
    """By trace, at the lines that otel-llm ships."""
    yield (
        "| traffic | calls a day | false critical pages: handlers, rule | the same on the first day | "
        f"alarms beyond 3 of {SIGNALS} | {DETECTED} |"
    )
    yield "|---|---|---|---|---|" + "---|" * len(FAULTS)
    for name, one in told.items():
        cells = [
            f"{_hits(one.shipped[fault.name])}, {_hits(one.shipped[fault.name], SOON)} of {len(one.shipped[fault.name])}"
            for fault in FAULTS
        ]
        pages = f"{one.judged.handlers}, {one.judged.rule} | {one.first.handlers}, {one.first.rule}"
        alarms = ", ".join(str(count) for count in one.alarms.values())
        yield f"| {name} | {one.calls // 3} | {pages} | {alarms} | " + " | ".join(cells) + " |"
        if name == THIN:
            best = best_possible(FAULTS, SOON)
            yield "| the best possible there | | | | | " + " | ".join(best[fault.name] for fault in FAULTS) + " |"
    faults = sum(len(one.shipped[FAULTS[0].name]) for one in told.values())
    cells = [f"{_share(told, fault.name, 1e9):.0%}, {_share(told, fault.name, SOON):.0%}" for fault in FAULTS]
    yield f"| all ({faults} a fault) | | | | | " + " | ".join(cells) + " |"


def compared(told: dict[str, Told]) -> Iterator[str]:
    """By method, at equal false alarms."""
    yield "| method | false alarms a day and signal | " + " | ".join(fault.name for fault in FAULTS) + " |"
    yield "|---|---|" + "---|" * len(FAULTS)
    for method in (OURS, *RIVALS):
        results = [one for one in told.values() if method in one.false]
        if not results:
            continue
        false = np.mean([count for one in results for count in one.false[method].values()])
        shares = [
            np.mean([np.isfinite(minutes) for one in results for minutes in one.found[fault.name][method]])
            for fault in FAULTS
        ]
        yield f"| {method} | {false:.1f} | " + " | ".join(f"{share:.0%}" for share in shares) + " |"


def report(told: dict[str, Told]) -> Iterator[str]:
    yield f"Two healthy days (the first teaches, lines are learned on the second), then a day on which each fault begins at {PLACES}"
    yield f"moments with traffic ({PLACES_OF_THIN} where it is thin); steps last 15 minutes, drifts an hour. At the limits that otel-llm"
    yield "ships; detected is `shift` or `trend` beyond 3. False pages are those of the third day, and of the first, on which the"
    yield "service is new:"
    yield ""
    yield from shipped(told)
    yield ""
    yield "At equal false alarms: for every method, signal and trace the lowest line with at most one alarm on the second day. False alarms"
    yield "and faults are those of the third, all traces together:"
    yield ""
    yield from compared(told)


def _hits(minutes: list[float], within: float = 1e9) -> int:
    return int((np.nan_to_num(np.array(minutes), nan=1e12) <= within).sum())


def _share(told: dict[str, Told], fault: str, within: float) -> float:
    return sum(_hits(one.shipped[fault], within) for one in told.values()) / sum(
        len(one.shipped[fault]) for one in told.values()
    )


def _judge(name: str, folder: Path, results: Path | None, without: str, alone: bool) -> Told:
    """From ``results``, if it is there."""
    file = results / f"{name.replace(' ', '_')}.pickle" if results else None
    if file and file.is_file():
        return Told(*pickle.loads(file.read_bytes()))
    switches.off(without)
    told = judged(_traces(folder)[name](), alone=alone)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(pickle.dumps(tuple(told)))
    return told


def _traces(folder: Path) -> dict[str, Callable[[], Trace]]:
    return traffic(folder) | UNSEEN


def _written(path: Path, begin: str, end: str, lines: list[str]) -> None:
    text = path.read_text(encoding="utf-8")
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    if not tail:
        sys.exit(f"{path} has no part between {begin} and {end}")
    path.write_text(f"{head}{begin}\n" + "\n".join(lines) + f"\n{end}{tail}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the recorded traces")
    parser.add_argument("--only", default="", help="part of a trace's name")
    parser.add_argument(
        "--unseen", action="store_true", help="the stand-ins that nothing was tuned on, instead of the others"
    )
    parser.add_argument(
        "--first-day", action="store_true", help="false critical pages of the first day, and nothing else"
    )
    parser.add_argument(
        "--without", default="", choices=("", *switches.SWITCHES), help="a part of otel-llm that is left out"
    )
    parser.add_argument("--alone", action="store_true", help="otel-llm without the others")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument(
        "--results", type=Path, help="folder that keeps each trace's result; what is there is not judged again"
    )
    parser.add_argument("--write", type=Path, help="Markdown file whose marked part is replaced by the results")
    arguments = parser.parse_args()
    chosen = UNSEEN if arguments.unseen else traffic(arguments.data)
    names = [name for name in chosen if arguments.only in name]
    if arguments.first_day:
        switches.off(arguments.without)
        for name in names:
            pages = first_day(chosen[name]())
            print(
                f"{name}: false critical pages of the first day: handlers {pages.handlers}, rule {pages.rule}",
                flush=True,
            )
        return
    same = [[value] * len(names) for value in (arguments.data, arguments.results, arguments.without, arguments.alone)]
    with ProcessPoolExecutor(arguments.processes) as pool:
        results = dict(zip(names, pool.map(_judge, names, *same), strict=True))
    lines = [*shipped(results), "", *compared(results)] if arguments.unseen else list(report(results))
    print("\n".join(lines))
    if arguments.write:
        _written(arguments.write, *((UNSEEN_BEGIN, UNSEEN_END) if arguments.unseen else (BEGIN, END)), lines)


if __name__ == "__main__":
    main()
