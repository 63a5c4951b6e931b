"""HTTP/1.1 requests cut out of a stream of bytes (RFC 9112): lengths, chunks, pipelining."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

_ABSOLUTE = re.compile(r"^https?://[^/?]*", re.IGNORECASE)  # a target may name the host as well (section 3.2.2)
_HEAD_END = b"\r\n\r\n"
MAX_HEAD = 64 * 1024


class BadRequestError(ValueError):
    """The bytes are not HTTP/1.1."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A whole request. ``path`` is percent-decoded and without the query."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        """The body as JSON if it is JSON, else its bytes, None where there is none."""
        if not self.body:
            return None
        try:
            return json.loads(self.body)
        except ValueError:
            return self.body


class Parser:
    """Feed it bytes; ``next`` gives the first whole request, or None until there is one."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> None:
        self._bytes += data

    @property
    def expects_continue(self) -> bool:
        """A client waits for leave to send its body."""
        end = self._bytes.find(_HEAD_END)
        return end >= 0 and len(self._bytes) == end + 4 and b"100-continue" in self._bytes[:end].lower()

    def next(self) -> Parsed | None:
        end = self._bytes.find(_HEAD_END)
        if end < 0:
            if len(self._bytes) > MAX_HEAD:
                raise BadRequestError("no end of the head")
            return None
        method, target, headers = _read_head(bytes(self._bytes[:end]))
        message = self._body(end + len(_HEAD_END), headers)
        if message is None:
            return None
        body, used = message
        del self._bytes[:used]
        path, _, query = _ABSOLUTE.sub("", target).partition("?")
        return Parsed(method, unquote(path), query, headers, body)

    def _body(self, start: int, headers: dict[str, str]) -> tuple[bytes, int] | None:
        """The body and the number of bytes used up to its end, or None if more must come."""
        if "chunked" in headers.get("transfer-encoding", ""):
            return self._chunks(start)
        length = headers.get("content-length", "0")
        if not length.isdigit():
            raise BadRequestError(f"content-length: {length!r}")
        end = start + int(length)
        return (bytes(self._bytes[start:end]), end) if len(self._bytes) >= end else None

    def _chunks(self, at: int) -> tuple[bytes, int] | None:
        body = bytearray()
        while (stop := self._bytes.find(b"\r\n", at)) >= 0:
            size = _chunk_size(bytes(self._bytes[at:stop]))
            at = stop + 2 + size + 2
            if len(self._bytes) < at:
                return None
            if not size:
                return bytes(body), at
            body += self._bytes[stop + 2 : at - 2]
        return None


def _read_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):  # noqa: PLR2004 -- method, target, version
        raise BadRequestError(f"request line: {first[:80]!r}")
    headers = {}
    for text in lines:
        name, _, value = text.partition(":")
        headers[name.strip().lower()] = value.strip()
    return parts[0], parts[1], headers


def _chunk_size(text: bytes) -> int:
    try:
        return int(text.split(b";")[0], 16)
    except ValueError:
        raise BadRequestError(f"chunk size: {text[:20]!r}") from None
