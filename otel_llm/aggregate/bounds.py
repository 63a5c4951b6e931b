"""Label values kept few and short: what a client or a server calls its models must never become a million series."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_llm.core.series import ERROR_TYPES, OTHER

if TYPE_CHECKING:
    from .cells import Labels

LONGEST = 128
"""Characters of a label value."""
_ERRORS = frozenset(ERROR_TYPES)


class Bounds:
    """The values each label has taken, at most ``most`` of them; ``overflow`` counts the ones replaced, by label."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[str, set[str]] = {}
        self.overflow: dict[str, int] = {}

    def values(self, names: Labels, values: Labels) -> Labels:
        """``values`` as they may be shown, one for each name. Raises ``ValueError`` where their numbers differ."""
        if len(names) != len(values):
            raise ValueError(f"{len(values)} label values for {', '.join(names)}")
        return tuple(map(self.value, names, values))

    def value(self, name: str, value: str) -> str:
        """As ``peek``, and counted where ``_other`` took the place of a value."""
        shown = self.peek(name, value)
        if shown is OTHER and value != OTHER:
            self.count(name)
        return shown

    def peek(self, name: str, value: str) -> str:
        """``value``, printable and at most ``LONGEST`` long; ``_other`` if label ``name`` has enough values."""
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = {""}
        if value in known:
            return value
        if name == "error_type":
            return value if value in _ERRORS else "_OTHER"
        value = printable(value)
        if value not in known:
            if len(known) > self._most:
                return OTHER
            known.add(value)
        return value

    def know(self, names: Labels, values: Labels) -> None:
        """Take up values that have been shown before. Raises ``ValueError`` where their numbers differ."""
        for name, value in zip(names, values, strict=True):
            if value != OTHER:  # which takes nobody's place
                self._known.setdefault(name, {""}).add(value)

    def count(self, name: str) -> None:
        """One more value of label ``name`` was replaced."""
        self.overflow[name] = self.overflow.get(name, 0) + 1


def printable(value: str) -> str:
    """``value`` cut at ``LONGEST``, with ``?`` for each sign that cannot be printed."""
    value = value[:LONGEST]
    if value.isprintable():
        return value
    return "".join(letter if letter.isprintable() else "?" for letter in value)
