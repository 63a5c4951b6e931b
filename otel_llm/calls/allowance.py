"""What was used of each limit in its period: amounts are reserved before a call and settled after it, in whole units."""

from __future__ import annotations

from typing import Protocol

from otel_llm.core.unpatched import RLock

MOST_ACCOUNTS = 1000
"""Accounts that are kept apart; past it, the others share one."""
OTHERS = "_other"


class Allowance(Protocol):
    """Amounts by account. ``period`` is a number that never falls; an account counts the amounts of its latest."""

    def reserve(self, account: str, period: int, amount: int) -> int:
        """Add ``amount``; returns what is used with it, by all who share the account."""

    def settle(self, account: str, period: int, change: int) -> None:
        """Add ``change``, which may be negative, to what ``period`` used, unless that is over."""


class OwnAllowance:
    """Amounts of this process alone. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._accounts: dict[str, list[int]] = {}

    def reserve(self, account: str, period: int, amount: int) -> int:
        """Add ``amount``; returns what is used with it."""
        with self._lock:
            cell = self._accounts.get(account) or self._make(account, period)
            if cell[0] < period:
                cell[0], cell[1] = period, 0
            cell[1] += amount
            return cell[1]

    def settle(self, account: str, period: int, change: int) -> None:
        """Add ``change`` to what ``period`` used, unless that is over."""
        with self._lock:
            cell = self._accounts.get(account) or self._make(account, period)
            if cell[0] < period:
                cell[0], cell[1] = period, 0
            if cell[0] == period:
                cell[1] += change

    def _make(self, account: str, period: int) -> list[int]:
        name = account if len(self._accounts) < MOST_ACCOUNTS else OTHERS
        return self._accounts.setdefault(name, [period, 0])
