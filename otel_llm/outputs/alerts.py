"""In-process alerts: who is told of an anomaly, on threads of their own, off the caller's path."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from otel_llm.aggregate.judgement import Change, limit_of
from otel_llm.aggregate.window import Crossing, Judgement, Key
from otel_llm.core import dispatch, fork, unpatched
from otel_llm.core.guard import guard

logger = logging.getLogger("otel_llm")

TYPES: dict[str, tuple[str, ...]] = {
    "latency": ("latency_spike",),
    "output_tokens": ("output_length_anomaly",),
    "cost": ("cost_spike",),
    "budget": ("budget_warning", "budget_exceeded"),
    "breaker": ("breaker_open",),
    "condition": ("condition_open", "condition_ended"),
}  # signal -> types
SEVERITIES = ("warning", "critical")
QUEUED = 100  # anomalies that wait for one handler; more are dropped and counted
QUIET = 300.0  # seconds in which the same anomaly is not told again
BURST, PER_SECOND = 20, 20 / 60.0  # anomalies that one handler gets at once, and how fast that is made good
PATIENCE = 30.0  # seconds that an async handler may take
UNITS = {
    "latency_spike": "s",
    "cost_spike": " USD",
    "budget_exceeded": " USD",
    "budget_warning": " USD",
    "output_length_anomaly": " tokens",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """Something unusual. Values are seconds, tokens or US dollars, by type; what does not apply is None or empty.

    ``type`` is latency_spike, output_length_anomaly, cost_spike, budget_warning (80 %), budget_exceeded, breaker_open,
    condition_open or condition_ended (of the judgement that the status page shows: ``condition`` is which one, ``message`` its
    sentence, ``value`` and ``baseline`` are its measure and limit); ``severity`` warning or critical;
    ``direction`` high or low. ``repeated`` counts how often the same was held back since it was last delivered.
    """

    type: str
    severity: str
    value: float
    baseline: float | None = None
    z_score: float | None = None
    direction: str = "high"
    provider: str = ""
    model: str = ""
    trace_id: str = ""
    detail: str = ""  # the budget's or the breaker's name; for a shift of recent calls "shift"
    repeated: int = 0
    condition: str = ""
    message: str = ""

    def __str__(self) -> str:
        """One line, as ``[CRITICAL] latency_spike: value=9.1s, baseline=1.2s, z_score=4.7, provider=openai, model=gpt-4o``."""
        unit = UNITS.get(self.type, "")
        if self.message:
            return f"[{'ENDED' if self.type == 'condition_ended' else self.severity.upper()}] {self.message}"
        facts = [
            ("value", f"{self.value:.6g}{unit}"),
            ("baseline", "" if self.baseline is None else f"{self.baseline:.6g}{unit}"),
            ("z_score", "" if self.z_score is None else f"{self.z_score:.2f}"),
            ("direction", "low" if self.direction == "low" else ""),
            ("provider", self.provider),
            ("model", self.model),
            ("detail", self.detail),
            ("trace_id", self.trace_id),
            ("repeated", str(self.repeated or "")),
        ]
        told = ", ".join(f"{name}={value}" for name, value in facts if value)
        return f"[{self.severity.upper()}] {self.type}: {told}"

    @classmethod
    def of(cls, key: Key, judgement: Judgement, *, trace_id: str = "", detail: str = "") -> Anomaly:
        """What the window said of ``key`` (provider, request model)."""
        return cls(
            type=TYPES[judgement.signal][0], severity=judgement.severity, value=judgement.value, baseline=judgement.baseline_mean,
            z_score=judgement.zscore, direction=judgement.direction, provider=key[0], model=key[1], trace_id=trace_id, detail=detail,
        )  # fmt: skip

    @classmethod
    def of_budget(cls, crossing: Crossing, *, trace_id: str = "") -> Anomaly:
        """A budget that a call went over; ``baseline`` is the budget."""
        detail = f"{crossing.period} {crossing.budget}".strip()
        kind = "budget_exceeded" if crossing.severity == "critical" else "budget_warning"
        return cls(type=kind, severity=crossing.severity, value=crossing.spend, baseline=crossing.limit,
                   trace_id=trace_id, detail=detail)  # fmt: skip

    @classmethod
    def of_change(cls, change: Change) -> Anomaly:
        """A condition that opened, became worse or less bad, or ended."""
        entry = change.entry
        ended = change.kind == "ended"
        severity = "critical" if "critical" in (entry.level, entry.worst if ended else "") else "warning"
        key = dict(entry.reading.key)
        limit = limit_of(entry.condition, "critical" if severity == "critical" else "warning")
        inside = [one.text for one in entry.folded if one.reading.condition != "error_type"]
        return cls(
            type="condition_ended" if ended else "condition_open", severity=severity, value=entry.reading.value or 0.0, baseline=limit,
            provider=key.get("provider", ""), model=key.get("model", ""), condition=entry.reading.condition,
            detail=entry.reading.subject if not key.get("model") else "", message="; ".join((entry.text, *inside)),
        )  # fmt: skip

    @classmethod
    def of_breaker(cls, breaker: str) -> Anomaly:
        return cls(type="breaker_open", severity="critical", value=1.0, detail=breaker)


Handler = Callable[[Anomaly], Awaitable[None] | None]


class Lane:
    """One handler's own queue and thread: one that raises or hangs holds up nobody else."""

    def __init__(self, handler: Handler, severity: str, types: frozenset[str]) -> None:
        self.handler = handler
        self.least = SEVERITIES.index(severity)
        self.types = types
        self.dropped = 0
        self.allowance, self.asked = float(BURST), 0.0
        self.begin()

    def begin(self) -> None:
        """Start anew, without a thread until there is something to deliver; also in a forked child, where the thread is gone."""
        self.waiting: deque[Anomaly] = deque()
        self.unfinished = 0
        self.lock = unpatched.Lock()
        self.running = False

    def wants(self, anomaly: Anomaly) -> bool:
        return anomaly.type in self.types and SEVERITIES.index(anomaly.severity) >= self.least

    def put(self, anomaly: Anomaly, now: float) -> None:
        self.allowance = min(float(BURST), self.allowance + (now - self.asked) * PER_SECOND)
        self.asked = now
        if self.allowance < 1.0:
            self.dropped += 1
            return
        with self.lock:
            if len(self.waiting) >= QUEUED:
                self.dropped += 1
                return
            self.waiting.append(anomaly)
            self.unfinished += 1
            self.allowance -= 1.0
            start, self.running = not self.running, True
        if start:
            self._start()

    def drain(self, end: float) -> bool:
        """Wait until all is delivered, up to ``end`` on the monotonic clock; whether it is."""
        while self.unfinished and time.monotonic() < end:
            unpatched.pause(0.005)
        return not self.unfinished

    def _start(self) -> None:
        """A real thread, also under gevent and eventlet: their own would only go on when this one lets them."""
        try:
            unpatched.start_thread(self._run)
        except RuntimeError:  # no thread to be had: the next anomaly tries again
            self.running = False

    def _run(self) -> None:
        while True:
            with self.lock:
                if not self.waiting:
                    self.running = False
                    return
                anomaly = self.waiting.popleft()
            ended = False
            try:
                self._call(anomaly)
                ended = True
            finally:
                with self.lock:
                    self.unfinished -= 1
                    self.running = ended

    def _call(self, anomaly: Anomaly) -> None:
        with guard("alert_handler"):
            told = self.handler(anomaly)
            if told is not None and hasattr(told, "__await__"):
                asyncio.run(_within(told))


