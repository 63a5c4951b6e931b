"""Numbers that may enter a series: finite, not negative, not absurd. A NaN in a counter stays there for ever."""

from __future__ import annotations

from otel_llm.core.model import Observation

_SECONDS = 1e9
_TOKENS = 10**15
_DOLLARS = 1e9
_UNITS = 1e9


def sound(call: Observation) -> Observation:
    """``call`` itself, or a copy without the numbers that cannot be (the duration is 0 then: every call counts)."""
    (
        _, _, _, _, _, _, _, duration, _, _, first_chunk, _, gap_sum, taken, given, read, written, thought, _, _,
        cost, _, saved, *_,
    ) = call  # fmt: skip
    if (
        0.0 <= duration < _SECONDS  # comparing a float with an integer takes thrice as long
        and (first_chunk is None or 0.0 <= first_chunk < _SECONDS)
        and 0.0 <= gap_sum < _SECONDS
        and (taken is None or 0 <= taken < _TOKENS)
        and (given is None or 0 <= given < _TOKENS)
        and (read is None or 0 <= read < _TOKENS)
        and (written is None or 0 <= written < _TOKENS)
        and (thought is None or 0 <= thought < _TOKENS)
        and (cost is None or 0.0 <= cost < _DOLLARS)
        and 0.0 <= saved < _DOLLARS
        and 0.0 <= call.cost_avoidable < _DOLLARS
        and (not call.fees or all(0 <= count < _UNITS for _, count in call.fees))
    ):
        return call
    return _repaired(call)


def _repaired(call: Observation) -> Observation:
    return call._replace(
        duration=_within(call.duration, _SECONDS) or 0.0,
        first_chunk=_within(call.first_chunk, _SECONDS),
        chunk_gap_sum=_within(call.chunk_gap_sum, _SECONDS) or 0.0,
        input_tokens=_tokens(call.input_tokens),
        output_tokens=_tokens(call.output_tokens),
        cache_read_tokens=_tokens(call.cache_read_tokens),
        cache_write_tokens=_tokens(call.cache_write_tokens),
        thinking_tokens=_tokens(call.thinking_tokens),
        cost=_within(call.cost, _DOLLARS),
        cost_saved=_within(call.cost_saved, _DOLLARS) or 0.0,
        cost_avoidable=_within(call.cost_avoidable, _DOLLARS) or 0.0,
        fees=tuple([(name, count) for name, count in call.fees if 0 <= count < _UNITS]),
    )


def _within(value: float | None, limit: float) -> float | None:
    return value if value is not None and 0 <= value < limit else None


def _tokens(value: int | None) -> int | None:
    return value if value is not None and 0 <= value < _TOKENS else None
