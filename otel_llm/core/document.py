"""Settings files: YAML or JSON read into plain values that remember the line each of them stood in."""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

_SPACE = re.compile(r"[ \t\r\n]*")
_DEEPEST = 20  # levels; a settings file has four


class DocumentError(ValueError):
    """A settings file is wrong; the text is one line with the file, the line in it and what is wrong."""


class Section(dict[str, Any]):
    """A mapping; ``line`` is where it starts, ``lines`` where each key stands."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


class Items(list[Any]):
    """A sequence; ``line`` is where it starts, ``lines`` where each item does."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []


def read(path: str) -> Any:
    """The document in the file ``path``: JSON where the name ends in ``.json``, YAML otherwise. Raises DocumentError."""
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
    except OSError as error:
        raise DocumentError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise DocumentError(f"{path}: is not UTF-8 text") from None
    except (RuntimeError, ValueError) as error:  # a user without a home, a path that can be none
        raise DocumentError(f"{path}: cannot be read: {error}") from None
    if path.lower().endswith(".json"):
        return _Json(path, text).document()
    return _yaml(path, text)


def number(value: Any) -> float | None:
    """``value`` as a finite number of 0 or more, or None where it is something else (a truth value, a text, ...)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= sys.float_info.max:
        return None
    return float(value)


class _Json:
    """JSON by hand as far as lines need it: brackets here, scalars by the standard library."""

    def __init__(self, path: str, text: str) -> None:
        self._path, self._text, self._at = path, text, 0
        self._scalar = json.JSONDecoder().raw_decode

    def document(self) -> Any:
        value = self._value(0)
        if self._next():
            raise self._error("there is something after the end of the document")
        return value

    def _next(self) -> str:
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at
        return self._text[self._at : self._at + 1]

    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1

    def _error(self, what: str) -> DocumentError:
        return DocumentError(f"{self._path}:{self._line()}: {what}")

    def _value(self, depth: int) -> Any:
        if depth > _DEEPEST:
            raise self._error("is nested too deeply")
        opening = self._next()
        if opening == "{":
            return self._section(depth)
        if opening == "[":
            return self._items(depth)
        try:
            value, self._at = self._scalar(self._text, self._at)
        except ValueError:
            raise self._error("is not JSON") from None
        return value

    def _section(self, depth: int) -> Section:
        section = Section(self._line())
        while self._more("}", first=not section):
            self._next()
            line, key = self._line(), self._value(depth + 1)
            if not isinstance(key, str):
                raise DocumentError(f"{self._path}:{line}: a key must be text in double quotes")
            if self._next() != ":":
                raise self._error(f"there is no colon after {key!r}")
            self._at += 1
            _put(section, key, line, self._value(depth + 1), self._path)
        return section

    def _items(self, depth: int) -> Items:
        items = Items(self._line())
        while self._more("]", first=not items):
            self._next()
            items.lines.append(self._line())
            items.append(self._value(depth + 1))
        return items

    def _more(self, closing: str, *, first: bool) -> bool:
        """Step over what stands before the next part, a comma or (``first``) a bracket, or over the end and be done."""
        sign = self._next()
        if not first and sign not in (",", closing):
            raise self._error(f"a comma or {closing} is missing")
        self._at += 1
        if first and self._next() == closing:
            self._at += 1
            return False
        return sign != closing


def _put(section: Section, key: str, line: int, value: Any, path: str) -> None:
    if key in section:
        raise DocumentError(f"{path}:{line}: {key} is given twice (first in line {section.lines[key]})")
    section[key], section.lines[key] = value, line


def _yaml(path: str, text: str) -> Any:
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError:
        raise DocumentError(
            f"{path}: reading YAML needs the yaml extra (pip install 'otel-llm[yaml]'); JSON needs nothing"
        ) from None
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        return None if node is None else _plain(yaml, loader, node, path, 0)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"{mark.line + 1}: " if mark else " "
        raise DocumentError(f"{path}:{line}is not YAML: {getattr(error, 'problem', None) or error}") from None
    except RecursionError:
        raise DocumentError(f"{path}: is nested too deeply") from None
    finally:
        loader.dispose()


def _plain(yaml: Any, loader: Any, node: Any, path: str, depth: int) -> Any:
    line = node.start_mark.line + 1
    if depth > _DEEPEST:
        raise DocumentError(f"{path}:{line}: is nested too deeply")
    if isinstance(node, yaml.MappingNode):
        section = Section(line)
        for key, value in node.value:
            key_line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise DocumentError(f"{path}:{key_line}: a key must be plain text")
            _put(section, key.value, key_line, _plain(yaml, loader, value, path, depth + 1), path)
        return section
    if isinstance(node, yaml.SequenceNode):
        items = Items(line)
        items.lines = [item.start_mark.line + 1 for item in node.value]
        items.extend(_plain(yaml, loader, item, path, depth + 1) for item in node.value)
        return items
    try:
        return loader.construct_object(node)
    except (ArithmeticError, AttributeError, LookupError, ValueError):  # a date or a number that is none, as 2026-02-30
        raise DocumentError(
            f"{path}:{line}: {node.value!r} is not a value (put it in quotes if it is a text)"
        ) from None
