"""AWS event-stream messages (vnd.amazon.eventstream): prelude, headers, payload, two checksums.

Format: https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html#streaming-event-stream
"""

from __future__ import annotations

import struct
from zlib import crc32

from otel_llm.testing.loopback.exchange import JSON, compact

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = b"\x07"
_OVERHEAD = 16  # two lengths, the prelude's checksum, the message's checksum: four bytes each


def event(kind: str, payload: JSON) -> bytes:
    """An event; ``kind`` names the member of the stream's shape."""
    return _message(
        {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}, compact(payload)
    )


def raw(kind: str, payload: bytes) -> bytes:
    """An event whose payload is the member itself and not JSON."""
    headers = {":event-type": kind, ":content-type": "application/octet-stream", ":message-type": "event"}
    return _message(headers, payload)


def exception(kind: str, message: str) -> bytes:
    """An error that ends the stream; ``kind`` is its name in lower camel case."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return _message(headers, compact({"message": message}))


def _message(headers: dict[str, str], payload: bytes) -> bytes:
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", _OVERHEAD + len(head) + len(payload), len(head))
    message = prelude + struct.pack(">I", crc32(prelude)) + head + payload
    return message + struct.pack(">I", crc32(message))


def _header(name: str, value: str) -> bytes:
    return bytes([len(name)]) + name.encode() + _STRING + struct.pack(">H", len(value)) + value.encode()
