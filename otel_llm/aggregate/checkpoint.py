"""The store as bytes and back, for the process that takes over."""

from __future__ import annotations

import marshal
from collections.abc import Iterator
from typing import Any

from otel_llm.core.model import Observation
from otel_llm.core.series import COST_BUCKETS, DURATION_BUCKETS, TOKEN_BUCKETS

from .cells import Cell, Histogram
from .families import Families

VERSION = 1
_MARK = "otel-llm store"
_MARSHAL = 2  # the last one without a table of references, which costs more than it saves here


def _form(custom: tuple[str, ...]) -> tuple[Any, ...]:
    """What two processes must agree on to read each other's series."""
    return (_MARK, VERSION, custom, DURATION_BUCKETS, TOKEN_BUCKETS, COST_BUCKETS, len(Observation._fields))


def write(content: dict[str, Any], custom: tuple[str, ...]) -> bytes:
    """``content`` as bytes, marked with the form that a reader must know and with the labels ``custom``."""
    return marshal.dumps((_form(custom), content), _MARSHAL)


def dumped_cells(families: Families) -> dict[str, list[tuple[Any, ...]]]:
    """The cells of all families, as ``restore_cells`` takes them."""
    return {name: list(_cells(families, name)) for name in families.kept}


def read(data: bytes, custom: tuple[str, ...]) -> dict[str, Any]:
    """The content of ``write``. Raises ``ValueError`` for other versions, other labels, and what is no dump."""
    try:
        form, content = marshal.loads(data)  # noqa: S302 - written by this user's leader, checked by its file
    except (EOFError, TypeError, ValueError) as error:
        raise ValueError(f"no checkpoint: {error}") from None
    if form != _form(custom) or type(content) is not dict:
        raise ValueError("a checkpoint of another version of otel-llm, or of other metric labels")
    return content


def restore_cells(families: Families, cells: dict[str, list[tuple[Any, ...]]]) -> None:
    """Put what ``dumped_cells`` gave into empty families."""
    for name, dumped in cells.items():
        for labels, *values in dumped:
            cell = families.restored(name, labels)
            if isinstance(cell, Histogram):
                cell.sum, cell.counts, cell.exemplars = values
            else:
                cell.value, cell.at = values


def _cells(families: Families, name: str) -> Iterator[tuple[Any, ...]]:
    for labels, cell in families.cells(name).items():
        yield (labels, *_values(cell))


def _values(cell: Cell) -> tuple[Any, ...]:
    if isinstance(cell, Histogram):
        return cell.sum, cell.counts, cell.exemplars
    return cell.value, cell.at
