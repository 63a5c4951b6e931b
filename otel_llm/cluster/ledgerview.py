"""The whole ledger of a service and port: what is on disk, and what live and dead processes have beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

from otel_llm.aggregate import Store
from otel_llm.aggregate.ledger_rows import Batch, LedgerRows, by_day
from otel_llm.core.config import Config
from otel_llm.core.files import FileLock

from . import ledgerfile, statedir
from .consumer import JournalConsumer
from .ledgerfile import Spent
from .rpc import RemoteAggregator, UnreachableError
from .verdict_queue import Discard

PATIENCE_SECONDS = 5.0
"""How long to wait for a leader that is there and does not answer."""


def read(config: Config, first: date, last: date) -> list[Spent]:
    """What was used and spent from ``first`` to ``last``, to the call that ended last.

    Raises OSError where the state directory cannot be read, and ``sqlite3.Error`` where the ledger is damaged.
    """
    base = statedir.base(config)
    if not base.is_dir():
        return []
    unwritten = [batch for start in statedir.starts(base) for batch in _unwritten(start, config)]
    written, done = ledgerfile.read(
        base / statedir.LEDGER, first, last
    )  # later than what is unwritten: never in neither
    rows = [*written]
    for batch in unwritten:
        if done.get(batch.maker, 0) < batch.number:
            rows += [Spent(*row) for row in by_day([batch]) if first <= row[0] <= last]
    return rows


def _unwritten(start: Path, config: Config) -> Iterator[Batch]:
    """What one start of the service has counted and not written: by its leader's word, else by what is in its directory."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        with suppress(UnreachableError):
            state: object = RemoteAggregator(start / statedir.SOCKET).ledger()
            break
        leading = FileLock(start / statedir.LEADER)
        if leading.take():  # nobody leads: it is dead, or is about to be taken over
            try:
                state = _left_behind(start, config)
            finally:
                leading.drop()
            break
        if time.monotonic() > until:
            raise OSError(f"the processes of {start} do not answer")
        time.sleep(0.05)
    if state is not None:
        rows = LedgerRows.load(state)
        yield from rows.sealed
        yield rows.open_batch()


def _left_behind(start: Path, config: Config) -> object:
    left = JournalConsumer(start, Store(config), Discard())
    try:
        if left.unreadable:
            return None
        left.drain(None)
        return left.store.ledger()
    finally:
        left.close()
