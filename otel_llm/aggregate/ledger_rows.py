"""What was used and spent by day, provider, model and labels, until it is on disk: rows that are open, and batches that are sealed.

A batch never changes, and its id (who made it, its number) says whether a file has it already: so it is written once, whatever
is killed when.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from math import inf
from typing import Any

from otel_llm.core.model import Observation
from otel_llm.core.series import OTHER
from otel_llm.core.shapes import NamedTuple

from .columns import Columns

VERSION = 1
MOST_ROWS = 2_000
"""Open rows; past it what is new is counted under ``_other``."""
FIELDS = (
    "calls", "errors", "unpriced_calls", "incomplete_calls", "unknown_usage_calls", "cost_usd", "saved_usd", "input_tokens",
    "output_tokens", "cache_read_tokens", "cache_write_tokens", "thinking_tokens",
)  # fmt: skip
Labels = tuple[tuple[str, str], ...]
Key = tuple[int, str, str, Labels]  # the day's ordinal, provider, request model, labels that are not empty
Place = tuple[str, str, Labels]  # the same without the day
Rows = dict[Key, list[float]]
_FOREIGN = (TypeError, ValueError, KeyError, OverflowError)


class Batch(NamedTuple):
    """Rows that do not change any more. ``maker`` and ``number`` are its id; numbers of one maker ascend."""

    maker: str
    number: int
    rows: tuple[tuple[Key, tuple[float, ...]], ...]


class LedgerRows:
    """Counts calls into rows; not thread-safe: the caller holds its lock."""

    def __init__(self) -> None:
        self.maker = os.urandom(8).hex()
        self.number = 1
        self.rows: Rows = {}
        self.sealed: list[Batch] = []

    def add(self, day: int, place: Place, call: Observation) -> None:  # noqa: C901 - in one frame, as every record comes here
        """Count a call of ``day`` (an ordinal) at ``place``."""
        provider, model, labels = place
        row = self.rows.get((day, provider, model, labels)) or self._row((day, provider, model, labels))
        cost, incomplete = call.cost, call.incomplete
        row[0] += 1
        if call.error_type:
            row[1] += 1
        if cost is not None:
            row[5] += cost
            if incomplete:
                row[3] += 1
        elif call.cost_source == "unpriced":
            row[2] += 1
        if call.usage_unknown:
            row[4] += 1
        if call.cost_saved:
            row[6] += call.cost_saved
        if (count := call.input_tokens) is not None:
            row[7] += count
        if (count := call.output_tokens) is not None:
            row[8] += count
        if (count := call.cache_read_tokens) is not None:
            row[9] += count
        if (count := call.cache_write_tokens) is not None:
            row[10] += count
        if (count := call.thinking_tokens) is not None:
            row[11] += count

    def add_all(self, day: int, place: Place, call: Observation, calls: Columns) -> None:
        """As ``add`` for each of ``calls``, which are alike ``call`` in their words."""
        row = self._row((day, *place))
        priced = len(calls.cost.values)
        row[0] += calls.number
        if call.incomplete:
            row[3] += priced
        if call.cost_source == "unpriced":
            row[2] += calls.number - priced
        if call.usage_unknown:
            row[4] += calls.number
        row[5] = sum(calls.cost.values, row[5])
        row[6] = sum(calls.saved.values, row[6])
        for field, column in enumerate(calls.tokens, 7):
            row[field] += column.total

    def seal(self) -> tuple[Batch, ...]:
        """Close the rows that are open; all batches that are not forgotten yet."""
        if self.rows:
            self.sealed.append(self.open_batch())
            self.rows, self.number = {}, self.number + 1
        return tuple(self.sealed)

    def open_batch(self) -> Batch:
        """What ``seal`` would close now."""
        return Batch(self.maker, self.number, tuple((key, tuple(row)) for key, row in self.rows.items()))

    def forget(self, batches: Iterable[Batch]) -> None:
        """These are on disk."""
        done = {batch[:2] for batch in batches}
        self.sealed = [batch for batch in self.sealed if batch[:2] not in done]

    def merge(self, state: object) -> None:
        """Take over what another ledger's ``dump`` gave. Raises ValueError for anything else."""
        other = LedgerRows.load(state)
        self.sealed += other.sealed
        for key, values in other.rows.items():
            row = self._row(key)
            for index, value in enumerate(values):
                row[index] += value

    def dump(self) -> tuple[Any, ...]:
        """Plain values, for ``load``."""
        return ("otel_llm.ledger", VERSION, tuple(self.open_batch()), [tuple(batch) for batch in self.sealed])

    @classmethod
    def load(cls, state: Any) -> LedgerRows:
        """What ``dump`` gave. Raises ValueError for anything else."""
        ledger = cls()
        try:
            name, version, opened, sealed = state
            if (name, version) != ("otel_llm.ledger", VERSION):
                raise ValueError(f"not this format: {name} {version}")
            ledger.maker, ledger.number, rows = opened
            ledger.rows = {_key(key): [*_checked(values)] for key, values in rows}
            ledger.sealed = [
                Batch(str(maker), int(number), tuple((_key(key), _checked(values)) for key, values in rows))
                for maker, number, rows in sealed
            ]
        except _FOREIGN as error:
            raise ValueError(f"no state of a ledger: {error}") from error
        return ledger

    def _row(self, key: Key) -> list[float]:
        row = self.rows.get(key)
        if row is None:
            if len(self.rows) >= MOST_ROWS:
                key = (key[0], key[1], OTHER, tuple((name, OTHER) for name, _ in key[3]))
            row = self.rows.setdefault(key, [0.0] * len(FIELDS))
        return row


_OWN = frozenset(("provider", "model", "operation"))


def place_of(spender: Mapping[str, str]) -> Place:
    """Where calls of ``spender`` go, their bounded labels with provider and model among them."""
    labels = tuple((name, value) for name, value in spender.items() if value and name not in _OWN)
    return spender["provider"], spender["model"], labels


def _key(key: Any) -> Key:
    day, provider, model, labels = key
    date.fromordinal(day)
    return int(day), str(provider), str(model), tuple((str(name), str(value)) for name, value in labels)


def _checked(values: Any) -> tuple[float, ...]:
    checked = tuple(map(float, values))
    if len(checked) != len(FIELDS) or not all(-inf < value < inf for value in checked):
        raise ValueError("a row that is none")
    return checked


def by_day(batches: Iterable[Batch]) -> Iterator[tuple[date, str, str, dict[str, str], dict[str, float]]]:
    """The rows of ``batches``: day, provider, model, labels, and values by the names of ``FIELDS``."""
    for batch in batches:
        for (day, provider, model, labels), values in batch.rows:
            yield date.fromordinal(day), provider, model, dict(labels), dict(zip(FIELDS, values, strict=True))
