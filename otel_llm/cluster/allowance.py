"""What all workers have used of each limit: a mapped file in which every process writes cells of its own and reads everybody's.

A cell is two numbers of eight bytes, the period and what was used in it, and an amount is one store of one number: there is no
instant at which a process could be killed and leave a sum that is wrong. What a killed process had reserved for its open calls
stays counted until the period ends, since the provider bills a request whether or not its caller lives to see the answer.

A slot of cells belongs to one process, as long as it holds the slot's lock; who takes over a dead one's goes on with its cells.
The file outlives the service, and so does what was used.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path

from otel_llm.calls.allowance import MOST_ACCOUNTS, OTHERS
from otel_llm.core import fork
from otel_llm.core.digest import digest
from otel_llm.core.files import NO_FOLLOW, FileLock, locked
from otel_llm.core.unpatched import RLock

from .filesystem import may_map

SLOTS = 128
"""Processes that can share a file at one time."""
NAME, LOCK = "allowance.1", "allowance.lock"
_COUNT, _WIDTH = 1, 2  # where the numbers of accounts and of slots in use stand
_NAMES = 8  # where the accounts' names begin, as two numbers each
_CELLS = _NAMES + 2 * MOST_ACCOUNTS
_BYTES = 8 * (_CELLS + MOST_ACCOUNTS * SLOTS * 2)
Seed = Callable[[str], int]


class UnsharedError(OSError):
    """The workers of this service cannot share what they use."""


class SharedAllowance:
    """Amounts of all processes that open the same ``folder``; whole numbers of 63 bits. Safe to use from several threads.

    ``seed`` says what an account that nobody has used yet begins with in the present period, as what the service spent before anything
    was guarded. Raises ``OSError`` where the file cannot be shared.
    """

    def __init__(self, folder: Path, seed: Seed = lambda _account: 0) -> None:
        if not may_map(folder):
            raise UnsharedError(f"{folder} is on a file system whose files cannot be mapped safely")
        self._folder = folder
        self._seed = seed
        self._lock = RLock()
        self._rows: dict[str, int] = {}
        self._slot: FileLock | None = None
        self._own = 0  # the place of this process in every row
        with locked(folder / LOCK):
            self._cells = _mapped(folder / NAME)
        fork.watch(self)

    def reserve(self, account: str, period: int, amount: int) -> int:
        """Add ``amount``; returns what is used with it, by all who share the account. Makes no system call after its first."""
        row = self._rows.get(account)
        if row is None or self._slot is None:
            row = self._row(account, period)
        cells, own = self._cells, row + self._own
        with self._lock:
            if cells[own] != period:
                cells[own + 1] = 0
                cells[own] = period
            cells[own + 1] += amount
        numbers = cells[row : row + cells[_WIDTH] * 2].tolist()
        used = numbers[1::2]
        if numbers[::2].count(period) == len(used):
            return sum(used)
        return sum([amount for then, amount in zip(numbers[::2], used, strict=True) if then == period])

    def settle(self, account: str, period: int, change: int) -> None:
        """Add ``change`` to what ``period`` used, unless that is over."""
        row = self._rows.get(account)
        if row is None or self._slot is None:
            row = self._row(account, period)
        cells, own = self._cells, row + self._own
        with self._lock:
            if cells[own] < period:
                cells[own + 1] = 0
                cells[own] = period
            if cells[own] == period:
                cells[own + 1] += change

    def close(self) -> None:
        """Let go of the slot; what was used stays."""
        fork.forget(self)
        with self._lock:
            self._rows.clear()
            if self._slot is not None:
                self._slot.drop()
                self._slot = None

    def before_fork(self) -> None:
        """Wait until nobody is in the middle of an amount."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """A child has a slot of its own, from its first call on."""
        self._lock = RLock()
        if self._slot is not None:
            self._slot.drop()  # the parent's stays locked
            self._slot = None

    def _row(self, account: str, period: int) -> int:
        with self._lock, locked(self._folder / LOCK):
            if self._slot is None:
                self._take_slot()
            row = self._rows.get(account)
            if row is None:
                row = self._rows[account] = self._find(account, period)
            return row

    def _take_slot(self) -> None:
        for number in range(SLOTS):
            slot = FileLock(self._folder / f"allowance.slot.{number}")
            if slot.take():
                self._slot, self._own = slot, number * 2
                self._cells[_WIDTH] = max(self._cells[_WIDTH], number + 1)
                return
        raise UnsharedError(f"more than {SLOTS} processes share {self._folder}")

    def _find(self, account: str, period: int) -> int:
        """The row of ``account``, made if there is none."""
        cells = self._cells
        count = cells[_COUNT]
        names = _digest(account), _digest(OTHERS)
        known = {(cells[at], cells[at + 1]): at for at in range(_NAMES, _NAMES + 2 * count, 2)}
        at = known.get(names[0])
        if at is None and count >= MOST_ACCOUNTS - 1:
            at, names = known.get(names[1]), (names[1], names[1])
        if at is None:
            at = _NAMES + 2 * count
            row = _row_at(at)
            if used := self._seed(account):
                cells[row + self._own + 1] = used
                cells[row + self._own] = period
            cells[at], cells[at + 1] = names[0]
            cells[_COUNT] = count + 1
        return _row_at(at)


def _row_at(name: int) -> int:
    return _CELLS + (name - _NAMES) * SLOTS


def _digest(account: str) -> tuple[int, int]:
    whole = digest(account)
    first, second = (int.from_bytes(half, "little", signed=True) for half in (whole[:8], whole[8:]))
    return first, second


def _mapped(path: Path) -> memoryview:
    """The numbers of the file, with room on the disk for all of them."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | NO_FOLLOW | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        if os.fstat(file).st_size < _BYTES:
            os.posix_fallocate(file, 0, _BYTES)
        return memoryview(mmap.mmap(file, _BYTES)).cast("q")
    finally:
        os.close(file)
