"""Secrets in files, read again when they change: users with their passwords, a certificate with its key."""

from __future__ import annotations

import base64
import hmac
import ssl
from contextlib import suppress
from pathlib import Path


class Watched:
    """Some files. Raises ``OSError`` where one is not there at first."""

    def __init__(self, *paths: str) -> None:
        self._paths = tuple(map(Path, paths))
        self._stamps = self._now()

    def changed(self) -> bool:
        """Whether they have changed since the last time. Files that are gone have not: what was read from them stays."""
        with suppress(OSError):
            before, self._stamps = self._stamps, self._now()
            return before != self._stamps
        return False

    def _now(self) -> tuple[tuple[int, int], ...]:
        states = [path.stat() for path in self._paths]
        return tuple((state.st_mtime_ns, state.st_size) for state in states)


class Users:
    """Lines of ``user:password``. Raises ``ValueError`` or ``OSError`` for a file without any."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._watched = Watched(path)
        self._known = self._read()

    def allow(self, header: str) -> bool:
        """Whether an Authorization header names one of the users, by a comparison that takes the same time for each."""
        if self._watched.changed():
            with suppress(OSError, ValueError):  # a broken file leaves the users as they were
                self._known = self._read()
        scheme, _, encoded = header.partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except ValueError:
            return False
        same = [hmac.compare_digest(given, known) for known in self._known]
        return scheme.lower() == "basic" and any(same)

    def _read(self) -> tuple[bytes, ...]:
        lines = [line.strip() for line in self._path.read_bytes().splitlines()]
        users = tuple(line for line in lines if line and not line.startswith(b"#"))
        if not users or any(not line.partition(b":")[2] for line in users):
            raise ValueError(f"{self._path} must hold lines of user:password")
        return users


class Certificate:
    """A certificate and its key, both PEM. Raises ``OSError`` where they are not there or do not fit together."""

    def __init__(self, cert: str, key: str) -> None:
        self._files = (cert, key)
        self._watched = Watched(cert, key)
        self._context = self._read()

    def context(self) -> ssl.SSLContext:
        """What a new connection is secured by; a renewed certificate is taken up, a broken one is not."""
        if self._watched.changed():
            with suppress(OSError):
                self._context = self._read()
        return self._context

    def _read(self) -> ssl.SSLContext:
        """A context of its own each time: one that failed half-way would have lost its key."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(*self._files, password="")  # or OpenSSL would ask for one at the host's terminal
        return context
