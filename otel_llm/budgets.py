"""The budgets file: YAML or JSON to budgets, with errors that say which line and field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

from .window import Budget

FIELDS = ("name", "match", "daily_usd", "monthly_usd")


class BudgetsError(ValueError):
    """The file is wrong: its text is one line that says what, where and what is allowed."""


class Node(NamedTuple):
    """A value of the file, its parts nodes too, and the line that it stands on."""

    value: Any
    line: int


def read(path: str, labels: tuple[str, ...] = ()) -> tuple[Budget, ...]:
    """The budgets of the file at ``path``; ``labels`` are the custom ones that a budget may match besides provider and model.

    Raises BudgetsError, also where the file cannot be read or YAML is not installed.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BudgetsError(f"{path}: cannot be read: {error}") from None
    return _Reader(path, ("provider", "model", *labels)).budgets(_parse(path, text))


class _Reader:
    """Turns nodes into budgets; ``path`` is for the errors only."""

    def __init__(self, path: str, labels: tuple[str, ...]) -> None:
        self.path = path
        self.labels = labels

    def wrong(self, node: Node, field: str, what: str) -> BudgetsError:
        return BudgetsError(f"{self.path} line {node.line}: {field}: {what}")

    def budgets(self, root: Node) -> tuple[Budget, ...]:
        entries = self.fields(root, "the file", ("budgets",)).get("budgets")
        if entries is None or not isinstance(entries.value, list):
            raise self.wrong(entries or root, "budgets", "must be a list")
        found: list[Budget] = []
        for number, entry in enumerate(entries.value):
            budget = self.budget(entry, f"budgets[{number}]")
            if any(budget.name == other.name for other in found):
                raise self.wrong(entry, f"budgets[{number}].name", f"{budget.name!r} is taken by another budget")
            found.append(budget)
        return tuple(found)

    def budget(self, entry: Node, where: str) -> Budget:
        fields = self.fields(entry, where, FIELDS)
        if "name" not in fields:
            raise self.wrong(entry, f"{where}.name", "is missing")
        name = self.text(fields["name"], f"{where}.name")
        daily, monthly = (self.money(fields.get(field), f"{where}.{field}") for field in FIELDS[2:])
        if daily is None and monthly is None:
            raise self.wrong(entry, where, "needs daily_usd, monthly_usd or both")
        return Budget(name, tuple(self.match(fields.get("match"), f"{where}.match")), daily, monthly)

    def match(self, node: Node | None, where: str) -> Iterator[tuple[str, str]]:
        if node is not None:
            for label, value in self.fields(node, where, self.labels).items():
                yield label, self.text(value, f"{where}.{label}")

    def fields(self, node: Node, where: str, allowed: tuple[str, ...]) -> dict[str, Node]:
        if not isinstance(node.value, dict):
            raise self.wrong(node, where, f"must be a mapping (allowed: {', '.join(allowed)})")
        for name, value in node.value.items():
            if name not in allowed:
                raise self.wrong(value, f"{where}.{name}", f"is unknown (allowed: {', '.join(allowed)})")
        return node.value

    def text(self, node: Node, where: str) -> str:
        if not isinstance(node.value, str) or not node.value.strip():
            raise self.wrong(node, where, f"{_shown(node)} is not a text (put it in quotes)")
        return node.value.strip()

    def money(self, node: Node | None, where: str) -> float | None:
        if node is None:
            return None
        if not isinstance(node.value, int | float) or isinstance(node.value, bool) or not 0 <= node.value < inf:
            raise self.wrong(node, where, f"{_shown(node)} is not a number of US dollars (allowed: 0 or more)")
        return float(node.value)


def _shown(node: Node) -> str:
    return repr(node.value) if not isinstance(node.value, dict | list) else "a list or mapping"


def _parse(path: str, text: str) -> Node:
    if path.endswith(".json"):
        try:
            json.loads(text)
        except ValueError as error:
            raise BudgetsError(f"{path}: no JSON: {error}") from None
        return _Json(text).node()
    return _yaml(path, text)


def _yaml(path: str, text: str) -> Node:
    try:
        import yaml  # noqa: PLC0415 - an extra, needed only where such a file is configured
    except ImportError:
        raise BudgetsError(
            f"{path}: reading YAML needs the extra: pip install 'otel-llm[yaml]' (or write JSON)"
        ) from None
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()

        def convert(node: yaml.Node) -> Node:
            line = node.start_mark.line + 1
            if isinstance(node, yaml.MappingNode):
                return Node({str(key.value): convert(value) for key, value in node.value}, line)
            if isinstance(node, yaml.SequenceNode):
                return Node([convert(value) for value in node.value], line)
            return Node(loader.construct_object(node), line)

        return convert(root) if root is not None else Node(None, 1)
    except yaml.YAMLError as error:
        raise BudgetsError(f"{path}: no YAML: {' '.join(str(error).split())}") from None


class _Json:
    """Reads valid JSON once more, for the lines, which the standard library does not tell."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.decode = json.JSONDecoder().raw_decode

    def node(self) -> Node:
        opening = self._peek()
        line = self.text.count("\n", 0, self.at) + 1
        if opening == "{":
            return Node(dict(self._items(pairs=True)), line)
        if opening == "[":
            return Node(list(self._items(pairs=False)), line)
        return Node(self._scalar(), line)

    def _items(self, *, pairs: bool) -> Iterator[Any]:
        self.at += 1
        while self._peek() not in "]}":
            key = self._scalar() if pairs else None
            if pairs:
                self._peek()
                self.at += 1  # the colon
            yield (key, self.node()) if pairs else self.node()
            if self._peek() == ",":
                self.at += 1
        self.at += 1

    def _scalar(self) -> Any:
        value, self.at = self.decode(self.text, self.at)
        return value

    def _peek(self) -> str:
        while self.text[self.at].isspace():
            self.at += 1
        return self.text[self.at]
