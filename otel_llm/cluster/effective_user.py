"""A service that starts as root and drops to another user: those who dropped say who serves /metrics.

A forked child that changed its user cannot enter its parent's directory any more. It makes one as its new user, and lets its
parents know by a pipe that it inherited, so that they leave the port to it.
"""

from __future__ import annotations

import os
from contextlib import suppress

from otel_llm.core.unpatched import original

_read, _write = original("os", "read"), original("os", "write")  # eventlet's own would wait for an empty pipe


class EffectiveUser:
    """One pipe for a process and all that it forks as the same user."""

    def __init__(self) -> None:
        self._open()

    def changed(self) -> bool:
        """Whether this process has another user than when it was asked last; if so, its parents learn of it."""
        if os.geteuid() == self._user:
            return False
        with suppress(OSError):  # full: they know
            _write(self._write_end, b".")
        self.close()
        self._open()
        return True

    def dropped(self) -> bool:
        """Whether a child has changed its user."""
        with suppress(OSError):
            return bool(_read(self._read_end, 1))
        return False

    def close(self) -> None:
        os.close(self._read_end)
        os.close(self._write_end)

    def _open(self) -> None:
        self._user = os.geteuid()
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        os.set_blocking(self._write_end, False)
