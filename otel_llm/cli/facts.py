"""What ``top`` knows, as plain values for the panels and for ``--json``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .latency import Latency


@dataclass(frozen=True, slots=True)
class Row:
    """One model, tenant or whatever the calls are grouped by. Counts and money are since the start of the service."""

    name: str
    provider: str = ""
    requests: float = 0.0
    failed: float = 0.0
    per_second: float | None = None
    latency: Latency | None = None
    error_ratio: float | None = None
    tokens: Mapping[str, float] = field(default_factory=dict)
    cost_usd: float | None = None
    cost_per_hour: float | None = None
    cost_per_request: float | None = None
    zscores: Mapping[str, float] = field(default_factory=dict)
    unpriced: bool = False

    @property
    def key(self) -> str:
        """What distinguishes it from other rows."""
        return f"{self.provider} {self.name}"


@dataclass(frozen=True, slots=True)
class Budget:
    """A calendar period's spend; ratios are of the budget, None without one. The overall budget has no name."""

    period: str
    name: str
    spend_usd: float
    budget_usd: float | None = None
    used: float | None = None
    forecast: float | None = None


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What is left of one limit by the provider's newest reply; ``left`` is a share of it, from 0 to 1."""

    model: str
    kind: str
    left: float


@dataclass(frozen=True, slots=True)
class Zscore:
    """How unusual one signal of one model is, in standard deviations.

    ``shift`` is about the mean of the last minutes and is the verdict; ``peak`` is about their most extreme single call,
    of which there is always one.
    """

    model: str
    provider: str
    signal: str
    shift: float | None = None
    peak: float | None = None


@dataclass(frozen=True, slots=True)
class View:
    """Everything on the screen."""

    at: float
    endpoints: tuple[str, ...]
    version: str
    processes: float
    rows: tuple[Row, ...]
    total: Row
    first_chunk_p95: float | None
    in_flight: float | None
    retries: float
    errors: Mapping[str, float]
    fallback_ratio: float | None
    fallbacks: Mapping[str, float]
    cache_hit_ratio: float | None
    cache_hits: float
    cache_savings_usd: float | None
    tokens_per_second: Mapping[str, float]
    budgets: tuple[Budget, ...]
    zscores: tuple[Zscore, ...]
    breakers: Mapping[str, str]
    unpriced_requests: float
    usage_unknown: float
    internal_errors: float
    conditions: tuple[Mapping[str, Any], ...] | None = None  # the service's own judgement; None where it has none
    fresh: str = "live"  # or old, where the numbers are
    fallback_reasons: Mapping[str, str] = field(default_factory=dict)  # by way, the most frequent one
    rate_limits: tuple[RateLimit, ...] = ()  # the least that is left first
    incomplete: float = 0.0  # calls that are priced in part
    spenders: tuple[
        tuple[str, str, float, float], ...
    ] = ()  # label, value, US dollars of this month, how much less it may be


def filtered(view: View, text: str) -> View:
    """Only rows and z-scores whose model or provider contains ``text``, whatever the case."""
    wanted = text.lower()
    rows = tuple(row for row in view.rows if wanted in f"{row.provider} {row.name}".lower())
    zscores = tuple(zscore for zscore in view.zscores if wanted in f"{zscore.provider} {zscore.model}".lower())
    return replace(view, rows=rows, zscores=zscores)
