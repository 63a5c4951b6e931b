"""The budgets file: what it may say, checked with the line and the field of what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from otel_llm.core import document
from otel_llm.core.document import DocumentError, Items, Section

from .window import Budget

FIELDS = ("name", "match", "each", "daily_usd", "monthly_usd")


def read(path: str, labels: tuple[str, ...] = ()) -> tuple[Budget, ...]:
    """The budgets of the file at ``path``; ``labels`` are the custom ones that a budget may match besides provider and model.

    Raises DocumentError, also where the file cannot be read or YAML is not installed.
    """
    return _Reader(path, ("provider", "model", *labels)).budgets(document.read(path))


class _Reader:
    """Turns a document into budgets; ``path`` is for the errors only."""

    def __init__(self, path: str, labels: tuple[str, ...]) -> None:
        self._path = path
        self._labels = labels

    def budgets(self, root: Any) -> tuple[Budget, ...]:
        entries = self._section(root, 1, "the file", ("budgets",)).get("budgets")
        if not isinstance(entries, Items):
            raise self._wrong(root.lines.get("budgets", root.line), "budgets", "must be a list")
        by_name: dict[str, Budget] = {}
        for number, (entry, line) in enumerate(zip(entries, entries.lines, strict=True)):
            budget = self._budget(entry, line, f"budgets[{number}]")
            if budget.name in by_name:
                raise self._wrong(line, f"budgets[{number}].name", f"{budget.name!r} is taken by another budget")
            by_name[budget.name] = budget
        return tuple(by_name.values())

    def _budget(self, entry: Any, line: int, where: str) -> Budget:
        fields = self._section(entry, line, where, FIELDS)
        if "name" not in fields:
            raise self._wrong(line, f"{where}.name", "is missing")
        name = self._text(fields, "name", where)
        daily, monthly = (self._money(fields, field, where) for field in FIELDS[3:])
        if daily is None and monthly is None:
            raise self._wrong(line, where, "needs daily_usd, monthly_usd or both")
        return Budget(name, tuple(self._match(fields, where)), daily, monthly, self._each(fields, where))

    def _match(self, fields: Section, where: str) -> Iterator[tuple[str, str]]:
        if "match" in fields:
            match = self._section(fields["match"], fields.lines["match"], f"{where}.match", self._labels)
            for label in match:
                yield label, self._text(match, label, f"{where}.match")

    def _each(self, fields: Section, where: str) -> str:
        if "each" not in fields:
            return ""
        label = self._text(fields, "each", where)
        if label not in self._labels:
            raise self._wrong(fields.lines["each"], f"{where}.each", _unknown(label, self._labels, labels=True))
        return label

    def _section(self, value: Any, line: int, where: str, allowed: tuple[str, ...]) -> Section:
        if not isinstance(value, Section):
            raise self._wrong(line, where, f"must be a mapping (allowed: {', '.join(allowed)})")
        for name in value:
            if name not in allowed:
                what = _unknown(name if allowed is self._labels else "", allowed, labels=allowed is self._labels)
                raise self._wrong(value.lines[name], f"{where}.{name}", what)
        return value

    def _text(self, fields: Section, name: str, where: str) -> str:
        value = fields[name]
        if not isinstance(value, str) or not value.strip():
            what = f"{_shown(value)} is not a text (put it in quotes)"
            raise self._wrong(fields.lines[name], f"{where}.{name}", what)
        if not value.isprintable():  # it becomes a label, and half a surrogate pair would fail the whole scrape
            raise self._wrong(
                fields.lines[name], f"{where}.{name}", f"{_shown(value)} has signs that cannot be printed"
            )
        return value.strip()

    def _money(self, fields: Section, name: str, where: str) -> float | None:
        if name not in fields:
            return None
        money = document.number(fields[name])
        if money is None:
            what = f"{_shown(fields[name])} is not a number of US dollars (allowed: 0 or more)"
            raise self._wrong(fields.lines[name], f"{where}.{name}", what)
        return money

    def _wrong(self, line: int, field: str, what: str) -> DocumentError:
        return DocumentError(f"{self._path}:{line}: {field}: {what}")


def _shown(value: Any) -> str:
    return repr(value) if not isinstance(value, dict | list) else "a list or mapping"


def _unknown(name: str, allowed: tuple[str, ...], *, labels: bool) -> str:
    what = f"is unknown (allowed: {', '.join(allowed)})"
    return f"{what}; a label of calls has to be named in OTEL_LLM_METRIC_LABELS, as {name}" if labels else what
