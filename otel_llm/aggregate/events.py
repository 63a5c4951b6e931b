"""What happened beside the calls: retries, fallbacks, look-ups, breakers, rate limits, news of the processes."""

from __future__ import annotations

from math import inf, isfinite

from otel_llm.core.catalogue import BY_NAME
from otel_llm.core.model import Event

from .cells import Cell, Histogram, Labels
from .families import Families
from .quality import Quality
from .recent import EVENTS, RUN_COST, RUNS, Recent
from .window import Engine, Key

MOST_KNOWN = 10_000
"""Label combinations whose cells are kept at hand; past it they are looked up again."""

BREAKER_STATES = ("closed", "half_open", "open")
_STATE = "otel_llm_circuit_breaker_state"
_TRANSITIONS = "otel_llm_circuit_breaker_transitions_total"
_STEPS = (("closed", "open"), ("open", "half_open"), ("half_open", "closed"), ("half_open", "open"))
_SCORE = "otel_llm_evaluation_score"
_FALLBACKS = "otel_llm_fallbacks_total"
_CACHE = "otel_llm_cache_requests_total"
_RESULT = BY_NAME[_CACHE].labels.index("result")
_IN_WINDOW = {"hit": "cache_hit", "miss": "cache_miss"}


def _newer(at: float, than: float, now: float) -> bool:
    """Whether ``at`` is later ``than`` what is there. That is in the future where a clock has been set back since: it counts no more."""
    return at >= than or than > now


class Events:
    """Applies events to their cells, and counts in the window those that it keeps rates of."""

    def __init__(self, families: Families, engine: Engine, recent: Recent, quality: Quality) -> None:
        self._families = families
        self._engine = engine
        self.recent = recent
        self.quality = quality
        self._known: dict[tuple[str, Labels], Cell] = {}

    def apply(self, event: Event, now: float = inf) -> None:
        """Count, observe or set, ``now`` by the clock. Raises ``ValueError`` for an unknown metric, wrong labels or an impossible value."""
        name, at, labels, value, trace_id = event
        if not isfinite(value):
            raise ValueError(f"{name} cannot take {value}")
        if name == _STATE:
            self._step(at, labels, value, now)
            return
        cell = self._known.get((name, labels)) or self._find(name, labels)
        if isinstance(cell, Histogram):
            cell.observe(value, trace_id, "", at)
            self._observed(event)
        elif BY_NAME[name].kind == "gauge":
            if _newer(at, cell.at, now):
                cell.value, cell.at = value, at
        elif value < 0:
            raise ValueError(f"{name} cannot fall by {-value}")
        elif value:
            cell.value += value
            if name in EVENTS:
                self.recent.event(event, self._shown(name, labels))
            self._tell_window(name, at, labels, int(value))

    def _observed(self, event: Event) -> None:
        if event.metric == _SCORE:
            provider, model, evaluation = self._shown(_SCORE, event.labels[:3])
            self.quality.add((provider, model, evaluation), event.at, event.value)
        elif event.metric in RUNS or event.metric == RUN_COST:
            self.recent.run(event, self._shown(event.metric, event.labels))

    def _shown(self, name: str, labels: Labels) -> Labels:
        return tuple(map(self._families.bounds.peek, self._families.names(name), labels))

    def _find(self, name: str, labels: Labels) -> Cell:
        bounded = self._bounded(name, labels)
        kind = BY_NAME[name].kind
        cell = self._families.histogram(name, bounded) if kind == "histogram" else self._families.number(name, bounded)
        if bounded == labels:  # what was replaced has no bound, and is to be counted each time
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[name, labels] = cell
        return cell

    def _bounded(self, name: str, labels: Labels) -> Labels:
        names = self._families.names(name)
        missing = len(names) - len(labels)
        if 0 < missing <= len(self._families.custom) and BY_NAME[name].custom:
            labels += ("",) * missing
        return self._families.bounds.values(names, labels)

    def _step(self, at: float, labels: Labels, value: float, now: float) -> None:
        breaker, state = self._bounded(_STATE, labels)
        if state not in BREAKER_STATES:
            raise ValueError(f"a breaker is {', '.join(BREAKER_STATES)}, not {state!r}")
        for step in _STEPS:
            self._families.number(_TRANSITIONS, (breaker, *step))
        cells = {each: self._families.number(_STATE, (breaker, each)) for each in BREAKER_STATES}
        if value and _newer(at, max(cell.at for cell in cells.values()), now):
            for each, cell in cells.items():
                cell.value, cell.at = int(each == state), at

    def _tell_window(self, name: str, at: float, labels: Labels, count: int) -> None:
        if name == _FALLBACKS:
            self._engine.count(self._key(name, labels), at, "fallback", count)
        elif name == _CACHE and (what := _IN_WINDOW.get(labels[_RESULT])):
            self._engine.count(self._key(name, labels), at, what, count)

    def _key(self, name: str, labels: Labels) -> Key:
        families = self._families
        names = families.names(name)
        labels += ("",) * (len(names) - len(labels))
        return families.key(tuple(map(families.bounds.peek, names, labels)))
