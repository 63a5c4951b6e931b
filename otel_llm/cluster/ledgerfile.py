"""The ledger on disk: one SQLite file in the state directory, a row for each day, provider, model and set of labels."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

from otel_llm.aggregate.ledger_rows import FIELDS, Batch
from otel_llm.core.guard import logger
from otel_llm.core.series import OTHER
from otel_llm.core.shapes import NamedTuple

KEPT_DAYS = 400
MOST_ROWS = 10_000
"""Rows of one day; past it a new combination is counted under ``_other``."""
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS spent (day TEXT, provider TEXT, model TEXT, labels TEXT, "
    + ", ".join(f"{field} REAL NOT NULL" for field in FIELDS)
    + ", PRIMARY KEY (day, provider, model, labels)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS applied (maker TEXT PRIMARY KEY, number INTEGER NOT NULL, day TEXT NOT NULL) WITHOUT ROWID",
)
_ADD = (
    f"INSERT INTO spent VALUES ({', '.join('?' * (4 + len(FIELDS)))}) ON CONFLICT DO UPDATE SET "  # noqa: S608 - our own names
    + ", ".join(f"{field} = {field} + excluded.{field}" for field in FIELDS)
)


class Spent(NamedTuple):
    """What was used and spent on one day by one model and set of labels; ``values`` by the names of ``FIELDS``."""

    day: date
    provider: str
    model: str
    labels: Mapping[str, str]
    values: Mapping[str, float]


def apply(path: Path, batches: Iterable[Batch], today: date) -> None:
    """Add the batches that the file does not have, all or none, and forget what is older than ``KEPT_DAYS``.

    Raises OSError and ``sqlite3.Error``.
    A file that is damaged is put aside, with a warning: what was in it can only be repaired by hand.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    try:
        _apply(path, batches, today)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):  # no room, or locked: tried again
            raise
        aside = path.with_name(f"{path.name}.damaged")
        logger.warning(
            "The ledger %s is damaged (%s); otel-llm keeps it as %s and begins a new one.", path, error, aside
        )
        path.replace(aside)
        _apply(path, batches, today)


def read(path: Path, first: date, last: date) -> tuple[list[Spent], dict[str, int]]:
    """What the file has of the days from ``first`` to ``last``, and the number of the last batch of each maker that it has.

    Raises ``sqlite3.Error`` where it is damaged.
    """
    if not path.exists() or not path.stat().st_size:
        return [], {}
    with closing(
        sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10, isolation_level=None)
    ) as file:
        file.execute("BEGIN")  # both of one moment
        done = dict(file.execute("SELECT maker, number FROM applied"))
        days = first.isoformat(), last.isoformat()
        rows = file.execute("SELECT * FROM spent WHERE day BETWEEN ? AND ?", days).fetchall()
    return [_spent(*row) for row in rows], done


def _spent(day: str, provider: str, model: str, labels: str, *values: float) -> Spent:
    return Spent(date.fromisoformat(day), provider, model, json.loads(labels), dict(zip(FIELDS, values, strict=True)))


def spelled(labels: Iterable[tuple[str, str]]) -> str:
    """Labels as the file has them."""
    return json.dumps(dict(sorted(labels)), ensure_ascii=False)


def _apply(path: Path, batches: Iterable[Batch], today: date) -> None:
    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as file:
        file.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA:
            file.execute(statement)
        known = dict(file.execute("SELECT maker, number FROM applied"))
        for batch in sorted(batches, key=lambda batch: batch.number):
            if known.get(batch.maker, 0) < batch.number:
                known[batch.maker] = batch.number
                _add(file, batch, today)
        oldest = today - timedelta(days=KEPT_DAYS)
        for table in ("spent", "applied"):
            file.execute(f"DELETE FROM {table} WHERE day < ?", (oldest.isoformat(),))  # noqa: S608 - our own names
        file.execute("COMMIT")


def _add(file: sqlite3.Connection, batch: Batch, today: date) -> None:
    for key, values in batch.rows:
        file.execute(_ADD, (*_placed(file, *key), *values))
    file.execute("INSERT OR REPLACE INTO applied VALUES (?, ?, ?)", (batch.maker, batch.number, today.isoformat()))


def _placed(
    file: sqlite3.Connection, ordinal: int, provider: str, model: str, labels: tuple[tuple[str, str], ...]
) -> tuple[str, str, str, str]:
    """The row's key; ``_other`` in it where the day has enough rows."""
    key = (date.fromordinal(ordinal).isoformat(), provider, model, spelled(labels))
    there = file.execute(
        "SELECT 1 FROM spent WHERE day = ? AND provider = ? AND model = ? AND labels = ?", key
    ).fetchone()
    if there is None:
        (rows,) = file.execute("SELECT COUNT(*) FROM spent WHERE day = ?", key[:1]).fetchone()
        if rows >= MOST_ROWS:
            return key[0], provider, OTHER, spelled((name, OTHER) for name, _ in labels)
    return key
