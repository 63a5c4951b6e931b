"""One trace judged: false pages of its days, and how soon each planted fault is detected, by otel-llm and by the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from faults import Fault, plant
from lines import BOTH, LINE, Run, run
from methods import episodes
from rivals import LOOK, RIVALS, Rival, binned
from traces import DAY, EPOCH, Numbers, Trace

from otel_llm.aggregate.window import Engine

OURS = "otel-llm"
FAULTS = (
    Fault("latency x1.5", "latency", 1.5, 15), Fault("latency x2", "latency", 2.0, 15),
    Fault("latency drifts to x2", "latency", 2.0, 60, drift=True), Fault("output -30 %", "output_tokens", 0.7, 15),
    Fault("output -60 %", "output_tokens", 0.4, 15), Fault("cost x1.5", "cost", 1.5, 15), Fault("cost x3", "cost", 3.0, 15),
)  # fmt: skip
SIGNALS = ("latency", "output_tokens", "cost")
PLACES, PLACES_OF_THIN = 8, 16
BUSY = 15  # calls, at least, in the first two minutes of a fault: none is found without calls
MINUTE = 60.0  # seconds between two looks of the first day, whose lines nobody learns
LEARN, JUDGE = EPOCH + DAY, EPOCH + 2 * DAY
PAGES = ("latency", "output_tokens", "cost", "calls", "spend", "errors", "time_to_first_chunk")


class Pages(NamedTuple):
    """False critical pages of a day: of handlers in the process, and of the shipped rule."""

    handlers: int
    rule: int


class Told(NamedTuple):
    """Of one trace: calls; by method and signal false alarms of the judged day; by fault and method minutes until found (nan never);
    the same of otel-llm at the shipped line; pages of the first day and of the judged one; by signal alarms at the shipped line of that
    day, most of which end before they page."""

    calls: int
    false: dict[str, dict[str, int]]
    found: dict[str, dict[str, list[float]]]
    shipped: dict[str, list[float]]
    first: Pages
    judged: Pages
    alarms: dict[str, int]


def sized(scores: Numbers, signal: str) -> Numbers:
    scores = np.nan_to_num(scores)
    return np.abs(scores) if signal == "output_tokens" else scores


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


class _Days(NamedTuple):
    """Three healthy days, and by method the lines of each signal, learned on the second, with the false alarms of the third."""

    days: tuple[Run, Run, Run]
    rivals: dict[tuple[str, str], Rival]
    lines: dict[str, dict[str, float]]
    false: dict[str, dict[str, int]]


def judged(trace: Trace, *, alone: bool = False) -> Told:
    """``alone`` leaves the others out."""
    starts = places(trace)
    healthy = _healthy(trace, starts, {} if alone else RIVALS)
    first, _, last = healthy.days
    found: dict[str, dict[str, list[float]]] = {
        fault.name: {method: [] for method in healthy.lines} for fault in FAULTS
    }
    shipped: dict[str, list[float]] = {fault.name: [] for fault in FAULTS}
    for fault in FAULTS:
        at = healthy.lines[OURS][fault.signal]
        for start in starts:
            broken = plant(trace, fault, start)
            end = start + fault.minutes * 60
            until = enough(fault, max(at, LINE))
            scores = ours(run(broken, start, end, Engine.load(last.kept[start]), enough=until), fault.signal)
            shipped[fault.name].append(first_beyond(scores, fault.side, LINE))
            found[fault.name][OURS].append(first_beyond(scores, fault.side, at))
            for (method, signal), rival in healthy.rivals.items():
                if signal == fault.signal:
                    least = healthy.lines[method][signal]
                    late = rival.broken(broken, signal, start, end, least)
                    found[fault.name][method].append(first_beyond(late, fault.side, least))
    alarms = {signal: episodes(last.at[sized(ours(last, signal), signal) >= LINE]) for signal in SIGNALS}
    return Told(len(trace.at), healthy.false, found, shipped, _pages(first), _pages(last), alarms)


def _healthy(trace: Trace, starts: list[float], methods: dict[str, Callable[[], Rival]]) -> _Days:
    engine = Engine()
    taught = run(trace, EPOCH, LEARN, engine, look=MINUTE)
    learned = run(trace, LEARN, JUDGE, engine)
    last = run(trace, JUDGE, JUDGE + DAY, engine, starts)
    rivals = {(method, signal): make() for method, make in methods.items() for signal in SIGNALS}
    lines: dict[str, dict[str, float]] = {method: {} for method in (OURS, *methods)}
    false: dict[str, dict[str, int]] = {method: {} for method in lines}
    for signal in SIGNALS:
        past = binned(trace, signal, EPOCH, JUDGE + DAY)
        halves = {OURS: (ours(learned, signal), ours(last, signal))}
        for method in methods:
            scores = rivals[method, signal].healthy(past, starts)
            halves[method] = (scores[_look(LEARN) : _look(JUDGE)], scores[_look(JUDGE) :])
        for method, (second, third) in halves.items():
            lines[method][signal] = at = line(second, signal)
            false[method][signal] = episodes(np.flatnonzero(sized(third, signal) >= at) * LOOK)
    return _Days((taught, learned, last), rivals, lines, false)


def enough(fault: Fault, line: float) -> Callable[[dict[tuple[str, str], float]], bool]:
    """Whether a look has found the fault: nobody asks for more."""

    def found(scores: dict[tuple[str, str], float]) -> bool:
        values = [scores.get((fault.signal, kind), 0.0) for kind in ("shift", "trend")]
        most = max(values, key=abs if fault.signal == "output_tokens" else None)
        return fault.side * most >= line

    return found


def _look(at: float) -> int:
    return round((at - EPOCH) / LOOK)


def places(trace: Trace, day: float = JUDGE) -> list[float]:
    """Moments of a day at which there is traffic; twice as many where it is thin, as chance is larger there."""
    rng = np.random.default_rng(5)
    usual = len(trace.at) / (3 * DAY) * 120
    wanted = PLACES if usual >= BUSY else PLACES_OF_THIN
    chosen: list[float] = []
    for share in rng.uniform(0.02, 0.94, 400):
        start = day + round(share * DAY / LOOK) * LOOK
        first, last = np.searchsorted(trace.at, (start, start + 120))
        if last - first >= min(BUSY, usual) and len(chosen) < wanted:
            chosen.append(start)
    return sorted(chosen)


def first_beyond(scores: Numbers, side: int, at: float) -> float:
    beyond = np.flatnonzero(side * np.nan_to_num(scores) >= at)
    return float((beyond[0] + 1) * LOOK / 60) if len(beyond) else float("nan")


def _pages(seen: Run) -> Pages:
    return Pages(episodes(np.array([page[0] for page in seen.pages])), rule(seen))


def first_day(trace: Trace) -> Pages:
    """Those of the day in which a service is not known yet."""
    return _pages(run(trace, EPOCH, LEARN, Engine(), look=MINUTE))


def rule(seen: Run) -> int:
    """Episodes of critical LLMAnomaly: 5 minutes beyond 3, or 2 beyond 6, of the signals that page."""
    times: list[float] = []
    for (signal, _), scores in seen.says.items():
        values = np.abs(np.nan_to_num(scores)) if signal in BOTH else np.nan_to_num(scores)
        for at, minutes in ((3.0, 5), (6.0, 2)) if signal in PAGES else ():
            width = int(minutes * 60 / (seen.at[1] - seen.at[0]))
            beyond = np.convolve(values >= at, np.ones(width), "valid") >= width
            times += seen.at[width - 1 :][beyond].tolist()
    return episodes(np.sort(np.array(times)))
