"""Spend of the calendar day and month, and the budgets that it is held against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta, timezone, tzinfo
from math import inf
from typing import Any

from otel_llm.core.shapes import NamedTuple

from .facts import Sample, Severity

VERSION = 1
WARN_AT = 0.8  # of a budget
QUARTER = 900  # seconds; no time zone's day begins in the middle of one
HOUR = 4  # quarters: what "the present rate" of a day is taken over
DAY = 96  # quarters: the same of a month, so that the nights are not forgotten
KEPT_DAYS = 62
_FOREIGN = (TypeError, ValueError, KeyError, AttributeError, OverflowError)
_Used = tuple[str, float, float]  # the period, its limit, what was spent of it


class Budget(NamedTuple):
    """Money for the calls whose labels match, or for those of each value of a label.

    ``match`` is pairs of label and value (or ``prefix*``), all of which must hold.
    """

    name: str
    match: tuple[tuple[str, str], ...] = ()
    daily: float | None = None  # US dollars
    monthly: float | None = None  # US dollars
    each: str = ""  # a label: each of its values has this money for itself

    def covers(self, labels: Mapping[str, str]) -> bool:
        return all(_fits(labels.get(label, ""), wanted) for label, wanted in self.match)

    def account(self, labels: Mapping[str, str]) -> str:
        """The name under which the money of a call is counted: ``name``, or ``name/value``; empty where the call has no value."""
        if not self.each:
            return self.name
        value = labels.get(self.each, "")
        return f"{self.name}/{value}" if value else ""

    def limits(self) -> tuple[tuple[str, float | None], ...]:
        return ("day", self.daily), ("month", self.monthly)


def _fits(value: str, wanted: str) -> bool:
    return value.startswith(wanted[:-1]) if wanted.endswith("*") else value == wanted


class Crossing(NamedTuple):
    """A line of a budget that one call went over: 80 % is a warning, all of it is critical. Money in US dollars."""

    budget: str  # "" is the overall one
    period: str  # day or month
    severity: Severity
    spend: float
    limit: float
    complete: float | None = None  # share of the calls, since the service started, whose cost is all of it


class _Account:
    """What was spent on one budget: by day (its ordinal), and by quarter of an hour for the present rate."""

    def __init__(self) -> None:
        self.first = inf  # when money was first spent, seconds since the epoch
        self.days: dict[int, float] = {}
        self.quarters: dict[int, float] = {}

    def add(self, at: float, day: int, cost: float) -> None:
        quarter = int(at // QUARTER)
        if at < self.first:  # noqa: PLR1730 - min() would cost a call for each record
            self.first = at
        self.days[day] = self.days.get(day, 0.0) + cost
        fresh = quarter not in self.quarters
        self.quarters[quarter] = self.quarters.get(quarter, 0.0) + cost
        if fresh:
            _bound(self.quarters, DAY + 1)
            _bound(self.days, KEPT_DAYS)

    def spent(self, period: str, today: date) -> float:
        last = today.toordinal()
        if period == "day":
            return self.days.get(last, 0.0)
        first = last - today.day + 1
        return sum([cost for day, cost in self.days.items() if first <= day <= last])

    def rate(self, now: float, quarters: int) -> float:
        """US dollars a second over the last ``quarters``, or since the first spending where that is later."""
        last = int(now // QUARTER)
        spent = sum(cost for quarter, cost in self.quarters.items() if last - quarters < quarter <= last)
        return spent / max(now - max((last - quarters + 1) * QUARTER, self.first), QUARTER)

    def merge(self, other: _Account) -> None:
        self.first = min(self.first, other.first)
        self.days, self.quarters = _sum(self.days, other.days), _sum(self.quarters, other.quarters)

    def dump(self) -> tuple[Any, ...]:
        return (self.first, sorted(self.days.items()), sorted(self.quarters.items()))

    @classmethod
    def load(cls, state: Any) -> _Account:
        account = cls()
        first, days, quarters = state
        account.first = float(first)
        account.days, account.quarters = (
            {int(number): float(cost) for number, cost in pairs} for pairs in (days, quarters)
        )
        if not all(0 <= cost < inf for cost in (*account.days.values(), *account.quarters.values())):
            raise ValueError("money that is none")
        return account


def _bound(kept: dict[int, float], most: int) -> None:
    """Forget what came first, which need not be what is oldest: clocks may be wrong, and set right again."""
    while len(kept) > most:
        del kept[next(iter(kept))]


def _sum(one: dict[int, float], other: dict[int, float]) -> dict[int, float]:
    return {number: one.get(number, 0.0) + other.get(number, 0.0) for number in sorted(one.keys() | other.keys())}


def _named(zone: str) -> tzinfo:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - few ever need it

    try:
        return ZoneInfo(zone)
    except (KeyError, OSError) as error:
        raise ValueError(f"no known time zone: {zone!r}") from error


class Spend:
    """Spend by calendar day and month of ``zone`` (an IANA name), overall and by budget; all money in US dollars.

    Raises ValueError on an unknown zone. Not thread-safe: the caller holds its lock.
    """

    def __init__(
        self,
        *,
        zone: str = "UTC",
        daily: float | None = None,
        monthly: float | None = None,
        budgets: tuple[Budget, ...] = (),
    ) -> None:
        self.zone: tzinfo = timezone.utc if zone == "UTC" else _named(zone)
        self.budgets = (Budget("", (), daily, monthly), *budgets)
        self.accounts: dict[str, _Account] = {}
        self._today = (-1, 0)  # quarter, and the ordinal of its day

    def add(self, at: float, cost: float, labels: Mapping[str, str]) -> tuple[Crossing, ...]:
        """Count ``cost``; ``labels`` are those that a budget may match: provider, model and the custom ones.

        Returns the lines that this very call went over. What is no amount of money is not counted.
        """
        if not 0 <= cost < inf:
            return ()
        day = self.day(at)
        crossed: list[Crossing] = []
        for budget in self.budgets:
            if budget.match and not budget.covers(labels):
                continue
            name = budget.account(labels)
            if budget.each and not name:
                continue
            account = self.accounts.get(name) or self.accounts.setdefault(name, _Account())
            if budget.daily is None and budget.monthly is None:
                account.add(at, day, cost)
                continue
            before = _used(budget, account, day)
            account.add(at, day, cost)
            crossed += _crossings(name, before, _used(budget, account, day))
        return tuple(crossed)

    def day(self, at: float) -> int:
        """The ordinal of the calendar day in the zone; ``at`` is seconds since the epoch."""
        quarter = int(at // QUARTER)
        if quarter != self._today[0]:
            self._today = (quarter, self.calendar_day(at).toordinal())
        return self._today[1]

    def calendar_day(self, at: float) -> date:
        """The calendar day of ``at`` in the zone."""
        return datetime.fromtimestamp(at, self.zone).date()

    def gauges(self, now: float) -> Iterator[Sample]:
        """Spend, budget, share used and forecast, each by period and budget ("" is the overall one).

        Spend is absent until the first priced call: what was spent before that is unknown, not zero. A forecast takes the
        last hour's rate for a day and the last 24 hours' for a month.
        """
        today = self.calendar_day(now)
        for budget in self.budgets:
            for name in self._names(budget):
                yield from self._of(budget, name, today, now)

    def _names(self, budget: Budget) -> list[str]:
        """The accounts of a budget: its own, or one for each value that was seen."""
        if not budget.each:
            return [budget.name]
        return [name for name in self.accounts if name.startswith(f"{budget.name}/")]

    def _of(self, budget: Budget, name: str, today: date, now: float) -> Iterator[Sample]:
        account = self.accounts.get(name)
        for period, limit in budget.limits():
            labels = (period, name)
            if limit is not None:
                yield "otel_llm_budget_usd", labels, limit
            if account is None:
                continue
            spent = account.spent(period, today)
            yield "otel_llm_spend_usd", labels, spent
            if limit:
                yield "otel_llm_budget_used_ratio", labels, spent / limit
                yield "otel_llm_budget_forecast_ratio", labels, self._forecast(account, period, now) / limit

    def _forecast(self, account: _Account, period: str, now: float) -> float:
        left = self._bounds(period, now)[1] - now
        return (
            account.spent(period, self.calendar_day(now)) + account.rate(now, HOUR if period == "day" else DAY) * left
        )

    def _bounds(self, period: str, now: float) -> tuple[float, float]:
        """When the period of ``now`` began and when it ends, seconds since the epoch."""
        start = self.calendar_day(now)
        end = start + timedelta(days=1)
        if period == "month":
            start = start.replace(day=1)
            end = (start + timedelta(days=32)).replace(day=1)
        began, ends = (datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp() for day in (start, end))
        return began, ends

    def passes(self, name: str, period: str, now: float) -> float | None:
        """When budget ``name`` will be used up at the present rate, seconds since the epoch; None if not within the period."""
        budget = next((one for one in self.budgets if one.name == name), None)
        account = self.accounts.get(name)
        limit = dict(budget.limits())[period] if budget is not None else None
        if account is None or limit is None:
            return None
        left, rate = (
            limit - account.spent(period, self.calendar_day(now)),
            account.rate(now, HOUR if period == "day" else DAY),
        )
        if left <= 0 or rate <= 0:
            return None
        at = now + left / rate
        return at if at < self._bounds(period, now)[1] else None

    def course(self, name: str, period: str, now: float) -> tuple[tuple[float, float], ...]:
        """How spend has grown in the period: the share of it that had passed, and US dollars until then."""
        account = self.accounts.get(name)
        if account is None:
            return ()
        began, ends = self._bounds(period, now)
        first = self.calendar_day(began).toordinal()
        ended = [((number + 1) * QUARTER, cost) for number, cost in sorted(account.quarters.items())]
        grown = [(min(at, now), cost) for at, cost in ended if at > began]
        if period == "month":
            days = [(number, cost) for number, cost in sorted(account.days.items()) if number >= first]
            grown = [(min(began + (number - first + 1) * DAY * QUARTER, now), cost) for number, cost in days]
        spent = account.spent(period, self.calendar_day(now)) - sum(
            cost for _, cost in grown
        )  # what quarters have forgotten
        points = [(0.0, max(spent, 0.0))]
        for at, cost in grown:
            spent += cost
            points.append(((at - began) / (ends - began), spent))
        return (*points, ((now - began) / (ends - began), account.spent(period, self.calendar_day(now))))

    def merge(self, other: Spend) -> None:
        """Add what ``other`` holds; in any order and grouping the result is the same."""
        for name, account in other.accounts.items():
            self.accounts.setdefault(name, _Account()).merge(account)

    def dump(self) -> object:
        """What ``load`` takes: plain values that marshal and JSON can write."""
        return ("otel_llm.spend", VERSION, [(name, account.dump()) for name, account in sorted(self.accounts.items())])

    @classmethod
    def load(
        cls,
        state: Any,
        *,
        zone: str = "UTC",
        daily: float | None = None,
        monthly: float | None = None,
        budgets: tuple[Budget, ...] = (),
    ) -> Spend:
        """Take up what ``dump`` gave. Raises ValueError on what is not of this version, or damaged."""
        spend = cls(zone=zone, daily=daily, monthly=monthly, budgets=budgets)
        try:
            name, version, accounts = state
            if (name, version) != ("otel_llm.spend", VERSION):
                raise ValueError(f"not this format: {name} {version}")
            spend.accounts = {str(budget): _Account.load(account) for budget, account in accounts}
        except _FOREIGN as error:
            raise ValueError(f"no state of spend: {error}") from error
        return spend


def _used(budget: Budget, account: _Account, day: int) -> list[_Used]:
    today = date.fromordinal(day)
    return [(period, limit, account.spent(period, today)) for period, limit in budget.limits() if limit is not None]


def _crossings(budget: str, before: list[_Used], now: list[_Used]) -> Iterator[Crossing]:
    """The worst line of each period that was gone over.

    ``before`` is what the call before left, to the last bit; were it ``spent`` less a cost, a line could be missed or reported twice.
    """
    for (period, limit, spent), (_, _, was) in zip(now, before, strict=True):
        if was < limit <= spent or (limit == 0 and was <= 0 < spent):
            yield Crossing(budget, period, "critical", spent, limit)
        elif was < limit * WARN_AT <= spent:
            yield Crossing(budget, period, "warning", spent, limit)
