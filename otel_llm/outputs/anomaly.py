"""An anomaly as handlers get it, and which anomalies a handler gets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from math import inf
from typing import TYPE_CHECKING, Any

from otel_llm.aggregate.bounds import printable
from otel_llm.aggregate.window import Crossing, Judgement, Key
from otel_llm.core.shapes import NamedTuple, dataclass

if TYPE_CHECKING:
    from otel_llm.aggregate.judgement import Change

TYPES: dict[str, tuple[str, ...]] = {
    "latency": ("latency_spike",),
    "output_tokens": ("output_length_anomaly",),
    "cost": ("cost_spike",),
    "time_to_first_chunk": ("first_chunk_spike",),
    "input_tokens": ("input_length_anomaly",),
    "output_spread": ("output_variance_anomaly",),
    "output_short": ("short_answers",),
    "output_long": ("long_answers",),
    "latency_slow": ("slow_calls",),
    "answer_problems": ("answer_problem_spike",),
    "calls": ("call_rate_spike",),
    "spend": ("spend_spike",),
    "errors": ("error_spike",),
    "budget": ("budget_warning", "budget_exceeded"),
    "breaker": ("breaker_open",),
    "runaway": ("runaway_run",),
    "condition": ("condition_open", "condition_ended"),
}  # signal -> types
SEVERITIES = ("warning", "critical")
UNITS = {
    "latency_spike": "s", "first_chunk_spike": "s", "cost_spike": " USD", "budget_exceeded": " USD", "budget_warning": " USD",
    "output_length_anomaly": " tokens", "input_length_anomaly": " tokens", "call_rate_spike": " calls/min", "spend_spike": " USD/min",
}  # fmt: skip


class Cause(NamedTuple):
    """A value that moved: ``tenant=acme``, ``prompt=4096-16383 tokens``. ``contribution`` is its part of the change, 1 being all of it;
    ``before`` and ``now`` are its shares of the calls."""

    dimension: str
    value: str
    contribution: float
    before: float
    now: float

    def __str__(self) -> str:
        """As ``tenant=acme 80 % of the change (5 % -> 40 % of calls)``."""
        return f"{self.dimension}={self.value} {self.contribution:.0%} of the change ({self.before:.0%} -> {self.now:.0%} of calls)"


def _causes(moved: Iterable[Sequence[Any]]) -> tuple[Cause, ...]:
    """As handlers get them: values may be user input."""
    return tuple(Cause(dimension, printable(value), *shares) for dimension, value, *shares in moved)


def _printable(labels: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, printable(value)) for name, value in labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """Something unusual. Values are seconds, tokens, US dollars, calls or US dollars a minute, or shares, by type; what does not
    apply is None or empty.

    ``type`` is one of ``TYPES`` (latency_spike, cost_spike, error_spike, budget_warning, breaker_open ...), an application's own,
    condition_open or condition_ended (of the judgement that the status page shows: ``condition`` is which one, ``message`` its
    sentence, ``value`` and ``baseline`` are its measure and limit); ``severity`` warning or critical;
    ``direction`` high or low. ``causes`` names what moved most between the
    baseline and now. ``labels`` are name and value of those of ``OTEL_LLM_ANOMALY_LABELS`` that were judged by themselves; of a condition,
    all that it is about beside provider and model. ``repeated`` counts how often the same was held back since it was last delivered.
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
    causes: tuple[Cause, ...] = ()
    complete: float | None = (
        None  # of a budget: share of the calls whose cost is all of it, 0 to 1; the others cost more
    )
    labels: tuple[tuple[str, str], ...] = ()

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
            *self.labels,
            ("detail", self.detail),
            ("complete", "" if self.complete in (None, 1) else f"{self.complete:.1%} of calls"),
            ("trace_id", self.trace_id),
            ("repeated", str(self.repeated or "")),
            ("causes", "; ".join(map(str, self.causes))),
        ]
        shown = ", ".join(f"{name}={value}" for name, value in facts if value)
        return f"[{self.severity.upper()}] {self.type}: {shown}"

    @classmethod
    def of(cls, key: Key, judgement: Judgement, *, trace_id: str = "", detail: str = "") -> Anomaly:
        """The window's numbers of ``key`` (provider, request model, and the labels by which windows are kept apart)."""
        kind = "" if judgement.kind == "call" else judgement.kind
        return cls(
            type=TYPES[judgement.signal][0], severity=judgement.urgency or judgement.severity, value=judgement.value,
            baseline=judgement.baseline_mean, z_score=judgement.zscore, direction=judgement.direction, provider=key[0], model=key[1],
            trace_id=trace_id, detail=detail or kind, causes=_causes(judgement.causes), labels=_printable(key[2:]),
        )  # fmt: skip

    @classmethod
    def of_budget(cls, crossing: Crossing, *, trace_id: str = "") -> Anomaly:
        """A budget that a call went over; ``baseline`` is the budget."""
        detail = f"{crossing.period} {crossing.budget}".strip()
        kind = "budget_exceeded" if crossing.severity == "critical" else "budget_warning"
        return cls(type=kind, severity=crossing.severity, value=crossing.spend, baseline=crossing.limit,
                   trace_id=trace_id, detail=detail, complete=crossing.complete)  # fmt: skip

    @classmethod
    def of_change(cls, change: Change) -> Anomaly:
        """A condition that opened, became worse or less bad, or ended."""
        from otel_llm.aggregate.judgement import limit_of  # noqa: PLC0415 - only where this process leads

        entry = change.entry
        ended = change.kind == "ended"
        severity = "critical" if "critical" in (entry.level, entry.worst if ended else "") else "warning"
        key = dict(entry.reading.key)
        limit = limit_of(entry.condition, "critical" if severity == "critical" else "warning")
        inside = [one.text for one in entry.folded if one.reading.condition != "error_type"]
        changed = [entry.reading.facts["moved"]] if entry.reading.facts.get("moved") and not ended else []
        return cls(
            type="condition_ended" if ended else "condition_open", severity=severity, value=entry.reading.value or 0.0, baseline=limit,
            provider=key.get("provider", ""), model=key.get("model", ""), condition=entry.reading.condition,
            detail=entry.reading.subject if not key.get("model") else "", message="; ".join((entry.text, *inside, *changed)),
            causes=_causes(entry.reading.facts.get("causes", ())), direction=key.get("direction", "high"),
            labels=_printable(one for one in entry.reading.key if one[0] not in ("provider", "model")),
        )  # fmt: skip

    @classmethod
    def of_breaker(cls, breaker: str) -> Anomaly:
        return cls(type="breaker_open", severity="critical", value=1.0, detail=breaker)

    @classmethod
    def of_runaway(cls, agent: str, tool: str, times: int) -> Anomaly:
        """A run of ``agent`` that repeats itself: ``tool`` repeated so often, or without a tool, so many model calls."""
        detail = f"agent {agent}, tool {tool}" if tool else f"agent {agent}, model calls"
        return cls(type="runaway_run", severity="critical", value=float(times), detail=detail)


