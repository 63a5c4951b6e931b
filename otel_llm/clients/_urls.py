"""Where a URL leads."""

from __future__ import annotations

import re
from functools import cache
from urllib.parse import urlsplit


def place_of(url: str) -> tuple[str | None, int | None]:
    """Host and port of a URL; of one without a port, that of its scheme."""
    parts = urlsplit(url)
    return parts.hostname, parts.port or (port_of(parts.scheme) if parts.hostname else None)


def port_of(scheme: str) -> int | None:
    """The port of a scheme, where a URL names none."""
    return {"https": 443, "wss": 443, "http": 80, "ws": 80}.get(scheme)


@cache
def _regional() -> re.Pattern[str]:
    """Of hosts in a region. Compiled for the first of their clients."""
    return re.compile(
        r"(?P<openai>[a-z-]+)\.api\.openai\.com|(?:(?P<google>[a-z]+-[a-z]+\d+)-|(?P<global>))aiplatform\.googleapis\.com"
        r"|aiplatform\.(?P<several>[a-z]+)\.rep\.googleapis\.com"
    )


def region_of(host: str | None) -> str | None:
    """The region that a host of OpenAI's (with data residency) or of Vertex AI is in, as prices depend on it; None where it names none."""
    matched = _regional().fullmatch((host or "").lower())
    return None if matched is None else next((name for name in matched.groups() if name), "global")
