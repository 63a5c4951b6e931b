"""Files that several processes share: replaced whole, locked, and only in directories that are ours.

A lock is held as long as the process lives, and the kernel gives it back however that ends. It belongs to the open file and
not to the process, so a forked child closes its copy and never unlocks: its parent goes on holding the lock.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCKS = fcntl is not None and hasattr(os, "register_at_fork")
"""Whether this system has locks that processes can share."""
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_SAFE = getattr(os, "O_CLOEXEC", 0) | NO_FOLLOW
_PRIVATE = 0o600


def user() -> int:
    """The number of the user that this process acts as; 0 where the system has none."""
    return os.geteuid() if hasattr(os, "geteuid") else 0


def temporary() -> Path | None:
    """The directory for temporary files; None where the system has none that this process may write to, as on a read-only root."""
    try:
        return Path(tempfile.gettempdir())
    except OSError:
        return None


def replace(path: Path, data: bytes, *, sync: bool = False, mode: int = _PRIVATE) -> None:
    """Write ``path`` whole or not at all, readable by this user only unless ``mode`` says more; with ``sync``, also if the machine stops
    right after.

    Raises ``OSError``; the former file is then still there.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _SAFE, _PRIVATE)
    try:
        with os.fdopen(file, "wb") as out:
            out.write(data)
            if sync:
                out.flush()
                os.fsync(file)
        if mode != _PRIVATE:
            draft.chmod(mode)  # whatever the umask
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def read(path: Path) -> bytes:
    """The contents of ``path``, which may not be a link. Raises ``OSError``."""
    with os.fdopen(os.open(path, os.O_RDONLY | _SAFE), "rb") as source:
        return source.read()


def own_directory(path: Path) -> None:
    """Make the directory ``path``, or make sure that it is this user's, closed to others and no link.

    Raises ``OSError`` where it can be neither made nor trusted.
    """
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not is_own(path):
            raise PermissionError(f"{path} belongs to somebody else") from None
        if not is_own(path, closed=0o077):
            raise PermissionError(f"{path} is open to other users") from None


def is_own(path: Path, *, closed: int = 0) -> bool:
    """Whether ``path`` is a directory of this user's and no link, without any of the permissions ``closed``. Raises ``OSError``."""
    state = path.lstat()
    mine = not hasattr(os, "geteuid") or state.st_uid == user()
    return stat.S_ISDIR(state.st_mode) and mine and not (os.name == "posix" and state.st_mode & closed)


class FileLock:
    """A lock on ``path``, a directory or a file that is made if it is not there; any number of processes keep a shared one.

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
        """Overwrite the beginning of the locked file. A reader may see half of it."""
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
    """Whether a living process holds the lock on ``path``, ``shared`` or not. True, too, where that cannot be known just now."""
    try:
        file = _open(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # too many open files, say: nobody is to be counted as dead
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