class Wanted(NamedTuple):
    """Which anomalies a handler gets: at least so severe, of these types, of these providers and models, so far out."""

    severity: str = "critical"
    types: frozenset[str] | None = None
    provider: str | None = None
    model: str | None = None
    z_score: float = 0.0

    def holds(self, anomaly: Anomaly) -> bool:
        return (
            SEVERITIES.index(anomaly.severity) >= SEVERITIES.index(self.severity)
            and (self.types is None or anomaly.type in self.types)
            and (self.provider is None or fnmatchcase(anomaly.provider, self.provider))
            and (self.model is None or fnmatchcase(anomaly.model, self.model))
            and (anomaly.z_score is None or abs(anomaly.z_score) >= self.z_score)
        )


def wanted(
    severity: str | None,
    signal: str | Iterable[str] | None,
    *,
    provider: str | None = None,
    model: str | None = None,
    z_score: float = 0.0,
) -> Wanted:
    """Raises ``ValueError`` for a severity or a signal that there is not, or a filter that nothing can pass."""
    for name, pattern in (("provider", provider), ("model", model)):
        if pattern is not None and not isinstance(pattern, str):
            raise ValueError(f"{name} {pattern!r} is no name (allowed: text, in which a star stands for anything)")
    if isinstance(z_score, bool) or not isinstance(z_score, (int, float)) or not 0 <= z_score < inf:
        raise ValueError(f"z_score {z_score!r} is no distance (allowed: a number of 0 or more)")
    if severity is not None and severity not in SEVERITIES:
        raise ValueError(f"severity {severity!r} is unknown (allowed: {', '.join(SEVERITIES)})")
    signals = None if signal is None else (signal,) if isinstance(signal, str) else tuple(signal)
    every = tuple(kind for kinds in TYPES.values() for kind in kinds)
    for one in signals or ():
        if one not in TYPES and one not in every:
            raise ValueError(f"signal {one!r} is unknown (allowed: {', '.join((*TYPES, *every))})")
    types = None if signals is None else frozenset(kind for one in signals for kind in TYPES.get(one, (one,)))
    return Wanted(severity or "critical", types, provider, model, float(z_score))
