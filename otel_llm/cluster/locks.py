"""Locks on files: held as long as the process lives, given back by the kernel however it ends.

They belong to the open file and not to the process, so a forked child closes its copy and never unlocks: its parent goes on
holding the lock.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

AVAILABLE = fcntl is not None and hasattr(os, "register_at_fork")
_SAFE = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


class FileLock:
    """A lock on ``path``, a directory or a file that is made if it is not there; a shared one any number of processes keep.

    Raises ``OSError`` where the file cannot be opened.
    """

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        self.path = path
        self._shared = shared
        self._file = -1

    @property
    def held(self) -> bool:
        return self._file >= 0

    def take(self, *, wait: bool = False) -> bool:
        """Whether this process holds it now; with ``wait``, after waiting for whoever does."""
        if self.held:
            return True
        file = _open(self.path, os.O_CREAT)
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if self._shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(file)
            return False
        except OSError:
            os.close(file)
            raise
        self._file = file
        return True

    def is_there(self) -> bool:
        """Whether ``path`` still is what was locked: somebody may have removed it."""
        try:
            return self.held and os.path.samestat(os.fstat(self._file), self.path.stat())
        except OSError:
            return False

    def write(self, data: bytes) -> None:
        """Replace what the locked file says. A reader may see half of it."""
        os.pwrite(self._file, data, 0)

    def drop(self) -> None:
        """Close the file: unlocks it, unless another process has it open from before a fork."""
        if self.held:
            with suppress(OSError):
                os.close(self._file)
            self._file = -1


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on ``path`` while the block runs."""
    lock = FileLock(path)
    lock.take(wait=True)
    try:
        yield
    finally:
        lock.drop()


def is_locked(path: Path, *, shared: bool = False) -> bool:
    """Whether a living process holds the lock on ``path``, which is ``shared`` or not; also where that cannot be told just now."""
    try:
        file = _open(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # too many open files, say: nobody is to be taken for dead
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_EX if shared else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def _open(path: Path, more: int = 0) -> int:
    if path.is_dir():
        return os.open(path, os.O_RDONLY | _SAFE)
    return os.open(path, os.O_RDWR | _SAFE | more, 0o600)
