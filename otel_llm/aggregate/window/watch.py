"""What a model's minutes say: scores of every signal, and which of them handlers get."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import exp, expm1
from typing import Any

from otel_llm.core.conditions import BY_ID, Level
from otel_llm.core.shapes import NamedTuple
from otel_llm.core.signals import PAGING

from .call_alarms import CallAlarms
from .facts import Direction, Judgement, Severity, Signal
from .length import Lengths
from .signals import A_MINUTE, BESIDE, KINDS, Edges, Plain, Reading, logarithms
from .slices import Slice
from .trend import LINE, YOUNG, Trend

EDGES_KEPT = 1440  # minutes until the edges of short, long and slow are computed again
UNUSUAL = 2.0
SHORTEST = 3  # minutes of calls before they are judged by the minute
LASTING = 2  # minutes in a row without which nothing lasts


def _minutes(level: Level | None) -> int:
    """Minutes in a row beyond the line that are as long as the ``level`` of a condition is held."""
    return max(LASTING, int(level.held // 60)) if level is not None else 0


_RECENT = BY_ID["anomaly"]
HELD = {
    "shift": _minutes(_RECENT.critical),
    "trend": _minutes(_RECENT.slow),
}  # until it is critical, as in rules and on the page
FIRST, OF_MIX, AT_ONCE = _minutes(_RECENT.warning), _minutes(BY_ID["mix"].warning), _minutes(_RECENT.grave)
GRAVE = _RECENT.limit("grave")  # a score that is critical after ``AT_ONCE``
OF_CALLS: tuple[tuple[Signal, Direction], ...] = (
    ("latency", "high"), ("output_tokens", "high"), ("output_tokens", "low"), ("cost", "high"),
)  # fmt: skip
FAILURES = frozenset(("errors", "answer_problems"))  # these do not come with the morning
LOGARITHMS = frozenset(("output_tokens", "cost", "time_to_first_chunk", "input_tokens"))


class Alarms(NamedTuple):
    """What handlers get: recent calls from the score ``line`` on, as critical the ``alarms``-th critical call of a kind.

    Empty ``signals`` are all.
    """

    line: float = LINE
    alarms: int = 3
    signals: frozenset[str] = frozenset()
    labels: tuple[str, ...] = ()

    def covers(self, signal: str) -> bool:
        return not self.signals or signal in self.signals


DEFAULT = Alarms()


class Watch:
    """Trends by signal, and which scores handlers get."""

    def __init__(self, alarming: Alarms = DEFAULT) -> None:
        self.trends: Mapping[Signal, Trend] = {
            signal: Trend(
                kind.floor,
                kind.least,
                both=kind.both,
                first=LINE if signal in FAILURES else YOUNG,
                freedom=kind.freedom,
            )
            for signal, kind in KINDS.items()
        }
        self.beside: Mapping[Signal, Trend] = {signal: Trend(kind.floor, kind.least) for signal, kind in BESIDE.items()}
        self.reading = Reading()
        self.drawn = -EDGES_KEPT  # the minute of the edges
        self.alarming = alarming
        self.beyond: dict[tuple[Signal, str], int] = {}  # minutes in a row, by signal and kind
        self.alarms: Mapping[tuple[Signal, Direction], CallAlarms] = {kind: CallAlarms() for kind in OF_CALLS}

    def close(self, minute: int, content: Slice) -> None:
        """A minute with calls is over."""
        for signal, sums in self.reading.read(content, self.trends).items():
            if sums[0]:
                self.trends[signal].close(minute, *sums)
        if content.price.count:
            self.beside["cost"].close(minute, *logarithms(content.price))
        for alarms in self.alarms.values():
            alarms.close(minute)

    def draw_edges(self, minute: int, output: Mapping[int, int], latency: Mapping[int, int]) -> None:
        """What counts as short, long and slow, from bins of an ordinary past; once a day."""
        if minute - self.drawn >= EDGES_KEPT and (edges := Edges.of(output, latency)) is not None:
            self.reading.edges, self.drawn = edges, minute

    def scores(self, minute: int) -> Iterator[tuple[Signal, str, float]]:
        """Signal, kind and calibrated score of what has been seen lately."""
        for signal, trend in self.trends.items():
            if trend.known and minute - trend.minutes.last <= SHORTEST:
                yield signal, "trend", self.larger(signal, "trend", trend.line.shown(trend.score), minute)
                if signal not in ("latency", "output_tokens", "cost"):
                    yield signal, "shift", self.larger(signal, "shift", trend.quick_line.shown(trend.quick), minute)

    def larger(self, signal: Signal, kind: str, score: float, minute: int) -> float:
        """``score``, or that of what is judged beside the signal, if it is unusual and larger."""
        trend = self.beside.get(signal)
        if trend is None or not trend.known or minute - trend.minutes.last > SHORTEST:
            return score
        other = trend.line.shown(trend.score) if kind == "trend" else trend.quick_line.shown(trend.quick)
        return other if other > max(score, UNUSUAL) else score

    def lasting(self, signal: Signal, kind: str, score: float) -> Severity | None:
        """Called once a minute: how bad a score is that has lasted."""
        low = KINDS[signal].both
        far = abs(score) if low else score
        minutes = (
            self.beyond.get((signal, kind), 0) + 1 if far >= self.alarming.line and self.alarming.covers(signal) else 0
        )
        self.beyond[signal, kind] = minutes
        if signal in PAGING and (minutes >= HELD[kind] or (minutes >= AT_ONCE and far >= GRAVE)):
            return "critical"
        return "warning" if minutes >= (FIRST if signal in PAGING else OF_MIX) else None

    def judgement(self, signal: Signal, kind: Any, score: float, severity: Severity) -> Judgement:
        """Of minutes, for people. Value and baseline are typical ones, geometric means; of ``A_MINUTE``, calls and US dollars a minute."""
        trend = self.trends[signal]
        count, total, _ = trend.minutes.between(trend.minutes.last - 2, trend.minutes.last)
        now, before, spread = total / count if count else 0.0, trend.centre, trend.spread
        if signal in LOGARITHMS:
            now, before, spread = exp(now), exp(before), exp(before) * spread
        elif signal in A_MINUTE:
            unit = A_MINUTE[signal]
            now, before, spread = expm1(now) / unit, expm1(before) / unit, exp(before) * spread / unit
        direction: Direction = "high" if score > 0 else "low"
        return Judgement(signal, direction, severity, now, before, spread, score, alarm=True, kind=kind)

    def urgency(self, at: float, judgement: Judgement, shift: float, calls: int) -> Severity:
        """Of an alarm by a single call: critical from the third of a kind within five minutes on. ``shift`` is that of recent calls to
        the same side; without one it takes more alarms than the service has by itself, and a share of its ``calls`` in that time."""
        if judgement.severity != "critical":
            return judgement.severity
        alarms = self.alarms[judgement.signal, judgement.direction]
        return "critical" if alarms.critical(at, shift, self.alarming.alarms, calls) else "warning"

    def dump(self) -> tuple[Any, ...]:
        reading = self.reading
        return (
            [(signal, trend.dump()) for signal, trend in self.trends.items()],
            [(signal, trend.dump()) for signal, trend in self.beside.items()],
            (reading.lengths.dump(), reading.prompts.dump(), reading.plain.sums),
            tuple(reading.edges or ()),
            self.drawn,
            [alarms.line.dump() for alarms in self.alarms.values()],
        )

    def load(self, state: Any) -> None:
        trends, besides, lengths, edges, self.drawn, lines = state
        for signal, trend in trends:
            self.trends[signal].load(trend)
        for signal, trend in besides:
            self.beside[signal].load(trend)
        answers, prompts, (count, total, squares) = lengths
        self.reading.lengths, self.reading.prompts = Lengths.load(answers), Lengths.load(prompts)
        self.reading.plain = Plain((float(count), float(total), float(squares)))
        self.reading.edges = Edges(*edges) if edges else None
        for alarms, line in zip(self.alarms.values(), lines, strict=True):
            alarms.line.load(line)

    def learned(self) -> dict[str, Any]:
        """What outlives a restart, in some hundred bytes a signal."""
        trends = {signal: trend.learned() for signal, trend in self.trends.items() if trend.known}
        reading = self.reading
        plain = [float(f"{one:.5g}") for one in reading.plain.sums]
        return {
            "trends": trends,
            "beside": {signal: trend.learned() for signal, trend in self.beside.items() if trend.known},
            "lengths": reading.lengths.short(),
            "prompts": reading.prompts.short(),
            "plain": plain,
            "alarms": [alarms.line.short() for alarms in self.alarms.values()],
        }

    def take_up(self, state: Any) -> None:
        prompts = Lengths.load(state.get("prompts", ()))
        for signal, learned in state["trends"].items():
            if signal in self.trends and (signal != "output_tokens" or prompts.count):  # an older one knew no prompts
                self.trends[signal].take_up(learned)
        for signal, learned in state.get("beside", {}).items():
            if signal in self.beside:
                self.beside[signal].take_up(learned)
        self.reading.lengths, self.reading.prompts = Lengths.load(state["lengths"]), prompts
        count, total, squares = state.get("plain", (0.0, 0.0, 0.0))
        self.reading.plain = Plain((float(count), float(total), float(squares)))
        for alarms, maxima in zip(self.alarms.values(), state.get("alarms", ()), strict=False):
            alarms.line.take_up(maxima)
