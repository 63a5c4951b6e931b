"""From a call that was decided to what the store takes: priced, and as often as it stands for others."""

from __future__ import annotations

import time
from collections.abc import Iterator

from otel_llm.core.model import Event, Observation, Usage
from otel_llm.pricing import Prices

from . import sampling
from .span import Call

_OLDEST = 40 * 86_400.0
"""Seconds: what is older was not made lately, whatever its clock says."""
_NONE = Usage()


def observations(call: Call, prices: Prices, now: float | None = None) -> Iterator[Observation]:
    """What a call is counted as: itself, as many times as its weight says. ``now`` is seconds since the epoch."""
    now = time.time() if now is None else now
    counted = observation(call, prices, now)
    for _ in range(sampling.times(call.weight, call.key)):
        yield counted


def observation(call: Call, prices: Prices, now: float) -> Observation:
    """The call as the store knows it. An impossible time counts as now."""
    at = call.end if now - _OLDEST < call.end <= now else now
    usage = _usage(call)
    cost: float | None = None
    incomplete: tuple[str, ...] = ()
    source, saved, unknown = "", 0.0, ""
    if usage is None:
        unknown = "" if call.error else "stream_without_usage" if call.stream else "missing"
        usage = _NONE
    else:
        price = prices.load().price(
            call.provider, call.model, call.response_model, usage, at, call.tier or None, call.address
        )
        cost, source, saved, incomplete = price
    if cost is None and call.cost is not None:
        cost, source = call.cost, "sender"
    return Observation(
        at, call.provider, call.model, call.operation, call.response_model, call.address, call.error, call.seconds, call.labels,
        call.stream, call.first_chunk, (), 0.0, usage.input_tokens, usage.output_tokens, usage.cache_read_tokens,
        usage.cache_write_tokens, usage.thinking_tokens, (), unknown, cost, source, saved, call.finish, call.key[:16].hex(),
        call.key[16:].hex(), (), incomplete, "", None, call.agent,
    )  # fmt: skip


def retry(call: Call) -> Event:
    """An attempt that was made again."""
    labels = (call.provider, call.model, call.operation, call.error, *call.labels)
    return Event("otel_llm_retries_total", call.end, labels, 1.0, call.key[:16].hex())


def _usage(call: Call) -> Usage | None:
    if call.tokens is None:
        return None
    usage = Usage.of(call.tokens.input, call.tokens.output)
    usage.cache_read_tokens, usage.cache_write_tokens = call.tokens.cache_read, call.tokens.cache_write
    usage.thinking_tokens = call.tokens.thinking
    return usage
