"""A process's presence: a locked file, which shows that it lives and how many calls it has open."""

from __future__ import annotations

import marshal
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from otel_llm.core.files import FileLock, is_locked, read

InFlight = Mapping[tuple[str, ...], int]
_HEAD = struct.Struct("<II")


class Presence:
    """Taken when a process makes its first call. Raises ``OSError`` where it cannot be made."""

    def __init__(self, folder: Path, owner: str) -> None:
        draft = FileLock(folder / f"draft.{owner}")
        draft.take()
        draft.path.rename(presence_path(folder, owner))  # locked before anyone can see it
        self._lock = draft
        self._shown: InFlight = {}

    def show(self, in_flight: InFlight) -> None:
        """Let the leader see the open calls, if they are others than before."""
        if in_flight == self._shown:
            return
        payload = marshal.dumps(dict(in_flight))
        self._lock.write(_HEAD.pack(len(payload), crc32(payload)) + payload)
        self._shown = in_flight

    def leave(self) -> None:
        self._lock.drop()


def presence_path(folder: Path, owner: str) -> Path:
    return folder / f"presence.{owner}"


def is_present(folder: Path, owner: str) -> bool:
    """Whether the process with this presence lives."""
    return is_locked(presence_path(folder, owner))


def open_calls(folder: Path, owner: str) -> InFlight | None:
    """What the owner shows; None while it is just writing."""
    with suppress(OSError, ValueError, EOFError, TypeError):
        data = read(presence_path(folder, owner))
        if not data:
            return {}
        size, check = _HEAD.unpack_from(data)
        payload = data[_HEAD.size : _HEAD.size + size]
        if crc32(payload) == check:
            return dict(marshal.loads(payload))  # noqa: S302 - our own file, in a directory that only we may enter
    return None
