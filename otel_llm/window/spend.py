"""Spend of the calendar day and month, and the budgets that it is held against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from .facts import Sample, Severity


class Budget(NamedTuple):
    """Money that may be spent on the calls whose labels match: ``match`` is (label, value or ``prefix*``), all must hold."""

    name: str
    match: tuple[tuple[str, str], ...] = ()
    daily: float | None = None  # US dollars
    monthly: float | None = None  # US dollars


class Crossing(NamedTuple):
    """A budget's line that one call went over: 80 % is a warning, all of it is critical."""

    budget: str  # "" is the overall one
    period: str  # day or month
    severity: Severity
    spend: float  # US dollars
    limit: float  # US dollars


class Spend:
    """Spend by calendar day and month of ``zone`` (an IANA name)."""

    def __init__(
        self, *, zone: str = "UTC", daily: float | None = None, monthly: float | None = None, budgets: tuple[Budget, ...] = ()
    ) -> None:
        self.zone = zone

    def add(self, at: float, cost: float, labels: Mapping[str, str]) -> tuple[Crossing, ...]:
        """Count ``cost`` US dollars; ``labels`` are those a budget may match: provider, model and the custom ones."""
        return ()

    def gauges(self, now: float) -> Iterator[Sample]:
        return iter(())

    def merge(self, other: Spend) -> None: ...

    def dump(self) -> object:
        return ("spend", 1)

    @classmethod
    def load(
        cls, state: object, *, zone: str = "UTC", daily: float | None = None, monthly: float | None = None, budgets: tuple[Budget, ...] = ()
    ) -> Spend:
        return cls(zone=zone, daily=daily, monthly=monthly, budgets=budgets)
