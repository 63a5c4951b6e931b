"""What a service knows at one moment, ready to be judged and shown: counts of the last minutes, last readings, money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from otel_llm.core.shapes import NamedTuple

from .quality import Standing
from .recent_cell import Cell
from .spenders import Spender
from .window import Key
from .window.facts import Cause


class Model(NamedTuple):
    """One model: ``five`` and ``fifteen`` are its last minutes, ``hour`` the last 60 of them one by one, oldest first."""

    five: Cell
    fifteen: Cell
    counts: Cell  # of the hour
    hour: list[Cell | None]
    shifts: Mapping[str, float]  # by signal, standard deviations
    scores: Mapping[tuple[str, str], float]  # by signal and kind: shift and trend of all signals
    peaks: Mapping[str, float]
    usual_output: tuple[float, float, float] | None  # mean, standard deviation, calls of the baseline
    usual_cost: float | None  # of a call, US dollars
    variation: float | None  # standard deviation of output tokens over their mean, in the window
    usual: Mapping[str, float]  # shares since the start: cached, cut, withheld
    causes: Mapping[str, tuple[Cause, ...]] = {}  # by signal that has shifted: what moved most, where it is to be shown
    since_start: frozenset[str] = (
        frozenset()
    )  # signals that are judged by what was usual before this start of the service

    @property
    def farthest(self) -> dict[str, float]:
        """By signal, the farther of shift and trend."""
        farthest: dict[str, float] = {}
        for (signal, _), score in self.scores.items():
            farthest[signal] = max(farthest.get(signal, 0.0), score, key=abs)
        return farthest


class Runs(NamedTuple):
    """Runs of an agent or a tool in 15 minutes; ``cost`` is US dollars of the ``priced`` outermost ones."""

    runs: float = 0.0
    failed: float = 0.0
    cost: float = 0.0
    priced: float = 0.0


class RateLimit(NamedTuple):
    """The newest report of a provider on one of its limits; ``at`` is seconds since the epoch."""

    provider: str
    model: str
    kind: str
    remaining: float
    limit: float
    at: float


class Money(NamedTuple):
    """A budget's period: US dollars, and as shares of the budget what was used and what is expected by its end."""

    period: str
    budget: str
    spend: float | None
    limit: float | None
    forecast: float | None
    passes: float | None  # when the budget will be used up at the present rate, seconds since the epoch
    series: tuple[tuple[float, float], ...] = ()  # share of the period that has passed, and what was spent until then


class Situation(NamedTuple):
    """All of it."""

    at: float
    first: float  # when the first call ended; 0 before
    span: float  # seconds that the five minutes' rates are over
    models: Mapping[Key, Model]
    hour: list[Cell | None]  # all models together, minute by minute
    rate_limits: tuple[RateLimit, ...]
    fallbacks: Mapping[tuple[str, str], float]  # from and to, in 15 minutes
    fallback_reasons: Mapping[tuple[str, str], str]  # the most frequent one of each
    caches: Mapping[str, tuple[float, float, float | None]]  # hits and look-ups in 15 minutes, the usual share
    lookups: Mapping[
        tuple[str, str, str], tuple[float, float]
    ]  # by provider, model and cache: hits and look-ups in 15 minutes
    misses: Mapping[
        Key, str
    ]  # why the prompt cache was missed for the most part in 15 minutes, by the provider's own word
    breakers: Mapping[str, tuple[str, float]]  # state, and since when
    money: tuple[Money, ...]
    retries: float
    internal_errors: Mapping[str, float]  # by component, in the last hour
    overflow: Mapping[str, float]  # by label, in the last hour
    in_flight: Mapping[Key, float]
    watched: tuple[str, ...]  # client libraries with their versions
    decisions: Mapping[tuple[str, str], float]  # of guards, by budget and decision, in 15 minutes
    guardrails: Mapping[tuple[str, str], float]  # checks by guardrail and result, in 15 minutes
    blocked: Mapping[str, float]  # the usual share of blocked checks, by guardrail
    agents: Mapping[str, Runs]
    tools: Mapping[str, Runs]
    repeats: Mapping[tuple[str, str], float]  # of tool calls, by agent and tool, in 15 minutes
    price_age: float | None  # of the price table, seconds
    evaluations: Mapping[tuple[str, str, str], Standing]  # by provider, model and name
    spenders: tuple[str, str, tuple[tuple[str, float], ...]]  # label, period, US dollars by its values
    largest: Mapping[str, Sequence[Spender]]  # of this month, by label of the caller's
    today: Mapping[str, Sequence[Spender]]  # the same of this day
    complete: float | None  # share of the window's calls whose cost is all of it

    @property
    def calls(self) -> int:
        """Calls of the last five minutes."""
        return sum(model.five.calls for model in self.models.values())
