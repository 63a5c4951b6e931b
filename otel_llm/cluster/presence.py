"""A process's seat: a locked file that says it lives, and how many calls it has open."""

from __future__ import annotations

import marshal
import os
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from .locks import FileLock, is_locked

InFlight = Mapping[tuple[str, ...], int]
_HEAD = struct.Struct("<II")


class Presence:
    """Taken when a process makes its first call. Raises ``OSError`` where it cannot be made."""

    def __init__(self, folder: Path, owner: str) -> None:
        draft = FileLock(folder / f"draft.{owner}")
        draft.take()
        draft.path.rename(seat_path(folder, owner))  # locked before anyone can see it
        self._lock = draft
        self._shown: InFlight = {}

    def show(self, in_flight: InFlight) -> None:
        """Tell the leader of the open calls, if they are others than before."""
        if in_flight == self._shown:
            return
        payload = marshal.dumps(dict(in_flight))
        self._lock.write(_HEAD.pack(len(payload), crc32(payload)) + payload)
        self._shown = in_flight

    def leave(self) -> None:
        self._lock.drop()


def seat_path(folder: Path, owner: str) -> Path:
    return folder / f"seat.{owner}"


def occupied(folder: Path, owner: str) -> bool:
    """Whether the process of this seat lives."""
    return is_locked(seat_path(folder, owner))


def open_calls(folder: Path, owner: str) -> InFlight | None:
    """What the owner shows; None while it is just writing."""
    with suppress(OSError, ValueError, EOFError, TypeError):
        data = _contents(seat_path(folder, owner))
        if not data:
            return {}
        size, check = _HEAD.unpack_from(data)
        payload = data[_HEAD.size : _HEAD.size + size]
        if crc32(payload) == check:
            return dict(marshal.loads(payload))  # noqa: S302 - our own file, in a directory that only we may enter
    return None


def _contents(path: Path) -> bytes:
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return os.read(file, 1 << 20)
    finally:
        os.close(file)
