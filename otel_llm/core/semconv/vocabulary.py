"""What a switch of vocabularies means for one call: which of the table's attributes are shown, by what name and as what type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

from otel_llm.core.model import AttributeValue, Usage

from .table import TABLE, TYPES, Attribute

WORDS: Mapping[str, tuple[str, ...]] = {"released": ("released",), "latest": ("latest",), "both": ("released", "latest"),
                                        "proposed": ("proposed",)}  # fmt: skip
"""What ``OTEL_LLM_SEMCONV`` may name, and the vocabularies that it means."""


COMMON = (
    "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.reasoning.output_tokens",
)  # fmt: skip
"""What the released vocabulary shows of a usage."""


def words(switch: str) -> tuple[str, ...]:
    """The vocabularies of a value of ``OTEL_LLM_SEMCONV``, as ``latest`` or ``both,proposed``. Without one of the conventions' own,
    the released one is meant. Raises ``ValueError`` for a word that is none."""
    named = [word.strip().lower() for word in switch.split(",") if word.strip()]
    if bad := [word for word in named if word not in WORDS]:
        raise ValueError(f"{bad[0][:20]!r} is no vocabulary")
    meant = dict.fromkeys(vocabulary for word in named for vocabulary in WORDS[word])
    return tuple(meant) if set(meant) - {"proposed"} else ("released", *meant)


class Vocabulary:
    """The attributes of one value of ``OTEL_LLM_SEMCONV``. ``of`` makes them, once for each value."""

    def __init__(self, switch: str) -> None:
        self.words = words(switch)
        self.proposed = "proposed" in self.words
        rows = [row for row in TABLE.values() if set(row.words) & set(self.words)]
        self.rows: Mapping[str, Attribute] = {row.name: row for row in rows}
        counted = [row for row in rows if row.field]
        self._names = tuple(row.name for row in counted)
        self._counts: Callable[[Usage], tuple[int | None, ...]] = attrgetter(*(row.field for row in counted))
        self._changed: dict[str, Callable[[Any], AttributeValue] | None] = {
            row.name: None if row.name not in self.rows else tuple if row.type == "string[]" else float
            for row in TABLE.values()
            if row.name not in self.rows or row.type_in(*self.words) != TYPES[row.name] or row.type == "string[]"
        }
        self.changes = frozenset(self._changed)
        """Attributes that ``spoken`` has something to do with."""
        self.common = self._names == COMMON
        """Whether the counts that it shows are those that nearly all have: ``end_attributes`` takes a shorter way then."""

    def leaves(self, request: Mapping[str, AttributeValue], response: Mapping[str, AttributeValue]) -> bool:
        """Whether ``spoken`` would change nothing in what a request and a response have."""
        changes = self.changes
        return changes.isdisjoint(request) and (not response or changes.isdisjoint(response))

    def usage(self, usage: Usage) -> dict[str, AttributeValue]:
        """What the provider counted, by attribute; what it did not say is not there."""
        pairs = zip(self._names, self._counts(usage), strict=True)
        return {name: count for name, count in pairs if count is not None}

    def spoken(self, attributes: dict[str, AttributeValue]) -> dict[str, AttributeValue]:
        """``attributes`` as a reader gave them, changed in place: without what the vocabulary lacks, in the types that it has, and
        with tuples for lists."""
        for name in self.changes & attributes.keys():
            change = self._changed[name]
            if change is None:
                del attributes[name]
            else:
                attributes[name] = change(attributes[name])
        return attributes


of = lru_cache(maxsize=8)(Vocabulary)
"""The vocabulary of a value of ``OTEL_LLM_SEMCONV``."""


def typed(name: str, value: Any) -> AttributeValue | None:
    """``value`` in the type that the table has for the attribute ``name``; None where it is no value of that type."""
    kind = TYPES.get(name)
    converted = _MAKE[kind](value) if kind in _MAKE else _plain(value)
    return converted  # noqa: RET504 - a name for the type checker


_LARGEST = 2**53  # beyond it a number is no count, and would not survive as a 64-bit attribute or a float


def _plain(value: Any) -> AttributeValue | None:
    if isinstance(value, (str, float, bool)) or _whole(value):
        return value  # type: ignore[no-any-return]
    return _texts(value)


def _whole(value: Any) -> bool:
    return type(value) is int and abs(value) < _LARGEST


def _texts(value: Any) -> list[str] | None:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Sequence) and not isinstance(value, bytes) and all(isinstance(part, str) for part in value):
        return list(value)
    return None


def _int(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if _whole(value) else None


def _double(value: Any) -> float | None:
    return float(value) if isinstance(value, float) or _whole(value) else None


_MAKE: Mapping[Any, Callable[[Any], AttributeValue | None]] = {
    "string": lambda value: value if isinstance(value, str) else None,
    "int": _int,
    "double": _double,
    "boolean": lambda value: value if isinstance(value, bool) else None,
    "string[]": _texts,
}