async def _within(told: Awaitable[None]) -> None:
    await asyncio.wait_for(told, PATIENCE)


class Dispatcher:
    """Hands anomalies to lanes: the same one at most once in ``QUIET`` seconds. ``clock`` is in seconds, monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.lanes: tuple[Lane, ...] = ()
        self.lock = unpatched.Lock()
        self.told: dict[tuple[str, ...], tuple[float, int]] = {}  # when, and how often held back since

    def add(self, handler: Handler, severity: str | None, signal: str | None) -> Callable[[], None]:
        lane = Lane(handler, _severity(severity), _types(signal))
        with self.lock:
            self.lanes = (*self.lanes, lane)

        def remove() -> None:
            with self.lock:
                self.lanes = tuple(other for other in self.lanes if other is not lane)

        return remove

    def deliver(self, anomaly: Anomaly) -> None:
        if not self.lanes:
            return
        with self.lock, guard("alerts"):
            now = self.clock()
            told = self._fresh(anomaly, now)
            if told is None:
                return
            for lane in self.lanes:
                if lane.wants(told):
                    lane.put(told, now)

    def _fresh(self, anomaly: Anomaly, now: float) -> Anomaly | None:
        """``anomaly``, unless the same has been told lately; a worse one is another."""
        what = (anomaly.type, anomaly.condition, anomaly.severity, anomaly.direction)
        same = (*what, anomaly.provider, anomaly.model, anomaly.detail)
        last, held_back = self.told.get(same, (None, 0))
        if last is not None and now - last < QUIET:
            self.told[same] = (last, held_back + 1)
            return None
        self.told = {key: value for key, value in self.told.items() if now - value[0] < 2 * QUIET}
        self.told[same] = (now, 0)
        return replace(anomaly, repeated=held_back) if held_back else anomaly

    def begin(self) -> None:
        """In a forked child: locks may be held and threads are gone."""
        self.lock = unpatched.Lock()
        for lane in self.lanes:
            lane.begin()

    def drain(self, timeout: float) -> bool:
        """Wait until handlers have been told everything, ``timeout`` seconds at most; whether they have."""
        end = time.monotonic() + timeout
        return all(lane.drain(end) for lane in self.lanes)


def _severity(severity: str | None) -> str:
    if severity is not None and severity not in SEVERITIES:
        raise ValueError(f"severity {severity!r} is unknown (allowed: {', '.join(SEVERITIES)})")
    return severity or "warning"


def _types(signal: str | None) -> frozenset[str]:
    every = tuple(kind for kinds in TYPES.values() for kind in kinds)
    if signal is None:
        return frozenset(every)
    if signal not in TYPES and signal not in every:
        raise ValueError(f"signal {signal!r} is unknown (allowed: {', '.join((*TYPES, *every))})")
    return frozenset(TYPES.get(signal, (signal,)))


_DISPATCHER = Dispatcher()
fork.in_child(_DISPATCHER.begin)


def on_anomaly(handler: Handler, severity: str | None = None, signal: str | None = None) -> Callable[[], None]:
    """Call ``handler`` (plain or async) with each ``Anomaly``, on a thread of its own; returns what takes it off again.

    ``severity`` is ``warning`` (and worse; the default) or ``critical``. ``signal`` is latency, output_tokens, cost, budget,
    breaker or condition, or an anomaly's type; None is all. The same anomaly is delivered once in 5 minutes, and no handler gets more
    than 20 a minute.
    Raises ValueError on any other severity or signal.
    """
    return _DISPATCHER.add(handler, severity, signal)


def deliver(anomaly: Anomaly) -> None:
    """Hand ``anomaly`` to those who listen. Never blocks, never raises."""
    _DISPATCHER.deliver(anomaly)


def drain(timeout: float = 1.0) -> bool:
    """Wait until every handler has been told what was delivered, ``timeout`` seconds at most; whether they have."""
    return _DISPATCHER.drain(timeout)


def _tell_of_breaker(name: str) -> None:
    deliver(Anomaly.of_breaker(name))


dispatch.on_opening(_tell_of_breaker)
