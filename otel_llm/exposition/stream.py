"""A connection as a file, with a deadline and with TLS where asked, on a socket that no monkey patch has touched."""

from __future__ import annotations

import _socket as sockets
import io
import ssl
import time
from collections.abc import Callable
from typing import Any

_PIECE = 65536  # bytes read or written at once


class Stream(io.RawIOBase):
    """Reads and writes of one peer; past the deadline they raise ``TimeoutError``, even if a little comes each time."""

    def __init__(self, peer: sockets.socket, seconds: float) -> None:
        super().__init__()
        self._peer = peer
        self._deadline = time.monotonic() + seconds

    def extend(self, seconds: float) -> None:
        """A new deadline, from now."""
        self._deadline = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with memoryview(buffer) as view:
            data = self._receive(len(view))
            view[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        with memoryview(data) as view:
            for start in range(0, len(view), _PIECE):
                self._send(view[start : start + _PIECE])
            return len(view)

    def _receive(self, size: int) -> bytes:
        self._peer.settimeout(self._left())
        return self._peer.recv(size)

    def _send(self, data: bytes | memoryview) -> None:
        self._peer.settimeout(self._left())
        self._peer.sendall(data)

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the peer is too slow")
        return left


class SecureStream(Stream):
    """The same through TLS; the handshake happens with the first read."""

    def __init__(self, peer: sockets.socket, seconds: float, context: ssl.SSLContext) -> None:
        super().__init__(peer, seconds)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def _receive(self, size: int) -> bytes:
        try:
            return bytes(self._through(self._tls.read, size))
        except ssl.SSLZeroReturnError:
            return b""

    def _send(self, data: bytes | memoryview) -> None:
        self._through(self._tls.write, data)

    def _through(self, action: Callable[[Any], Any], argument: Any) -> Any:
        while True:
            try:
                result = action(argument)
            except ssl.SSLWantReadError:  # noqa: PERF203 - that is how TLS asks for more
                self._flush()
                data = super()._receive(_PIECE)
                if not data:
                    raise ConnectionError("the peer went away") from None
                self._incoming.write(data)
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        if data := self._outgoing.read():
            super()._send(data)
