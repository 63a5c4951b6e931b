"""A piece of a journal where memory cannot be mapped: written by system calls."""

from __future__ import annotations

import errno
import os


class SegmentFile:
    """A segment that is written by system calls. Slices of it are assigned to, as to a mapping; raises ``OSError``."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._is = os.fstat(file)

    def __setitem__(self, at: slice, data: bytes) -> None:
        if not os.path.samestat(os.fstat(self._file), self._is):
            raise OSError(errno.EBADF, "the host has closed the journal")
        if os.pwrite(self._file, data, at.start) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def size(self) -> int:
        return os.fstat(self._file).st_size

    def close(self) -> None:
        if os.path.samestat(os.fstat(self._file), self._is):
            os.close(self._file)
