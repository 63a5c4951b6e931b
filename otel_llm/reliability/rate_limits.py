"""Rate limits as providers report them in response headers, read without holding on to any response."""

from __future__ import annotations

from collections.abc import Mapping

from otel_llm.calls.invocation import Invocation
from otel_llm.core import dispatch
from otel_llm.core.model import Event

# kind, header of what is left, header of the limit; the first that is there counts.
HEADERS: tuple[tuple[str, str, str], ...] = (
    ("requests", "x-ratelimit-remaining-requests", "x-ratelimit-limit-requests"),
    ("tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-limit-tokens"),
    ("requests", "anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-limit"),
    ("tokens", "anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-limit"),
    ("input_tokens", "anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-limit"),
    ("output_tokens", "anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-limit"),
    ("requests", "x-ratelimit-remaining-req-minute", "x-ratelimit-limit-req-minute"),
    ("tokens", "x-ratelimit-remaining-tokens-minute", "x-ratelimit-limit-tokens-minute"),
)


def read(call: Invocation, now: float, headers: Mapping[str, str]) -> None:
    """Emit what ``headers`` report at ``now`` (seconds since the epoch) of the limits behind ``call``."""
    limits = {name.lower(): value for name, value in headers.items() if "ratelimit" in name.lower()}
    if limits:
        _emit(call.key, now, limits)


def _emit(key: tuple[str, str, str], now: float, limits: Mapping[str, str]) -> None:
    kinds: set[str] = set()
    for kind, remaining, limit in HEADERS:
        if kind in kinds:
            continue
        for metric, header in (("otel_llm_rate_limit_remaining", remaining), ("otel_llm_rate_limit_limit", limit)):
            value = _number(limits.get(header))
            if value is not None:
                kinds.add(kind)
                dispatch.emit(Event(metric, now, (*key, kind), value))


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text else -1.0
    except ValueError:
        return None
    return value if 0.0 <= value < 1e18 else None  # noqa: PLR2004
