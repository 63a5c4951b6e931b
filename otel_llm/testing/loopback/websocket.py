"""WebSocket frames (RFC 6455): the handshake's answer, messages in, messages out."""

from __future__ import annotations

import base64
import hashlib
import struct

from .exchange import compact

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10

_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_FINAL = 0x80
_LENGTH_16, _LENGTH_64 = 126, 127
_MASK_BYTES = 4


def accept(key: str) -> str:
    """The ``Sec-WebSocket-Accept`` for a client's key."""
    return base64.b64encode(hashlib.sha1((key + _MAGIC).encode(), usedforsecurity=False).digest()).decode()


def frame(opcode: int, payload: bytes) -> bytes:
    """One unmasked frame, as servers send them."""
    size = len(payload)
    if size < _LENGTH_16:
        head = bytes([_FINAL | opcode, size])
    elif size < 1 << 16:
        head = struct.pack(">BBH", _FINAL | opcode, _LENGTH_16, size)
    else:
        head = struct.pack(">BBQ", _FINAL | opcode, _LENGTH_64, size)
    return head + payload


def message(value: object) -> bytes:
    """A text message with a JSON value."""
    return frame(TEXT, compact(value))


class Frames:
    """Feed it bytes; ``next`` gives the first whole message or control frame, or None until there is one."""

    def __init__(self, first: bytes = b"") -> None:
        self._bytes = bytearray(first)
        self._fragments = b""

    def feed(self, data: bytes) -> None:
        self._bytes += data

    def next(self) -> tuple[int, bytes] | None:
        """Opcode and payload; fragments of one message are put together."""
        while (frame := self._frame()) is not None:
            final, opcode, payload = frame
            if opcode >= CLOSE:
                return opcode, payload
            self._fragments += payload
            if final:
                whole, self._fragments = self._fragments, b""
                return TEXT, whole
        return None

    def _frame(self) -> tuple[bool, int, bytes] | None:
        data = self._bytes
        if len(data) < 2:  # noqa: PLR2004 -- flags and length
            return None
        size, start = data[1] & 0x7F, 2
        if size >= _LENGTH_16:
            width = 2 if size == _LENGTH_16 else 8
            size, start = int.from_bytes(data[2 : 2 + width], "big"), 2 + width
        mask = bytes(data[start : start + _MASK_BYTES])
        end = start + _MASK_BYTES + size
        if len(data) < end:
            return None
        payload = bytes(byte ^ mask[i % _MASK_BYTES] for i, byte in enumerate(data[start + _MASK_BYTES : end]))
        flags = data[0]
        del data[:end]
        return bool(flags & _FINAL), flags & 0x0F, payload
