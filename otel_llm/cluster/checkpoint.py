"""The leader's checkpoint: the store and how far each journal is in it, written whole or not at all."""

from __future__ import annotations

import marshal
import struct
from dataclasses import field
from pathlib import Path
from zlib import crc32

from otel_llm.aggregate.wire import SIGNATURE
from otel_llm.core.files import read, replace
from otel_llm.core.shapes import dataclass

from .journal import Position

_HEAD = struct.Struct("<IQ")


@dataclass(slots=True)
class Checkpoint:
    """``read`` is how far each owner's journal has been counted; ``gone`` are those whose files may go, ``exited`` their
    number in all. ``with_spend`` says that the store's spend includes that of earlier starts of the service. ``handed`` is the
    last batch of each process that had no room for a journal."""

    store: bytes = b""
    read: dict[str, Position] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    exited: int = 0
    with_spend: bool = False
    handed: dict[str, int] = field(default_factory=dict)


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Replace ``path``. Raises ``OSError``; the former one is then still there."""
    positions = {owner: tuple(position) for owner, position in checkpoint.read.items()}
    body = marshal.dumps(
        (
            SIGNATURE,
            checkpoint.store,
            positions,
            checkpoint.gone,
            checkpoint.exited,
            checkpoint.with_spend,
            checkpoint.handed,
        )
    )
    replace(path, _HEAD.pack(crc32(body), len(body)) + body)


def load(path: Path) -> Checkpoint | None:
    """What ``save`` wrote; None where there is none. Raises ``ValueError`` where it is damaged or of another version."""
    try:
        data = read(path)
    except FileNotFoundError:
        return None
    check, size = _HEAD.unpack_from(data.ljust(_HEAD.size, b"\0"))
    body = data[_HEAD.size :]
    if len(body) != size or crc32(body) != check:
        raise ValueError(f"{path} is damaged")
    signature, *rest = marshal.loads(body)  # noqa: S302 - ours, and whole
    if signature != SIGNATURE:
        raise ValueError(f"{path} is of another version: {signature}")
    store, positions, *others = rest
    return Checkpoint(store, {owner: Position(*at) for owner, at in positions.items()}, *others)
