"""Bodies of requests: unpacked piece by piece, never beyond the limit."""

from __future__ import annotations

import zlib
from collections.abc import Callable

LIMIT = 16 * 1024 * 1024
"""Bytes of a request, packed or not."""
ENCODINGS = ("gzip", "zstd", "deflate", "identity")


class TooLargeError(ValueError):
    """The body is larger than the limit, or would be once unpacked."""


class PackingError(ValueError):
    """The body is not packed as it says, or in a way that is not known."""


def unpack(body: bytes, encoding: str, limit: int = LIMIT) -> bytes:
    """The body that was sent. Raises ``TooLargeError`` or ``PackingError``; never makes more than ``limit`` bytes."""
    encoding = encoding.strip().lower() or "identity"
    if encoding not in ENCODINGS:
        raise PackingError(f"content-encoding is not one of {', '.join(ENCODINGS)}")
    if len(body) > limit:
        raise TooLargeError
    return _UNPACK[encoding](body, limit)


def _gzip(body: bytes, limit: int) -> bytes:
    """All members of a gzip file, one after the other; of deflate with its header, too."""
    parts: list[bytes] = []
    size = 0
    while body:
        packed = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        try:
            part = packed.decompress(body, limit - size + 1)
        except zlib.error as error:
            raise PackingError("the body is not packed as content-encoding says") from error
        size += len(part)
        if size > limit:
            raise TooLargeError
        if not packed.eof:
            raise PackingError("the body ends before its packing does")
        parts.append(part)
        body = packed.unused_data
    return b"".join(parts)


def _zstd(body: bytes, limit: int) -> bytes:
    import zstandard  # noqa: PLC0415 - few senders use it

    reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(body, read_across_frames=True)
    try:
        plain = reader.read(limit + 1)
    except zstandard.ZstdError as error:
        raise PackingError("the body is not packed as content-encoding says") from error
    if len(plain) > limit:
        raise TooLargeError
    return plain


_UNPACK: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gzip, "deflate": _gzip, "zstd": _zstd, "identity": lambda body, _: body,
}  # fmt: skip
