"""Numbers that may enter a series: finite, not negative, not absurd. A NaN in a counter stays there for ever."""

from __future__ import annotations

from otel_llm.core.model import Observation

SECONDS = 1e9
"""What no number of seconds reaches; tokens and US dollars likewise."""
TOKENS = 10**15
DOLLARS = 1e9
_UNITS = 1e9


def sound(call: Observation) -> Observation:
    """``call`` itself, or a copy without the numbers that cannot be (the duration is 0 then: every call counts)."""
    (
        _, _, _, _, _, _, _, duration, _, _, first_chunk, _, gap_sum, taken, given, read, written, thought, _, _,
        cost, _, saved, *_,
    ) = call  # fmt: skip
    if (
        0.0 <= duration < SECONDS  # comparing a float with an integer takes thrice as long
        and (first_chunk is None or 0.0 <= first_chunk < SECONDS)
        and 0.0 <= gap_sum < SECONDS
        and (taken is None or 0 <= taken < TOKENS)
        and (given is None or 0 <= given < TOKENS)
        and (read is None or 0 <= read < TOKENS)
        and (written is None or 0 <= written < TOKENS)
        and (thought is None or 0 <= thought < TOKENS)
        and (cost is None or 0.0 <= cost < DOLLARS)
        and 0.0 <= saved < DOLLARS
        and 0.0 <= call.cost_avoidable < DOLLARS
        and (not call.fees or all(0 <= count < _UNITS for _, count in call.fees))
    ):
        return call
    return _repaired(call)


def _repaired(call: Observation) -> Observation:
    return call._replace(
        duration=_within(call.duration, SECONDS) or 0.0,
        first_chunk=_within(call.first_chunk, SECONDS),
        chunk_gap_sum=_within(call.chunk_gap_sum, SECONDS) or 0.0,
        input_tokens=_tokens(call.input_tokens),
        output_tokens=_tokens(call.output_tokens),
        cache_read_tokens=_tokens(call.cache_read_tokens),
        cache_write_tokens=_tokens(call.cache_write_tokens),
        thinking_tokens=_tokens(call.thinking_tokens),
        cost=_within(call.cost, DOLLARS),
        cost_saved=_within(call.cost_saved, DOLLARS) or 0.0,
        cost_avoidable=_within(call.cost_avoidable, DOLLARS) or 0.0,
        fees=tuple([(name, count) for name, count in call.fees if 0 <= count < _UNITS]),
    )


def _within(value: float | None, limit: float) -> float | None:
    return value if value is not None and 0 <= value < limit else None


def _tokens(value: int | None) -> int | None:
    return value if value is not None and 0 <= value < TOKENS else None
