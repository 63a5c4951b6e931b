"""The limits that a service's settings put in force, and how its workers share what they use."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timezone, tzinfo

from otel_llm.aggregate.window import Budget, Spend
from otel_llm.calls import limits
from otel_llm.calls.allowance import Allowance, OwnAllowance
from otel_llm.calls.limits import NANO, Action, Limit, Period, RunLimit
from otel_llm.cluster import spendfile
from otel_llm.cluster.allowance import SharedAllowance, UnsharedError
from otel_llm.cluster.member import Member
from otel_llm.cluster.statedir import SPEND
from otel_llm.core.config import Config
from otel_llm.core.refusals import BudgetExceededError

logger = logging.getLogger("otel_llm")


class WorkersAllowance:
    """What all workers use, from the first guarded call on; where they cannot share, each counts its own, with one warning."""

    def __init__(self, member: Member, config: Config) -> None:
        self._member = member
        self._config = config
        self._inner: Allowance | None = None

    def reserve(self, account: str, period: int, amount: int) -> int:
        """As ``SharedAllowance.reserve``."""
        try:
            return (self._inner or self._open()).reserve(account, period, amount)
        except OSError as error:  # another user by now, or one process too many
            return self._open(error).reserve(account, period, amount)

    def settle(self, account: str, period: int, change: int) -> None:
        """As ``SharedAllowance.settle``."""
        try:
            (self._inner or self._open()).settle(account, period, change)
        except OSError as error:
            self._open(error).settle(account, period, change)

    def close(self) -> None:
        """Let go of this process's place."""
        if isinstance(self._inner, SharedAllowance):
            self._inner.close()
        self._inner = None

    def _open(self, error: OSError | None = None) -> Allowance:
        self.close()
        try:
            if error is not None and isinstance(error, UnsharedError):
                raise error
            folder = self._member.folder
            if folder is None:
                raise UnsharedError("there is no directory that the processes of this service share")
            self._inner = SharedAllowance(folder.parent, self._spent)
        except OSError as why:
            logger.warning("Guards of this process count its own calls only, not those of other workers: %s", why)
            self._inner = OwnAllowance()
        return self._inner

    def _spent(self, account: str) -> int:
        """What the service had spent on a budget before it was guarded, by what is saved each minute."""
        unit, kind, name = account.split("|", 2)
        folder = self._member.folder
        if unit != "usd" or folder is None or kind not in ("day", "month"):
            return 0
        with suppress(OSError, ValueError):
            spend = Spend.load(spendfile.load(folder.parent / SPEND), zone=self._config.timezone)
            known = spend.accounts.get(name)
            if known is not None:
                return round(known.spent(kind, spend.calendar_day(time.time())) * NANO)
        return 0


def of_service(config: Config, budgets: Sequence[Budget]) -> tuple[tuple[Limit, ...], tuple[RunLimit, ...]]:
    """The limits that settings ask for; none where budgets observe, which is the default."""
    made: list[Limit] = []
    if config.budget_action != "observe":
        action = _named_action(config.budget_action)
        overall = Budget("", (), config.budget_daily, config.budget_monthly)
        for budget in (overall, *budgets):
            made += of_budget(budget, action)
    if config.tokens_per_minute is not None:
        made.append(Limit("tokens", "minute", config.tokens_per_minute, "tokens", limits.refuse))
    most = config.run_max_calls, config.run_max_usd, config.run_max_repeats
    act = limits.refuse if config.run_action == "refuse" else limits.warn
    return tuple(made), (RunLimit("run", act, *most),) if any(one is not None for one in most) else ()


def start(config: Config, budgets: Sequence[Budget], member: Member) -> Callable[[], None]:
    """Put the service's limits in force, shared by all workers. Returns what ends that."""
    state = limits.STATE
    workers = state.shared = WorkersAllowance(member, config)
    state.zone = timezone.utc if config.timezone == "UTC" else _zone(config.timezone)
    state.service, state.runs = of_service(config, budgets)
    state.on = state.on or bool(state.service or state.runs)

    def stop() -> None:
        state.service, state.runs, state.shared = (), (), OwnAllowance()
        workers.close()

    return stop


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - only where one is set

    return ZoneInfo(name)


def of_budget(budget: Budget, action: Action) -> list[Limit]:
    """The limits of a configured budget, of its day and of its month."""
    periods: tuple[tuple[Period, float | None], ...] = (("day", budget.daily), ("month", budget.monthly))
    return [
        Limit(budget.name, period, round(money * NANO), "usd", action, budget.match, budget.each)
        for period, money in periods
        if money is not None
    ]


def _named_action(name: str) -> Action:
    """``refuse``, ``warn``, or the host's ``module:function``. One that cannot be imported refuses, and says so."""
    known: dict[str, Action] = {"refuse": limits.refuse, "warn": limits.warn}
    if name in known:
        return known[name]
    return functools.partial(_imported, name)


def _imported(name: str, error: BudgetExceededError) -> str | None:
    """Asked when a budget is exceeded, so that nothing of the host is imported at the start."""
    try:
        from pkgutil import resolve_name  # noqa: PLC0415 - only where one is named

        action: Action = resolve_name(name)
    except (ImportError, AttributeError, ValueError) as why:
        logger.warning("OTEL_LLM_BUDGET_ACTION=%s cannot be imported (%s): calls are refused", name, type(why).__name__)
        raise error from None
    return action(error)
