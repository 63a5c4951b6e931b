"""Where a URL leads."""

from __future__ import annotations

from urllib.parse import urlsplit


def place_of(url: str) -> tuple[str | None, int | None]:
    """Host and port of a URL; of one without a port, that of its scheme."""
    parts = urlsplit(url)
    return parts.hostname, parts.port or (port_of(parts.scheme) if parts.hostname else None)


def port_of(scheme: str) -> int | None:
    """The port of a scheme, where a URL names none."""
    return {"https": 443, "wss": 443, "http": 80, "ws": 80}.get(scheme)
