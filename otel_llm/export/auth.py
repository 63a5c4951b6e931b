"""Who may read /metrics: basic authentication against a file of ``user:password`` lines."""

from __future__ import annotations

import base64
import hmac
from pathlib import Path


class Users:
    """The lines of a file, read again when it changes. Raises ``ValueError`` or ``OSError`` for a file without any."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._stamp = self._now()
        self._known = self._read()

    def allow(self, header: str) -> bool:
        """Whether an Authorization header names one of the users, by a comparison that takes the same time for each."""
        self._refresh()
        scheme, _, encoded = header.partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except ValueError:
            return False
        same = [hmac.compare_digest(given, known) for known in self._known]
        return scheme.lower() == "basic" and any(same)

    def _refresh(self) -> None:
        """Take up a changed file; a broken one leaves the users as they were."""
        try:
            if (stamp := self._now()) != self._stamp:
                self._known = self._read()
                self._stamp = stamp
        except (OSError, ValueError):
            return

    def _now(self) -> tuple[int, int]:
        state = self._path.stat()
        return state.st_mtime_ns, state.st_size

    def _read(self) -> tuple[bytes, ...]:
        lines = [line.strip() for line in self._path.read_bytes().splitlines()]
        users = tuple(line for line in lines if line and not line.startswith(b"#"))
        if not users or any(not line.partition(b":")[2] for line in users):
            raise ValueError(f"{self._path} must hold lines of user:password")
        return users
